//! Stories of transfers: blind, attended, refused, and phones that take over.

use base::{Cause, LegId};

use super::bench::{Bench, arrival, change, plan, queue_mut, secs};
use crate::cdr::{Consent, TransferKind};
use crate::seam::{Input, Origin, Output, Refer, Told};
use crate::seats::Availability;

/// A customer of the advice queue, who talks with li_na; the others are there too.
fn talking() -> (Bench, LegId, LegId) {
    let mut bench = Bench::with(plan(), &["8001", "8002", "8003", "8004"]).agreeing();
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    bench.after(secs(30));
    (bench, caller, li_na)
}

fn refer(bench: &mut Bench, leg: LegId, to: &str) {
    bench.input(Input::Referred { leg, refer: Box::new(Refer { to: to.to_owned(), replaces: None }) });
}

fn refer_to(bench: &mut Bench, leg: LegId, other: LegId) {
    let refer = Refer { to: "8002".to_owned(), replaces: Some(other) };
    bench.input(Input::Referred { leg, refer: Box::new(refer) });
}

/// A seat dials another, which answers.
fn consult(bench: &mut Bench, from: &str, to: &str) -> (LegId, LegId) {
    let asks = bench.arrive(Origin::Extension(from.into()), &[to], from);
    let answers = bench.leg_to(to);
    bench.answer(answers);
    (asks, answers)
}

fn notified(bench: &Bench, leg: LegId) -> Vec<u16> {
    let status = |output: &Output| match output {
        Output::ReferProgress { leg: whose, status } if *whose == leg => Some(*status),
        _ => None,
    };
    bench.said.iter().filter_map(status).collect()
}

fn refused(bench: &Bench, leg: LegId) -> Option<u16> {
    bench.said.iter().find_map(|output| match output {
        Output::RefuseRefer { leg: whose, status } if *whose == leg => Some(*status),
        _ => None,
    })
}

fn outcomes(bench: &Bench, row: usize) -> Vec<(&str, &str, TransferKind, Option<Cause>)> {
    let transfers = &bench.records[row].transfers;
    transfers.iter().map(|t| (t.by.as_str(), t.to.as_str(), t.kind, t.outcome)).collect()
}

fn availability(bench: &Bench, seat: &str) -> Availability {
    bench.board.availability(&"huaning".into(), &seat.into())
}

/// By whom each leg that was placed since the last look is said to be sent on.
fn referrers(bench: &Bench) -> Vec<Option<&str>> {
    bench
        .said
        .iter()
        .filter_map(|output| match output {
            Output::Place { shows, .. } => Some(shows.referred_by.as_deref()),
            _ => None,
        })
        .collect()
}

#[test]
fn the_target_of_a_transfer_is_told_by_whom_and_nobody_else_is() {
    let (mut bench, _, li_na) = talking();
    assert!(referrers(&bench).iter().all(Option::is_none), "a queue refers nobody");
    bench.take();
    refer(&mut bench, li_na, "8003");
    assert_eq!(referrers(&bench), [Some("8001")]);
    // Who asked is gone and is rung again: not on behalf of itself.
    let zhao = bench.leg_to("8003");
    bench.input(Input::Ended { leg: li_na, cause: Cause::SeatHungUp });
    bench.take();
    bench.input(Input::Ended { leg: zhao, cause: Cause::Busy });
    bench.after(secs(1));
    assert_eq!(referrers(&bench), [None]);
}

