//! 18x that must arrive (RFC 3262), and early dialogs (RFC 3261 section 12, RFC 3311).

use super::*;

const OTHER: &str =
    "v=0\r\no=- 2 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\n";

/// An INVITE with these lines arrives, and 183 with our description goes out.
fn shown(lab: &mut Lab, lines: &[&str], with_sdp: bool) -> (LegId, Message) {
    let mut ask = lab.ask("INVITE");
    for line in lines {
        ask = ask.with(line);
    }
    let ask = if with_sdp { ask.sdp() } else { ask };
    lab.receive(udp(CARRIER), &ask.text());
    let leg = lab.incoming().leg;
    lab.sent.clear();
    lab.command(Command::Progress { leg, status: 183, sdp: Some(SDP.to_owned()) });
    (leg, lab.sent().pop().expect("a 183"))
}

/// The PRACK of a 18x.
fn prack(lab: &mut Lab, of: &Message, cseq: u32) -> Ask {
    let rseq = of.number(Header::RSeq).expect("a reliable 18x");
    lab.ask("PRACK").tagged(&of.to_tag().unwrap()).cseq(cseq).with(&format!("RAck: {rseq} 1 INVITE"))
}

/// A 18x of the phone that must be acknowledged.
fn reliable(invite: &Message, status: u16, tag: &str, rseq: u32, sdp: &str) -> String {
    let numbered = format!("Require: 100rel\r\nRSeq: {rseq}\r\nContent-Length");
    answer(invite, status, tag, sdp).replace("Content-Length", &numbered)
}

#[test]
fn a_caller_that_requires_100rel_gets_each_18x_until_its_prack_and_a_200_without_sdp() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Require: 100rel"], true);
    assert!(shown.lists_token(Header::Require, "100rel") && !shown.body().is_empty());
    lab.wait(Duration::from_millis(3600));
    assert_eq!(lab.wrote(), ["183"; 3], "at 0.5, 1.5 and 3.5 s");
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.wrote(), ["200", "200"], "a repeated PRACK is a retransmission");
    let late = prack(&mut lab, &shown, 3);
    lab.receive(udp(CARRIER), &late.text());
    assert_eq!(lab.wrote(), ["481"], "nothing waits for it any more");
    lab.command(Command::Progress { leg, status: 180, sdp: None });
    let rang = lab.sent().pop().unwrap();
    assert_eq!(rang.number(Header::RSeq).unwrap(), shown.number(Header::RSeq).unwrap() + 1);
    let ack = prack(&mut lab, &rang, 4);
    lab.receive(udp(CARRIER), &ack.text());
    lab.sent.clear();
    lab.command(Command::Accept { leg, sdp: SDP.to_owned() });
    let ok = lab.sent().pop().unwrap();
    assert_eq!((ok.status(), ok.body()), (Some(200), &b""[..]), "the answer was said already");
    let ack = lab.ask("ACK").tagged(&ok.to_tag().unwrap());
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.told(), [Event::Confirmed { leg, sdp: None }]);
    let bye = lab.ask("BYE").tagged(&ok.to_tag().unwrap()).cseq(9);
    lab.receive(udp(CARRIER), &bye.text());
    lab.assert_no_leak();
}

#[test]
fn a_caller_that_supports_100rel_gets_it_for_media_and_only_for_media() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Supported: timer, 100rel"], true);
    assert!(shown.lists_token(Header::Require, "100rel"));
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    lab.sent.clear();
    lab.command(Command::Progress { leg, status: 180, sdp: Some(SDP.to_owned()) });
    let rang = lab.sent().pop().unwrap();
    assert!(rang.header(Header::RSeq).is_none() && rang.body().is_empty(), "it was said reliably before");
    let mut lab = Lab::new();
    let (_, plain) = self::shown(&mut lab, &[], true);
    assert!(plain.header(Header::RSeq).is_none() && !plain.body().is_empty());
}

