//! Stories of ringing: order and timers, one winner, losers, crossings, several phones, confirm.

use base::Cause;
use ivr::line::{LastTry, Order};

use super::bench::{Bench, change, plan, queue_mut, secs};
use crate::seam::{Input, Output, Told};
use crate::seats::Availability;

#[test]
fn sequential_seats_ring_one_after_another_with_the_pause_between() {
    let mut bench = Bench::with(plan(), &["8001", "8002"]).agreeing();
    let caller = bench.caller_at('1');
    assert_eq!(bench.plays(caller).as_deref(), Some("ringback"));
    assert_eq!(bench.rang(), ["8001"]);
    bench.after(secs(15));
    assert_eq!(bench.rang(), [""; 0], "the pause holds");
    bench.after(secs(1));
    assert_eq!(bench.rang(), ["8002"]);
    bench.after(secs(16));
    assert_eq!(bench.rang(), ["8001"], "an unanswered pass repeats");
}

#[test]
fn the_first_answer_of_a_parallel_round_wins_and_the_other_is_told_answered_elsewhere() {
    let mut bench = Bench::with(plan(), &["8003", "8004"]);
    let caller = bench.caller_at('2');
    let (zhao, chen) = (bench.leg_to("8003"), bench.leg_to("8004"));
    bench.answer(chen);
    assert_eq!(bench.gave_up(zhao), Some(Cause::AnsweredElsewhere));
    assert!(bench.bridged(caller, chen));
    let zhao_min = |bench: &Bench| bench.board.availability(&"huaning".into(), &"zhao_min".into());
    assert_eq!(zhao_min(&bench), Availability::Ringing, "cancelled is not gone");
    assert_eq!(bench.board.availability(&"huaning".into(), &"chen_hao".into()), Availability::Talking);
    bench.take();
    bench.answer(zhao);
    assert_eq!(bench.hung_up(zhao), Some(Cause::AnsweredElsewhere), "its 200 crossed our CANCEL");
    assert_eq!(zhao_min(&bench), Availability::Idle);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_taken_while_the_caller_waits() {
    let mut bench = Bench::with(plan(), &["8001", "8002"]);
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.after(secs(16));
    let wang_wei = bench.leg_to("8002");
    assert_eq!(bench.gave_up(li_na), Some(Cause::NoAnswer));
    bench.answer(li_na);
    assert!(bench.bridged(caller, li_na));
    assert_eq!(bench.gave_up(wang_wei), Some(Cause::AnsweredElsewhere));
}

#[test]
fn a_seat_is_not_offered_to_another_caller_before_its_phone_agreed_to_the_cancel() {
    let mut plan = plan();
    change(&mut plan, |line| queue_mut(line, "advice").ring.pause = secs(5));
    let mut bench = Bench::with(plan, &["8001"]);
    let first_caller = bench.caller_at('1');
    let first = bench.leg_to("8001");
    bench.end(first_caller, Cause::CallerHungUp);
    assert_eq!(bench.gave_up(first), Some(Cause::CallerGaveUp));
    bench.take();
    bench.rang();
    let second_caller = bench.caller_at('3');
    assert_eq!(bench.rang(), [""; 0], "li_na's phone still rings");
    assert_eq!(bench.plays(second_caller).as_deref(), Some("ringback"));
    bench.end(first, Cause::CallerGaveUp);
    assert_eq!(bench.rang(), ["8001"], "now it may");
}

#[test]
fn a_phone_that_never_agrees_to_a_cancel_is_offered_again_when_it_is_written_off() {
    let mut bench = Bench::with(plan(), &["8003"]);
    bench.caller_at('2');
    assert_eq!(bench.rang().len(), 1);
    bench.after(secs(59));
    assert_eq!(bench.rang().len(), 0, "dead, or its answer is lost again and again");
    bench.after(secs(2));
    assert_eq!(bench.rang().len(), 1);
}

#[test]
fn a_busy_seat_is_skipped_at_once() {
    let mut bench = Bench::with(plan(), &["8001", "8002"]);
    bench.caller_at('1');
    bench.end(bench.leg_to("8001"), Cause::Busy);
    assert_eq!(bench.rang(), ["8001", "8002"], "no second went by");
}

#[test]
fn an_unregistered_seat_is_skipped_at_once() {
    let mut bench = Bench::with(plan(), &["8002"]);
    bench.caller_at('1');
    assert_eq!(bench.rang(), ["8002"]);
}

#[test]
fn all_phones_of_a_seat_ring_together_and_one_busy_phone_does_not_end_it() {
    let mut bench = Bench::with(plan(), &[]);
    bench.register("8001", &[1, 2]);
    let caller = bench.caller_at('1');
    let (desk, mobile) = (bench.leg_to("8001"), bench.leg_to("8001#2"));
    bench.end(desk, Cause::Busy);
    assert_eq!(bench.gave_up(mobile), None);
    bench.answer(mobile);
    assert!(bench.bridged(caller, mobile));
}

#[test]
fn the_other_phone_of_the_winner_is_told_answered_elsewhere() {
    let mut bench = Bench::with(plan(), &[]);
    bench.register("8001", &[1, 2]);
    bench.caller_at('1');
    bench.answer(bench.leg_to("8001"));
    assert_eq!(bench.gave_up(bench.leg_to("8001#2")), Some(Cause::AnsweredElsewhere));
}

#[test]
fn who_declines_at_one_phone_declines_at_all() {
    let mut bench = Bench::with(plan(), &["8002"]);
    bench.register("8001", &[1, 2]);
    bench.caller_at('1');
    bench.end(bench.leg_to("8001"), Cause::Declined);
    assert_eq!(bench.gave_up(bench.leg_to("8001#2")), Some(Cause::Declined));
    bench.after(secs(1));
    assert!(bench.rang().contains(&"8002".to_owned()));
}

#[test]
fn when_the_caller_gives_up_every_leg_is_cancelled_at_once() {
    let mut bench = Bench::with(plan(), &["8003", "8004"]);
    let caller = bench.caller_at('2');
    let legs = [bench.leg_to("8003"), bench.leg_to("8004")];
    bench.end(caller, Cause::CallerHungUp);
    for leg in legs {
        assert_eq!(bench.gave_up(leg), Some(Cause::CallerGaveUp));
    }
    assert!(bench.records.is_empty(), "legs live until they tell");
    bench.end(legs[0], Cause::CallerGaveUp);
    bench.end(legs[1], Cause::CallerGaveUp);
    assert_eq!(bench.record().cause, Cause::CallerGaveUp);
    assert!(bench.board.is_idle());
}

#[test]
fn a_leg_that_never_tells_of_its_end_is_written_off() {
    let mut bench = Bench::with(plan(), &["8001"]);
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.end(caller, Cause::CallerHungUp);
    bench.after(secs(39));
    assert!(bench.records.is_empty());
    bench.after(secs(1));
    assert_eq!(bench.record().legs[1].cause, Cause::CallerGaveUp);
    assert!(bench.board.is_idle());
    bench.answer(li_na);
    assert!(bench.hung_up(li_na).is_some(), "who answers after that is not left alone on the line");
}

#[test]
fn a_mobile_has_answered_only_after_the_key() {
    let mut bench = Bench::with(plan(), &[]);
    let caller = bench.caller_at('4');
    let mobile = bench.leg_to("+8613800138001");
    bench.answer(mobile);
    assert_eq!(bench.plays(mobile).as_deref(), Some("press_to_accept"));
    assert!(!bench.bridged(caller, mobile));
    bench.press(mobile, '7');
    assert!(!bench.bridged(caller, mobile));
    bench.press(mobile, '1');
    assert!(bench.bridged(caller, mobile));
}

#[test]
fn a_voicemail_presses_no_key_and_the_flow_goes_on() {
    let mut bench = Bench::with(plan(), &[]);
    let caller = bench.caller_at('4');
    let mobile = bench.leg_to("+8613800138001");
    bench.answer(mobile);
    bench.after(secs(10));
    assert_eq!(bench.hung_up(mobile), Some(Cause::NotConfirmed));
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
    bench.input(Input::Played { leg: caller });
    assert_eq!(bench.hung_up(caller), Some(Cause::FlowEnded));
    assert_eq!(bench.record().legs[1].cause, Cause::NotConfirmed);
}

#[test]
fn the_mobile_declines_with_two() {
    let mut bench = Bench::with(plan(), &[]);
    let caller = bench.caller_at('4');
    let mobile = bench.leg_to("+8613800138001");
    bench.answer(mobile);
    bench.press(mobile, '2');
    assert_eq!(bench.hung_up(mobile), Some(Cause::Declined));
    assert_eq!(bench.plays(caller).as_deref(), Some("nobody"));
}

#[test]
fn the_key_must_come_before_the_ring_is_over() {
    let mut bench = Bench::with(plan(), &[]);
    bench.caller_at('4');
    let mobile = bench.leg_to("+8613800138001");
    bench.after(secs(20));
    bench.answer(mobile);
    bench.after(secs(5));
    assert_eq!(bench.hung_up(mobile), Some(Cause::NotConfirmed));
}

#[test]
fn other_seats_ring_on_while_one_confirms() {
    let mut plan = plan();
    change(&mut plan, |line| {
        queue_mut(line, "after_sales").ring.seats = vec!["duty_mobile".into(), "zhao_min".into()];
    });
    let mut bench = Bench::with(plan, &["8003"]);
    let caller = bench.caller_at('2');
    let (mobile, zhao) = (bench.leg_to("+8613800138001"), bench.leg_to("8003"));
    bench.answer(mobile);
    assert_eq!(bench.gave_up(zhao), None);
    bench.answer(zhao);
    assert!(bench.bridged(caller, zhao));
    assert_eq!(bench.hung_up(mobile), Some(Cause::AnsweredElsewhere));
}

#[test]
fn three_failed_offers_leave_a_seat_alone_for_a_minute() {
    let mut plan = plan();
    change(&mut plan, |line| queue_mut(line, "advice").ring.seats = vec!["li_na".into()]);
    let mut bench = Bench::with(plan, &["8001"]);
    bench.caller_at('1');
    for _ in 0..3 {
        bench.end(bench.leg_to("8001"), Cause::Busy);
        bench.after(secs(1));
    }
    assert_eq!(bench.rang().len(), 3);
    let seat = bench.board.availability(&"huaning".into(), &"li_na".into());
    assert!(matches!(seat, Availability::Unreachable { .. }), "{seat:?}");
    bench.after(secs(58));
    assert_eq!(bench.rang().len(), 0);
    bench.after(secs(2));
    assert_eq!(bench.rang().len(), 1, "tried again after sixty seconds");
}

#[test]
fn a_remembering_queue_goes_on_after_the_seat_it_tried_last() {
    let mut plan = plan();
    change(&mut plan, |line| queue_mut(line, "advice").ring.order = Order::Remember);
    let mut bench = Bench::with(plan, &["8001", "8002"]).agreeing();
    for expected in ["8001", "8002", "8001"] {
        let caller = bench.caller_at('1');
        assert_eq!(bench.rang(), [expected]);
        bench.end(caller, Cause::CallerHungUp);
    }
}

#[test]
fn the_last_try_rings_out() {
    let mut plan = plan();
    change(&mut plan, |line| queue_mut(line, "after_sales").max_wait = secs(30));
    let mut bench = Bench::with(plan, &["8003"]).agreeing();
    let caller = bench.caller_at('2');
    bench.after(secs(40));
    assert_eq!(bench.plays(caller).as_deref(), Some("ringback"), "the second round began at 21");
    bench.after(secs(1));
    assert_eq!(bench.plays(caller).as_deref(), Some("all_busy"));
}

#[test]
fn the_last_try_is_cut_where_the_line_says_so() {
    let mut plan = plan();
    change(&mut plan, |line| {
        queue_mut(line, "after_sales").max_wait = secs(30);
        queue_mut(line, "after_sales").ring.last_try = LastTry::Cut;
    });
    let mut bench = Bench::with(plan, &["8003"]);
    let caller = bench.caller_at('2');
    bench.after(secs(30));
    assert_eq!(bench.gave_up(bench.leg_to("8003")), Some(Cause::NoAnswer));
    assert_eq!(bench.plays(caller).as_deref(), Some("all_busy"));
}

#[test]
fn who_watches_is_told_who_rings_and_why_it_stops() {
    let mut bench = Bench::with(plan(), &["8003", "8004"]);
    bench.caller_at('2');
    bench.answer(bench.leg_to("8004"));
    let told: Vec<Told> = bench
        .take()
        .into_iter()
        .filter_map(|output| match output {
            Output::Tell { what, .. } => Some(what),
            _ => None,
        })
        .collect();
    assert!(told.contains(&Told::Rings { seat: "zhao_min".into() }));
    assert!(told.contains(&Told::StopsRinging { seat: "zhao_min".into(), cause: Cause::AnsweredElsewhere }));
    assert!(matches!(told.last(), Some(Told::Connected { recording: Some(_), .. })));
}