#[test]
fn a_blind_transfer_puts_the_caller_through() {
    let (mut bench, caller, li_na) = talking();
    let recording = bench.recorded().unwrap().recording;
    bench.take();
    refer(&mut bench, li_na, "8003");
    assert_eq!(bench.said[0], Output::AcceptRefer { leg: li_na });
    assert!(bench.said.contains(&Output::Unbridge { a: caller, b: li_na }));
    assert!(bench.said.contains(&Output::Segment { recording, seat: None }));
    assert_eq!(bench.plays(caller).as_deref(), Some("ringback"));
    let zhao = bench.leg_to("8003");
    bench.after(secs(5));
    assert_eq!((notified(&bench, li_na), bench.hung_up(li_na)), (vec![], None), "the seat stays until then");
    bench.answer(zhao);
    assert_eq!((notified(&bench, li_na), bench.hung_up(li_na)), (vec![200], Some(Cause::Transferred)));
    assert!(bench.bridged(caller, zhao));
    assert!(bench.said.contains(&Output::Retap { recording, caller_leg: caller, seat_leg: zhao }));
    assert!(bench.said.contains(&Output::Segment { recording, seat: Some("zhao_min".into()) }));
    assert!(matches!(availability(&bench, "li_na"), Availability::WrapUp { .. }));
    assert_eq!(availability(&bench, "zhao_min"), Availability::Talking);
    assert!(
        !bench.said.iter().any(|output| matches!(output, Output::EndRecording { .. } | Output::Record(_)))
    );
    bench.after(secs(20));
    bench.end(caller, Cause::CallerHungUp);
    assert_eq!(bench.hung_up(zhao), Some(Cause::CallerHungUp));
    assert!(bench.said.contains(&Output::EndRecording { recording, consent: Consent::NoticeGiven }));
    let row = bench.record();
    assert_eq!((row.cause, row.seat.as_deref()), (Cause::CallerHungUp, Some("zhao_min")));
    assert_eq!((row.connected_after, row.talked, row.waited), (Some(secs(0)), secs(50), secs(0)));
    assert_eq!((row.recording, row.legs.len()), (Some(recording), 3));
    assert_eq!((row.legs[1].cause, row.legs[1].ended), (Cause::Transferred, secs(35)));
    assert_eq!((row.transfers[0].at, row.transfers.len()), (secs(30), 1));
    assert_eq!(outcomes(&bench, 0), [("li_na", "zhao_min", TransferKind::Blind, Some(Cause::Transferred))]);
    assert!(bench.board.is_idle());
}

#[test]
fn a_target_that_is_busy_gives_the_caller_back() {
    let (mut bench, caller, li_na) = talking();
    refer(&mut bench, li_na, "8003");
    bench.take();
    bench.end(bench.leg_to("8003"), Cause::Busy);
    assert_eq!(notified(&bench, li_na), [486]);
    assert!(bench.bridged(caller, li_na));
    assert_eq!(availability(&bench, "zhao_min"), Availability::Idle);
    bench.end(li_na, Cause::SeatHungUp);
    assert_eq!(bench.record().seat.as_deref(), Some("li_na"));
    assert_eq!(outcomes(&bench, 0), [("li_na", "zhao_min", TransferKind::Blind, Some(Cause::Busy))]);
}

#[test]
fn a_target_that_talks_or_is_not_there_is_refused_at_once() {
    let (mut bench, ..) = talking();
    let other = bench.caller_at('2');
    bench.answer(bench.leg_to("8003"));
    bench.register("8002", &[]);
    let li_na = bench.leg_to("8001");
    for (to, status) in [("8003", 486), ("8002", 480), ("8001", 482)] {
        bench.take();
        refer(&mut bench, li_na, to);
        assert_eq!(bench.said, [Output::RefuseRefer { leg: li_na, status }], "{to}");
    }
    bench.end(other, Cause::CallerHungUp);
    bench.end(li_na, Cause::SeatHungUp);
    let causes: Vec<_> =
        bench.records[1].transfers.iter().map(|transfer| transfer.outcome.unwrap()).collect();
    assert_eq!(causes, [Cause::Busy, Cause::Unreachable, Cause::Forbidden]);
}

#[test]
fn nobody_is_put_through_to_the_outside() {
    let (mut bench, _, li_na) = talking();
    bench.take();
    let premium =
        ["0016001234567", "+16001234567", "16895550100", "9,00160012345", "4005550100", "", "duty_mobile"];
    for to in premium {
        refer(&mut bench, li_na, to);
        assert_eq!(bench.take(), [Output::RefuseRefer { leg: li_na, status: 403 }], "{to}");
    }
    bench.end(li_na, Cause::SeatHungUp);
    assert_eq!(bench.record().transfers.len(), premium.len(), "each attempt is on record");
    assert_eq!(bench.record().transfers[0].to, premium[0]);
}

#[test]
fn the_seats_of_another_line_are_nobodys_goal() {
    let mut plan = plan();
    plan.extensions.insert("9001".into(), ("other".into(), "wu".into()));
    let mut bench = Bench::with(plan, &["8001", "9001"]);
    bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    refer(&mut bench, li_na, "9001");
    assert_eq!(refused(&bench, li_na), Some(403));
}

#[test]
fn the_callers_own_phone_transfers_nobody() {
    let (mut bench, caller, _) = talking();
    refer(&mut bench, caller, "8003");
    assert_eq!(refused(&bench, caller), Some(403));
}

