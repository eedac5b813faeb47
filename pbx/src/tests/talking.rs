//! Stories of conversations: consent, recording, hold, ends, and the row that remains.

use base::Cause;

use super::bench::{Bench, number, plan, secs};
use crate::cdr::Consent;
use crate::seam::{Input, Output};

#[test]
fn a_whole_call_leaves_its_row() {
    let mut bench = Bench::with(plan(), &["8003", "8004"]);
    let caller = bench.caller();
    assert_eq!(bench.said[1], Output::Answer { leg: caller });
    bench.after(secs(4));
    bench.input(Input::Played { leg: caller });
    assert_eq!(bench.plays(caller).as_deref(), Some("notice"));
    bench.after(secs(6));
    bench.input(Input::Played { leg: caller });
    bench.press(caller, '2');
    let chen = bench.leg_to("8004");
    bench.input(Input::Progressed { leg: chen, status: 180, media: false });
    bench.after(secs(5));
    bench.answer(chen);
    let zhao = bench.leg_to("8003");
    bench.end(zhao, Cause::AnsweredElsewhere);
    let recorded = bench.recorded().unwrap();
    assert_eq!((recorded.caller_leg, recorded.seat_leg), (caller, chen));
    assert_eq!(recorded.consent, Consent::NoticeGiven);
    bench.after(secs(60));
    bench.end(caller, Cause::CallerHungUp);
    assert_eq!(bench.hung_up(chen), Some(Cause::CallerHungUp));
    let sealed = Output::EndRecording { recording: recorded.recording, consent: Consent::NoticeGiven };
    assert!(bench.said.contains(&sealed));
    let row = bench.record();
    assert_eq!(
        (row.cause, row.waited, row.talked, row.lasted),
        (Cause::CallerHungUp, secs(5), secs(60), secs(75))
    );
    assert_eq!((row.answered_after, row.connected_after), (Some(secs(0)), Some(secs(15))));
    assert_eq!((row.queue.as_deref(), row.seat.as_deref()), (Some("after_sales"), Some("chen_hao")));
    assert_eq!(row.number, Some(number("4005550100")));
    assert_eq!(row.dialled, "057155550100");
    assert_eq!(row.caller, Some(number("13912345678")));
    assert_eq!(row.recording, Some(recorded.recording));
    assert_eq!((row.keys.len(), row.menus.len(), row.legs.len()), (1, 1, 3));
    assert_eq!(row.legs[0].leg, caller);
    assert_eq!(row.legs[1].cause, Cause::AnsweredElsewhere);
    assert_eq!((row.legs[2].rang, row.legs[2].answered), (Some(secs(10)), Some(secs(15))));
    assert!(bench.board.is_idle());
}

#[test]
fn when_the_seat_hangs_up_the_caller_is_hung_up_too() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    bench.end(li_na, Cause::CallerHungUp);
    assert_eq!(bench.hung_up(caller), Some(Cause::SeatHungUp));
    assert_eq!(bench.record().cause, Cause::SeatHungUp);
    assert_eq!(bench.record().legs[1].cause, Cause::SeatHungUp);
}

#[test]
fn who_refuses_during_the_notice_is_not_recorded() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller();
    bench.input(Input::Played { leg: caller });
    bench.press(caller, '#');
    bench.press(caller, '1');
    bench.answer(bench.leg_to("8001"));
    assert_eq!(bench.recorded(), None);
    bench.end(caller, Cause::CallerHungUp);
    assert_eq!((bench.record().consent, bench.record().recording), (Consent::Refused, None));
}

#[test]
fn who_refuses_while_waiting_is_not_recorded() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller_at('1');
    bench.press(caller, '#');
    bench.answer(bench.leg_to("8001"));
    assert_eq!(bench.recorded(), None);
}

#[test]
fn who_refuses_while_talking_withdraws_and_talks_on() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    let recording = bench.recorded().unwrap().recording;
    bench.press(caller, '#');
    assert!(bench.said.contains(&Output::EndRecording { recording, consent: Consent::Withdrawn }));
    assert_eq!(bench.hung_up(li_na), None);
    bench.take();
    bench.press(caller, '#');
    bench.end(caller, Cause::CallerHungUp);
    let ends = bench.said.iter().filter(|output| matches!(output, Output::EndRecording { .. })).count();
    assert_eq!(ends, 0, "it was ended once");
    assert_eq!(bench.record().consent, Consent::Withdrawn);
    assert_eq!(bench.record().recording, Some(recording));
}

