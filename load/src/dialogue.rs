//! The messages of SIP that a load needs, and no more of it.

use std::net::SocketAddr;

use sip::{Challenge, Header, Message, digest};

/// One side of a dialog as its requests name it.
pub struct Side<'a> {
    /// Where we are.
    pub here: SocketAddr,
    /// The dialog's Call-ID.
    pub call_id: &'a str,
    /// The request's URI.
    pub uri: &'a str,
    /// From, without its tag.
    pub from: &'a str,
    /// To, with a tag once there is one.
    pub to: &'a str,
}

impl Side<'_> {
    /// A request in it. `branch` is this transaction's.
    pub fn request(&self, method: &str, cseq: u32, branch: &str, headers: &str, sdp: &str) -> String {
        let Self { here, call_id, uri, from, to } = self;
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};rport;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: {from};tag=load\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:load@{here}>\r\nUser-Agent: sibai load\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n\
             {headers}{kind}Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }
}

/// An offer or an answer: PCMA at this address, and keys as events unless they are to be heard as tones.
pub fn sdp(at: SocketAddr, tones: bool) -> String {
    let codecs = if tones { "8" } else { "8 101" };
    let keys = if tones { "" } else { "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n" };
    let (ip, port) = (at.ip(), at.port());
    let family = if at.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {codecs}\r\n\
         a=rtpmap:8 PCMA/8000\r\n{keys}a=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Where a description wants audio.
pub fn audio_of(message: &Message) -> Option<SocketAddr> {
    let text = std::str::from_utf8(message.body()).ok()?;
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let ip = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.trim().parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

/// The header that answers a challenge to a REGISTER.
pub fn proof(challenged: &Message, user: &str, password: &str, uri: &str) -> Option<String> {
    let value = challenged.header(Header::WwwAuthenticate)?;
    let challenge = Challenge::parse(&value.text()).ok()?;
    let answer = digest::answer(&challenge, digest::Login { user, password }, "REGISTER", uri, "load", 1)?;
    Some(format!("Authorization: {answer}\r\n"))
}
