//! Stories at the door: numbers, caps, early media for one too many, who may dial whom.

use std::time::Duration;

use base::{Cause, Country, LegId, Tone};
use ivr::line::{NumberStatus, Verb};

use super::bench::{Bench, change, number, plan, secs, step};
use crate::seam::{Input, Origin, Output, Sound, Told};

fn trunk() -> Origin {
    Origin::Trunk("carrier".into())
}

fn ext(ext: &str) -> Origin {
    Origin::Extension(ext.into())
}

#[test]
fn an_unknown_number_is_refused_and_leaves_a_row_without_a_line() {
    let mut bench = Bench::with(plan(), &[]);
    let leg = bench.arrive(trunk(), &["02112345678"], "13912345678");
    assert_eq!(bench.refused(leg), Some((404, Cause::UnknownNumber)));
    assert_eq!((bench.record().line.as_ref(), bench.record().legs.len()), (None, 1));
    assert!(bench.board.is_idle());
}

#[test]
fn the_first_candidate_that_is_ours_counts() {
    let mut bench = Bench::with(plan(), &[]);
    bench.arrive(trunk(), &["s", "anonymous", "+86 400-555-0100"], "13912345678");
    assert!(bench.records.is_empty());
}

#[test]
fn a_suspended_number_takes_no_calls() {
    let mut plan = plan();
    change(&mut plan, |line| line.numbers[0].status = NumberStatus::Suspended);
    let mut bench = Bench::with(plan, &[]);
    let leg = bench.caller();
    assert_eq!(bench.refused(leg), Some((480, Cause::Suspended)));
    assert_eq!(bench.record().number, Some(number("4005550100")));
}

#[test]
fn the_eleventh_caller_hears_lines_busy_as_early_media_and_is_refused() {
    let mut bench = Bench::with(plan(), &[]);
    for _ in 0..10 {
        bench.caller();
    }
    bench.take();
    let leg = bench.caller();
    assert_eq!(bench.plays(leg).as_deref(), Some("lines_busy"));
    assert!(bench.said.contains(&Output::Progress { leg, status: 183, media: true }));
    assert!(!bench.said.contains(&Output::Answer { leg }));
    bench.input(Input::Played { leg });
    assert_eq!(bench.refused(leg), Some((486, Cause::LineFull)));
    assert_eq!(bench.record().cause, Cause::LineFull);
    bench.end(LegId::arrived(0), Cause::CallerHungUp);
    let next = bench.caller();
    assert!(bench.said.contains(&Output::Answer { leg: next }));
}

#[test]
fn the_caller_over_the_cap_may_hear_busy_of_the_lines_country_as_early_media() {
    let mut plan = plan();
    change(&mut plan, |line| {
        line.max_calls = 1;
        line.country = Country::Hk;
        line.when_full = vec![step(Verb::Tone { tone: Tone::Busy, length: secs(3) })];
    });
    let mut bench = Bench::with(plan, &[]);
    bench.caller();
    bench.take();
    let leg = bench.caller();
    let sound = Sound::Tone { country: Country::Hk, tone: Tone::Busy, length: Some(secs(3)) };
    assert!(bench.said.contains(&Output::Progress { leg, status: 183, media: true }));
    assert!(bench.said.contains(&Output::Play { leg, sound }));
    assert!(!bench.said.contains(&Output::Answer { leg }));
    bench.after(secs(3));
    assert_eq!(bench.refused(leg), None, "media says when it was heard");
    bench.input(Input::Played { leg });
    assert_eq!(bench.refused(leg), Some((486, Cause::LineFull)));
}

#[test]
fn a_tone_answers_the_call_and_the_line_goes_on_behind_it() {
    let mut plan = plan();
    change(&mut plan, |line| {
        let flow = line.flows.get_mut("answer_call").unwrap();
        flow[0] = step(Verb::Tone { tone: Tone::Beep, length: Duration::from_millis(300) });
    });
    let mut bench = Bench::with(plan, &[]);
    let leg = bench.caller();
    assert!(bench.said.contains(&Output::Answer { leg }));
    assert_eq!(bench.plays(leg).as_deref(), Some("beep for 300 ms"));
    bench.input(Input::Played { leg });
    assert_eq!(bench.plays(leg).as_deref(), Some("notice"));
    let told = bench
        .said
        .iter()
        .any(|output| matches!(output, Output::Tell { what: Told::Sounding { tone: Tone::Beep }, .. }));
    assert!(told);
}

