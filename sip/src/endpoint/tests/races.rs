//! What crosses on the wire.

use super::*;

#[test]
fn cancel_against_200_the_call_is_acked_and_told_and_the_control_decides() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    lab.command(Command::GiveUp { leg, cause: Cause::AnsweredElsewhere });
    assert_eq!(lab.wrote(), ["CANCEL"]);
    lab.told();
    lab.receive(udp(PHONE), &answer(&invite, 200, "phone", SDP));
    assert_eq!(lab.wrote(), ["ACK"]);
    assert!(matches!(lab.told()[..], [Event::Answered { .. }]));
    lab.command(Command::HangUp { leg, cause: Cause::AnsweredElsewhere });
    let bye = lab.sent().pop().unwrap();
    assert!(is_method(&bye, &Method::Bye));
    assert!(bye.header(Header::Reason).unwrap().text().starts_with("SIP;cause=200"));
    lab.receive(udp(PHONE), &answer(&bye, 200, "phone", ""));
    assert!(lab.told().is_empty());
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_give_up_that_crosses_answered_changes_nothing() {
    let mut lab = Lab::new();
    let (leg, _) = lab.placed_up();
    lab.command(Command::GiveUp { leg, cause: Cause::AnsweredElsewhere });
    assert!(lab.sent.is_empty() && lab.told().is_empty());
}

#[test]
fn cancel_waits_for_a_first_provisional_response() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
    assert!(lab.sent.is_empty(), "RFC 3261 section 9.1");
    lab.receive(udp(PHONE), &answer(&invite, 100, "", ""));
    assert_eq!(lab.wrote(), ["CANCEL"]);
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    assert!(lab.told().is_empty(), "a late 18x is nobody's business");
    lab.receive(udp(PHONE), &answer(&invite, 487, "phone", ""));
    assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_cancel_before_any_response_of_a_dead_phone_ends_with_timer_b() {
    let mut lab = Lab::new();
    let (leg, _) = lab.place();
    lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
    lab.wait(Duration::from_secs(33));
    assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, None)]);
    assert!(!lab.wrote().contains(&"CANCEL".to_owned()));
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_cancel_that_nobody_heeds_ends_after_64_t1() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.place();
    lab.receive(udp(PHONE), &answer(&invite, 180, "phone", ""));
    lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
    lab.told();
    lab.wait(Duration::from_secs(33));
    assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, None)]);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_cancel_after_our_200_has_no_effect() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    let tag = lab.accept(leg);
    let cancel = lab.ask("CANCEL").branch("auto1");
    lab.receive(udp(CARRIER), &cancel.text());
    let answered = lab.sent().pop().unwrap();
    assert_eq!(answered.status(), Some(200));
    assert_eq!(
        answered.to_tag().as_deref(),
        Some(tag.as_str()),
        "section 9.2: the tag of the INVITE's answer"
    );
    assert!(lab.told().is_empty());
    let ack = lab.ask("ACK").tagged(&tag);
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.told(), [Event::Confirmed { leg, sdp: None }]);
}

#[test]
fn a_cancel_of_nothing_is_481() {
    let mut lab = Lab::new();
    let cancel = lab.ask("CANCEL");
    lab.receive(udp(CARRIER), &cancel.text());
    assert_eq!(lab.wrote(), ["481"]);
    lab.assert_no_leak();
}

#[test]
fn two_forks_answer_the_first_is_the_leg_and_the_other_is_acked_and_byed() {
    let mut lab = Lab::new();
    let (leg, invite) = lab.placed_up();
    lab.receive(udp(PHONE), &answer(&invite, 200, "other", SDP));
    let sent = lab.sent();
    assert_eq!(sent.iter().map(brief).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(sent.iter().all(|message| message.to_tag().as_deref() == Some("other")));
    lab.receive(udp(PHONE), &answer(&sent[1], 200, "other", ""));
    lab.receive(udp(PHONE), &answer(&invite, 200, "other", SDP));
    assert_eq!(lab.wrote(), ["ACK"], "the fork's 2xx again: only its ACK again");
    assert!(lab.told().is_empty());
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let bye = lab.sent().pop().unwrap();
    assert_eq!(bye.to_tag().as_deref(), Some("phone"));
    lab.receive(udp(PHONE), &answer(&bye, 200, "phone", ""));
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_fork_that_answers_after_the_leg_has_gone_is_acked_and_byed() {
    let mut lab = Lab::new();
    let (_, invite) = lab.placed_up();
    lab.receive(udp(PHONE), &within(&invite, "BYE", "phone", 1).text());
    lab.sent.clear();
    lab.receive(udp(PHONE), &answer(&invite, 200, "other", SDP));
    assert_eq!(lab.wrote(), ["ACK", "BYE"]);
    lab.assert_no_leak_but_registrations();
}

#[test]
fn a_late_183_of_another_branch_is_absorbed() {
    let mut lab = Lab::new();
    let (_, invite) = lab.placed_up();
    lab.receive(udp(PHONE), &answer(&invite, 183, "other", SDP));
    assert!(lab.sent.is_empty() && lab.told().is_empty());
}

#[test]
fn a_bye_before_the_ack_ends_the_call_and_the_repetition_of_the_200() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    let tag = lab.accept(leg);
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.told(), [ended(leg, Cause::CallerHungUp, None)]);
    assert_eq!(lab.wrote(), ["200"]);
    lab.wait(Duration::from_secs(5));
    assert!(lab.sent.is_empty());
    let late = lab.ask("ACK").tagged(&tag);
    lab.receive(udp(CARRIER), &late.text());
    assert!(lab.sent.is_empty() && lab.told().is_empty());
    lab.assert_no_leak();
}

