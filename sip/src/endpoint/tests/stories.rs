//! Races over a bad link: whatever the peer sends is lost and repeated, or comes twice, at once or late; the
//! outcome is the same each time, is told once, and nothing is left.

use super::*;

/// A lab behind a link that loses and doubles what the peer sends.
struct Rough {
    lab: Lab,
    weather: Entropy,
}

impl Rough {
    fn new(seed: u64) -> Self {
        Self { lab: Lab::new(), weather: Entropy::from_number(seed) }
    }

    /// A message of the peer as the link lets it through: once, twice at once, late because its first copy was
    /// lost, or twice with a repetition between.
    fn receive(&mut self, way: Flow, text: &str) {
        let fate = self.weather.below(4);
        if fate == 1 {
            self.lab.wait(Duration::from_millis(600));
        }
        self.lab.receive(way, text);
        if fate == 3 {
            self.lab.wait(Duration::from_millis(700));
        }
        if fate >= 2 {
            self.lab.receive(way, text);
        }
    }

    fn phone(&mut self, text: &str) {
        self.receive(udp(PHONE), text);
    }

    fn carrier(&mut self, ask: &Ask) {
        self.receive(udp(CARRIER), &ask.text());
    }

    /// The first request of ours with this method since the last look.
    fn request(&mut self, method: &Method) -> Message {
        let sent = self.lab.sent();
        sent.into_iter().find(|message| is_method(message, method)).unwrap_or_else(|| panic!("no {method}"))
    }

    /// Whether a response with this status to this method went out since the last look.
    fn said(&mut self, status: u16, method: &Method) -> bool {
        self.lab.sent().iter().any(|m| m.status() == Some(status) && m.method() == method)
    }

    /// An answered call of the carrier: the leg and our tag.
    fn up(&mut self) -> (LegId, String) {
        let invite = self.lab.ask("INVITE").sdp();
        self.carrier(&invite);
        let leg = self.lab.incoming().leg;
        let tag = self.lab.accept(leg);
        let ack = self.lab.ask("ACK").tagged(&tag);
        self.carrier(&ack);
        assert_eq!(self.lab.told(), [Event::Confirmed { leg, sdp: None }]);
        (leg, tag)
    }

    /// The phone grants our BYE; nothing may be left.
    fn end(&mut self, leg: LegId) {
        self.lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
        let bye = self.request(&Method::Bye);
        self.phone(&answer(&bye, 200, "phone", ""));
        self.over();
    }

    fn over(&mut self) {
        self.lab.assert_no_leak();
    }

    fn told(&mut self) -> Vec<Event> {
        self.lab.told()
    }
}

fn each(story: impl Fn(Rough)) {
    for seed in 0..64 {
        story(Rough::new(seed));
    }
}

fn peer() -> std::net::IpAddr {
    PHONE.parse::<SocketAddr>().unwrap().ip()
}

fn answered(leg: LegId) -> Event {
    Event::Answered { leg, sdp: Some(SDP.to_owned()), peer: peer() }
}

#[test]
fn cancel_against_200() {
    each(|mut rough| {
        let (leg, invite) = rough.lab.place();
        rough.phone(&answer(&invite, 180, "phone", ""));
        rough.lab.told();
        rough.lab.command(Command::GiveUp { leg, cause: Cause::AnsweredElsewhere });
        let cancel = rough.request(&Method::Cancel);
        rough.phone(&answer(&invite, 200, "phone", SDP));
        rough.phone(&answer(&cancel, 200, "phone", ""));
        assert_eq!(rough.told(), [answered(leg)]);
        rough.end(leg);
        assert!(rough.told().is_empty());
    });
}

#[test]
fn a_200_to_a_cancelled_invite_after_the_cancel_was_granted() {
    each(|mut rough| {
        let (leg, invite) = rough.lab.place();
        rough.lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
        rough.phone(&answer(&invite, 100, "", ""));
        let cancel = rough.request(&Method::Cancel);
        rough.phone(&answer(&cancel, 200, "phone", ""));
        rough.phone(&answer(&invite, 200, "phone", SDP));
        assert_eq!(rough.told(), [answered(leg)]);
        rough.end(leg);
    });
}

