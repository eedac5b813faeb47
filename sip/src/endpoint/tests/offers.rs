//! Inside a call: offers, digits, session timers, and what is out of order.

use super::*;

#[test]
fn a_reinvite_is_offered_answered_and_its_200_repeated_until_the_ack() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let hold = lab.ask("INVITE").tagged(&tag).cseq(2).sdp();
    lab.sent.clear();
    lab.receive(udp(CARRIER), &hold.text());
    assert_eq!(lab.told(), [Event::Offer { leg, sdp: Some(SDP.to_owned()) }]);
    assert_eq!(lab.wrote(), ["100"]);
    lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
    lab.wait(Duration::from_millis(600));
    assert_eq!(lab.wrote(), ["200", "200"]);
    let ack = lab.ask("ACK").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &ack.text());
    lab.wait(Duration::from_secs(5));
    assert!(lab.sent.is_empty() && lab.told().is_empty());
    let bye = lab.ask("BYE").tagged(&tag).cseq(3);
    lab.receive(udp(CARRIER), &bye.text());
    lab.assert_no_leak();
}

#[test]
fn a_second_offer_before_the_first_is_answered_is_500_and_one_before_the_ack_491() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let first = lab.ask("INVITE").tagged(&tag).cseq(2).sdp();
    lab.receive(udp(CARRIER), &first.text());
    lab.sent.clear();
    for method in ["INVITE", "UPDATE"] {
        let second = lab.ask(method).tagged(&tag).cseq(3).sdp();
        lab.receive(udp(CARRIER), &second.text());
        let refused = lab.sent().pop().unwrap();
        assert_eq!(refused.status(), Some(500));
        assert!(refused.number(Header::RetryAfter).unwrap() <= 10);
    }
    lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
    lab.sent.clear();
    let third = lab.ask("INVITE").tagged(&tag).cseq(4).sdp();
    lab.receive(udp(CARRIER), &third.text());
    assert_eq!(lab.wrote(), ["491"]);
}

#[test]
fn an_offer_may_be_refused_cancelled_or_forgotten_and_the_call_goes_on() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let offer = lab.ask("INVITE").tagged(&tag).cseq(2).sdp();
    lab.receive(udp(CARRIER), &offer.text());
    lab.sent.clear();
    lab.command(Command::RefuseOffer { leg, status: 488 });
    assert_eq!(lab.wrote(), ["488"]);
    let offer = lab.ask("INVITE").tagged(&tag).cseq(3).sdp().branch("third");
    lab.receive(udp(CARRIER), &offer.text());
    lab.sent.clear();
    let cancel = lab.ask("CANCEL").tagged(&tag).cseq(3).branch("third");
    lab.receive(udp(CARRIER), &cancel.text());
    assert_eq!(lab.wrote(), ["200", "487"]);
    let offer = lab.ask("UPDATE").tagged(&tag).cseq(4).sdp();
    lab.receive(udp(CARRIER), &offer.text());
    lab.told();
    lab.wait(Duration::from_secs(11));
    assert!(lab.wrote().contains(&"500".to_owned()));
    assert!(lab.told().is_empty());
    let bye = lab.ask("BYE").tagged(&tag).cseq(5);
    lab.receive(udp(CARRIER), &bye.text());
    lab.assert_no_leak();
}

#[test]
fn an_update_without_sdp_is_answered_here_and_moves_the_target() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let update =
        lab.ask("UPDATE").tagged(&tag).cseq(2).without_contact().with("Contact: <sip:moved@192.0.2.2>");
    lab.receive(udp(CARRIER), &update.text());
    assert!(lab.told().is_empty());
    lab.sent.clear();
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    assert_eq!(lab.sent()[0].uri_text(), "sip:moved@192.0.2.2");
}

#[test]
fn requests_out_of_order_are_500_and_repeated_ones_are_absorbed() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let digit = |lab: &mut Lab, cseq: u32| {
        let mut info = lab.ask("INFO").tagged(&tag).cseq(cseq);
        info.body = ("application/dtmf-relay", "Signal=5\r\nDuration=100\r\n".to_owned());
        info
    };
    let info = digit(&mut lab, 5);
    lab.sent.clear();
    lab.receive(udp(CARRIER), &info.text());
    lab.receive(udp(CARRIER), &info.text());
    assert_eq!(lab.told(), [Event::Digit { leg, digit: base::Digit::from_char('5').unwrap() }]);
    let late = digit(&mut lab, 4);
    lab.receive(udp(CARRIER), &late.text());
    assert_eq!(lab.wrote(), ["200", "200", "500"]);
    assert!(lab.told().is_empty());
}

