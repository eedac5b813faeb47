//! Session timers of our own INVITEs (RFC 4028), and who the other end is (RFC 4916).

use super::*;
use crate::seam::Identity;

/// The response with these lines.
fn with(response: &str, lines: &str) -> String {
    response.replace("Content-Length", &format!("{lines}\r\nContent-Length"))
}

fn identity(user: &str) -> Identity {
    Identity { user: user.to_owned(), display: Some("Wang".to_owned()), asserted: None, withheld: false }
}

fn identify(lab: &mut Lab, leg: LegId, identity: Identity) {
    lab.command(Command::Identify { leg, identity: Box::new(identity) });
}

/// A placed leg whose phone said these lines in its 200.
fn answered(lines: &str) -> (Lab, LegId, Message) {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &with(&answer(&invite, 200, "phone", SDP), lines));
    assert_eq!(lab.wrote(), ["ACK"]);
    lab.told();
    (lab, leg, invite)
}

fn value(message: &Message, header: Header) -> String {
    message.header(header).map(|value| value.text().into_owned()).unwrap_or_default()
}

#[test]
fn our_invite_asks_for_half_an_hour_and_leaves_the_refresher_to_the_peer() {
    let mut lab = Lab::new();
    let (_, invite) = lab.place();
    assert_eq!(value(&invite, Header::SessionExpires), "1800");
    assert_eq!(value(&invite, Header::MinSe), "90");
    assert!(invite.lists_token(Header::Supported, "timer"));
}

#[test]
fn a_refresher_we_are_sends_update_where_the_peer_takes_it_and_keeps_the_session_alive() {
    let (mut lab, leg, _) = answered("Session-Expires: 1800;refresher=uac\r\nAllow: INVITE, BYE, UPDATE");
    for _ in 0..3 {
        lab.wait(Duration::from_secs(901));
        let refresh = lab.sent().into_iter().find(|m| is_method(m, &Method::Update)).expect("a refresh");
        assert_eq!(value(&refresh, Header::SessionExpires), "1800;refresher=uac");
        let ok = with(&answer(&refresh, 200, "phone", ""), "Session-Expires: 1800;refresher=uac");
        lab.receive(udp(PHONE), &ok);
    }
    assert!(!lab.told().contains(&ended(leg, Cause::SessionExpired, None)));
}

#[test]
fn a_refresher_the_phone_is_and_that_never_refreshes_ends_the_call_before_the_phone_does() {
    let (mut lab, leg, _) = answered("Session-Expires: 1800;refresher=uas");
    lab.wait(Duration::from_millis(1_767_900));
    assert!(!lab.told().iter().any(|event| matches!(event, Event::Ended { .. })));
    lab.wait(Duration::from_millis(200));
    assert!(lab.told().contains(&ended(leg, Cause::SessionExpired, None)), "1800 s less 32 s");
    let (mut lab, leg, _) = answered("Allow: INVITE");
    lab.wait(Duration::from_hours(2));
    assert!(!lab.told().contains(&ended(leg, Cause::SessionExpired, None)), "no timer, no end");
}

#[test]
fn an_interval_too_small_is_asked_anew_once_with_the_peers_own() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &with(&answer(&invite, 422, "phone", ""), "Min-SE: 3600"));
    let sent = lab.sent();
    assert_eq!(sent.iter().map(brief).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    let again = &sent[1];
    assert_eq!(
        (value(again, Header::SessionExpires), value(again, Header::MinSe)),
        ("3600".into(), "3600".into())
    );
    assert_eq!((again.cseq().number, again.call_id()), (2, invite.call_id()));
    assert_eq!(again.from_tag(), invite.from_tag());
    assert_ne!(again.via().unwrap().branch(), invite.via().unwrap().branch());
    assert!(lab.told().is_empty());
    lab.receive(udp(PHONE), &with(&answer(again, 422, "phone", ""), "Min-SE: 7200"));
    assert_eq!(lab.told(), [ended(leg, Cause::Unreachable, Some(422))], "once is enough");
    lab.assert_no_leak_but_registrations();
    for useless in ["X: y", "Min-SE: 10", "Min-SE: 4000000000"] {
        let mut lab = Lab::new();
        let (leg, invite) = lab.place();
        lab.receive(udp(PHONE), &with(&answer(&invite, 422, "phone", ""), useless));
        assert_eq!(lab.told(), [ended(leg, Cause::Unreachable, Some(422))], "{useless}");
    }
}