#[test]
fn a_second_refer_waits_for_the_first() {
    let (mut bench, _, li_na) = talking();
    refer(&mut bench, li_na, "8003");
    bench.take();
    refer(&mut bench, li_na, "8004");
    assert_eq!(bench.said, [Output::RefuseRefer { leg: li_na, status: 491 }]);
    bench.answer(bench.leg_to("8003"));
    assert_eq!(notified(&bench, li_na), [200]);
}

#[test]
fn a_seat_that_hung_up_is_rung_again_when_the_target_does_not_answer() {
    let (mut bench, caller, li_na) = talking();
    refer(&mut bench, li_na, "8003");
    bench.end(li_na, Cause::SeatHungUp);
    assert!(matches!(availability(&bench, "li_na"), Availability::WrapUp { .. }), "its part is done");
    bench.rang();
    bench.take();
    bench.after(secs(60));
    assert_eq!(notified(&bench, li_na), [480]);
    assert_eq!(bench.rang(), ["8001"], "it is asked to take the caller back");
    assert_eq!(bench.plays(caller).as_deref(), Some("ringback"));
    let again = bench.said.iter().find_map(|output| match output {
        Output::Place { leg, .. } => Some(*leg),
        _ => None,
    });
    bench.answer(again.unwrap());
    assert!(bench.bridged(caller, again.unwrap()));
    assert_eq!(notified(&bench, li_na), [480], "told once");
    bench.end(caller, Cause::CallerHungUp);
    assert_eq!(bench.record().seat.as_deref(), Some("li_na"));
    assert_eq!(outcomes(&bench, 0), [("li_na", "zhao_min", TransferKind::Blind, Some(Cause::NoAnswer))]);
    bench.after(secs(40));
    assert!(bench.board.is_idle());
}

#[test]
fn when_nobody_takes_the_caller_back_the_line_goes_on() {
    let (mut bench, caller, li_na) = talking();
    let recording = bench.recorded().unwrap().recording;
    refer(&mut bench, li_na, "8003");
    bench.end(li_na, Cause::SeatHungUp);
    bench.after(secs(60));
    bench.after(secs(60));
    assert_eq!(bench.plays(caller).as_deref(), Some("all_busy"), "as when the queue had timed out");
    bench.input(Input::Played { leg: caller });
    assert_eq!(bench.hung_up(caller), Some(Cause::FlowEnded));
    assert!(bench.said.contains(&Output::EndRecording { recording, consent: Consent::NoticeGiven }));
    assert_eq!((bench.record().cause, bench.record().talked), (Cause::FlowEnded, secs(30)));
    assert!(bench.board.is_idle());
}

#[test]
fn a_caller_who_is_asked_to_wait_again_is_recorded_on() {
    let mut plan = plan();
    change(&mut plan, |line| {
        let again = super::bench::step(ivr::line::Verb::Queue("after_sales".into()));
        queue_mut(line, "advice").when_timed_out = vec![again];
    });
    let mut bench = Bench::with(plan, &["8001", "8003"]).agreeing();
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    let recording = bench.recorded().unwrap().recording;
    refer(&mut bench, li_na, "8003");
    bench.end(li_na, Cause::SeatHungUp);
    bench.end(bench.leg_to("8003"), Cause::Declined);
    bench.end(bench.leg_to("8001"), Cause::Declined);
    let zhao = bench.leg_to("8003");
    bench.take();
    bench.answer(zhao);
    assert!(bench.said.contains(&Output::Retap { recording, caller_leg: caller, seat_leg: zhao }));
    bench.press(caller, '#');
    assert!(bench.said.contains(&Output::EndRecording { recording, consent: Consent::Withdrawn }));
    bench.end(zhao, Cause::SeatHungUp);
    assert_eq!(bench.record().queue.as_deref(), Some("after_sales"));
}

#[test]
fn a_caller_who_hangs_up_meanwhile_frees_everybody() {
    let (mut bench, caller, li_na) = talking();
    refer(&mut bench, li_na, "8003");
    bench.take();
    bench.end(caller, Cause::CallerHungUp);
    assert_eq!(notified(&bench, li_na), [487]);
    assert_eq!(bench.hung_up(li_na), Some(Cause::CallerHungUp));
    assert_eq!(bench.gave_up(bench.leg_to("8003")), Some(Cause::CallerHungUp));
    assert_eq!(bench.record().cause, Cause::CallerHungUp);
    assert_eq!(outcomes(&bench, 0)[0].3, Some(Cause::CallerHungUp));
    bench.after(secs(30));
    assert!(bench.board.is_idle());
}

