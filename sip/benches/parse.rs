//! What a message costs by CPU time: parsing it, reading ten typed headers, writing it; beside rsip on the
//! same bytes in the same run.
//!
//! `cargo bench -p sip --bench parse`
#![allow(clippy::unwrap_used, dead_code, reason = "a bench: a panic is its failure")]

mod cpu;

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use cpu::{each, micros, row};
use rsip::headers::UntypedHeader;
use rsip::message::{HasHeaders, HeadersExt};
use rsip::prelude::ToTypedHeader;
use sip::{Carriage, Draft, Header, Message};

/// An INVITE of 20 headers with a description of 318 bytes, as a softphone sends it.
fn invite() -> Bytes {
    let mut sdp = "v=0\r\no=- 3895 3895 IN IP4 192.168.1.20\r\ns=pjmedia\r\nc=IN IP4 192.168.1.20\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 8 0 101\r\na=rtcp:4001 IN IP4 192.168.1.20\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\na=ssrc:1 cname:"
        .to_owned();
    while sdp.len() < 316 {
        sdp.push('x');
    }
    sdp.push_str("\r\n");
    assert_eq!(sdp.len(), 318);
    let head = "INVITE sip:4001@pbx.example.com;transport=udp SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.10:5060;rport;branch=z9hG4bKPj7d2f6c1ea0b94a1c\r\n\
        Via: SIP/2.0/UDP 192.168.1.20:5062;received=203.0.113.9;branch=z9hG4bKnashds8\r\n\
        Max-Forwards: 69\r\n\
        From: \"Alice Wang\" <sip:alice@pbx.example.com>;tag=a6c85cf1\r\n\
        To: <sip:4001@pbx.example.com>\r\n\
        Contact: <sip:alice@192.168.1.20:5062;ob>\r\n\
        Call-ID: 3848276298220188511@192.168.1.20\r\n\
        CSeq: 21763 INVITE\r\n\
        Route: <sip:192.0.2.1;lr>\r\n\
        Record-Route: <sip:192.0.2.10;lr;ftag=a6c85cf1>\r\n\
        Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS\r\n\
        Supported: replaces, 100rel, timer, norefersub\r\n\
        Session-Expires: 1800\r\n\
        Min-SE: 90\r\n\
        User-Agent: Softphone 3.21\r\n\
        P-Asserted-Identity: <sip:+861012345678@pbx.example.com>\r\n\
        Authorization: Digest username=\"alice\", realm=\"pbx.example.com\", nonce=\"5f3e2a\", uri=\"sip:4001@pbx.example.com\", response=\"8ca523f5e9506fed4657c9700eebdbec\", algorithm=MD5, cnonce=\"0a4f\", qop=auth, nc=00000001\r\n\
        Accept: application/sdp\r\n\
        Content-Type: application/sdp\r\n";
    format!("{head}Content-Length: 318\r\n\r\n{sdp}").into()
}

/// Ten typed headers: Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, Route, Session-Expires, Allow.
fn ten_typed(message: &Message) {
    black_box(message.via().unwrap());
    black_box(message.from().unwrap());
    black_box(message.to().unwrap());
    black_box(message.call_id());
    black_box(message.cseq());
    black_box(message.contact().unwrap());
    black_box(message.number(Header::MaxForwards).unwrap());
    black_box(message.addresses(Header::Route).unwrap());
    black_box(message.session_expires().unwrap());
    black_box(message.lists_token(Header::Allow, "OPTIONS"));
}

/// The same of rsip, as far as it goes: Session-Expires and Allow stay untyped there.
fn ten_typed_by_rsip(request: &rsip::Request) {
    black_box(request.via_header().unwrap().typed().unwrap());
    black_box(request.from_header().unwrap().typed().unwrap());
    black_box(request.to_header().unwrap().typed().unwrap());
    black_box(request.call_id_header().unwrap().value());
    black_box(request.cseq_header().unwrap().typed().unwrap());
    black_box(request.contact_header().unwrap().typed().unwrap());
    black_box(request.max_forwards_header().unwrap().num().unwrap());
    let header =
        |wanted: fn(&rsip::Header) -> bool| black_box(request.headers().iter().find(|h| wanted(h)).is_some());
    if let Some(rsip::Header::Route(route)) =
        request.headers().iter().find(|header| matches!(header, rsip::Header::Route(_)))
    {
        black_box(route.typed().unwrap());
    }
    header(
        |header| matches!(header, rsip::Header::Other(name, _) if name.eq_ignore_ascii_case("session-expires")),
    );
    header(|header| matches!(header, rsip::Header::Allow(_)));
}

fn main() {
    let bytes = invite();
    let message = Message::parse(bytes.clone(), Carriage::Datagram).unwrap();
    assert_eq!(message.lines().count(), 20);
    let source = "192.0.2.10:5060".parse().unwrap();
    let ours = || Message::parse(bytes.clone(), Carriage::Datagram).unwrap();
    let theirs = || rsip::Request::try_from(bytes.as_ref()).unwrap();
    let request = theirs();

    row("an INVITE of 20 headers, SDP of 318 bytes", "CPU time", "goal");
    let parse = cost(|| drop(black_box(ours())));
    let typed = cost(|| ten_typed(&ours()));
    let write = cost(|| drop(black_box(Draft::of(&message).finish())));
    let reply = cost(|| drop(black_box(message.reply(200, source, Some("t")).finish())));
    let rsip_parse = cost(|| drop(black_box(theirs())));
    let rsip_typed = cost(|| ten_typed_by_rsip(&theirs()));
    let rsip_write = cost(|| drop(black_box(request.to_string())));

    row("parse", &micros(parse), "");
    row("parse and ten typed headers", &micros(typed), "<= 2 µs");
    row("rewrite line by line", &micros(write), "");
    row("reply 200", &micros(reply), "");
    row("rsip: parse", &micros(rsip_parse), "");
    row("rsip: parse and ten typed headers", &micros(rsip_typed), "");
    row("rsip: write", &micros(rsip_write), "");
    let share = typed.as_secs_f64() / rsip_typed.as_secs_f64();
    row("ours of rsip's: parse and ten typed headers", &format!("1/{:.2}", 1.0 / share), "<= 1/5");
}

fn cost(work: impl Fn()) -> Duration {
    each(BATCH, || cpu::of(|| (0..BATCH).for_each(|_| work())).0)
}

/// Deeds in one measured run.
const BATCH: u64 = 5000;