#[test]
fn a_peer_that_requires_an_extension_gets_it_required_if_we_know_it() {
    for (wanted, is_known) in [("timer", true), ("100rel, timer", true), ("precondition", false), ("", false)]
    {
        let mut lab = Lab::new();
        let (leg, invite) = lab.place();
        lab.receive(udp(PHONE), &with(&answer(&invite, 421, "phone", ""), &format!("Require: {wanted}")));
        let sent = lab.sent();
        if is_known {
            assert_eq!(value(&sent[1], Header::Require), wanted);
            lab.receive(udp(PHONE), &answer(&sent[1], 200, "phone", SDP));
            assert!(matches!(lab.told()[..], [Event::Answered { .. }]));
        } else {
            assert_eq!(lab.told(), [ended(leg, Cause::Unreachable, Some(421))], "{wanted}");
        }
    }
}

#[test]
fn a_refresh_that_is_too_small_is_sent_again_with_what_the_peer_wants() {
    let (mut lab, _, _) = answered("Session-Expires: 100;refresher=uac");
    lab.wait(Duration::from_millis(50_100));
    let refresh = lab.sent().into_iter().find(|m| is_method(m, &Method::Invite)).unwrap();
    lab.receive(udp(PHONE), &with(&answer(&refresh, 422, "phone", ""), "Min-SE: 300"));
    let again = lab.sent().pop().unwrap();
    assert!(is_method(&again, &Method::Invite));
    assert_eq!(value(&again, Header::SessionExpires), "300;refresher=uac");
    assert_eq!(value(&again, Header::MinSe), "300");
}

#[test]
fn a_seat_is_told_who_it_talks_to_now_by_update_or_by_reinvite() {
    for (allow, method) in [("Allow: INVITE, BYE, UPDATE", "UPDATE"), ("Allow: INVITE, BYE", "INVITE")] {
        let (mut lab, leg, _) = answered(allow);
        identify(&mut lab, leg, identity("13900139000"));
        let sent = lab.sent().pop().expect("it is told");
        assert_eq!(brief(&sent), method);
        assert_eq!(value(&sent, Header::PAssertedIdentity), "\"Wang\" <sip:13900139000@sibai.test>");
        assert!(!value(&sent, Header::From).contains("13900139000"), "the phone does not follow a From");
        assert_eq!(sent.body(), if method == "INVITE" { SDP.as_bytes() } else { b"" });
        assert!(sent.header(Header::SessionExpires).is_none(), "there was no session timer");
        lab.receive(udp(PHONE), &answer(&sent, 200, "phone", if method == "INVITE" { SDP } else { "" }));
        assert_eq!(lab.wrote(), if method == "INVITE" { vec!["ACK"] } else { vec![] });
        assert!(lab.told().is_empty());
    }
}

#[test]
fn a_phone_that_follows_gets_another_from_and_the_tag_stays() {
    let (mut lab, leg, invite) = answered("Allow: UPDATE\r\nSupported: from-change");
    identify(&mut lab, leg, identity("13900139000"));
    let sent = lab.sent().pop().unwrap();
    assert!(value(&sent, Header::From).starts_with("\"Wang\" <sip:13900139000@sibai.test>;tag="));
    assert_eq!(sent.from_tag(), invite.from_tag());
    lab.receive(udp(PHONE), &answer(&sent, 200, "phone", ""));
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let bye = lab.sent().pop().unwrap();
    assert_eq!(value(&bye, Header::From), value(&sent, Header::From));
}