#[test]
fn a_reliable_18x_that_nobody_acknowledges_ends_the_call_with_504() {
    for flow in [udp(CARRIER), tcp(CARRIER, 3)] {
        let mut lab = Lab::new();
        let ask = lab.ask("INVITE").sdp().with("Require: 100rel");
        lab.receive(flow, &ask.text());
        let leg = lab.incoming().leg;
        lab.sent.clear();
        lab.command(Command::Progress { leg, status: 180, sdp: None });
        lab.wait(Duration::from_millis(31_900));
        assert_eq!(lab.wrote(), ["180"; 7], "over streams too: it is repeated end to end");
        lab.wait(Duration::from_millis(200));
        assert_eq!(lab.wrote()[0], "504");
        assert_eq!(lab.told(), [ended(leg, Cause::NoResponse, Some(504))]);
        lab.assert_no_leak();
    }
}

#[test]
fn a_200_waits_for_the_prack_of_what_carried_the_answer_and_for_no_other() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Require: 100rel"], true);
    lab.command(Command::Accept { leg, sdp: SDP.to_owned() });
    assert!(lab.sent.is_empty(), "RFC 3262 section 3");
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.wrote(), ["200", "200"], "of the PRACK and of the INVITE");
    let mut lab = Lab::new();
    let ask = lab.ask("INVITE").sdp().with("Require: 100rel");
    lab.receive(udp(CARRIER), &ask.text());
    let leg = lab.incoming().leg;
    lab.sent.clear();
    lab.command(Command::Progress { leg, status: 180, sdp: None });
    let rang = lab.sent().pop().unwrap();
    lab.command(Command::Accept { leg, sdp: SDP.to_owned() });
    let ok = lab.sent().pop().unwrap();
    assert!(ok.status() == Some(200) && !ok.body().is_empty());
    let ack = prack(&mut lab, &rang, 2);
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.wrote(), ["200"], "the PRACK that crosses the 200 is still taken");
    lab.wait(Duration::from_millis(600));
    assert_eq!(lab.wrote(), ["200"], "only the 200 goes on");
}

#[test]
fn what_is_shown_while_a_18x_waits_goes_out_after_its_prack() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Require: 100rel"], true);
    lab.command(Command::Progress { leg, status: 180, sdp: None });
    lab.command(Command::Progress { leg, status: 181, sdp: None });
    assert!(lab.sent.is_empty(), "one at a time");
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.wrote(), ["200", "181"]);
}

#[test]
fn an_invite_without_offer_gets_ours_in_the_first_reliable_18x_and_the_prack_answers_it() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Supported: 100rel"], false);
    assert_eq!(shown.body(), SDP.as_bytes());
    let empty = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &empty.text());
    assert_eq!(lab.wrote(), ["400"], "an offer must be answered in the PRACK");
    let ack = prack(&mut lab, &shown, 3).sdp();
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.wrote(), ["200"]);
    assert_eq!(lab.told(), [Event::Agreed { leg, sdp: SDP.to_owned() }]);
    lab.command(Command::Accept { leg, sdp: OTHER.to_owned() });
    assert!(lab.sent().pop().unwrap().body().is_empty());
    let mut lab = Lab::new();
    let (_, plain) = self::shown(&mut lab, &[], false);
    assert!(plain.body().is_empty(), "an offer in an unreliable 18x would bind nobody");
}

#[test]
fn an_offer_in_a_prack_is_answered_in_its_200() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Require: 100rel"], true);
    let mut offering = prack(&mut lab, &shown, 2);
    offering.body = ("application/sdp", OTHER.to_owned());
    lab.receive(udp(CARRIER), &offering.text());
    assert_eq!(lab.told(), [Event::Offer { leg, sdp: Some(OTHER.to_owned()) }]);
    assert!(lab.sent.is_empty());
    lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
    let ok = lab.sent().pop().unwrap();
    assert_eq!((ok.status(), ok.method(), ok.body()), (Some(200), &Method::Prack, SDP.as_bytes()));
}

