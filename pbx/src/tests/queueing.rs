//! Stories of waiting: admission, fairness, seats that come and go, plans that change.

use std::sync::Arc;

use base::Cause;

use super::bench::{Bench, change, plan, queue_mut, secs};
use crate::seam::Input;
use crate::seats::Availability;

#[test]
fn without_any_registered_seat_the_line_says_so_at_once() {
    let mut bench = Bench::with(plan(), &[]);
    let caller = bench.caller_at('1');
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
}

#[test]
fn when_the_last_seat_unregisters_the_waiting_caller_is_told() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller_at('1');
    bench.register("8001", &[]);
    assert_eq!(bench.plays(caller).as_deref(), Some("ringback"), "its phone rings still");
    bench.end(bench.leg_to("8001"), Cause::NoResponse);
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
}

#[test]
fn busy_and_resting_seats_count_as_seats() {
    let mut bench = Bench::with(plan(), &["8001"]);
    bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    let second = bench.caller_at('1');
    assert_eq!(bench.plays(second).as_deref(), Some("ringback"));
    bench.rang();
    bench.end(li_na, Cause::CallerHungUp);
    let rest = bench.board.availability(&"huaning".into(), &"li_na".into());
    assert!(matches!(rest, Availability::WrapUp { .. }), "{rest:?}");
    bench.after(secs(9));
    assert_eq!(bench.rang(), [""; 0]);
    bench.after(secs(1));
    assert_eq!(bench.rang(), ["8001"], "offered the moment its rest is over");
}

#[test]
fn a_phone_that_registers_is_rung_at_once() {
    let mut bench = Bench::with(plan(), &["8003"]);
    bench.caller_at('2');
    assert_eq!(bench.rang(), ["8003"]);
    bench.register("8004", &[1]);
    assert_eq!(bench.rang(), ["8004"], "it joins the round");
}

#[test]
fn one_caller_too_many_is_not_let_in() {
    let mut plan = plan();
    change(&mut plan, |line| queue_mut(line, "advice").max_waiting = 1);
    let mut bench = Bench::with(plan, &["8001"]);
    let first = bench.caller_at('1');
    let second = bench.caller_at('1');
    assert_eq!(bench.plays(second).as_deref(), Some("all_busy"));
    bench.end(first, Cause::CallerHungUp);
    let third = bench.caller_at('1');
    assert_eq!(bench.plays(third).as_deref(), Some("ringback"));
}

#[test]
fn the_oldest_caller_is_offered_the_freed_seat() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let talks = bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    let (old, young) = (bench.caller_at('1'), bench.caller_at('1'));
    bench.end(talks, Cause::CallerHungUp);
    bench.after(secs(10));
    let li_na = bench.leg_to("8001");
    bench.take();
    bench.answer(li_na);
    assert!(bench.bridged(old, li_na) && !bench.bridged(young, li_na));
}

#[test]
fn a_pause_does_not_let_the_younger_caller_overtake() {
    let mut bench = Bench::with(plan(), &["8003", "8004"]).agreeing();
    let old = bench.caller_at('2');
    bench.caller_at('2');
    assert_eq!(bench.rang().len(), 2, "both seats ring for the first");
    bench.after(secs(20));
    assert_eq!(bench.rang().len(), 0);
    bench.after(secs(1));
    assert_eq!(bench.rang().len(), 2);
    bench.after(secs(1));
    assert_eq!(bench.rang().len(), 0);
    bench.take();
    bench.caller_at('2');
    assert_eq!(bench.rang().len(), 0);
    bench.end(old, Cause::CallerHungUp);
    assert_eq!(bench.rang().len(), 2, "and now it is the second's turn, without a pause");
}

#[test]
fn two_callers_of_a_sequential_queue_ring_two_seats() {
    let mut bench = Bench::with(plan(), &["8001", "8002"]);
    bench.caller_at('1');
    bench.caller_at('1');
    assert_eq!(bench.rang(), ["8001", "8002"]);
}

#[test]
fn seats_shared_by_queues_go_to_the_oldest_of_all() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let talks = bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    let complaint = bench.caller_at('3');
    bench.caller_at('1');
    bench.end(talks, Cause::CallerHungUp);
    bench.after(secs(10));
    let li_na = bench.leg_to("8001");
    bench.take();
    bench.answer(li_na);
    assert!(bench.bridged(complaint, li_na));
}

#[test]
fn a_seat_never_rings_for_two() {
    let mut bench = Bench::with(plan(), &["8001", "8003"]);
    bench.caller_at('1');
    bench.caller_at('3');
    bench.caller_at('3');
    assert_eq!(bench.rang(), ["8001", "8003"]);
}

#[test]
fn a_new_plan_gives_the_queue_a_seat_and_the_caller_keeps_the_place() {
    let mut plan = plan();
    change(&mut plan, |line| queue_mut(line, "advice").ring.seats = vec!["li_na".into()]);
    let mut bench = Bench::with(plan.clone(), &["8001", "8002"]);
    bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    let waits = bench.caller_at('1');
    bench.rang();
    change(&mut plan, |line| {
        queue_mut(line, "advice").ring.seats = vec!["li_na".into(), "wang_wei".into()];
    });
    bench.input(Input::Plan(Arc::new(plan)));
    assert_eq!(bench.rang(), ["8002"]);
    let row = waits;
    assert_eq!(bench.plays(row).as_deref(), Some("ringback"));
}

#[test]
fn an_outside_seat_waits_for_its_trunk() {
    let mut plan = plan();
    change(&mut plan, |line| queue_mut(line, "advice").ring.seats = vec!["duty_mobile".into()]);
    let mut bench = Bench::with(plan, &[]);
    bench.input(Input::TrunkUp { trunk: "carrier".into(), up: false });
    let caller = bench.caller_at('1');
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
    bench.input(Input::TrunkUp { trunk: "carrier".into(), up: true });
    bench.caller_at('1');
    assert_eq!(bench.rang(), ["+8613800138001"]);
}

#[test]
fn max_wait_ends_the_wait_even_if_no_seat_ever_rings() {
    let mut bench = Bench::with(plan(), &["8001"]);
    bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    let waits = bench.caller_at('1');
    bench.after(secs(179));
    assert_eq!(bench.plays(waits).as_deref(), Some("ringback"));
    bench.after(secs(1));
    assert_eq!(bench.plays(waits).as_deref(), Some("all_busy"));
    bench.input(Input::Played { leg: waits });
    assert_eq!(bench.record().waited, secs(180));
}