#[test]
fn the_seat_cannot_refuse_for_the_caller() {
    let mut bench = Bench::with(plan(), &["8001"]);
    bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    bench.press(li_na, '#');
    assert!(!bench.said.iter().any(|output| matches!(output, Output::EndRecording { .. })));
}

#[test]
fn what_would_be_left_of_a_lost_call_is_put_on_record() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    bench.press(caller, '#');
    let standing: Vec<_> = bench
        .take()
        .into_iter()
        .filter_map(|output| match output {
            Output::Standing(record) => Some((record.cause, record.seat.is_some(), record.consent)),
            _ => None,
        })
        .collect();
    let lost = Cause::NodeLost;
    assert_eq!(
        standing,
        [(lost, false, Consent::None), (lost, true, Consent::NoticeGiven), (lost, true, Consent::Withdrawn)]
    );
}

#[test]
fn without_a_notice_nothing_is_recorded() {
    let mut plan = plan();
    super::bench::change(&mut plan, |line| {
        let flow = line.flows.get_mut(&base::Name::from("answer_call")).unwrap();
        flow.remove(1);
    });
    let mut bench = Bench::with(plan, &["8001"]);
    let caller = bench.caller();
    bench.input(Input::Played { leg: caller });
    bench.press(caller, '1');
    bench.answer(bench.leg_to("8001"));
    assert!(bench.bridged(caller, bench.leg_to("8001")));
    assert_eq!(bench.recorded(), None);
}

#[test]
fn a_held_caller_hears_ringback_and_never_dead_air() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    bench.take();
    bench.input(Input::Held { leg: li_na, held: true });
    assert_eq!(bench.plays(caller).as_deref(), Some("ringback"));
    assert_eq!(bench.said[0], Output::Unbridge { a: caller, b: li_na });
    bench.take();
    bench.input(Input::Silent { leg: li_na });
    bench.input(Input::Held { leg: li_na, held: false });
    assert_eq!(bench.take(), [Output::Bridge { a: caller, b: li_na }], "no second recording, no end");
    bench.input(Input::Silent { leg: li_na });
    assert_eq!(bench.record().cause, Cause::RtpSilence);
}

#[test]
fn a_hold_ends_after_an_hour() {
    let mut bench = Bench::with(plan(), &["8001"]);
    bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    bench.input(Input::Held { leg: li_na, held: true });
    bench.after(secs(3599));
    assert!(bench.records.is_empty());
    bench.after(secs(1));
    assert_eq!(bench.record().cause, Cause::RtpSilence);
}

#[test]
fn no_call_is_longer_than_four_hours() {
    let mut bench = Bench::with(plan(), &["8001"]);
    bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    bench.after(secs(4 * 3600 - 1));
    assert!(bench.records.is_empty());
    bench.after(secs(1));
    assert_eq!(bench.record().cause, Cause::TooLong);
    bench.after(secs(10));
    assert!(bench.board.is_idle());
}

#[test]
fn a_fault_ends_that_call_and_no_other() {
    let mut bench = Bench::with(plan(), &["8001", "8003"]);
    let broken = bench.caller_at('1');
    let other = bench.caller_at('3');
    bench.answer(bench.leg_to("8001"));
    bench.input(Input::Fault { leg: bench.leg_to("8001") });
    assert_eq!(bench.hung_up(broken), Some(Cause::Internal));
    assert_eq!(bench.record().cause, Cause::Internal);
    assert_eq!(bench.hung_up(other), None);
}

#[test]
fn a_stop_ends_every_call_with_its_cause() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let talks = bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    let waits = bench.caller_at('1');
    bench.input(Input::EndAll(Cause::EngineStopped));
    assert_eq!(bench.hung_up(talks), Some(Cause::EngineStopped));
    assert_eq!(bench.hung_up(waits), Some(Cause::EngineStopped));
    assert_eq!(bench.records.len(), 2);
    assert!(bench.board.is_idle());
}

#[test]
fn a_prompt_whose_end_is_never_told_ends_the_call() {
    let mut bench = Bench::with(plan(), &[]);
    bench.caller();
    bench.after(secs(600));
    assert_eq!(bench.record().cause, Cause::Internal);
}
