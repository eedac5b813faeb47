//! Calls from beginning to end: in, out, refused, cancelled, hung up.

use super::*;

#[test]
fn an_invite_of_a_trunk_arrives_with_all_that_the_control_needs() {
    let mut lab = Lab::new();
    let ask = lab
        .ask("INVITE")
        .sdp()
        .with("P-Asserted-Identity: <tel:+8613800138000>")
        .with("Diversion: <sip:4007@carrier.test>;reason=unconditional, <sip:4006@carrier.test>")
        .with("Privacy: id");
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.wrote(), ["100"]);
    let incoming = lab.incoming();
    assert_eq!(incoming.leg, LegId::arrived(0));
    assert_eq!(incoming.peer, crate::seam::Peer::Trunk("carrier".into()));
    assert_eq!((incoming.request_user.as_str(), incoming.from_user.as_str()), ("4001", "13800138000"));
    assert_eq!((incoming.display.as_deref(), incoming.withheld), (Some("Li"), true));
    assert_eq!(incoming.asserted.as_deref(), Some("+8613800138000"));
    assert_eq!(incoming.diverted, ["4007", "4006"]);
    assert_eq!((incoming.sdp.as_deref(), incoming.call_id.as_str()), (Some(SDP), "call-1"));
    lab.command(Command::Refuse {
        leg: incoming.leg,
        status: 486,
        retry_after: None,
        cause: Cause::LineFull,
    });
    lab.assert_no_leak();
}

#[test]
fn an_arrived_call_rings_is_answered_confirmed_and_hung_up_by_the_caller() {
    let mut lab = Lab::new();
    let (leg, ask) = lab.arrive();
    lab.command(Command::Progress { leg, status: 180, sdp: None });
    assert_eq!(lab.wrote(), ["100", "180"]);
    lab.receive(udp(CARRIER), &ask.text());
    assert_eq!(lab.wrote(), ["180"], "a repeated INVITE gets the last response again");
    let tag = lab.accept(leg);
    lab.receive(udp(CARRIER), &ask.text());
    assert!(lab.sent.is_empty(), "Accepted absorbs the INVITE (RFC 6026)");
    let ack = lab.ask("ACK").tagged(&tag);
    lab.receive(udp(CARRIER), &ack.text());
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.told(), [Event::Confirmed { leg, sdp: None }]);
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &bye.text());
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.wrote(), ["200", "200"]);
    assert_eq!(lab.told(), [ended(leg, Cause::CallerHungUp, None)]);
    lab.assert_no_leak();
}

#[test]
fn the_2xx_is_repeated_until_its_ack_over_tcp_too_and_without_one_the_call_ends() {
    for flow in [udp(CARRIER), tcp(CARRIER, 7)] {
        let mut lab = Lab::new();
        let ask = lab.ask("INVITE").sdp();
        lab.receive(flow, &ask.text());
        let leg = lab.incoming().leg;
        lab.accept(leg);
        lab.wait(Duration::from_millis(31_900));
        assert_eq!(lab.wrote(), vec!["200"; 10], "at 0.5, 1.5, 3.5, 7.5, then each 4 s");
        lab.wait(Duration::from_millis(200));
        assert_eq!(lab.told(), [ended(leg, Cause::NoResponse, None)]);
        assert_eq!(lab.wrote(), ["BYE"]);
        lab.assert_no_leak();
    }
}

#[test]
fn our_hang_up_before_the_ack_waits_for_it() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    let tag = lab.accept(leg);
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    assert!(lab.sent.is_empty(), "RFC 3261 section 15: no BYE before the ACK");
    let ack = lab.ask("ACK").tagged(&tag);
    lab.receive(udp(CARRIER), &ack.text());
    let bye = lab.sent().pop().unwrap();
    assert!(is_method(&bye, &Method::Bye));
    assert_eq!(bye.header(Header::Reason).unwrap().text(), "Q.850;cause=16");
    assert_eq!(bye.uri_text(), "sip:gw@192.0.2.2:5060");
    lab.receive(udp(CARRIER), &answer(&bye, 200, "", ""));
    assert!(lab.told().is_empty(), "the control ended it: nothing more to tell");
    lab.assert_no_leak();
}

#[test]
fn a_hang_up_whose_ack_never_comes_still_ends_in_a_bye() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    lab.accept(leg);
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    lab.wait(Duration::from_secs(33));
    assert!(lab.wrote().contains(&"BYE".to_owned()));
    assert!(lab.told().is_empty());
    lab.assert_no_leak();
}