#[test]
fn a_withheld_number_replaces_the_one_before_and_is_not_written() {
    let (mut lab, leg, _) = answered("Allow: UPDATE\r\nSupported: from-change");
    let withheld = Identity { withheld: true, ..identity("13900139000") };
    identify(&mut lab, leg, withheld);
    let sent = lab.sent().pop().unwrap();
    assert_eq!(value(&sent, Header::Privacy), "id");
    assert!(!String::from_utf8_lossy(sent.as_bytes()).contains("13900139000"));
    assert!(value(&sent, Header::From).contains("anonymous.invalid"));
}

#[test]
fn a_trunk_is_told_nothing_of_who_talks() {
    let mut lab = Lab::new();
    let (leg, _) = lab.up();
    lab.sent.clear();
    identify(&mut lab, leg, identity("13900139000"));
    lab.wait(Duration::from_secs(20));
    assert!(lab.sent.is_empty());
}

#[test]
fn who_it_is_waits_for_what_is_under_way_and_the_newest_counts() {
    let (mut lab, leg, invite) = answered("Allow: UPDATE\r\nSession-Expires: 200;refresher=uac");
    lab.wait(Duration::from_millis(100_100));
    let refresh = lab.sent().into_iter().find(|m| is_method(m, &Method::Update)).unwrap();
    for who in ["1", "2", "3"] {
        identify(&mut lab, leg, identity(who));
    }
    assert!(lab.sent.is_empty(), "our refresh is out");
    lab.receive(udp(PHONE), &with(&answer(&refresh, 200, "phone", ""), "Session-Expires: 200;refresher=uac"));
    lab.wait(Duration::from_millis(1));
    let told = lab.sent();
    assert_eq!(told.len(), 1);
    assert!(value(&told[0], Header::PAssertedIdentity).contains("sip:3@"));
    assert_eq!(value(&told[0], Header::SessionExpires), "200;refresher=uac", "it refreshes as well");
    lab.receive(udp(PHONE), &with(&answer(&told[0], 200, "phone", ""), "Session-Expires: 200;refresher=uac"));
    // An offer of the peer waits for the control: so does the news.
    let offer = within(&invite, "INVITE", "phone", 1).sdp();
    lab.receive(udp(PHONE), &offer.text());
    lab.sent.clear();
    identify(&mut lab, leg, identity("4"));
    assert!(lab.sent.is_empty());
    lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
    assert_eq!(lab.wrote(), ["200"]);
    lab.receive(udp(PHONE), &within(&invite, "ACK", "phone", 1).text());
    lab.wait(Duration::from_millis(1));
    let told = lab.sent().pop().unwrap();
    assert!(is_method(&told, &Method::Update) && value(&told, Header::PAssertedIdentity).contains("sip:4@"));
}

#[test]
fn news_that_meet_glare_come_again_and_news_that_are_refused_are_forgotten() {
    let (mut lab, leg, _) = answered("Allow: UPDATE\r\nSession-Expires: 1800;refresher=uas");
    identify(&mut lab, leg, identity("1"));
    let first = lab.sent().pop().unwrap();
    assert_eq!(value(&first, Header::SessionExpires), "1800;refresher=uas", "the phone's role stays its own");
    lab.receive(udp(PHONE), &answer(&first, 491, "phone", ""));
    lab.wait(Duration::from_millis(2_090));
    assert!(!lab.wrote().contains(&"UPDATE".to_owned()), "the owner of the Call-ID waits 2.1 s at least");
    lab.wait(Duration::from_millis(1_920));
    let second = lab.sent().into_iter().find(|m| is_method(m, &Method::Update)).expect("within 4 s");
    lab.receive(udp(PHONE), &answer(&second, 488, "phone", ""));
    lab.wait(Duration::from_secs(100));
    assert!(!lab.wrote().contains(&"UPDATE".to_owned()));
    assert!(!lab.told().iter().any(|event| matches!(event, Event::Ended { .. })), "the call goes on");
    lab.wait(Duration::from_secs(1_640));
    assert!(lab.told().is_empty(), "a refused request refreshed nothing and broke nothing");
    lab.wait(Duration::from_secs(30));
    assert_eq!(lab.told(), [ended(leg, Cause::SessionExpired, None)], "the phone's timer ran on");
}