#[test]
fn an_update_with_an_offer_comes_before_the_200_once_the_first_answer_was_heard() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Supported: 100rel"], true);
    let tag = shown.to_tag().unwrap();
    let early = lab.ask("UPDATE").tagged(&tag).cseq(3).sdp();
    lab.receive(udp(CARRIER), &early.text());
    assert_eq!(lab.wrote(), ["500"], "our answer has no PRACK yet");
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.wrote(), ["200"], "a PRACK that the UPDATE has overtaken is taken");
    let update = lab.ask("UPDATE").tagged(&tag).cseq(4).sdp();
    lab.receive(udp(CARRIER), &update.text());
    assert_eq!(lab.told(), [Event::Offer { leg, sdp: Some(SDP.to_owned()) }]);
    let second = lab.ask("UPDATE").tagged(&tag).cseq(5).sdp();
    lab.receive(udp(CARRIER), &second.text());
    assert_eq!(lab.wrote(), ["500"]);
    // The call is answered while the offer waits.
    lab.command(Command::Accept { leg, sdp: SDP.to_owned() });
    lab.command(Command::AcceptOffer { leg, sdp: OTHER.to_owned() });
    let sent = lab.sent();
    assert_eq!(sent.iter().map(brief).collect::<Vec<_>>(), ["200", "200"]);
    assert_eq!((sent[1].method(), sent[1].body()), (&Method::Update, OTHER.as_bytes()));
}

#[test]
fn an_offer_that_the_control_forgets_or_that_a_cancel_meets_is_refused() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Supported: 100rel"], true);
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    let tag = shown.to_tag().unwrap();
    let update = lab.ask("UPDATE").tagged(&tag).cseq(3).sdp();
    lab.receive(udp(CARRIER), &update.text());
    lab.sent.clear();
    lab.wait(Duration::from_secs(11));
    assert_eq!(lab.wrote(), ["500"]);
    let update = lab.ask("UPDATE").tagged(&tag).cseq(4).sdp();
    lab.receive(udp(CARRIER), &update.text());
    lab.told();
    let cancel = lab.ask("CANCEL").branch("auto1");
    lab.receive(udp(CARRIER), &cancel.text());
    assert_eq!(lab.wrote(), ["200", "487", "487"]);
    assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
    lab.assert_no_leak();
}

#[test]
fn prack_crossing_cancel_ends_the_call_once() {
    let mut lab = Lab::new();
    let (leg, shown) = shown(&mut lab, &["Require: 100rel"], true);
    let cancel = lab.ask("CANCEL").branch("auto1");
    lab.receive(udp(CARRIER), &cancel.text());
    assert_eq!(lab.wrote(), ["200", "487"]);
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.wrote(), ["481"], "the dialog is gone");
    assert_eq!(lab.told()[..1], [ended(leg, Cause::CallerGaveUp, Some(487))]);
    lab.wait(Duration::from_secs(1));
    assert_eq!(lab.wrote(), ["487"], "the 183 is not repeated any more");
    lab.assert_no_leak();
}

#[test]
fn a_long_ringing_reliable_call_shows_a_new_18x_each_minute() {
    let mut lab = Lab::new();
    let (_, shown) = shown(&mut lab, &["Require: 100rel"], true);
    let ack = prack(&mut lab, &shown, 2);
    lab.receive(udp(CARRIER), &ack.text());
    lab.sent.clear();
    lab.wait(Duration::from_millis(60_100));
    let again = lab.sent().pop().unwrap();
    assert_eq!(again.number(Header::RSeq).unwrap(), shown.number(Header::RSeq).unwrap() + 1);
    assert!(again.body().is_empty());
}

