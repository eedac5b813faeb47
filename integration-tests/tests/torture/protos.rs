//! INVITEs with one thing wrong in one place: every place of the message by every anomaly, as the PROTOS suite
//! divides them. Deterministic: a case is its number.

/// How many cases there are.
pub(crate) fn cases() -> usize {
    2 * fields() * anomalies().len()
}

/// One case: the field, what stands in it, and the message with `number` in Call-ID, tag and branch.
pub(crate) struct Case {
    /// Which field, and whether the anomaly stands in its place or behind it.
    pub(crate) name: String,
    /// The message.
    pub(crate) bytes: Vec<u8>,
}

impl Case {
    /// The case of this number, below [`cases`].
    pub(crate) fn of(number: usize, anomalies: &[Vec<u8>]) -> Self {
        let (field, rest) = (number % fields(), number / fields());
        let (anomaly, replaces) = (&anomalies[rest / 2], rest % 2 == 0);
        let mut name = String::new();
        let mut parts = [Vec::new(), Vec::new()];
        let mut seen = 0;
        for (half, template) in parts.iter_mut().zip([HEAD, BODY]) {
            for piece in template {
                match *piece {
                    Plain(text) => {
                        half.extend_from_slice(text.replace("{n}", &number.to_string()).as_bytes());
                    }
                    Field(text, what) => {
                        if seen != field || !replaces {
                            half.extend_from_slice(text.as_bytes());
                        }
                        if seen == field {
                            half.extend_from_slice(anomaly);
                            name = format!(
                                "{what} {} {:?}",
                                if replaces { "is" } else { "and" },
                                shown(anomaly)
                            );
                        }
                        seen += 1;
                    }
                }
            }
        }
        let [mut bytes, body] = parts;
        // The last field of the head is Content-Length: its own value is the true one.
        let length = body.len().to_string();
        if field == fields() - 1 {
            let own = if replaces { String::new() } else { length };
            bytes.extend_from_slice(format!("Content-Length: {own}").as_bytes());
            bytes.extend_from_slice(anomaly);
            name = format!("Content-Length {} {:?}", if replaces { "is" } else { "and" }, shown(anomaly));
        } else {
            bytes.extend_from_slice(format!("Content-Length: {length}").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&body);
        Self { name, bytes }
    }
}

fn shown(anomaly: &[u8]) -> String {
    let start = String::from_utf8_lossy(&anomaly[..anomaly.len().min(24)]).into_owned();
    format!("{start} ({} bytes)", anomaly.len())
}

/// Content-Length is one more than the templates show.
fn fields() -> usize {
    HEAD.iter().chain(BODY).filter(|piece| matches!(piece, Field(..))).count() + 1
}

/// Everything that may stand where it should not.
pub(crate) fn anomalies() -> Vec<Vec<u8>> {
    let mut anomalies: Vec<Vec<u8>> = TEXTS.iter().map(|text| text.to_vec()).collect();
    for length in [1, 16, 128, 255, 256, 257, 1_024, 4_096, 8_191, 8_192, 16_384, 60_000] {
        anomalies.push(vec![b'a'; length]);
    }
    for (byte, length) in
        [(b' ', 128), (b' ', 8_000), (0, 1), (0, 128), (b'\t', 64), (b'9', 1_000), (b'(', 500)]
    {
        anomalies.push(vec![byte; length]);
    }
    for (text, times) in
        [("%s", 64), ("%n", 64), ("%00", 500), (";a=b", 300), ("<sip:a@b>,", 120), ("\"", 333), ("[::", 50)]
    {
        anomalies.push(text.repeat(times).into_bytes());
    }
    anomalies
}

#[derive(Clone, Copy)]
enum Piece {
    /// Always there.
    Plain(&'static str),
    /// A value, and what it is.
    Field(&'static str, &'static str),
}

use Piece::{Field, Plain};

#[rustfmt::skip]
const HEAD: &[Piece] = &[
    Field("INVITE", "method"), Plain(" "), Field("sip", "scheme"), Plain(":"), Field("057155550100", "user"),
    Plain("@"), Field("127.0.0.1", "host"), Plain(":"), Field("5060", "port"), Field("", "URI parameters"),
    Plain(" "), Field("SIP/2.0", "version"), Field("\r\n", "end of the request line"),
    Plain("Via: "), Field("SIP/2.0/UDP", "protocol"), Plain(" "), Field("127.0.0.1", "Via host"), Plain(":"),
    Field("5080", "Via port"), Plain(";branch=z9hG4bKp{n}"), Field("", "branch"), Plain(";rport"),
    Field("", "Via parameters"), Plain("\r\nMax-Forwards: "), Field("70", "Max-Forwards"), Plain("\r\nFrom: "),
    Field("\"Li Na\"", "display name"), Plain(" <"), Field("sip:13800138000@127.0.0.1", "From URI"),
    Plain(">;tag=t{n}"), Field("", "From tag"), Plain("\r\nTo: "), Field("<sip:057155550100@127.0.0.1>", "To"),
    Plain("\r\nCall-ID: p{n}"), Field("", "Call-ID"), Plain("\r\nCSeq: "), Field("1", "CSeq number"), Plain(" "),
    Field("INVITE", "CSeq method"), Plain("\r\nContact: "), Field("<sip:13800138000@127.0.0.1:5080>", "Contact"),
    Plain("\r\n"), Field("Supported", "header name"), Field(":", "colon"), Plain(" "), Field("timer", "Supported"),
    Field("\r\n", "end of a line"), Plain("Session-Expires: "), Field("1800", "Session-Expires"),
    Plain("\r\nP-Asserted-Identity: "), Field("<sip:13800138000@127.0.0.1>", "P-Asserted-Identity"),
    Plain("\r\nDiversion: "), Field("<sip:4005550100@127.0.0.1>;reason=unconditional", "Diversion"),
    Plain("\r\nContent-Type: "), Field("application/sdp", "Content-Type"), Plain("\r\n"),
];

#[rustfmt::skip]
const BODY: &[Piece] = &[
    Plain("v="), Field("0", "SDP version"), Plain("\r\no="), Field("- 1 1 IN IP4 127.0.0.1", "SDP origin"),
    Plain("\r\ns="), Field("-", "SDP name"), Plain("\r\nc=IN "), Field("IP4", "SDP address type"), Plain(" "),
    Field("127.0.0.1", "SDP address"), Plain("\r\nt="), Field("0 0", "SDP time"), Plain("\r\nm=audio "),
    Field("40000", "SDP port"), Plain(" "), Field("RTP/AVP", "SDP profile"), Plain(" "), Field("8 0", "SDP formats"),
    Plain("\r\na=rtpmap:"), Field("8 PCMA/8000", "SDP rtpmap"), Plain("\r\na="), Field("ptime:20", "SDP attribute"),
    Field("\r\n", "end of the SDP"),
];

#[rustfmt::skip]
const TEXTS: &[&[u8]] = &[
    // Nothing, blanks and line ends.
    b"", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n ", b"\r\n\r\n", b"\n\n", b"\r\nX: y\r\n",
    // Format strings.
    b"%s", b"%d", b"%n", b"%x%x%x%x%n", b"%99999999d", b"%.1024d", b"{}", b"$(id)", b"${x}", b"`id`",
    // UTF-8, whole and broken.
    "\u{e9}".as_bytes(), "\u{674e}\u{5a1c}".as_bytes(), "\u{1f600}".as_bytes(), b"\xc0\xaf", b"\x80", b"\xff\xfe",
    b"\xed\xa0\x80", b"\xe4\xbd", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\0", b"a\0b", b"\x1b[2J", b"\x7f",
    // IPv4 in its odd forms.
    b"0.0.0.0", b"255.255.255.255", b"256.256.256.256", b"1.2.3", b"1.2.3.4.5", b"0x7f000001", b"2130706433",
    b"127.1", b"0177.0.0.1", b"-1.-1.-1.-1", b"1.2.3.4:99999", b"...", b"1.2.3.4.", b"224.0.0.1",
    // IPv6 in its odd forms.
    b"::", b"::1", b"[::1]", b"[::ffff:1.2.3.4]", b"[1::2::3]", b"[fe80::1%25eth0]", b"[::", b"[:::]", b"[", b"]",
    b"[1:2:3:4:5:6:7:8:9]", b"[::1]:99999",
    // Numbers at their edges.
    b"0", b"-1", b"1", b"127", b"128", b"255", b"256", b"32767", b"32768", b"65535", b"65536", b"2147483647",
    b"2147483648", b"4294967295", b"4294967296", b"9223372036854775807", b"9223372036854775808",
    b"18446744073709551615", b"18446744073709551616", b"-2147483648", b"-9223372036854775808", b"1e9", b"0x10",
    b"1.5", b"+5", b"00000000000000000001",
    // Marks that mean something elsewhere.
    b"<", b">", b"<<>>", b"\"", b"\"\"", b"\\", b"\"\\\"", b"'", b";", b";;;;", b";=", b";a=", b"=;", b",", b",,,,",
    b":", b"::::", b"@", b"@@", b"?", b"?a=b&c", b"&", b"=", b"%", b"%0", b"%zz", b"%00", b"%0d%0a", b"(", b")",
    b"(((", b"/", b"//", b"*", b"#", b"!", b"|",
    // Other schemes and other languages.
    b"sip:", b"sip:@", b"sips:a@b", b"tel:1", b"http://a/", b"urn:x:y", b"javascript:1", b"../../../../etc/passwd",
    b"' or 1=1 --", b"<script>", b"INVITE", b"SIP/2.0", b"SIP/2.0/TCP", b"application/sdp",
];