#[test]
fn a_late_cancel_has_no_effect_on_what_we_answered() {
    each(|mut rough| {
        let invite = rough.lab.ask("INVITE").sdp().branch("late");
        rough.carrier(&invite);
        let leg = rough.lab.incoming().leg;
        let tag = rough.lab.accept(leg);
        let cancel = rough.lab.ask("CANCEL").branch("late");
        rough.carrier(&cancel);
        assert!(rough.said(200, &Method::Cancel));
        let ack = rough.lab.ask("ACK").tagged(&tag);
        rough.carrier(&ack);
        let bye = rough.lab.ask("BYE").tagged(&tag).cseq(2);
        rough.carrier(&bye);
        let told = rough.told();
        assert_eq!(told, [Event::Confirmed { leg, sdp: None }, ended(leg, Cause::CallerHungUp, None)]);
        rough.over();
    });
}

#[test]
fn bye_against_a_reinvite_of_the_peer() {
    each(|mut rough| {
        let (leg, tag) = rough.up();
        let reinvite = rough.lab.ask("INVITE").tagged(&tag).cseq(2).sdp();
        rough.carrier(&reinvite);
        assert_eq!(rough.told(), [Event::Offer { leg, sdp: Some(SDP.to_owned()) }]);
        let bye = rough.lab.ask("BYE").tagged(&tag).cseq(3);
        rough.lab.sent();
        rough.carrier(&bye);
        assert!(rough.said(487, &Method::Invite), "section 15.1.2");
        assert_eq!(rough.told(), [ended(leg, Cause::CallerHungUp, None)]);
        rough.lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
        let ack =
            rough.lab.ask("ACK").tagged(&tag).cseq(2).branch(reinvite.branch.trim_start_matches("z9hG4bK"));
        rough.carrier(&ack);
        rough.over();
    });
}

/// A call in which a refresh of ours by re-INVITE is out.
fn refreshing(rough: &mut Rough) -> (LegId, String, Message) {
    let invite = rough.lab.ask("INVITE").sdp().with("Session-Expires: 200;refresher=uas");
    rough.carrier(&invite);
    let leg = rough.lab.incoming().leg;
    let tag = rough.lab.accept(leg);
    let ack = rough.lab.ask("ACK").tagged(&tag);
    rough.carrier(&ack);
    rough.lab.wait(Duration::from_millis(100_100));
    rough.lab.told();
    let refresh = rough.request(&Method::Invite);
    (leg, tag, refresh)
}

#[test]
fn bye_against_a_reinvite_of_ours_whatever_its_answer_it_is_acked() {
    for status in [487, 200] {
        each(|mut rough| {
            let (leg, tag, ours) = refreshing(&mut rough);
            rough.carrier_answers(&ours, 100);
            let bye = rough.lab.ask("BYE").tagged(&tag).cseq(2);
            rough.carrier(&bye);
            assert_eq!(rough.told(), [ended(leg, Cause::CallerHungUp, None)]);
            rough.lab.sent();
            rough.carrier_answers(&ours, status);
            let ack = rough.request(&Method::Ack);
            assert_eq!(ack.cseq().number, ours.cseq().number);
            rough.over();
        });
    }
}

impl Rough {
    fn carrier_answers(&mut self, request: &Message, status: u16) {
        let sdp = if status == 200 && *request.method() == Method::Invite { SDP } else { "" };
        self.receive(udp(CARRIER), &answer(request, status, "caller", sdp));
    }
}

#[test]
fn a_reinvite_of_ours_that_nobody_answers_after_the_bye_is_forgotten() {
    each(|mut rough| {
        let (_, tag, ours) = refreshing(&mut rough);
        rough.carrier_answers(&ours, 100);
        let bye = rough.lab.ask("BYE").tagged(&tag).cseq(2);
        rough.carrier(&bye);
        rough.over();
    });
}