#[test]
fn a_refusal_carries_retry_after_and_a_reason_and_waits_for_its_ack() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    lab.sent.clear();
    lab.command(Command::Refuse { leg, status: 503, retry_after: Some(9), cause: Cause::EngineFull });
    let refusal = lab.sent().pop().unwrap();
    assert_eq!((refusal.status(), refusal.number(Header::RetryAfter)), (Some(503), Ok(9)));
    assert_eq!(refusal.header(Header::Reason).unwrap().text(), "Q.850;cause=42");
    lab.wait(Duration::from_millis(600));
    assert_eq!(lab.wrote(), ["503"]);
    let tag = refusal.to_tag().unwrap();
    let ack = lab.ask("ACK").tagged(&tag).branch("auto1");
    lab.receive(udp(CARRIER), &ack.text());
    lab.wait(Duration::from_secs(10));
    assert!(lab.sent.is_empty() && lab.told().is_empty());
    lab.assert_no_leak();
}

#[test]
fn a_cancel_ends_a_ringing_call_and_says_whether_another_answered() {
    for (reason, cause, q850) in [
        ("Reason: Q.850;cause=16", Cause::CallerGaveUp, Some(16)),
        ("Reason: SIP;cause=200;text=\"Call completed elsewhere\"", Cause::AnsweredElsewhere, None),
    ] {
        let mut lab = Lab::new();
        let (leg, _) = lab.arrive();
        lab.sent.clear();
        let cancel = lab.ask("CANCEL").branch("auto1").with(reason);
        lab.receive(udp(CARRIER), &cancel.text());
        assert_eq!(lab.wrote(), ["200", "487"]);
        assert_eq!(lab.told(), [Event::Ended { leg, cause, status: Some(487), q850 }]);
        lab.assert_no_leak();
    }
}

#[test]
fn a_placed_call_rings_is_answered_and_hung_up_by_the_seat() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    assert_eq!(invite.uri_text(), "sip:801@10.0.0.7:5060");
    assert_eq!(invite.header(Header::PAssertedIdentity).unwrap().text(), "<sip:13800138000@sibai.test>");
    assert_eq!(
        invite.headers_named("P-Called-Party-ID").next().unwrap().text(),
        "<sip:4008001234@sibai.test>"
    );
    assert!(invite.lines().all(|(name, ..)| name != "X"), "a display name cannot start a header");
    lab.receive(udp(PHONE), &answer(&invite, 100, "", ""));
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    assert_eq!(lab.told(), [Event::Progressed { leg, status: 180, sdp: None }]);
    lab.receive(udp(PHONE), &answer(&invite, 200, "phone", SDP));
    let peer = PHONE.parse::<SocketAddr>().unwrap().ip();
    assert_eq!(lab.told(), [Event::Answered { leg, sdp: Some(SDP.to_owned()), peer }]);
    lab.receive(udp(PHONE), &answer(&invite, 200, "phone", SDP));
    assert_eq!(lab.wrote(), ["ACK", "ACK"], "each 2xx is ACKed");
    lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 1).text());
    assert_eq!(lab.told(), [ended(leg, Cause::SeatHungUp, None)]);
    assert_eq!(lab.wrote(), ["200"]);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn each_refusal_of_a_phone_has_its_cause() {
    for (status, cause) in [
        (486, Cause::Busy),
        (600, Cause::Busy),
        (603, Cause::Declined),
        (480, Cause::NoAnswer),
        (404, Cause::Unreachable),
        (488, Cause::NoCommonCodec),
        (500, Cause::Unreachable),
    ] {
        let mut lab = Lab::new();
        let (leg, invite) = lab.place();
        lab.receive(udp(PHONE), &answer(&invite, status, "phone", ""));
        assert_eq!(lab.wrote(), ["ACK"]);
        assert_eq!(lab.told(), [ended(leg, cause, Some(status))]);
        lab.assert_no_leak_but_registrations();
    }
}

#[test]
fn a_phone_that_is_off_is_no_response_and_a_phone_that_rings_for_ever_no_answer() {
    let mut lab = Lab::new();
    let (leg, _) = lab.place();
    lab.wait(Duration::from_secs(32));
    assert_eq!(lab.told(), [ended(leg, Cause::NoResponse, None)]);
    lab.assert_no_leak_but_registrations();
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    lab.told();
    lab.wait(Duration::from_secs(181));
    assert!(lab.wrote().contains(&"CANCEL".to_owned()));
    lab.receive(udp(PHONE), &answer(&invite, 487, "phone", ""));
    assert_eq!(lab.told(), [ended(leg, Cause::NoAnswer, Some(487))]);
}

