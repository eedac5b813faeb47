//! Stories of what waiting sounds like: music of the line and of queues, ringback, and whose tones.

use std::sync::Arc;

use base::{Cause, Country, LegId};
use ivr::line::Line;

use super::bench::{Bench, change, plan, queue_mut, secs};
use crate::plan::Plan;
use crate::seam::{Input, Origin, Output, Refer, Sound};

const PIANO: Option<&str> = Some("piano over and over");
const RINGBACK: Option<&str> = Some("ringback");

fn with(make: impl FnOnce(&mut Line)) -> Plan {
    let mut plan = plan();
    change(&mut plan, make);
    plan
}

/// A line with music, and a customer who talks with li_na.
fn talking(plan: Plan) -> (Bench, LegId, LegId) {
    let mut bench = Bench::with(plan, &["8001", "8002", "8003", "8004"]).agreeing();
    let caller = bench.caller_at('1');
    let li_na = bench.leg_to("8001");
    bench.answer(li_na);
    bench.take();
    (bench, caller, li_na)
}

fn hold(bench: &mut Bench, leg: LegId, held: bool) {
    bench.input(Input::Held { leg, held });
}

#[test]
fn a_held_party_hears_the_lines_music_and_then_the_other_again() {
    let (mut bench, caller, li_na) = talking(with(|line| line.music = Some("piano".into())));
    hold(&mut bench, li_na, true);
    assert_eq!(bench.plays(caller).as_deref(), PIANO);
    assert_eq!(bench.plays(li_na), None, "who holds hears nothing of it");
    bench.take();
    hold(&mut bench, li_na, false);
    assert_eq!(bench.take(), [Output::Bridge { a: caller, b: li_na }]);
    hold(&mut bench, caller, true);
    assert_eq!((bench.plays(li_na).as_deref(), bench.plays(caller)), (PIANO, None));
    bench.take();
    hold(&mut bench, caller, false);
    hold(&mut bench, li_na, true);
    assert_eq!(bench.plays(caller).as_deref(), PIANO, "and once more, from its beginning");
}

#[test]
fn a_phone_that_says_hold_twice_does_not_begin_the_music_again() {
    let (mut bench, caller, li_na) = talking(with(|line| line.music = Some("piano".into())));
    hold(&mut bench, li_na, true);
    bench.take();
    hold(&mut bench, li_na, true);
    assert_eq!(bench.take(), []);
    // Both hold: each has its own, and neither begins anew when the other comes back.
    hold(&mut bench, caller, true);
    assert_eq!((bench.plays(li_na).as_deref(), bench.plays(caller)), (PIANO, None));
    bench.take();
    hold(&mut bench, caller, false);
    assert_eq!(bench.take(), []);
    hold(&mut bench, caller, true);
    assert_eq!(bench.plays(li_na).as_deref(), PIANO);
}

#[test]
fn without_music_the_held_party_hears_ringback_of_the_lines_country() {
    let (mut bench, caller, li_na) = talking(with(|line| line.country = Country::De));
    hold(&mut bench, li_na, true);
    let sound = Sound::Tone { country: Country::De, tone: base::Tone::Ringback, length: None };
    assert!(bench.said.contains(&Output::Play { leg: caller, sound }));
}

#[test]
fn music_goes_on_where_it_was_while_seat_after_seat_does_not_answer() {
    let plan = with(|line| queue_mut(line, "advice").music = Some("piano".into()));
    let mut bench = Bench::with(plan, &["8001", "8002"]).agreeing();
    let caller = bench.caller_at('1');
    assert_eq!(bench.plays(caller).as_deref(), PIANO);
    bench.take();
    assert_eq!(bench.rang(), ["8001"]);
    bench.after(secs(16));
    assert_eq!(bench.rang(), ["8002"]);
    bench.end(bench_leg(&bench), Cause::Busy);
    bench.after(secs(2));
    assert_eq!(bench.rang(), ["8001"]);
    assert_eq!(bench.plays(caller), None, "nothing was played anew");
    let li_na = bench_leg(&bench);
    bench.answer(li_na);
    assert!(bench.bridged(caller, li_na), "which ends the music");
}

/// The newest placed leg that was said of.
fn bench_leg(bench: &Bench) -> LegId {
    let placed = bench.said.iter().rev().find_map(|output| match output {
        Output::Place { leg, .. } => Some(*leg),
        _ => None,
    });
    placed.unwrap()
}

#[test]
fn only_the_queue_that_says_so_has_music_and_a_ring_step_rings() {
    let plan = with(|line| {
        line.music = Some("piano".into());
        queue_mut(line, "advice").music = Some("welcome".into());
    });
    let mut bench = Bench::with(plan, &["8001", "8003"]);
    let advice = bench.caller_at('1');
    assert_eq!(bench.plays(advice).as_deref(), Some("welcome over and over"), "a prompt that is played, too");
    let after_sales = bench.caller_at('2');
    assert_eq!(bench.plays(after_sales).as_deref(), RINGBACK);
    let ring = bench.caller_at('4');
    assert_eq!(bench.plays(ring).as_deref(), RINGBACK);
}

#[test]
fn whoever_waits_for_the_target_of_a_transfer_hears_it_ring() {
    let (mut bench, caller, li_na) = talking(with(|line| line.music = Some("piano".into())));
    hold(&mut bench, li_na, true);
    let refer = Refer { to: "8003".to_owned(), replaces: None };
    bench.input(Input::Referred { leg: li_na, refer: Box::new(refer) });
    assert_eq!(bench.plays(caller).as_deref(), RINGBACK);
    // The target does not answer; whoever asked still holds.
    bench.after(secs(61));
    assert_eq!(bench.plays(caller).as_deref(), PIANO);
}

#[test]
fn seats_that_talk_to_each_other_hear_their_lines_music() {
    let mut bench = Bench::with(with(|line| line.music = Some("piano".into())), &["8001", "8002"]);
    let li_na = bench.arrive(Origin::Extension("8001".into()), &["8002"], "8001");
    let wang = bench.leg_to("8002");
    bench.answer(wang);
    hold(&mut bench, wang, true);
    assert_eq!(bench.plays(li_na).as_deref(), PIANO);
}

#[test]
fn music_that_a_new_plan_has_no_more_is_ringback_for_the_calls_that_began_with_it() {
    let old = with(|line| line.music = Some("piano".into()));
    let (mut bench, caller, li_na) = talking(old.clone());
    let mut new = old;
    change(&mut new, |line| {
        line.music = None;
        line.prompts.remove("piano");
    });
    bench.input(Input::Plan(Arc::new(new)));
    hold(&mut bench, li_na, true);
    assert_eq!(bench.plays(caller).as_deref(), RINGBACK, "and not silence");
}