#[test]
fn reinvite_against_reinvite_both_are_491_and_ours_comes_again() {
    each(|mut rough| {
        let (leg, tag, ours) = refreshing(&mut rough);
        let theirs = rough.lab.ask("INVITE").tagged(&tag).cseq(2).sdp();
        rough.carrier(&theirs);
        assert!(rough.said(491, &Method::Invite));
        let ack =
            rough.lab.ask("ACK").tagged(&tag).cseq(2).branch(theirs.branch.trim_start_matches("z9hG4bK"));
        rough.carrier(&ack);
        rough.carrier_answers(&ours, 491);
        // Theirs comes again first: we are not the owner of the Call-ID and might be faster, so both orders occur.
        let again = rough.lab.ask("INVITE").tagged(&tag).cseq(3).sdp();
        rough.lab.sent();
        rough.lab.wait(Duration::from_millis(2_100));
        let ours = rough.request(&Method::Invite);
        rough.carrier_answers(&ours, 200);
        rough.carrier(&again);
        assert_eq!(rough.told(), [Event::Offer { leg, sdp: Some(SDP.to_owned()) }]);
        rough.lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
        let ack = rough.lab.ask("ACK").tagged(&tag).cseq(3);
        rough.carrier(&ack);
        let bye = rough.lab.ask("BYE").tagged(&tag).cseq(4);
        rough.carrier(&bye);
        assert_eq!(rough.told(), [ended(leg, Cause::CallerHungUp, None)]);
        rough.over();
    });
}

#[test]
fn update_against_update_theirs_with_an_offer_passes_ours_without_one() {
    each(|mut rough| {
        let invite =
            rough.lab.ask("INVITE").sdp().with("Session-Expires: 200;refresher=uas").with("Allow: UPDATE");
        rough.carrier(&invite);
        let leg = rough.lab.incoming().leg;
        let tag = rough.lab.accept(leg);
        let ack = rough.lab.ask("ACK").tagged(&tag);
        rough.carrier(&ack);
        rough.lab.told();
        rough.lab.wait(Duration::from_millis(100_100));
        let ours = rough.request(&Method::Update);
        let theirs = rough.lab.ask("UPDATE").tagged(&tag).cseq(2).sdp();
        rough.carrier(&theirs);
        assert_eq!(rough.told(), [Event::Offer { leg, sdp: Some(SDP.to_owned()) }]);
        let second = rough.lab.ask("UPDATE").tagged(&tag).cseq(3).sdp();
        rough.lab.sent();
        rough.carrier(&second);
        assert!(rough.said(500, &Method::Update), "RFC 3311 section 5.2: one offer at a time");
        rough.lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
        rough.carrier_answers(&ours, 491);
        rough.lab.sent();
        rough.lab.wait(Duration::from_millis(2_100));
        let bye = rough.lab.ask("BYE").tagged(&tag).cseq(4);
        rough.carrier(&bye);
        assert_eq!(rough.told(), [ended(leg, Cause::CallerHungUp, None)]);
        rough.over();
    });
}

#[test]
fn two_2xx_from_two_forks_and_a_late_183_of_a_third() {
    each(|mut rough| {
        let (leg, invite) = rough.lab.place();
        for fork in ["phone", "other", "third"] {
            rough.phone(&answer(&invite, 180, fork, ""));
        }
        rough.lab.told();
        rough.phone(&answer(&invite, 200, "phone", SDP));
        rough.phone(&answer(&invite, 200, "other", SDP));
        let bye = rough.request(&Method::Bye);
        assert_eq!(bye.to_tag().as_deref(), Some("other"));
        rough.phone(&answer(&bye, 200, "other", ""));
        rough.phone(&answer(&invite, 183, "third", SDP));
        assert_eq!(rough.told(), [answered(leg)]);
        rough.end(leg);
    });
}