#[test]
fn digits_come_in_both_forms_of_info() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    lab.sent.clear();
    let bodies = [
        ("application/dtmf-relay", "Signal= 10\nDuration=160", "200"),
        ("application/dtmf-relay", "signal=#", "200"),
        ("application/dtmf", "9\r\n", "200"),
        ("application/dtmf", "11", "200"),
        ("application/dtmf", "!", "200"),
        ("application/dtmf", "hello", "400"),
        ("application/dtmf-relay", "Duration=160", "400"),
        ("application/media_control+xml", "<x/>", "415"),
        ("", "", "200"),
    ];
    for (cseq, (kind, body, status)) in (2..).zip(bodies) {
        let mut info = lab.ask("INFO").tagged(&tag).cseq(cseq);
        info.body = (kind, body.to_owned());
        lab.receive(udp(CARRIER), &info.text());
        assert_eq!(lab.wrote(), [status], "{kind} {body}");
    }
    let digits: String = lab
        .told()
        .iter()
        .map(|event| match event {
            Event::Digit { digit, .. } => digit.as_char(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(digits, "*#9#");
    let _ = leg;
}

#[test]
fn what_a_dialog_does_not_take_is_refused_by_name() {
    let mut lab = Lab::new();
    let (_, tag) = lab.up();
    lab.sent.clear();
    let table = [
        ("OPTIONS", "200"),
        ("PRACK", "481"),
        ("REFER", "403"),
        ("NOTIFY", "405"),
        ("MESSAGE", "405"),
        ("SUBSCRIBE", "400"),
        ("PUBLISH", "405"),
        ("FROBNICATE", "501"),
    ];
    for (cseq, (method, status)) in (2..).zip(table) {
        let ask = lab.ask(method).tagged(&tag).cseq(cseq);
        lab.receive(udp(CARRIER), &ask.text());
        let sent = lab.sent().pop().unwrap();
        assert_eq!(brief(&sent), status, "{method}");
        assert_eq!(sent.header(Header::Allow).is_some(), matches!(status, "200" | "405" | "501"));
    }
    let wrong = lab.ask("BYE").tagged("not-ours").cseq(20);
    lab.receive(udp(CARRIER), &wrong.text());
    let mut forged = lab.ask("BYE").tagged(&tag).cseq(20);
    forged.from = "<sip:13800138000@carrier.test>;tag=other".to_owned();
    lab.receive(udp(CARRIER), &forged.text());
    assert_eq!(lab.wrote(), ["481", "481"], "both tags must be right");
}

#[test]
fn a_session_that_the_peer_should_refresh_expires_without_a_refresh() {
    let mut lab = Lab::new();
    let invite = lab.ask("INVITE").sdp().with("Supported: timer").with("Session-Expires: 180;refresher=uac");
    lab.receive(udp(CARRIER), &invite.text());
    let leg = lab.incoming().leg;
    lab.sent.clear();
    lab.command(Command::Accept { leg, sdp: SDP.to_owned() });
    let ok = lab.sent().pop().unwrap();
    assert_eq!(ok.header(Header::SessionExpires).unwrap().text(), "180;refresher=uac");
    assert!(ok.lists_token(Header::Require, "timer"));
    let tag = ok.to_tag().unwrap();
    let ack = lab.ask("ACK").tagged(&tag);
    lab.receive(udp(CARRIER), &ack.text());
    lab.wait(Duration::from_secs(100));
    let update = lab.ask("UPDATE").tagged(&tag).cseq(2).with("Supported: timer").with("Session-Expires: 180");
    lab.receive(udp(CARRIER), &update.text());
    let refreshed = lab.sent().pop().unwrap();
    assert_eq!(refreshed.header(Header::SessionExpires).unwrap().text(), "180;refresher=uac");
    lab.told();
    lab.wait(Duration::from_millis(147_900));
    assert!(lab.told().is_empty(), "100 s + 180 s - 32 s");
    lab.wait(Duration::from_millis(200));
    assert_eq!(lab.told(), [ended(leg, Cause::SessionExpired, None)]);
    assert_eq!(lab.wrote(), ["BYE"]);
    lab.assert_no_leak();
}

#[test]
fn a_session_interval_below_90_s_is_422_with_min_se() {
    let mut lab = Lab::new();
    let invite = lab.ask("INVITE").sdp().with("Supported: timer").with("Session-Expires: 60");
    lab.receive(udp(CARRIER), &invite.text());
    let refused = lab.sent().pop().unwrap();
    assert_eq!((refused.status(), refused.number(Header::MinSe)), (Some(422), Ok(90)));
    lab.assert_no_leak();
}

#[test]
fn a_refresh_that_is_ours_goes_out_at_half_time_by_reinvite_or_update() {
    for (allow, method) in [("Allow: INVITE, BYE", "INVITE"), ("Allow: INVITE, BYE, UPDATE", "UPDATE")] {
        let mut lab = Lab::new();
        let invite = lab.ask("INVITE").sdp().with(allow).with("Session-Expires: 200;refresher=uas");
        lab.receive(udp(CARRIER), &invite.text());
        let leg = lab.incoming().leg;
        let tag = lab.accept(leg);
        let ack = lab.ask("ACK").tagged(&tag);
        lab.receive(udp(CARRIER), &ack.text());
        lab.told();
        lab.wait(Duration::from_millis(100_100));
        let refresh = lab.sent().pop().unwrap();
        assert_eq!(brief(&refresh), method);
        assert_eq!(refresh.header(Header::SessionExpires).unwrap().text(), "200;refresher=uac");
        assert_eq!(refresh.body().is_empty(), method == "UPDATE");
        let ok = answer(&refresh, 200, "caller", if method == "INVITE" { SDP } else { "" });
        lab.receive(
            udp(CARRIER),
            &ok.replace("Content-Length", "Session-Expires: 200;refresher=uac\r\nContent-Length"),
        );
        assert_eq!(lab.wrote(), if method == "INVITE" { vec!["ACK"] } else { vec![] });
        lab.wait(Duration::from_millis(100_100));
        assert_eq!(lab.wrote(), [method], "and again");
        lab.wait(Duration::from_secs(33));
        assert_eq!(lab.told(), [ended(leg, Cause::NoResponse, None)]);
        lab.assert_no_leak();
    }
}

#[test]
fn glare_our_refresh_waits_and_theirs_is_491() {
    let mut lab = Lab::new();
    let invite = lab.ask("INVITE").sdp().with("Session-Expires: 200;refresher=uas");
    lab.receive(udp(CARRIER), &invite.text());
    let leg = lab.incoming().leg;
    let tag = lab.accept(leg);
    let ack = lab.ask("ACK").tagged(&tag);
    lab.receive(udp(CARRIER), &ack.text());
    lab.wait(Duration::from_millis(100_100));
    let ours = lab.sent().pop().unwrap();
    assert_eq!(brief(&ours), "INVITE");
    let theirs = lab.ask("INVITE").tagged(&tag).cseq(2).sdp();
    lab.receive(udp(CARRIER), &theirs.text());
    let refused = lab.sent().pop().unwrap();
    assert_eq!(refused.status(), Some(491));
    let ack = lab.ask("ACK").tagged(&tag).cseq(2);
    let branch = theirs.branch.clone();
    lab.receive(udp(CARRIER), &Ask { branch, ..ack }.text());
    lab.receive(udp(CARRIER), &answer(&ours, 491, "caller", ""));
    assert_eq!(lab.wrote(), ["ACK"]);
    lab.wait(Duration::from_millis(2_100));
    assert_eq!(lab.wrote()[0], "INVITE", "RFC 3261 section 14.1: within 2 s, for we do not own the Call-ID");
}

#[test]
fn a_placed_leg_refreshes_when_the_phone_says_so() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    let ok = answer(&invite, 200, "phone", SDP);
    lab.receive(
        udp(PHONE),
        &ok.replace("Content-Length", "Session-Expires: 90;refresher=uac\r\nContent-Length"),
    );
    lab.wrote();
    lab.wait(Duration::from_secs(46));
    assert!(lab.wrote().contains(&"INVITE".to_owned()));
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    assert!(lab.wrote().contains(&"BYE".to_owned()));
}