#[test]
fn the_caller_hears_the_targets_early_media() {
    let (mut bench, caller, li_na) = talking();
    refer(&mut bench, li_na, "8003");
    let zhao = bench.leg_to("8003");
    bench.take();
    bench.input(Input::Progressed { leg: zhao, status: 183, media: true });
    assert_eq!(bench.take(), [Output::Bridge { a: caller, b: zhao }]);
    bench.answer(zhao);
    assert!(!bench.bridged(caller, zhao), "they hear each other already");
    bench.take();
    refer(&mut bench, zhao, "8002");
    bench.input(Input::Progressed { leg: bench.leg_to("8002"), status: 183, media: true });
    bench.end(bench.leg_to("8002"), Cause::Busy);
    assert!(bench.said.contains(&Output::Unbridge { a: caller, b: bench.leg_to("8002") }));
    assert!(bench.bridged(caller, zhao));
}

#[test]
fn a_seat_that_holds_its_caller_gets_them_back_on_hold() {
    let (mut bench, caller, li_na) = talking();
    bench.input(Input::Held { leg: li_na, held: true });
    refer(&mut bench, li_na, "8003");
    bench.take();
    bench.end(bench.leg_to("8003"), Cause::Declined);
    assert_eq!(notified(&bench, li_na), [603]);
    assert!(!bench.bridged(caller, li_na));
    assert_eq!(bench.plays(caller).as_deref(), Some("ringback"));
    bench.input(Input::Held { leg: li_na, held: false });
    assert!(bench.bridged(caller, li_na));
}

#[test]
fn a_phone_that_falls_silent_after_its_refer_is_let_go_alone() {
    let (mut bench, caller, li_na) = talking();
    refer(&mut bench, li_na, "8003");
    bench.input(Input::Silent { leg: li_na });
    assert_eq!(bench.hung_up(li_na), Some(Cause::RtpSilence));
    bench.answer(bench.leg_to("8003"));
    assert!(bench.bridged(caller, bench.leg_to("8003")));
}

#[test]
fn a_consultation_that_was_given_up_becomes_a_blind_transfer() {
    let mut bench = Bench::with(plan(), &["8001", "8003"]);
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    let asks = bench.arrive(Origin::Extension("8001".into()), &["8003"], "8001");
    let rang = bench.leg_to("8003");
    bench.end(asks, Cause::CallerGaveUp);
    refer(&mut bench, li_na, "8003");
    assert_eq!(refused(&bench, li_na), None);
    assert_eq!(bench.leg_to("8003"), rang, "its phone has not agreed to the CANCEL yet");
    bench.end(rang, Cause::CallerGaveUp);
    bench.after(secs(1));
    let again = bench.leg_to("8003");
    assert_ne!(again, rang);
    bench.answer(again);
    assert!(bench.bridged(caller, again));
}

#[test]
fn an_attended_transfer_makes_one_call_of_two() {
    let (mut bench, caller, li_na) = talking();
    let recording = bench.recorded().unwrap().recording;
    bench.input(Input::Held { leg: li_na, held: true });
    let (asks, zhao) = consult(&mut bench, "8001", "8003");
    bench.after(secs(10));
    bench.take();
    refer_to(&mut bench, li_na, asks);
    assert_eq!(bench.said[0], Output::AcceptRefer { leg: li_na });
    assert_eq!(notified(&bench, li_na), [200]);
    assert_eq!(bench.hung_up(li_na), Some(Cause::Transferred));
    assert_eq!(bench.hung_up(asks), Some(Cause::Transferred));
    assert_eq!(bench.hung_up(zhao), None);
    assert!(bench.said.contains(&Output::Unbridge { a: asks, b: zhao }));
    assert!(bench.bridged(caller, zhao));
    assert!(bench.said.contains(&Output::Retap { recording, caller_leg: caller, seat_leg: zhao }));
    let shown = bench.said.iter().find_map(|output| match output {
        Output::Identify { leg, shows } => Some((*leg, shows.user.clone())),
        _ => None,
    });
    assert_eq!(shown, Some((zhao, "13912345678".into())), "the carrier is told nothing");
    assert!(matches!(availability(&bench, "li_na"), Availability::WrapUp { .. }));
    assert_eq!(availability(&bench, "zhao_min"), Availability::Talking);
    let direct = bench.record();
    assert_eq!((direct.cause, direct.internal, direct.talked), (Cause::Transferred, true, secs(10)));
    assert_eq!(direct.legs[1].cause, Cause::Transferred);
    bench.after(secs(20));
    bench.end(zhao, Cause::SeatHungUp);
    assert_eq!(bench.hung_up(caller), Some(Cause::SeatHungUp));
    let row = &bench.records[1];
    assert_eq!((row.cause, row.seat.as_deref(), row.talked), (Cause::SeatHungUp, Some("zhao_min"), secs(60)));
    assert_eq!((row.legs[2].began, row.legs[2].ended), (secs(40), secs(60)));
    assert_eq!(
        outcomes(&bench, 1),
        [("li_na", "zhao_min", TransferKind::Attended, Some(Cause::Transferred))]
    );
    bench.after(secs(30));
    assert!(bench.board.is_idle());
}