#[test]
fn the_trunks_cap_counts_both_ways() {
    let mut plan = plan();
    plan.trunks.get_mut(&base::Name::from("carrier")).unwrap().max_calls = 2;
    let mut bench = Bench::with(plan, &[]);
    bench.caller_at('4');
    assert_eq!(bench.board.calls_over(&"carrier".into()), 2, "the caller and the mobile");
    let leg = bench.caller();
    assert_eq!(bench.refused(leg), Some((503, Cause::TrunkFull)));
}

#[test]
fn a_full_trunk_does_not_reach_the_mobile() {
    let mut plan = plan();
    plan.trunks.get_mut(&base::Name::from("carrier")).unwrap().max_calls = 1;
    let mut bench = Bench::with(plan, &[]);
    let caller = bench.caller_at('4');
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
}

#[test]
fn the_engines_cap_and_the_drain_refuse_with_503() {
    let mut plan = plan();
    plan.limits.max_calls = 1;
    let mut bench = Bench::with(plan, &[]);
    let first = bench.caller();
    let second = bench.caller();
    assert_eq!(bench.refused(second), Some((503, Cause::EngineFull)));
    bench.input(Input::Drain);
    let third = bench.caller();
    assert_eq!(bench.refused(third), Some((503, Cause::Draining)));
    bench.input(Input::Played { leg: first });
    assert_eq!(bench.plays(first).as_deref(), Some("notice"), "the live call goes on");
}

#[test]
fn a_seat_may_dial_its_lines_number() {
    let mut bench = Bench::with(plan(), &["8001", "8002"]);
    let leg = bench.arrive(ext("8001"), &["4005550100"], "whatever");
    bench.input(Input::Played { leg });
    bench.input(Input::Played { leg });
    bench.press(leg, '1');
    assert_eq!(bench.rang(), ["8002"], "the caller's own seat is busy");
    bench.end(leg, Cause::CallerHungUp);
    bench.after(secs(40));
    let row = bench.record();
    assert!(row.internal);
    assert_eq!((row.caller.clone(), row.legs[0].seat.as_deref()), (Some(number("8001")), Some("li_na")));
    assert!(bench.board.is_idle());
}

#[test]
fn a_seat_may_dial_nothing_else() {
    let mut bench = Bench::with(plan(), &["8001"]);
    for called in ["13912345678", "00447700900000", "110", "9999", "", "+8613800138001"] {
        let leg = bench.arrive(ext("8001"), &[called, "4005550100"], "8001");
        assert_eq!(bench.refused(leg), Some((403, Cause::Forbidden)), "{called}");
    }
    assert_eq!(bench.rang(), [""; 0]);
    let stranger = bench.arrive(ext("7777"), &["4005550100"], "7777");
    assert_eq!(bench.refused(stranger), Some((403, Cause::Forbidden)));
}

#[test]
fn a_seat_dials_a_seat_and_180_and_183_are_relayed_as_they_come() {
    let mut bench = Bench::with(plan(), &["8001", "8002"]);
    let caller = bench.arrive(ext("8001"), &["8002"], "8001");
    let wang = bench.leg_to("8002");
    bench.take();
    bench.input(Input::Progressed { leg: wang, status: 180, media: false });
    bench.input(Input::Progressed { leg: wang, status: 183, media: true });
    assert_eq!(
        bench.take(),
        [
            Output::Progress { leg: caller, status: 180, media: false },
            Output::Progress { leg: caller, status: 183, media: true },
            Output::Bridge { a: caller, b: wang },
        ]
    );
    bench.answer(wang);
    assert!(bench.said.contains(&Output::Answer { leg: caller }));
    assert!(!bench.bridged(caller, wang), "they hear each other already");
    assert_eq!(bench.recorded(), None);
    bench.end(wang, Cause::SeatHungUp);
    assert_eq!(bench.hung_up(caller), Some(Cause::SeatHungUp));
    assert!(bench.board.is_idle());
}

