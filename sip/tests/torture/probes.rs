//! What phones and carriers really send and libraries stumble over, and what is too large to be taken.

use super::Torture;

/// Everyday traffic.
pub(crate) fn probes() -> Vec<Torture> {
    let mut probes: Vec<Torture> =
        TEXTS.iter().map(|&(name, text)| Torture { name, bytes: super::wire(name, text) }).collect();
    probes.push(Torture { name: "not-utf8", bytes: not_utf8() });
    probes.push(Torture { name: "binary-body", bytes: binary_body() });
    probes.push(Torture { name: "via-100", bytes: repeated("via-100", VIA, 100) });
    probes
}

/// Beyond a limit: never read, always answered or dropped.
pub(crate) fn oversize() -> Vec<Torture> {
    let route = "Route: <sip:hop.example.com;lr>\r\n";
    let in_one_line =
        format!("Route: {}<sip:hop.example.com;lr>\r\n", "<sip:hop.example.com;lr>,".repeat(999));
    let long = format!("Subject: {}\r\n", "x".repeat(64_000));
    vec![
        Torture { name: "longest-datagram", bytes: padded("longest-datagram", LONGEST) },
        Torture { name: "line-64k", bytes: repeated("line-64k", &long, 1) },
        Torture { name: "headers-10000", bytes: repeated("headers-10000", "X: 1\r\n", 10_000) },
        Torture { name: "route-1000", bytes: repeated("route-1000", route, 1_000) },
        Torture {
            name: "route-1000-in-one-line",
            bytes: repeated("route-1000-in-one-line", &in_one_line, 1),
        },
    ]
}

/// Ten megabytes of body: only a stream can carry it.
pub(crate) fn ten_megabytes() -> Torture {
    Torture { name: "body-10mb", bytes: padded("body-10mb", 10 << 20) }
}

fn head(name: &str, method: &str) -> String {
    format!(
        "{method} sip:user@example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK{name}\r\n\
        Max-Forwards: 70\r\n\
        From: <sip:caller@example.net>;tag=f1\r\n\
        To: <sip:user@example.com>\r\n\
        Call-ID: {name}.1\r\n\
        CSeq: 1 {method}\r\n"
    )
}

/// An OPTIONS with a header line so many times.
fn repeated(name: &str, line: &str, times: usize) -> Vec<u8> {
    format!("{}{}Content-Length: 0\r\n\r\n", head(name, "OPTIONS"), line.repeat(times)).into_bytes()
}

/// An OPTIONS that a body brings to this length.
fn padded(name: &str, length: usize) -> Vec<u8> {
    let head = format!("{}Content-Type: text/plain\r\nContent-Length: ", head(name, "OPTIONS"));
    // The number takes part in the length that it tells.
    let digits = length.to_string().len();
    let body = length - head.len() - digits - 4;
    let mut bytes = format!("{head}{body:0digits$}\r\n\r\n").into_bytes();
    bytes.resize(length, b'x');
    bytes
}

fn not_utf8() -> Vec<u8> {
    let mut bytes = head("not-utf8", "OPTIONS").into_bytes();
    bytes.extend_from_slice(
        b"Subject: caf\xe9 \xff\xfe\r\nOrganization: after it\r\nContent-Length: 0\r\n\r\n",
    );
    bytes
}

