//! SRTP with seats: what each is offered and may offer, and who insists on it.

#![allow(clippy::unwrap_used, reason = "a failure to read is a failed test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Cause, Name};
use integration_tests::world::example::shipped;
use integration_tests::world::{Example, Setting};
use ivr::line::Srtp;
use phones::{Action, Behaviour, CallNo, Dial, Event, Stage};
use sibai::node;

use crate::words::*;

/// The shipped line, whose seats say this of SRTP.
fn saying(seats: &[(&str, Srtp)]) -> Setting {
    let mut setting = shipped(OPEN);
    let plan = Arc::make_mut(&mut setting.plan);
    for line in plan.lines.values_mut().map(Arc::make_mut) {
        for (seat, srtp) in seats {
            line.seats.get_mut(&Name::from(*seat)).unwrap().srtp = Some(*srtp);
        }
    }
    setting
}

/// A phone of a seat whose messages the test writes.
struct Raw {
    example: Example,
    at: SocketAddr,
}

impl Raw {
    /// Registers, over TLS or not.
    fn phone(mut example: Example, seat: &str, secure: bool) -> Self {
        let phone = example.phone(seat, |_| {});
        let at = example.world.phone(phone).setup().local_sip;
        if secure {
            example.world.pbx_mut().speaks_tls(at);
        }
        example.world.tell(phone, phones::Input::Do(Action::Register));
        example.run(SECOND);
        assert!(example.world.phone(phone).is_registered());
        example.world.overhear(at);
        Self { example, at }
    }

    /// What has come until now, as text.
    fn hears(&mut self) -> Vec<String> {
        self.example.world.overheard().into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    /// The one INVITE that has come, however often: over UDP it is repeated until it is answered.
    fn invited(&mut self) -> String {
        let heard = self.hears();
        let mut invites: Vec<&String> = heard.iter().filter(|text| text.starts_with("INVITE ")).collect();
        invites.dedup();
        let [invite] = invites[..] else { panic!("{heard:#?}") };
        invite.clone()
    }

    /// Responds to a request, and lets a moment pass.
    fn responds(&mut self, request: &str, status: &str, sdp: &str) {
        let names = ["Via:", "From:", "Call-ID:", "CSeq:"];
        let is_copied = |line: &&str| names.iter().any(|name| line.starts_with(name));
        let same: Vec<&str> = request.lines().filter(is_copied).collect();
        let same = same.join("\r\n") + "\r\n";
        let tag = if line(request, "To").contains(";tag=") { "" } else { ";tag=raw" };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "SIP/2.0 {status}\r\n{same}{}{tag}\r\nContact: <sip:raw@{}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
            line(request, "To"),
            self.at,
            sdp.len()
        );
        self.example.world.inject(self.at, text.into_bytes());
        self.example.run(millis(20));
    }

    fn ends(mut self, call: CallNo) -> Example {
        self.example.run(SECOND);
        if self.example.leg(call).stage() != Stage::Ended {
            self.example.caller(call, Action::HangUp);
        }
        self.example.run(SECOND);
        for request in
            self.hears().iter().filter(|text| !text.starts_with("SIP/") && !text.starts_with("ACK"))
        {
            self.responds(&request.clone(), "200 OK", "");
        }
        self.example
    }
}

/// A header's line.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap()
}

/// The profile of an offer's audio, and how many keys it has.
fn offered(invite: &str) -> (&str, usize) {
    let audio = invite.lines().find(|line| line.starts_with("m=audio ")).unwrap();
    let keys = invite.lines().filter(|line| line.starts_with("a=crypto:")).count();
    (audio.split(' ').nth(2).unwrap(), keys)
}

/// An answer that takes the second key.
fn sealed(profile: &str) -> String {
    let key = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40990 {profile} 8\r\n\
         a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n"
    )
}

/// A caller is led to the seat of sales that is rung first.
fn rung(raw: &mut Raw) -> (CallNo, String) {
    let call = raw.example.call(CALLER, presses("1"));
    raw.example.run(2 * SECOND);
    let invite = raw.invited();
    (call, invite)
}