#[test]
fn each_reliable_18x_of_a_phone_gets_its_prack_in_order_and_copies_are_absorbed() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    assert!(invite.lists_token(Header::Supported, "100rel"));
    lab.receive(udp(PHONE), &reliable(&invite, 183, "phone", 7, SDP));
    let first = lab.sent().pop().unwrap();
    assert_eq!(first.header(Header::RAck).unwrap().text(), "7 1 INVITE");
    assert_eq!((first.cseq().number, first.to_tag().as_deref()), (2, Some("phone")));
    assert_eq!(lab.told(), [Event::Progressed { leg, status: 183, sdp: Some(SDP.to_owned()) }]);
    lab.receive(udp(PHONE), &answer(&first, 200, "phone", ""));
    lab.receive(udp(PHONE), &reliable(&invite, 183, "phone", 7, SDP));
    lab.receive(udp(PHONE), &reliable(&invite, 180, "phone", 9, ""));
    assert!(lab.sent.is_empty() && lab.told().is_empty(), "a copy, and one whose forerunner is missing");
    lab.receive(udp(PHONE), &reliable(&invite, 180, "phone", 8, ""));
    let second = lab.sent().pop().unwrap();
    assert_eq!(
        (second.cseq().number, second.header(Header::RAck).unwrap().text().as_ref()),
        (3, "8 1 INVITE")
    );
    lab.receive(udp(PHONE), &answer(&second, 200, "phone", ""));
    lab.told();
    lab.receive(udp(PHONE), &answer(&invite, 200, "phone", ""));
    let ack = lab.sent().pop().unwrap();
    assert_eq!((ack.method(), ack.cseq().number), (&Method::Ack, 1));
    let peer = PHONE.parse::<SocketAddr>().unwrap().ip();
    assert_eq!(lab.told(), [Event::Answered { leg, sdp: Some(SDP.to_owned()), peer }]);
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let bye = lab.sent().pop().unwrap();
    assert_eq!(bye.cseq().number, 4, "the numbers of the early dialog go on");
    lab.receive(udp(PHONE), &answer(&bye, 200, "phone", ""));
    lab.assert_no_leak_but_registrations();
}

#[test]
fn each_fork_has_its_numbers_and_the_one_that_answers_has_its_media() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &reliable(&invite, 183, "one", 1, SDP));
    lab.receive(udp(PHONE), &reliable(&invite, 183, "two", 70, OTHER));
    let sent = lab.sent();
    let racks: Vec<_> = sent.iter().map(|m| m.header(Header::RAck).unwrap().text().into_owned()).collect();
    assert_eq!(racks, ["1 1 INVITE", "70 1 INVITE"]);
    assert!(sent.iter().all(|prack| prack.cseq().number == 2));
    lab.told();
    lab.receive(udp(PHONE), &answer(&invite, 200, "one", ""));
    assert!(
        matches!(&lab.told()[..], [Event::Answered { leg: of, sdp: Some(sdp), .. }] if *of == leg && sdp == SDP)
    );
    assert_eq!(lab.wrote(), ["ACK"]);
    lab.receive(udp(PHONE), &reliable(&invite, 183, "three", 5, OTHER));
    assert!(lab.told().is_empty() && lab.sent.is_empty(), "a late 183 of another fork is no media");
    lab.receive(udp(PHONE), &answer(&invite, 200, "two", OTHER));
    assert_eq!(lab.wrote(), ["ACK", "BYE"]);
    assert!(lab.told().is_empty());
}

#[test]
fn more_forks_than_anybody_has_are_not_kept() {
    let mut lab = Lab::new();
    let (_, invite) = lab.place();
    for n in 0..20 {
        lab.receive(udp(PHONE), &reliable(&invite, 183, &format!("t{n}"), 1, SDP));
    }
    assert_eq!(lab.wrote(), ["PRACK"; 8]);
    assert_eq!(lab.told().len(), 8);
}