#[test]
fn a_contact_that_is_not_there_ends_at_once() {
    let mut lab = Lab::new();
    let leg = LegId::placed(5);
    let to = Destination::Contact { user: "801".into(), contact: 77 };
    lab.command(Command::Place { leg, invite: Box::new(outgoing(to.clone())) });
    assert_eq!(lab.told(), [ended(leg, Cause::Unreachable, None)]);
    assert_eq!(lab.endpoint.route(&to), None);
}

#[test]
fn a_withheld_number_is_in_no_from_and_asks_for_privacy() {
    let mut lab = Lab::new();
    lab.register_phone();
    let to = Destination::Contact { user: "801".into(), contact: 1 };
    let invite = Outgoing { withheld: true, ..outgoing(to) };
    lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(invite) });
    let sent = lab.sent().pop().unwrap();
    assert!(
        sent.header(Header::From)
            .unwrap()
            .text()
            .starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>")
    );
    assert_eq!(sent.header(Header::Privacy).unwrap().text(), "id");
}

#[test]
fn a_long_ringing_call_shows_its_18x_each_minute() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    lab.command(Command::Progress { leg, status: 183, sdp: Some(SDP.to_owned()) });
    lab.sent.clear();
    lab.wait(Duration::from_secs(125));
    assert_eq!(lab.wrote(), ["183", "183"]);
    lab.wait(Duration::from_mins(8));
    assert_eq!(lab.told(), [ended(leg, Cause::NoAnswer, Some(480))], "a leg that the control forgot");
    lab.assert_no_leak();
}

#[test]
fn losers_learn_that_the_call_was_completed_elsewhere() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    lab.command(Command::GiveUp { leg, cause: Cause::AnsweredElsewhere });
    let cancel = lab.sent().pop().unwrap();
    assert!(is_method(&cancel, &Method::Cancel));
    assert_eq!(
        cancel.header(Header::Reason).unwrap().text(),
        "SIP;cause=200;text=\"Call completed elsewhere\""
    );
    assert_eq!(cancel.via().unwrap().branch(), invite.via().unwrap().branch());
    lab.receive(udp(PHONE), &answer(&cancel, 200, "phone", ""));
    lab.receive(udp(PHONE), &answer(&invite, 487, "phone", ""));
    assert_eq!(lab.wrote(), ["ACK"]);
    assert_eq!(lab.told()[1..], [ended(leg, Cause::AnsweredElsewhere, Some(487))]);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_drained_endpoint_takes_no_new_calls_and_serves_the_old() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    lab.command(Command::Drain);
    let mut second = lab.ask("INVITE").sdp();
    second.call_id = "call-2".to_owned();
    lab.receive(udp(CARRIER), &second.text());
    let refused = lab.sent().pop().unwrap();
    assert_eq!(refused.status(), Some(503));
    assert!((5..=30).contains(&refused.number(Header::RetryAfter).unwrap()));
    let options = lab.ask("OPTIONS");
    lab.receive(udp(CARRIER), &options.text());
    assert_eq!(lab.wrote(), ["503"]);
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.wrote(), ["200"]);
    assert!(lab.told().contains(&ended(leg, Cause::CallerHungUp, None)));
}

#[test]
fn what_the_network_says_in_q850_is_read_from_each_end() {
    for (status, reason, cause, q850) in [
        (480, "Q.850;cause=17;text=\"User busy\"", Cause::Busy, Some(17)),
        (500, "Q.850 ;cause=19", Cause::NoAnswer, Some(19)),
        (603, "SIP;cause=603, Q.850;cause=17", Cause::Busy, Some(17)),
        (480, "q.850;cause=21", Cause::Declined, Some(21)),
        (404, "Q.850;cause=1", Cause::Unreachable, Some(1)),
        (486, "Q.850;cause=34", Cause::Busy, Some(34)),
        (480, "Q.850;cause=16", Cause::NoAnswer, Some(16)),
        (480, "Q.850;cause=300", Cause::NoAnswer, None),
        (480, "Q.850;cause=\"", Cause::NoAnswer, None),
    ] {
        let mut lab = Lab::new();
        let (leg, invite) = lab.place();
        let refusal = answer(&invite, status, "phone", "");
        let refusal = refusal.replace("Content-Length", &format!("Reason: {reason}\r\nContent-Length"));
        lab.receive(udp(PHONE), &refusal);
        assert_eq!(lab.told(), [Event::Ended { leg, cause, status: Some(status), q850 }], "{reason}");
    }
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let bye = lab.ask("BYE").tagged(&tag).cseq(2).with("Reason: Q.850;cause=41");
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.told(), [ended_by(leg, Cause::CallerHungUp, None, 41)]);
}