#[test]
fn each_seat_is_offered_what_it_says_and_the_others_what_the_engine_says() {
    let settings = [
        (Some(Srtp::Require), "RTP/SAVP", 4, 4),
        (Some(Srtp::Off), "RTP/AVP", 0, 0),
        (None, "RTP/AVP", 0, 4),
    ];
    for (srtp, profile, plain, secure) in settings {
        for (is_secure, keys) in [(false, plain), (true, secure)] {
            let said: Vec<_> = srtp.map(|srtp| ("li_na", srtp)).into_iter().collect();
            let mut raw = Raw::phone(Example::of(&saying(&said), |_| {}), "li_na", is_secure);
            let (call, invite) = rung(&mut raw);
            assert_eq!(offered(&invite), (profile, keys), "{srtp:?} {is_secure}");
            raw.responds(&invite, "486 Busy Here", "");
            let mut example = raw.ends(call);
            example.rest();
        }
    }
}

#[test]
fn a_seat_that_must_have_srtp_may_not_call_without_until_a_new_plan_lets_it() {
    let mut example = Example::of(&saying(&[("wang_wei", Srtp::Require)]), |_| {});
    example.seat("li_na", answers(SECOND, 700.0));
    example.seat("wang_wei", Behaviour::waits());
    example.act("wang_wei", Action::Call(Dial::to("8001")));
    example.run(3 * SECOND);
    assert!(example.seat_saw("wang_wei").any(|(_, event)| matches!(event, Event::Refused { code: 488, .. })));
    assert!(!example.seat_saw("li_na").any(|(_, event)| rings(event)));
    example.world.operate(node::Input::Plan(saying(&[("wang_wei", Srtp::Prefer)]).plan));
    example.act("wang_wei", Action::Call(Dial::to("8001")));
    example.run(3 * SECOND);
    assert!(example.seat_saw("wang_wei").any(|(_, event)| *event == Event::Answered));
    example.act("wang_wei", Action::HangUp);
    example.rest();
}

#[test]
fn a_phone_that_refuses_keys_beside_plain_rtp_is_offered_them_alone_and_at_once_the_next_time() {
    let mut raw = Raw::phone(Example::at(OPEN), "li_na", true);
    let (call, first) = rung(&mut raw);
    assert_eq!(offered(&first), ("RTP/AVP", 4));
    raw.responds(&first, "488 Not Acceptable Here", "");
    let heard = raw.hears();
    let [ack, second] = &heard[..] else { panic!("{heard:#?}") };
    assert!(ack.starts_with("ACK ") && line(ack, "Call-ID") == line(&first, "Call-ID"));
    assert!(second.starts_with("INVITE ") && line(second, "Call-ID") != line(&first, "Call-ID"));
    assert_eq!(offered(second), ("RTP/SAVP", 4));
    raw.responds(second, "180 Ringing", "");
    raw.responds(second, "200 OK", &sealed("RTP/SAVP"));
    raw.example.run(SECOND);
    let mut example = raw.ends(call);
    example.run(15 * SECOND);
    let record = example.record(call);
    assert_eq!((record.seat.as_deref(), record.cause), (Some("li_na"), Cause::CallerHungUp));
    assert_eq!(record.legs.len(), 2, "one leg was rung: {record:#?}");
    assert!(record.connected_after.is_some());

    // Its registration is known now. Should its ways have changed, the other one is tried.
    let mut raw = Raw { at: example.world.phone(example.seat_phone("li_na")).setup().local_sip, example };
    let (call, third) = rung(&mut raw);
    assert_eq!(offered(&third), ("RTP/SAVP", 4));
    raw.responds(&third, "606 Not Acceptable", "");
    let fourth = raw.invited();
    assert_eq!(offered(&fourth), ("RTP/AVP", 4));
    raw.responds(&fourth, "488 Not Acceptable Here", "");
    assert!(raw.hears().iter().all(|text| text.starts_with("ACK ")), "two refusals are enough");
    let mut example = raw.ends(call);
    example.rest();
    let record = example.record(call);
    assert_eq!(record.legs[1].cause, Cause::NoCommonCodec);
}

#[test]
fn there_is_no_second_try_without_keys_or_where_they_are_required() {
    let refused = "488 Not Acceptable Here";
    for (said, secure) in
        [(None, false), (Some(Srtp::Require), true), (Some(Srtp::Require), false), (Some(Srtp::Off), true)]
    {
        let said: Vec<_> = said.map(|srtp| ("li_na", srtp)).into_iter().collect();
        let mut raw = Raw::phone(Example::of(&saying(&said), |_| {}), "li_na", secure);
        let (call, invite) = rung(&mut raw);
        raw.responds(&invite, refused, "");
        assert!(raw.hears().iter().all(|text| text.starts_with("ACK ")), "{said:?} {secure}");
        raw.ends(call).rest();
    }
    // A phone that is busy is busy, whatever it was offered.
    let mut raw = Raw::phone(Example::at(OPEN), "li_na", true);
    let (call, invite) = rung(&mut raw);
    raw.responds(&invite, "486 Busy Here", "");
    assert!(raw.hears().iter().all(|text| text.starts_with("ACK ")));
    raw.ends(call).rest();
}