#[test]
fn a_bye_in_the_early_dialog_is_granted_and_the_invite_gets_487() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    lab.sent.clear();
    lab.command(Command::Progress { leg, status: 180, sdp: None });
    let tag = lab.sent().pop().unwrap().to_tag().unwrap();
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.wrote(), ["200", "487"]);
    assert_eq!(lab.told(), [ended(leg, Cause::CallerGaveUp, Some(487))]);
    lab.assert_no_leak();
}

#[test]
fn byes_that_cross_are_both_granted() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    assert_eq!(lab.wrote(), ["BYE"]);
    let bye = lab.ask("BYE").tagged(&tag).cseq(2);
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.wrote(), ["200"]);
    let invite = lab.ask("INVITE").tagged(&tag).cseq(3).sdp();
    lab.receive(udp(CARRIER), &invite.text());
    assert_eq!(lab.wrote(), ["481"], "a re-INVITE that crosses our BYE comes too late");
    assert!(lab.told().is_empty());
    lab.assert_no_leak();
}

#[test]
fn a_bye_while_a_reinvite_waits_ends_both() {
    let mut lab = Lab::new();
    let (leg, tag) = lab.up();
    let invite = lab.ask("INVITE").tagged(&tag).cseq(2).sdp();
    lab.receive(udp(CARRIER), &invite.text());
    assert_eq!(lab.told(), [Event::Offer { leg, sdp: Some(SDP.to_owned()) }]);
    lab.sent.clear();
    let bye = lab.ask("BYE").tagged(&tag).cseq(3);
    lab.receive(udp(CARRIER), &bye.text());
    assert_eq!(lab.wrote(), ["200", "487"]);
    assert_eq!(lab.told(), [ended(leg, Cause::CallerHungUp, None)]);
    lab.command(Command::AcceptOffer { leg, sdp: SDP.to_owned() });
    assert!(lab.sent.is_empty());
    lab.assert_no_leak();
}

#[test]
fn a_lost_ack_is_repeated_with_the_200_and_then_confirms() {
    let mut lab = Lab::new();
    let (leg, _) = lab.arrive();
    let tag = lab.accept(leg);
    lab.wait(Duration::from_millis(1600));
    assert_eq!(lab.wrote(), ["200", "200"]);
    let ack = lab.ask("ACK").tagged(&tag);
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.told(), [Event::Confirmed { leg, sdp: None }]);
    lab.wait(Duration::from_secs(10));
    assert!(lab.sent.is_empty());
}

#[test]
fn merged_copies_of_one_invite_are_482() {
    let mut lab = Lab::new();
    let (_, first) = lab.arrive();
    lab.sent.clear();
    lab.receive(udp(CARRIER), &first.branch("another-way").text());
    assert_eq!(lab.wrote(), ["482"]);
    assert!(lab.told().iter().all(|event| !matches!(event, Event::Arrived(_))));
}

#[test]
fn an_ack_for_an_offer_of_ours_brings_the_answer() {
    let mut lab = Lab::new();
    let invite = lab.ask("INVITE");
    lab.receive(udp(CARRIER), &invite.text());
    let incoming = lab.incoming();
    assert_eq!(incoming.sdp, None);
    let tag = lab.accept(incoming.leg);
    let ack = lab.ask("ACK").tagged(&tag).sdp();
    lab.receive(udp(CARRIER), &ack.text());
    assert_eq!(lab.told(), [Event::Confirmed { leg: incoming.leg, sdp: Some(SDP.to_owned()) }]);
}