#[test]
fn before_it_answers_a_phone_is_heard_in_its_early_dialog() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    let stray = within(&invite, "UPDATE", "phone", 1);
    lab.receive(udp(PHONE), &stray.text());
    assert_eq!(lab.wrote(), ["481"], "no such fork yet");
    lab.receive(udp(PHONE), &answer(&invite, 183, "phone", SDP));
    lab.told();
    for (cseq, method, status) in [
        (1, "UPDATE", "200"),
        (2, "INFO", "200"),
        (3, "OPTIONS", "200"),
        (4, "PRACK", "481"),
        (5, "INVITE", "491"),
    ] {
        lab.receive(udp(PHONE), &within(&invite, method, "phone", cseq).branch(&format!("e{cseq}")).text());
        assert_eq!(lab.wrote(), [status], "{method}");
    }
    let offer = within(&invite, "UPDATE", "phone", 6).branch("e6").sdp();
    lab.receive(udp(PHONE), &offer.text());
    assert_eq!(lab.wrote(), ["491"], "our offer has no reliable answer yet");
    assert!(lab.told().is_empty());
    lab.receive(udp(PHONE), &answer(&invite, 200, "phone", SDP));
    let late = within(&invite, "INFO", "phone", 5).branch("e7");
    lab.sent.clear();
    lab.receive(udp(PHONE), &late.text());
    assert_eq!(lab.wrote(), ["500"], "the numbers of the early dialog go on");
    let bye = within(&invite, "BYE", "phone", 8);
    lab.receive(udp(PHONE), &bye.text());
    assert_eq!(lab.told().last(), Some(&ended(leg, Cause::SeatHungUp, None)));
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_phone_updates_its_media_before_it_answers_and_the_first_answer_is_history() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &reliable(&invite, 183, "phone", 1, SDP));
    let prack = lab.sent().pop().unwrap();
    lab.receive(udp(PHONE), &answer(&prack, 200, "phone", ""));
    lab.told();
    let update = within(&invite, "UPDATE", "phone", 1).sdp();
    lab.receive(udp(PHONE), &update.text());
    assert_eq!(lab.told(), [Event::Offer { leg, sdp: Some(SDP.to_owned()) }]);
    lab.command(Command::AcceptOffer { leg, sdp: OTHER.to_owned() });
    let ok = lab.sent().pop().unwrap();
    assert_eq!((ok.status(), ok.body()), (Some(200), OTHER.as_bytes()));
    lab.receive(udp(PHONE), &answer(&invite, 200, "phone", SDP));
    let peer = PHONE.parse::<SocketAddr>().unwrap().ip();
    assert_eq!(lab.told(), [Event::Answered { leg, sdp: None, peer }], "what the UPDATE agreed on holds");
}

#[test]
fn a_bye_of_a_callee_that_has_not_answered_ends_its_fork_and_not_the_leg() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    lab.told();
    lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 1).text());
    assert_eq!(lab.wrote(), ["200"]);
    assert!(lab.told().is_empty());
    lab.receive(udp(PHONE), &answer(&invite, 486, "phone", ""));
    assert_eq!(lab.told(), [ended(leg, Cause::Busy, Some(486))]);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_reliable_18x_that_crosses_our_cancel_is_acknowledged_and_not_told() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &answer(&invite, 100, "", ""));
    lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
    assert_eq!(lab.wrote(), ["CANCEL"]);
    lab.receive(udp(PHONE), &reliable(&invite, 183, "phone", 1, SDP));
    assert_eq!(lab.wrote(), ["PRACK"]);
    assert!(lab.told().is_empty());
    lab.receive(udp(PHONE), &answer(&invite, 487, "phone", ""));
    assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_challenged_prack_is_sent_again_with_the_password() {
    let mut lab = {
        let mut directory = directory();
        directory.trunks[0].targets = vec![udp(CARRIER)];
        Lab::with(directory)
    };
    lab.input(Input::Command(Command::Place {
        leg: LegId::placed(1),
        invite: Box::new(outgoing(Destination::Trunk { trunk: "carrier".into(), number: "1".to_owned() })),
    }));
    let invite = lab.sent().into_iter().find(|m| is_method(m, &Method::Invite)).unwrap();
    lab.receive(udp(CARRIER), &reliable(&invite, 183, "gw", 3, SDP));
    let prack = lab.sent().pop().unwrap();
    let challenge = answer(&prack, 407, "gw", "").replace(
        "Content-Length",
        "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5\r\nContent-Length",
    );
    lab.receive(udp(CARRIER), &challenge);
    let again = lab.sent().pop().unwrap();
    assert!(is_method(&again, &Method::Prack) && again.header(Header::ProxyAuthorization).is_some());
    assert_eq!((again.cseq().number, again.header(Header::RAck).unwrap().text().as_ref()), (3, "3 1 INVITE"));
}
