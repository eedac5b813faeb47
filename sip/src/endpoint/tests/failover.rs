//! A call over a trunk of several addresses (RFC 3263 section 4.3), and what comes late from those it left.

use super::*;

const SECOND: &str = "192.0.2.3:5060";
const THIRD: &str = "192.0.2.4:5066";

fn with_targets(targets: &[&str]) -> Directory {
    let mut directory = directory();
    directory.trunks[0].targets = targets.iter().map(|target| udp(target)).collect();
    directory.trunks[0].probe = false;
    directory
}

fn dial(lab: &mut Lab) -> LegId {
    let leg = LegId::placed(1);
    let to = Destination::Trunk { trunk: "carrier".into(), number: "13900139000".to_owned() };
    lab.command(Command::Place { leg, invite: Box::new(outgoing(to)) });
    leg
}

/// What was told of legs.
fn legs(lab: &mut Lab) -> Vec<Event> {
    lab.told().into_iter().filter(|event| !matches!(event, Event::TrunkUp { .. })).collect()
}

/// The INVITEs sent since the last look, each once, with where they went.
fn invites(lab: &mut Lab) -> Vec<(String, Message)> {
    let mut seen = Vec::new();
    for (flow, message) in std::mem::take(&mut lab.sent) {
        let branch = message.via().unwrap().branch().map(str::to_owned);
        let known =
            |(_, other): &(String, Message)| other.via().unwrap().branch().map(str::to_owned) == branch;
        if brief(&message) == "INVITE" && !seen.iter().any(known) {
            seen.push((flow.remote.to_string(), message));
        }
    }
    seen
}

#[test]
fn a_503_sends_the_call_to_the_next_address_under_a_new_branch() {
    let mut lab = Lab::with(with_targets(&[CARRIER, SECOND, THIRD]));
    let leg = dial(&mut lab);
    let first = invites(&mut lab).pop().unwrap().1;
    lab.receive(udp(CARRIER), &answer(&first, 503, "t", ""));
    let (to, second) = invites(&mut lab).pop().unwrap();
    assert_eq!(to, SECOND);
    assert_ne!(second.via().unwrap().branch(), first.via().unwrap().branch());
    assert_eq!(
        (second.call_id(), second.from_tag(), second.cseq().number, second.uri_text()),
        (first.call_id(), first.from_tag(), 1, first.uri_text())
    );
    lab.receive(udp(SECOND), &answer(&second, 503, "t", ""));
    let (to, third) = invites(&mut lab).pop().unwrap();
    assert_eq!(to, THIRD);
    assert!(legs(&mut lab).is_empty());
    lab.receive(udp(THIRD), &answer(&third, 200, "t", SDP));
    assert!(matches!(legs(&mut lab)[..], [Event::Answered { .. }]));
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    let (way, bye) = lab.sent.pop().unwrap();
    assert_eq!((brief(&bye).as_str(), way.remote.to_string().as_str()), ("BYE", THIRD));
    lab.receive(udp(THIRD), &answer(&bye, 200, "t", ""));
    lab.assert_no_leak();
}

#[test]
fn the_last_503_ends_the_leg() {
    let mut lab = Lab::with(with_targets(&[CARRIER]));
    let leg = dial(&mut lab);
    let first = invites(&mut lab).pop().unwrap().1;
    lab.receive(udp(CARRIER), &answer(&first, 503, "t", ""));
    assert_eq!(legs(&mut lab), [ended(leg, Cause::TrunkFailed, Some(503))]);
}

#[test]
fn silence_goes_to_the_second_address_after_two_seconds_and_ends_the_leg_before_four() {
    let mut lab = Lab::with(with_targets(&[CARRIER, SECOND]));
    let leg = dial(&mut lab);
    lab.wait(Duration::from_millis(1_900));
    assert_eq!(invites(&mut lab).len(), 1);
    lab.wait(Duration::from_millis(200));
    assert_eq!(invites(&mut lab)[0].0, SECOND);
    lab.wait(Duration::from_millis(1_500));
    assert_eq!(legs(&mut lab), [ended(leg, Cause::NoResponse, None)]);
    lab.sent.clear();
    lab.wait(Duration::from_secs(20));
    assert!(lab.sent().is_empty(), "what was given up is repeated no more");
    lab.assert_no_leak();
}

#[test]
fn a_provisional_answer_stops_the_clock() {
    for status in [100, 180, 183] {
        let mut lab = Lab::with(with_targets(&[CARRIER, SECOND]));
        let leg = dial(&mut lab);
        let first = invites(&mut lab).pop().unwrap().1;
        lab.wait(Duration::from_millis(1_700));
        lab.receive(udp(CARRIER), &answer(&first, status, "t", ""));
        legs(&mut lab);
        lab.wait(Duration::from_secs(60));
        assert!(legs(&mut lab).is_empty() && invites(&mut lab).iter().all(|(to, _)| to == CARRIER));
        lab.receive(udp(CARRIER), &answer(&first, 200, "t", SDP));
        assert!(matches!(legs(&mut lab)[..], [Event::Answered { leg: answered, .. }] if answered == leg));
    }
}