#[test]
fn a_lost_ack_is_repeated_by_us_and_awaited_from_them() {
    each(|mut rough| {
        let (leg, invite) = rough.lab.place();
        rough.phone(&answer(&invite, 200, "phone", SDP));
        rough.lab.sent();
        for _ in 0..3 {
            rough.lab.wait(Duration::from_secs(4));
            rough.phone(&answer(&invite, 200, "phone", SDP));
            assert!(rough.lab.wrote().iter().all(|sent| sent == "ACK"), "each copy is ACKed");
        }
        assert_eq!(rough.told(), [answered(leg)]);
        rough.end(leg);
    });
    each(|mut rough| {
        let invite = rough.lab.ask("INVITE").sdp();
        rough.carrier(&invite);
        let leg = rough.lab.incoming().leg;
        rough.lab.accept(leg);
        rough.lab.wait(Duration::from_secs(33));
        let bye = rough.request(&Method::Bye);
        rough.carrier_answers(&bye, 200);
        assert_eq!(rough.told(), [ended(leg, Cause::NoResponse, None)]);
        rough.over();
    });
}

#[test]
fn bye_before_the_ack_from_either_side() {
    each(|mut rough| {
        let invite = rough.lab.ask("INVITE").sdp();
        rough.carrier(&invite);
        let leg = rough.lab.incoming().leg;
        let tag = rough.lab.accept(leg);
        let bye = rough.lab.ask("BYE").tagged(&tag).cseq(2);
        rough.carrier(&bye);
        let ack = rough.lab.ask("ACK").tagged(&tag);
        rough.carrier(&ack);
        assert_eq!(rough.told(), [ended(leg, Cause::CallerHungUp, None)]);
        rough.over();
    });
    each(|mut rough| {
        let invite = rough.lab.ask("INVITE").sdp();
        rough.carrier(&invite);
        let leg = rough.lab.incoming().leg;
        let tag = rough.lab.accept(leg);
        rough.lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
        assert!(!rough.lab.wrote().contains(&"BYE".to_owned()), "section 15: after the ACK");
        let ack = rough.lab.ask("ACK").tagged(&tag);
        rough.carrier(&ack);
        let bye = rough.request(&Method::Bye);
        rough.carrier_answers(&bye, 200);
        assert!(rough.told().is_empty());
        rough.over();
    });
}

#[test]
fn byes_that_cross() {
    each(|mut rough| {
        let (leg, tag) = rough.up();
        rough.lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
        let ours = rough.request(&Method::Bye);
        let theirs = rough.lab.ask("BYE").tagged(&tag).cseq(2);
        rough.carrier(&theirs);
        assert!(rough.said(200, &Method::Bye));
        rough.carrier_answers(&ours, 481);
        assert!(rough.told().is_empty());
        rough.over();
    });
}

#[test]
fn a_register_that_comes_by_another_way_or_with_an_old_number_locks_nobody_out() {
    each(|mut rough| {
        let ask = rough.lab.register("801", "reg-1", 1, "Contact: <sip:801@10.0.0.7:5060>");
        rough.phone(&ask.text());
        let challenged = rough.lab.sent().into_iter().find(|m| m.status() == Some(401)).unwrap();
        let first = rough.lab.authorized(ask, &challenged, "secret", 1);
        rough.phone(&first.text());
        assert!(rough.said(200, &Method::Register));
        // The same number again, though with a proof of its own: a proxy's other way, or a phone that forgot.
        let ask = rough.lab.register("801", "reg-1", 1, "Contact: <sip:801@10.0.0.7:5060>");
        let copy = rough.lab.authorized(ask, &challenged, "secret", 2);
        assert_eq!(copy.cseq, first.cseq);
        rough.phone(&copy.text());
        assert!(rough.said(200, &Method::Register), "not 482, not 500: it is what it was");
        let ask = rough.lab.register("801", "reg-1", 0, "Contact: <sip:801@10.0.0.7:5060>;expires=0");
        let old = rough.lab.authorized(ask, &challenged, "secret", 3);
        rough.phone(&old.text());
        assert!(rough.said(500, &Method::Register), "section 10.3: an older one changes nothing");
        let ask = rough.lab.register("801", "reg-1", 5, "Contact: <sip:801@10.0.0.7:5060>");
        let next = rough.lab.authorized(ask, &challenged, "secret", 4);
        rough.phone(&next.text());
        assert!(rough.said(200, &Method::Register));
        let told = rough.told();
        let mut changes = told.iter().filter(|event| matches!(event, Event::Contacts { .. }));
        assert_eq!(changes.next(), Some(&Event::Contacts { user: "801".into(), contacts: vec![1] }));
        assert_eq!(changes.next(), None, "nothing that was out of order changed anything");
    });
}