fn binary_body() -> Vec<u8> {
    let body: Vec<u8> = (0..=255).chain(*b"\r\n\r\n\0").collect();
    let mut bytes = format!(
        "{}Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        head("binary-body", "MESSAGE"),
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

/// The longest datagram has 65,507 bytes; a few are left for what makes one copy another message.
const LONGEST: usize = 65_480;

const VIA: &str = "Via: SIP/2.0/UDP hop.example.com;branch=z9hG4bKhop\r\n";

/// Name and text. `057155550100` is the number of the shipped line: these INVITEs become calls.
#[rustfmt::skip]
const TEXTS: &[(&str, &str)] = &[
    ("no-length", r"
INVITE sip:057155550100@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKnolength
Max-Forwards: 70
From: <sip:13800138000@example.net>;tag=f2
To: <sip:057155550100@127.0.0.1>
Call-ID: no-length.1
CSeq: 1 INVITE
Contact: <sip:13800138000@192.0.2.7>
Content-Type: application/sdp

{SDP}"),
    ("star", r"
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKstar
Max-Forwards: 70
From: <sip:8001@example.com>;tag=f3
To: <sip:8001@example.com>
Call-ID: star.1
CSeq: 1 REGISTER
Contact: *
Expires: 0
Content-Length: 0

"),
    ("outbound", r#"
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKoutbound;rport;keep
Max-Forwards: 70
From: <sip:8001@example.com>;tag=f4
To: <sip:8001@example.com>
Call-ID: outbound.1
CSeq: 1 REGISTER
Supported: path, outbound, gruu
Contact: <sip:8001@192.0.2.7:5060;ob>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"
Content-Length: 0

"#),
    ("compact", r"
INVITE sip:057155550100@127.0.0.1 SIP/2.0
V: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKcompact
Max-Forwards: 70
F: <sip:13800138000@example.net>;tag=f5
T: <sip:057155550100@127.0.0.1>
I: compact.1
CSeq: 1 INVITE
M: <sip:13800138000@192.0.2.7>
C: application/sdp
L: 150

{SDP}"),
    ("two-vias", r"
OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKtwo, SIP/2.0/TCP 192.0.2.8;branch=z9hG4bKsecond
Max-Forwards: 70
From: <sip:caller@example.net>;tag=f6
To: <sip:user@example.com>
Call-ID: two-vias.1
CSeq: 1 OPTIONS
Content-Length: 0

"),
    ("ipv6-via-contact", r"
INVITE sip:057155550100@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP [2001:db8::7]:5060;branch=z9hG4bKsix
Max-Forwards: 70
From: <sip:13800138000@[2001:db8::7]>;tag=f7
To: <sip:057155550100@127.0.0.1>
Call-ID: ipv6-via-contact.1
CSeq: 1 INVITE
Contact: <sip:13800138000@[2001:db8::7]:5060>
Content-Type: application/sdp
Content-Length: 150

{SDP}"),
    ("tel", r"
INVITE tel:057155550100;phone-context=+86 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKtel
Max-Forwards: 70
From: <tel:+86-138-0013-8000>;tag=f8
To: <tel:057155550100;phone-context=+86>
Call-ID: tel.1
CSeq: 1 INVITE
Contact: <sip:192.0.2.7:5060>
Content-Type: application/sdp
Content-Length: 150

{SDP}"),
    ("folded-via", r"
OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP
 192.0.2.7:5060
  ;branch=z9hG4bKfolded
Max-Forwards: 70
From: <sip:caller@example.net>;tag=f9
To: <sip:user@example.com>
Call-ID: folded-via.1
CSeq: 1 OPTIONS
Content-Length: 0

"),
    ("unknown-method", r"
FETCH sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKfetch
Max-Forwards: 70
From: <sip:caller@example.net>;tag=fa
To: <sip:user@example.com>
Call-ID: unknown-method.1
CSeq: 1 FETCH
User-Agent: long enough that its answer is not half again as long, or a stranger hears nothing
Content-Length: 0

"),
    ("percent", r"
OPTIONS sip:100%25%2525@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKpercent
Max-Forwards: 70
From: <sip:50%25off@example.net>;tag=fb
To: <sip:100%25%2525@example.com>
Call-ID: percent.1
CSeq: 1 OPTIONS
Content-Length: 0

"),
    ("tenth-use-of-a-nonce", r#"
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKtenth
Max-Forwards: 70
From: <sip:8999@example.com>;tag=fc
To: <sip:8999@example.com>
Call-ID: tenth.1
CSeq: 10 REGISTER
Contact: <sip:8999@192.0.2.7:5060>
Authorization: Digest username="8999", realm="sibai", nonce="old", uri="sip:example.com", response="0123456789abcdef0123456789abcdef", algorithm=SHA-256, cnonce="c", qop=auth, nc=0000000a
Content-Length: 0

"#),
    ("no-max-forwards", r"
OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKnomf
From: <sip:caller@example.net>;tag=fd
To: <sip:user@example.com>
Call-ID: no-max-forwards.1
CSeq: 1 OPTIONS
Content-Length: 0

"),
];