#[test]
fn a_seat_that_talks_is_busy_for_a_colleague() {
    let mut bench = Bench::with(plan(), &["8001", "8002"]);
    bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    let leg = bench.arrive(ext("8002"), &["8001"], "8002");
    assert_eq!(bench.refused(leg), Some((486, Cause::Busy)));
    let own = bench.arrive(ext("8002"), &["8002"], "8002");
    assert_eq!(bench.refused(own), Some((486, Cause::Busy)));
}

#[test]
fn a_colleagues_end_is_the_callers_answer() {
    for (cause, status) in [(Cause::Declined, 603), (Cause::Busy, 486), (Cause::NoAnswer, 480)] {
        let mut bench = Bench::with(plan(), &["8001", "8002"]);
        let caller = bench.arrive(ext("8001"), &["8002"], "8001");
        bench.end(bench.leg_to("8002"), cause);
        assert_eq!(bench.refused(caller), Some((status, cause)));
        assert!(bench.board.is_idle());
    }
    let mut bench = Bench::with(plan(), &["8001", "8002"]);
    let nobody = bench.arrive(ext("8001"), &["8003"], "8001");
    assert_eq!(bench.refused(nobody), Some((480, Cause::Unreachable)));
    let rings = bench.arrive(ext("8001"), &["8002"], "8001");
    bench.after(secs(60));
    assert_eq!(bench.refused(rings), Some((480, Cause::NoAnswer)));
    assert_eq!(bench.gave_up(bench.leg_to("8002")), Some(Cause::NoAnswer));
}

#[test]
fn a_seat_sees_the_caller_and_a_carrier_sees_its_own_number() {
    let mut bench = Bench::with(plan(), &["8001"]);
    bench.caller_at('1');
    bench.caller_at('4');
    let shows: Vec<_> = bench
        .take()
        .into_iter()
        .filter_map(|output| match output {
            Output::Place { shows, .. } => Some((shows.user, shows.asserted)),
            _ => None,
        })
        .collect();
    let caller = Some(number("13912345678"));
    assert_eq!(shows, [("13912345678".to_owned(), caller), ("057155550100".to_owned(), None)]);
}

#[test]
fn who_withholds_the_number_is_anonymous() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let leg = bench.arrive(trunk(), &["057155550100"], "");
    bench.input(Input::Played { leg });
    bench.input(Input::Played { leg });
    bench.press(leg, '1');
    let anonymous = |output: &Output| matches!(output, Output::Place { shows, .. } if shows.user == "anonymous" && shows.asserted.is_none());
    assert!(bench.said.iter().any(anonymous));
}

#[test]
fn a_400_number_is_shown_only_where_the_line_allows_it() {
    let mut plan = plan();
    plan.trunks.get_mut(&base::Name::from("carrier")).unwrap().caller_id = Some(number("4005550100"));
    let mut bench = Bench::with(plan.clone(), &[]);
    bench.caller_at('4');
    assert_eq!(bench.rang(), [""; 0]);
    change(&mut plan, |line| line.numbers[0].may_call_out = true);
    let mut bench = Bench::with(plan, &[]);
    bench.caller_at('4');
    assert_eq!(bench.rang().len(), 1);
}

#[test]
fn a_seat_that_is_one_of_our_own_numbers_is_never_dialled() {
    let mut plan = plan();
    change(&mut plan, |line| {
        let duty = line.seats.get_mut(&base::Name::from("duty_mobile")).unwrap();
        duty.reach = ivr::line::Reach::Phone { number: number("4005550100"), confirm: None };
    });
    let mut bench = Bench::with(plan, &[]);
    let caller = bench.caller_at('4');
    assert_eq!(bench.rang(), [""; 0]);
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
}

#[test]
fn a_caller_for_whom_no_port_was_free_was_not_answered() {
    let mut bench = Bench::with(plan(), &[]);
    let caller = bench.caller();
    bench.end(caller, Cause::EngineFull);
    let record = bench.record();
    assert_eq!((record.cause, record.answered_after), (Cause::EngineFull, None));
    assert_eq!(record.legs[0].answered, None);
}