#[test]
fn merged_requests_make_one_leg() {
    each(|mut rough| {
        let first = rough.lab.ask("INVITE").sdp().branch("one");
        rough.carrier(&first);
        let leg = rough.lab.incoming().leg;
        let second = rough.lab.ask("INVITE").sdp().branch("two");
        rough.lab.sent();
        rough.carrier(&second);
        assert!(rough.said(482, &Method::Invite));
        let ack = rough.lab.ask("ACK").tagged("whatever").branch("two");
        rough.carrier(&ack);
        assert!(rough.told().iter().all(|event| matches!(event, Event::Refused { .. })));
        let cancel = rough.lab.ask("CANCEL").branch("one");
        rough.carrier(&cancel);
        assert_eq!(rough.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
        rough.over();
    });
}

#[test]
fn what_comes_after_the_bye_meets_no_dialog() {
    each(|mut rough| {
        let (leg, invite) = rough.lab.placed_up();
        let bye = within(&invite, "BYE", "phone", 1);
        rough.phone(&bye.text());
        assert_eq!(rough.told(), [ended(leg, Cause::SeatHungUp, None)]);
        for (cseq, method) in (2..).zip(["NOTIFY", "REFER", "UPDATE", "INFO", "PRACK", "BYE"]) {
            rough.lab.wait(Duration::from_millis(100));
            rough.lab.sent();
            let late = within(&invite, method, "phone", cseq).with("Refer-To: <sip:802@sibai.test>");
            rough.phone(&late.with("Event: refer").text());
            assert!(rough.lab.wrote().iter().all(|sent| sent == "481"), "{method}");
        }
        assert!(rough.told().iter().all(|event| matches!(event, Event::Refused { .. })));
        rough.over();
    });
}

#[test]
fn prack_crossing_cancel_from_either_side() {
    each(|mut rough| {
        let invite = rough.lab.ask("INVITE").sdp().with("Require: 100rel").branch("one");
        rough.carrier(&invite);
        let leg = rough.lab.incoming().leg;
        rough.lab.sent();
        rough.lab.command(Command::Progress { leg, status: 183, sdp: Some(SDP.to_owned()) });
        let shown = rough.lab.sent().pop().unwrap();
        let rack = format!("RAck: {} 1 INVITE", shown.number(Header::RSeq).unwrap());
        let prack = rough.lab.ask("PRACK").tagged(&shown.to_tag().unwrap()).cseq(2).with(&rack);
        let cancel = rough.lab.ask("CANCEL").branch("one");
        if rough.weather.below(2) == 0 {
            rough.carrier(&prack);
            rough.carrier(&cancel);
        } else {
            rough.carrier(&cancel);
            rough.carrier(&prack);
        }
        let told: Vec<_> =
            rough.told().into_iter().filter(|event| !matches!(event, Event::Refused { .. })).collect();
        assert_eq!(told, [ended(leg, Cause::CallerGaveUp, Some(487))]);
        rough.over();
    });
    each(|mut rough| {
        let (leg, invite) = rough.lab.place();
        rough.phone(&answer(&invite, 100, "", ""));
        rough.lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
        let cancel = rough.request(&Method::Cancel);
        let numbered = "Require: 100rel\r\nRSeq: 9\r\nContent-Length";
        rough.phone(&answer(&invite, 183, "phone", SDP).replace("Content-Length", numbered));
        let prack = rough.request(&Method::Prack);
        rough.phone(&answer(&cancel, 200, "phone", ""));
        rough.phone(&answer(&prack, 481, "phone", ""));
        rough.phone(&answer(&invite, 487, "phone", ""));
        assert_eq!(rough.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
        rough.over();
    });
}
