//! Messages that hurt, by the names that their RFCs give them: RFC 4475, RFC 5118, and what phones really send.
//!
//! Read here by the parser's tests, and by integration-tests, which send them to the running engine.

#[path = "ipv6.rs"]
mod ipv6;
#[path = "probes.rs"]
mod probes;
#[path = "semantics.rs"]
mod semantics;
#[path = "syntax.rs"]
mod syntax;

pub(crate) use probes::{oversize, probes, ten_megabytes};

/// A message.
pub(crate) struct Torture {
    /// The RFC's file name.
    pub(crate) name: &'static str,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

/// The eleven of RFC 5118.
pub(crate) fn ipv6() -> Vec<Torture> {
    ipv6::TEXTS.iter().map(|&(name, text)| Torture { name, bytes: wire(name, text) }).collect()
}

/// The 49 of RFC 4475.
pub(crate) fn all() -> Vec<Torture> {
    let mut all: Vec<Torture> = syntax::TEXTS
        .iter()
        .chain(semantics::TEXTS)
        .map(|&(name, text)| Torture { name, bytes: wire(name, text) })
        .collect();
    all.push(Torture { name: "intmeth", bytes: intmeth() });
    all.push(Torture { name: "longreq", bytes: longreq() });
    all.push(Torture { name: "mpart01", bytes: mpart01() });
    all.push(Torture { name: "unreason", bytes: unreason() });
    all
}

/// Line ends as on the wire; `{SDP}` stands for the description that most of them carry.
fn wire(name: &str, text: &str) -> Vec<u8> {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let text = text.replace("{SDP}", &SDP.replace("ADDRESS", "192.0.2.1"));
    // This one's lines must not be mended.
    assert!(!text.contains('\r'), "{name}");
    text.replace('\n', "\r\n").into_bytes()
}

fn intmeth() -> Vec<u8> {
    let head = [
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0",
        "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
        "To: \"BEL:\\\u{7} NUL:\\\0 DEL:\\\u{7f}\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>",
        "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\u{430}\u{431}\u{43e}\u{442}\u{430}\u{44e}\u{449}\u{438}\u{439}\";tag=_token~1'+`*%!-.",
        "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
        "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~",
        "Max-Forwards: 255",
        "extensionHeader-!.%*+_`'~:\u{fffb}\u{5927}\u{505c}\u{96fb}",
        "Content-Length: 0",
        "",
        "",
    ];
    head.join("\r\n").into_bytes()
}

fn longreq() -> Vec<u8> {
    let long = |word: &str, times: usize| word.repeat(times);
    let mut lines = vec![
        "INVITE sip:user@example.com SIP/2.0".to_owned(),
        format!(
            "To: \"I have a user name of {} proportion\"<sip:user@example.com:6000;unknownparam1=very{}value;long{}=shortvalue;very{}ParameterNameWithNoValue>",
            long("extreme", 10),
            long("long", 20),
            long("name", 25),
            long("long", 25)
        ),
        format!(
            "F: sip:{}@example.net;tag=1{}424;unknownheaderparam{}=unknowheaderparam{};unknownValueless{}",
            long("amazinglylongcallername", 5),
            long("298", 50),
            long("name", 20),
            long("value", 15),
            long("paramname", 10)
        ),
        format!("Call-ID: longreq.one{}longcallid", long("really", 20)),
        "CSeq: 3882340 INVITE".to_owned(),
        format!(
            "Unknown-{}-Name: unknown-{}-value; unknown-{}-parameter-name = unknown-{}-parameter-value",
            long("Long", 20),
            long("long", 20),
            long("long", 20),
            long("long", 20)
        ),
    ];
    let names =
        ["Via:", "v:", "V:", "ViA:", "VIa:", "VIA:", "via:", "viA:", "vIa:", "vIA:", "V :", "v  :", "Via  :"];
    for number in (1..=33).rev() {
        lines.push(format!("{} SIP/2.0/TCP sip{number}.example.com", names[number % names.len()]));
    }
    lines.push(format!(
        "Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very{}branchvalue",
        long("long", 50)
    ));
    lines.push("Max-Forwards: 70".to_owned());
    lines.push(format!("Contact: <sip:{}@host5.example.net>", long("amazinglylongcallername", 5)));
    lines.push("Content-Type: application/sdp".to_owned());
    lines.push("l: 150".to_owned());
    let body = SDP.replace("ADDRESS", "192.0.2.1").replace('\n', "\r\n");
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

fn mpart01() -> Vec<u8> {
    let head = "MESSAGE sip:kumiko@example.org SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport\r\n\
        Max-Forwards: 70\r\n\
        Route: <sip:127.0.0.1:5080>\r\n\
        Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq37CD+813gvYjcBUaZngQmXc9WNZSDNGCzA+fWl9MEUHWIZo1CeJebdY/XlgKeTa0Olvq0rt70Q5jiSfbqMJmQFteeivUhkMWYUA=\r\n\
        Contact: <sip:fluffy@127.0.0.1:5070>\r\n\
        To: <sip:kumiko@example.org>\r\n\
        From: <sip:fluffy@example.com>;tag=2fb0dcc9\r\n\
        Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..\r\n\
        CSeq: 1 MESSAGE\r\n\
        Content-Transfer-Encoding: binary\r\n\
        Content-Type: multipart/mixed;boundary=7a9cbec02ceef655\r\n\
        Date: Sat, 15 Oct 2005 04:44:56 GMT\r\n\
        User-Agent: SIPimp.org/0.2.5 (curses)\r\n";
    let mut body = b"--7a9cbec02ceef655\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nHello\r\n--7a9cbec02ceef655\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n".to_vec();
    // The RFC carries an S/MIME signature here; what matters is that every byte value, CR and LF and NUL
    // among them, passes.
    body.extend((0..=255_u8).chain((0..=255).rev()).chain(*b"\r\n\r\n\0\r\n"));
    body.extend_from_slice(b"\r\n--7a9cbec02ceef655--\r\n");
    let mut bytes = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend(body);
    bytes
}

fn unreason() -> Vec<u8> {
    let body = SDP.replace("ADDRESS", "192.0.2.198").replace('\n', "\r\n");
    format!(
        "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e} \u{434}\u{435}\u{432}\u{44f}\u{43d}\u{43e}\u{441}\u{442}\u{43e} \u{434}\u{435}\u{432}\u{44f}\u{442}\u{44c} - \u{43f}\u{440}\u{43e}\u{441}\u{442}\u{43e}\u{435}\r\n\
        Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\n\
        Call-ID: unreason.1234ksdfak3j2erwedfsASdf\r\n\
        CSeq: 35 INVITE\r\n\
        From: sip:user@example.com;tag=11141343\r\n\
        To: sip:user@example.edu;tag=2229\r\n\
        Content-Length: {}\r\n\
        Content-Type: application/sdp\r\n\
        Contact: <sip:user@host198.example.com>\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

const SDP: &str = "v=0\no=mhandley 29739 7272939 IN IP4 ADDRESS\ns=-\nc=IN IP4 ADDRESS\nt=0 0\nm=audio 49217 RTP/AVP 0 12\nm=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n";