#[test]
fn an_answer_that_comes_late_is_acked_and_byed() {
    let mut lab = Lab::with(with_targets(&[CARRIER, SECOND]));
    let leg = dial(&mut lab);
    let first = invites(&mut lab).pop().unwrap().1;
    lab.wait(Duration::from_millis(2_100));
    let second = invites(&mut lab).pop().unwrap().1;
    lab.receive(udp(CARRIER), &answer(&first, 200, "late", SDP));
    assert_eq!(lab.wrote(), ["ACK", "BYE"]);
    assert!(legs(&mut lab).is_empty());
    lab.receive(udp(SECOND), &answer(&second, 200, "t", SDP));
    assert!(matches!(legs(&mut lab)[..], [Event::Answered { leg: answered, .. }] if answered == leg));
    assert_eq!(lab.wrote(), ["ACK"]);
    lab.receive(udp(CARRIER), &answer(&first, 200, "late", SDP));
    assert_eq!(lab.wrote(), ["ACK"], "its repetition is ACKed, nothing more");
    lab.command(Command::HangUp { leg, cause: Cause::FlowEnded });
    lab.assert_no_leak();
}

#[test]
fn a_phone_that_begins_to_ring_late_is_cancelled_and_rings_no_second_time() {
    for crossing in [false, true] {
        let mut lab = Lab::with(with_targets(&[CARRIER]));
        let leg = dial(&mut lab);
        let first = invites(&mut lab).pop().unwrap().1;
        lab.wait(Duration::from_secs(4));
        assert_eq!(legs(&mut lab), [ended(leg, Cause::NoResponse, None)]);
        lab.sent.clear();
        lab.receive(udp(CARRIER), &answer(&first, 180, "late", ""));
        assert_eq!(lab.wrote(), ["CANCEL"]);
        lab.receive(udp(CARRIER), &answer(&first, 180, "late", ""));
        assert_eq!(lab.wrote(), [""; 0], "once");
        if crossing {
            lab.receive(udp(CARRIER), &answer(&first, 200, "late", SDP));
            assert_eq!(lab.wrote(), ["ACK", "BYE"]);
        } else {
            lab.receive(udp(CARRIER), &answer(&first, 487, "late", ""));
            assert_eq!(lab.wrote(), ["ACK"]);
        }
        assert!(legs(&mut lab).is_empty());
        lab.assert_no_leak();
    }
}

#[test]
fn a_broken_way_is_left_at_once() {
    let mut directory = with_targets(&[CARRIER, SECOND]);
    let ways = [CARRIER, SECOND].map(|remote| flow(Transport::Tcp, remote, None));
    directory.trunks[0].targets = ways.to_vec();
    let mut lab = Lab::with(directory);
    let leg = dial(&mut lab);
    lab.input(Input::Unreachable { flow: ways[0] });
    let tried = invites(&mut lab);
    assert_eq!(tried.iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(), [CARRIER, SECOND]);
    lab.input(Input::Unreachable { flow: ways[1] });
    assert_eq!(legs(&mut lab), [ended(leg, Cause::NoResponse, None)]);
}

#[test]
fn a_call_given_up_in_silence_goes_nowhere_else() {
    let mut lab = Lab::with(with_targets(&[CARRIER, SECOND]));
    let leg = dial(&mut lab);
    lab.wait(Duration::from_secs(1));
    lab.command(Command::GiveUp { leg, cause: Cause::CallerGaveUp });
    lab.wait(Duration::from_secs(3));
    assert!(invites(&mut lab).iter().all(|(to, _)| to == CARRIER));
    assert_eq!(legs(&mut lab), [ended(leg, Cause::CallerGaveUp, None)]);
    lab.assert_no_leak();
}

#[test]
fn a_number_is_written_as_the_trunk_wants_it() {
    for (form, number, uri, to) in [
        (
            NumberUri::Sip,
            "13900139000",
            "sip:13900139000@carrier.test:5070",
            "sip:13900139000@carrier.test:5070",
        ),
        (
            NumberUri::Phone,
            "+8613900139000",
            "sip:+8613900139000@carrier.test:5070;user=phone",
            "sip:+8613900139000@carrier.test:5070;user=phone",
        ),
        (NumberUri::Tel, "+8613900139000", "tel:+8613900139000", "tel:+8613900139000"),
        (
            NumberUri::Tel,
            "13900139000",
            "tel:13900139000;phone-context=+86",
            "tel:13900139000;phone-context=+86",
        ),
    ] {
        let mut directory = with_targets(&[CARRIER]);
        directory.trunks[0].uri = form;
        directory.trunks[0].port = Some(5070);
        let mut lab = Lab::with(directory);
        let to_trunk = Destination::Trunk { trunk: "carrier".into(), number: number.to_owned() };
        lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(outgoing(to_trunk)) });
        let invite = invites(&mut lab).pop().unwrap().1;
        assert_eq!((invite.uri_text(), invite.to().unwrap().uri.as_str()), (uri, to));
    }
}

#[test]
fn the_diverting_number_is_written_in_either_form() {
    use crate::seam::{Diverting, DivertingForm};
    for (form, header, value) in [
        (
            DivertingForm::Diversion,
            Header::Diversion,
            "<sip:4008001234@carrier.test>;reason=unconditional;counter=1",
        ),
        (
            DivertingForm::HistoryInfo,
            Header::HistoryInfo,
            "<sip:4008001234@carrier.test>;index=1, <sip:13900139000@carrier.test;cause=302>;index=1.1;mp=1",
        ),
    ] {
        let mut lab = Lab::with(with_targets(&[CARRIER]));
        let to = Destination::Trunk { trunk: "carrier".into(), number: "13900139000".to_owned() };
        let diverting = Some(Diverting { number: "4008001234".to_owned(), form });
        let invite = Outgoing { diverting, ..outgoing(to) };
        lab.command(Command::Place { leg: LegId::placed(1), invite: Box::new(invite) });
        let invite = invites(&mut lab).pop().unwrap().1;
        assert_eq!(invite.header(header).unwrap().text(), value);
    }
}
