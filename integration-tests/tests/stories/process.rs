//! The line over time: thousands of calls, a stop, a new plan in the midst of calls.

use std::sync::Arc;

use base::{Cause, Digit};
use integration_tests::world::{Example, Link, World};
use phones::{Action, Cue, Event, Script};
use sibai::node::Input;

use crate::words::*;

#[test]
fn five_thousand_short_calls_leave_nothing_behind() {
    let mut example = Example::with(OPEN, |setting| {
        let plan = Arc::make_mut(&mut setting.plan);
        plan.trunks.values_mut().for_each(|trunk| trunk.max_calls = 1_000);
        plan.lines.values_mut().map(Arc::make_mut).for_each(|line| line.max_calls = 1_000);
    });
    let size = |example: &Example| format!("{:?}", example.world.pbx().node()).len();
    let short = || Script::new().on_after(Cue::Answered, millis(100), Action::HangUp);
    let mut before = 0;
    for n in 0..5_050 {
        if n == 50 {
            // The first calls fill what is kept for good: nonces, the last branches.
            example.rest();
            before = size(&example);
        }
        example.call(CALLER, short());
        example.run(millis(20));
    }
    example.rest();
    let after = size(&example);
    assert_eq!(example.world.pbx().finished().len(), 5_050);
    // As words: a leak of one number a call would be ten thousand bytes.
    assert!(after <= before + 1_000, "the node grew from {before} to {after} bytes, told as words");
}

#[test]
fn a_stop_lets_calls_go_on_refuses_new_ones_and_then_ends_what_is_left() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    example.world.operate(Input::Drain);
    let late = example.call("13812345678", Script::new());
    example.run(SECOND);
    assert!(example.saw(late).any(|(_, event)| matches!(event, Event::Refused { code: 503, .. })));
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    assert!(heard(example.seat_leg("li_na")).contains(&500), "the conversation goes on");
    example.world.operate(Input::EndAll(Cause::EngineStopped));
    example.rest();
    let hung_up = |event: &Event| matches!(event, Event::HungUpByPeer { .. });
    assert!(example.saw(call).any(|(_, event)| hung_up(event)));
    assert!(example.seat_saw("li_na").any(|(_, event)| hung_up(event)));
    assert_eq!(example.record(call).cause, Cause::EngineStopped);
    assert!(only_take(&example).ended.is_some());
}

#[test]
fn a_phone_that_answers_the_moment_its_worker_is_lost_is_hung_up_on() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let call = example.call(CALLER, presses("1"));
    let phone = example.seat_phone("li_na");
    example.world.set_link(Link { delay: millis(50), ..Link::CLEAN });
    let answered = |world: &World| world.when(phone, |event| *event == Event::Answered).is_some();
    assert!(example.world.run_until(10 * SECOND, answered));
    // Its 200 crosses our CANCEL.
    example.world.lose_worker(0);
    example.run(SECOND);
    assert!(example.seat_saw("li_na").any(|(_, event)| matches!(event, Event::HungUpByPeer { .. })));
    example.rest();
    assert_eq!(example.record(call).cause, Cause::Internal);
}

#[test]
fn a_new_plan_is_for_new_calls_and_a_live_one_keeps_its_own() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    example.seat("wang_wei", answers(SECOND, 900.0));
    let live = example.call("13900000001", Script::new());
    example.run(millis(700));
    let mut plan = (*integration_tests::world::example::shipped(OPEN).plan).clone();
    for line in plan.lines.values_mut().map(Arc::make_mut) {
        let seats = line.queues.values_mut().map(|queue| &mut queue.ring.seats);
        seats.for_each(|seats| seats.retain(|seat| seat.as_str() != "li_na"));
        for menu in line.menus.values_mut() {
            let (old, new) = (Digit::from_char('1').unwrap(), Digit::from_char('7').unwrap());
            let advice = menu.keys.remove(&old);
            menu.keys.extend(advice.map(|advice| (new, advice)));
        }
    }
    example.world.operate(Input::Plan(Arc::new(plan)));
    example.caller(live, Action::Press('1'));
    let new = example.call("13900000002", presses("7"));
    example.run(5 * SECOND);
    example.caller(live, Action::HangUp);
    example.run(15 * SECOND);
    example.caller(new, Action::HangUp);
    example.rest();
    assert_eq!(example.record(live).keys.len(), 1, "the old menu for who was in it");
    assert_eq!(example.record(live).seat.as_deref(), Some("wang_wei"), "seats follow at once");
    assert_eq!(example.record(new).seat.as_deref(), Some("wang_wei"));
}