#[test]
fn the_refer_may_come_in_either_of_the_two_calls() {
    let (mut bench, caller, li_na) = talking();
    let (asks, zhao) = consult(&mut bench, "8001", "8003");
    refer_to(&mut bench, asks, li_na);
    assert_eq!(notified(&bench, asks), [200]);
    assert!(bench.bridged(caller, zhao));
    assert_eq!(bench.record().cause, Cause::Transferred);
    assert!(bench.record().internal, "the caller's own call goes on");
}

#[test]
fn a_consultation_through_a_queue_is_one_too() {
    let (mut bench, caller, li_na) = talking();
    let asks = bench.arrive(Origin::Extension("8001".into()), &["4005550100"], "8001");
    bench.input(Input::Played { leg: asks });
    bench.input(Input::Played { leg: asks });
    bench.press(asks, '2');
    let zhao = bench.leg_to("8003");
    refer_to(&mut bench, li_na, asks);
    assert_eq!(refused(&bench, li_na), Some(603), "nobody has answered there");
    bench.answer(zhao);
    refer_to(&mut bench, li_na, asks);
    assert!(bench.bridged(caller, zhao));
    assert_eq!(bench.board.callers_of(&"huaning".into()), 1);
    let ended = bench.said.iter().filter(|output| matches!(output, Output::EndRecording { .. })).count();
    assert_eq!(ended, 1, "what li_na said there is a recording of its own");
    bench.end(caller, Cause::CallerHungUp);
    bench.after(secs(30));
    assert!(bench.board.is_idle());
}

#[test]
fn a_seat_joins_the_two_that_it_called_itself() {
    let mut bench = Bench::with(plan(), &["8001", "8003", "8004"]).agreeing();
    let (first, zhao) = consult(&mut bench, "8001", "8003");
    let (second, chen) = consult(&mut bench, "8001", "8004");
    refer_to(&mut bench, first, second);
    assert!(bench.bridged(zhao, chen));
    let mut shown: Vec<_> = bench
        .said
        .iter()
        .filter_map(|output| match output {
            Output::Identify { leg, shows } => Some((*leg, shows.user.as_str())),
            _ => None,
        })
        .collect();
    shown.sort();
    assert_eq!(shown, [(zhao, "8004"), (chen, "8003")]);
    bench.end(chen, Cause::SeatHungUp);
    assert_eq!(bench.hung_up(zhao), Some(Cause::SeatHungUp));
    assert_eq!(bench.records.len(), 2);
    assert_eq!(bench.records[1].legs[0].leg, first, "who called stays first in the row");
    assert!(bench.board.is_idle());
}

#[test]
fn the_seat_that_called_puts_the_other_through() {
    let mut bench = Bench::with(plan(), &["8001", "8003", "8004"]).agreeing();
    let (li_na, zhao) = consult(&mut bench, "8001", "8003");
    refer(&mut bench, li_na, "8004");
    let chen = bench.leg_to("8004");
    let shown = bench.said.iter().rev().find_map(|output| match output {
        Output::Place { leg, shows, .. } if *leg == chen => Some(shows.user.clone()),
        _ => None,
    });
    assert_eq!(shown.as_deref(), Some("8003"), "chen_hao sees who will talk");
    assert_eq!(bench.plays(zhao).as_deref(), Some("ringback"));
    bench.answer(chen);
    assert!(bench.bridged(zhao, chen));
    assert_eq!(bench.hung_up(li_na), Some(Cause::Transferred));
    bench.end(zhao, Cause::SeatHungUp);
    assert_eq!(bench.hung_up(chen), Some(Cause::SeatHungUp));
    assert!(bench.board.is_idle());
}

