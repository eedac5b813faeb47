//! What of one leg is written on the other, and what is not: a back-to-back user agent starts anew.

#![allow(clippy::unwrap_used, reason = "a failure to read is a failed test")]

use std::net::SocketAddr;
use std::time::Duration;

use integration_tests::world::example::NUMBER;
use integration_tests::world::{CARRIER, Example, SIBAI};
use phones::Behaviour;
use sip::{Carriage, Header, Message, Method};

use crate::words::*;

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\n";

/// A caller of the trunk that writes its own messages.
struct Raw {
    example: Example,
    carrier: SocketAddr,
    to: String,
}

impl Raw {
    fn calls(more: &str, from: &str) -> Self {
        let mut example = Example::at(OPEN);
        let carrier = CARRIER.parse().unwrap();
        example.seat("zhao_min", Behaviour::waits());
        let seat = example.world.phone(example.seat_phone("zhao_min")).setup().local_sip;
        example.world.overhear(carrier);
        example.world.overhear(seat);
        let mut raw = Self { example, carrier, to: format!("<sip:{NUMBER}@{SIBAI}>") };
        let more = format!("{more}Content-Type: application/sdp\r\n");
        let heard = raw.asks("INVITE", 1, from, &more, SDP);
        let answer = heard.iter().find(|message| message.status() == Some(200)).unwrap();
        raw.to = answer.to().unwrap().to_string();
        raw.asks("ACK", 1, from, "", "");
        raw
    }

    /// Sends a request in its dialog; everything that was heard within a second, at either end, save the probes.
    fn asks(&mut self, method: &str, number: u32, from: &str, more: &str, body: &str) -> Vec<Message> {
        let bytes = format!(
            "{method} sip:{NUMBER}@{SIBAI} SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK{method}{number}\r\n\
            Max-Forwards: 70\r\nFrom: {from}\r\nTo: {}\r\nCall-ID: raw\r\nCSeq: {number} {method}\r\n\
            Contact: <sip:caller@{CARRIER}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.to,
            body.len()
        );
        self.example.world.inject(self.carrier, bytes.into_bytes());
        self.example.run(Duration::from_secs(1));
        let heard = self.example.world.overheard();
        let heard = heard.into_iter().map(|bytes| Message::parse(bytes.into(), Carriage::Datagram).unwrap());
        heard.filter(|message| !message.is_request() || *message.method() != Method::Options).collect()
    }
}

const FROM: &str = "\"\u{674e}\u{5a1c} \\\"\u{8d85}\\\"\" <sip:+8613800138000;npdi=yes@carrier.example.cn;user=phone>;tag=r1;epid=7";

#[test]
fn what_names_the_caller_crosses_and_what_steers_the_leg_does_not() {
    let more = "P-Asserted-Identity: <tel:+8613800138000;cpc=ordinary>\r\n\
        Alert-Info: <http://192.0.2.66/ring.wav>\r\nX-Tenant: 42\r\nUser-Agent: carrier/1\r\n\
        Call-Info: <http://192.0.2.66/>;purpose=icon\r\nGeolocation: <cid:a@b>\r\nUnknown-Header: \u{fffb}\r\n\
        Subject: secret\r\nAccept-Contact: *;mobility=fixed\r\nPriority: emergency\r\n";
    let mut raw = Raw::calls(more, FROM);
    let key = "Content-Type: application/dtmf-relay\r\n";
    let mut heard = raw.asks("INFO", 2, FROM, key, "Signal=0\r\nDuration=160\r\n");
    raw.example.run(Duration::from_secs(5));
    let later = raw.example.world.overheard();
    heard.extend(later.into_iter().map(|bytes| Message::parse(bytes.into(), Carriage::Datagram).unwrap()));
    let seen: Vec<_> = heard.iter().map(|message| format!("{:?}", message.kind())).collect();
    let invite = heard.iter().find(|message| message.is_request() && message.method().as_str() == "INVITE");
    let invite = invite.unwrap_or_else(|| panic!("the seat was not rung: {seen:?}"));
    let from = invite.from().unwrap();
    assert_eq!(from.display.as_deref(), Some("\u{674e}\u{5a1c} \"\u{8d85}\""));
    assert!(from.uri.user().unwrap().contains("13800138000"), "{from}");
    // Tags, parameters and Call-ID are the leg's own.
    assert!(!from.to_string().contains("epid") && !from.to_string().contains("npdi"), "{from}");
    assert_ne!((invite.call_id().as_ref(), invite.from_tag().as_deref()), ("raw", Some("r1")));
    for gone in [
        "Alert-Info",
        "X-Tenant",
        "Call-Info",
        "Geolocation",
        "Unknown-Header",
        "Subject",
        "Accept-Contact",
        "Priority",
    ] {
        assert_eq!(invite.headers_named(gone).count(), 0, "{gone} crossed");
    }
    assert_ne!(
        invite.header(Header::UserAgent).map(|value| value.text().into_owned()).as_deref(),
        Some("carrier/1")
    );
    assert_eq!(invite.vias().unwrap().len(), 1);
    assert_eq!(invite.body().windows(5).filter(|window| window == b"30000").count(), 0, "the media is ours");
}

#[test]
fn a_name_with_line_ends_in_it_makes_no_header_of_the_other_leg() {
    // A fold is white space, and an escaped line end is none at all.
    let from = "\"Li\r\n Na\" <sip:13800138000@carrier.example.cn>;tag=r1";
    let mut raw = Raw::calls("", from);
    let key = "Content-Type: application/dtmf-relay\r\n";
    let mut heard = raw.asks("INFO", 2, from, key, "Signal=0\r\nDuration=160\r\n");
    raw.example.run(Duration::from_secs(5));
    let later = raw.example.world.overheard();
    heard.extend(later.into_iter().map(|bytes| Message::parse(bytes.into(), Carriage::Datagram).unwrap()));
    let invite =
        heard.iter().find(|message| message.is_request() && message.method().as_str() == "INVITE").unwrap();
    let name = invite.from().unwrap().display.unwrap();
    assert_eq!(name.split_whitespace().collect::<Vec<_>>(), ["Li", "Na"]);
}

#[test]
fn an_unknown_method_in_a_dialog_is_501_and_the_dialog_lives() {
    let mut raw = Raw::calls("", FROM);
    let heard = raw.asks("FETCH", 2, FROM, "", "");
    assert_eq!(heard.iter().map(Message::status).collect::<Vec<_>>(), [Some(501)]);
    assert!(heard[0].lists_token(Header::Allow, "INVITE"));
    let heard = raw.asks("BYE", 3, FROM, "", "");
    assert_eq!(heard.iter().map(Message::status).collect::<Vec<_>>(), [Some(200)]);
    assert_eq!(raw.example.world.pbx().node().sip().legs(), 0);
}