#[test]
fn the_second_try_rings_no_longer_than_the_first_would_have() {
    let mut raw = Raw::phone(Example::at(OPEN), "li_na", true);
    let (call, first) = rung(&mut raw);
    raw.responds(&first, "180 Ringing", "");
    let began = raw.example.world.now().mono;
    raw.example.run(10 * SECOND);
    raw.responds(&first, "488 Not Acceptable Here", "");
    let heard = raw.hears();
    let second = heard.iter().find(|text| text.starts_with("INVITE ")).unwrap().clone();
    raw.responds(&second, "180 Ringing", "");
    let cancelled = loop {
        raw.example.run(millis(100));
        if let Some(cancel) = raw.hears().into_iter().find(|text| text.starts_with("CANCEL ")) {
            break cancel;
        }
        assert!(raw.example.world.now().mono.since(began) < 20 * SECOND, "it rings on");
    };
    let rang = raw.example.world.now().mono.since(began);
    // It had rung for a second before.
    assert!(rang > 13 * SECOND && rang < 15 * SECOND, "fifteen seconds are configured: {rang:?}");
    assert_eq!(line(&cancelled, "Call-ID"), line(&second, "Call-ID"));
    raw.responds(&cancelled, "200 OK", "");
    raw.responds(&second, "487 Request Terminated", "");
    raw.ends(call).rest();
}

#[test]
fn a_caller_who_leaves_between_the_two_tries_leaves_no_phone_ringing() {
    for rings in [false, true] {
        let mut raw = Raw::phone(Example::at(OPEN), "li_na", true);
        let (call, first) = rung(&mut raw);
        raw.responds(&first, "180 Ringing", "");
        if rings {
            // The second try is out, and nothing has come of it yet: CANCEL has to wait for a first response.
            raw.responds(&first, "488 Not Acceptable Here", "");
            let second = raw.hears().into_iter().find(|text| text.starts_with("INVITE ")).unwrap();
            raw.example.caller(call, Action::HangUp);
            raw.example.run(millis(100));
            assert!(!raw.hears().iter().any(|text| text.starts_with("CANCEL ")));
            raw.responds(&second, "180 Ringing", "");
            let cancel = raw.hears().into_iter().find(|text| text.starts_with("CANCEL ")).unwrap();
            raw.responds(&cancel, "200 OK", "");
            raw.responds(&second, "487 Request Terminated", "");
        } else {
            // The refusal crosses the CANCEL.
            raw.example.caller(call, Action::HangUp);
            raw.example.run(Duration::from_micros(50));
            raw.responds(&first, "488 Not Acceptable Here", "");
            for cancel in
                raw.hears().iter().filter(|text| text.starts_with("CANCEL ")).cloned().collect::<Vec<_>>()
            {
                raw.responds(&cancel, "200 OK", "");
            }
            raw.example.run(SECOND);
            assert!(!raw.hears().iter().any(|text| text.starts_with("INVITE ")), "given up and tried again");
        }
        let mut example = raw.ends(call);
        example.rest();
        assert_eq!(example.record(call).cause, Cause::CallerGaveUp);
    }
}

#[test]
fn a_phone_that_knows_no_srtp_is_rung_twice_and_heard_of_once() {
    let mut example = Example::of(&saying(&[("li_na", Srtp::Prefer)]), |_| {});
    let phone = example.phone("li_na", |setup| setup.behaviour = Behaviour::refuses(488));
    let at = example.world.phone(phone).setup().local_sip;
    example.world.pbx_mut().speaks_tls(at);
    example.world.tell(phone, phones::Input::Do(Action::Register));
    example.seat("wang_wei", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    example.run(3 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    assert!(example.seat_saw("li_na").any(|(_, event)| matches!(event, Event::OfferRefused { .. })));
    let causes: Vec<_> = example.record(call).legs.iter().map(|leg| leg.cause).collect();
    assert_eq!(causes[1], Cause::NoCommonCodec, "{causes:?}");
    assert_eq!(example.record(call).seat.as_deref(), Some("wang_wei"), "the hunt goes on");
}