#[test]
fn replaces_of_somebody_elses_call_is_refused() {
    let (mut bench, _, li_na) = talking();
    let other = bench.caller_at('2');
    let zhao = bench.leg_to("8003");
    bench.answer(zhao);
    for theirs in [zhao, other] {
        bench.take();
        refer_to(&mut bench, li_na, theirs);
        assert_eq!(refused(&bench, li_na), Some(if theirs == zhao { 403 } else { 603 }));
        assert!(!bench.said.iter().any(|output| matches!(output, Output::HangUp { .. })));
    }
}

#[test]
fn the_direct_call_may_end_before_the_refer_comes() {
    let (mut bench, caller, li_na) = talking();
    let (asks, zhao) = consult(&mut bench, "8001", "8003");
    bench.end(zhao, Cause::SeatHungUp);
    bench.take();
    refer_to(&mut bench, li_na, asks);
    assert_eq!(bench.said, [Output::RefuseRefer { leg: li_na, status: 481 }]);
    bench.end(caller, Cause::CallerHungUp);
    refer_to(&mut bench, li_na, asks);
    assert_eq!(refused(&bench, li_na), Some(481), "it crossed our BYE");
}

#[test]
fn another_phone_of_the_seat_takes_the_call_over() {
    let (mut bench, caller, li_na) = talking();
    bench.take();
    let replaces = |leg, ext: &str| {
        let mut arrival = arrival(Origin::Extension(ext.into()), &["8001"], ext);
        arrival.replaces = Some(leg);
        Box::new(arrival)
    };
    let stranger = LegId::arrived(70);
    bench.input(Input::Arrived { leg: stranger, arrival: replaces(li_na, "8002") });
    assert_eq!(bench.refused(stranger), Some((403, Cause::Forbidden)));
    let thief = LegId::arrived(71);
    bench.input(Input::Arrived { leg: thief, arrival: replaces(caller, "8001") });
    assert_eq!(bench.refused(thief), Some((403, Cause::Forbidden)));
    let mobile = LegId::arrived(72);
    bench.input(Input::Arrived { leg: mobile, arrival: replaces(li_na, "8001") });
    assert!(bench.said.contains(&Output::Answer { leg: mobile }));
    assert_eq!(bench.hung_up(li_na), Some(Cause::Transferred));
    assert!(bench.bridged(caller, mobile));
    assert!(
        bench
            .said
            .iter()
            .any(|output| matches!(output, Output::Retap { seat_leg, .. } if *seat_leg == mobile))
    );
    assert_eq!(availability(&bench, "li_na"), Availability::Talking);
    bench.records.clear();
    bench.end(mobile, Cause::SeatHungUp);
    assert_eq!(bench.hung_up(caller), Some(Cause::SeatHungUp));
    let row = bench.record();
    assert_eq!((row.legs.len(), row.transfers.len()), (3, 0));
    assert_eq!(row.legs[2].leg, mobile);
}

#[test]
fn a_seat_that_called_goes_on_at_its_other_phone() {
    let mut bench = Bench::with(plan(), &["8001", "8003"]).agreeing();
    let (li_na, zhao) = consult(&mut bench, "8001", "8003");
    let mut mobile = arrival(Origin::Extension("8001".into()), &["8003"], "8001");
    mobile.replaces = Some(li_na);
    bench.after(secs(5));
    bench.input(Input::Arrived { leg: LegId::arrived(70), arrival: Box::new(mobile) });
    assert!(bench.bridged(LegId::arrived(70), zhao));
    bench.end(LegId::arrived(70), Cause::CallerHungUp);
    assert_eq!((bench.record().cause, bench.record().answered_after), (Cause::CallerHungUp, Some(secs(0))));
}

#[test]
fn a_transfer_is_told_step_by_step() {
    let (mut bench, caller, li_na) = talking();
    bench.take();
    refer(&mut bench, li_na, "8003");
    bench.answer(bench.leg_to("8003"));
    bench.end(caller, Cause::CallerHungUp);
    let told: Vec<Told> = bench
        .take()
        .into_iter()
        .filter_map(|output| match output {
            Output::Tell { what, .. } => Some(what),
            _ => None,
        })
        .collect();
    let recording = bench.record().recording;
    let (li_na, zhao): (base::Name, base::Name) = ("li_na".into(), "zhao_min".into());
    assert_eq!(
        told,
        [
            Told::Transfers { by: li_na.clone(), to: zhao.clone() },
            Told::Rings { seat: zhao.clone() },
            Told::Left { seat: li_na },
            Told::Connected { seat: zhao, recording },
            Told::Ended { cause: Cause::CallerHungUp },
        ]
    );
}