#[test]
fn a_phone_that_says_it_takes_update_and_does_not_gets_a_reinvite() {
    let (mut lab, leg, _) = answered("Allow: UPDATE");
    identify(&mut lab, leg, identity("1"));
    let update = lab.sent().pop().unwrap();
    lab.receive(udp(PHONE), &answer(&update, 405, "phone", ""));
    let invite = lab.sent().pop().unwrap();
    assert!(
        is_method(&invite, &Method::Invite) && value(&invite, Header::PAssertedIdentity).contains("sip:1@")
    );
}

#[test]
fn a_peer_that_becomes_somebody_else_is_called_by_its_new_name() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let mut update = lab.ask("UPDATE").tagged(&tag).cseq(2);
    update.from = "\"Zhao\" <sip:13700137000@carrier.test>;tag=caller".to_owned();
    let update = update.with("P-Asserted-Identity: <sip:13700137000@carrier.test>");
    lab.sent.clear();
    lab.receive(udp(CARRIER), &update.text());
    assert_eq!(lab.wrote(), ["200"]);
    assert!(lab.told().is_empty());
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let bye = lab.sent().pop().unwrap();
    assert_eq!(value(&bye, Header::To), "\"Zhao\" <sip:13700137000@carrier.test>;tag=caller");
}

#[test]
fn early_media_of_a_carrier_is_told_apart_from_a_description_that_comes_early() {
    let mut lab = Lab::new();
    let ask = lab.ask("INVITE").sdp().with("P-Early-Media: supported");
    lab.receive(udp(CARRIER), &ask.text());
    let leg = lab.incoming().leg;
    lab.sent.clear();
    lab.command(Command::Progress { leg, status: 180, sdp: None });
    lab.command(Command::Progress { leg, status: 183, sdp: Some(SDP.to_owned()) });
    let sent = lab.sent();
    assert!(sent[0].header(Header::PEarlyMedia).is_none());
    assert_eq!(value(&sent[1], Header::PEarlyMedia), "sendrecv");
    let mut directory = directory();
    directory.trunks[0].targets = vec![udp(CARRIER)];
    let mut lab = Lab::with(directory);
    let leg = LegId::placed(1);
    let to = Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() };
    lab.command(Command::Place { leg, invite: Box::new(outgoing(to)) });
    let invite = lab.sent().into_iter().find(|m| is_method(m, &Method::Invite)).unwrap();
    assert_eq!(value(&invite, Header::PEarlyMedia), "supported");
    lab.receive(udp(CARRIER), &with(&answer(&invite, 183, "gw", SDP), "P-Early-Media: inactive"));
    assert_eq!(lab.told(), [Event::Progressed { leg, status: 183, sdp: None }]);
    lab.receive(udp(CARRIER), &with(&answer(&invite, 183, "gw", SDP), "P-Early-Media: sendrecv"));
    assert_eq!(lab.told(), [Event::Progressed { leg, status: 183, sdp: Some(SDP.to_owned()) }]);
}

#[test]
fn a_flood_of_info_is_answered_and_dropped() {
    let mut lab = Lab::new();
    let (_, tag) = lab.up();
    let press = |lab: &mut Lab, cseq: u32| {
        let mut info = lab.ask("INFO").tagged(&tag).cseq(cseq);
        info.body = ("application/dtmf", "5".to_owned());
        lab.receive(udp(CARRIER), &info.text());
    };
    lab.sent.clear();
    for cseq in 2..202 {
        press(&mut lab, cseq);
    }
    assert_eq!(lab.wrote(), ["200"; 200]);
    assert_eq!(lab.told().len(), 30);
    lab.wait(Duration::from_secs(1));
    press(&mut lab, 300);
    assert_eq!(lab.told().len(), 1, "a second later the keypad works again");
}
