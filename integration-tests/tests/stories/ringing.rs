//! Ringing: busy, absent and many phones; callers who give up; the duty mobile behind the trunk.

use base::Cause;
use integration_tests::world::Example;
use integration_tests::world::example::{shipped, tone_of};
use phones::{Action, Behaviour, CallNo, Cue, Event, Script};

use crate::words::*;

#[test]
fn a_busy_seat_is_skipped_at_once() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", Behaviour::refuses(486));
    example.seat("wang_wei", answers(SECOND, 700.0));
    let call = talking(&mut example, "1");
    let skipped = example.seat_when("wang_wei", rings).since(example.seat_when("li_na", rings));
    assert!(skipped < millis(5), "{skipped:?}");
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(example.record(call).legs[1].cause, Cause::Busy);
}

#[test]
fn nobody_registered_is_told_and_the_call_ends() {
    let mut example = Example::at(OPEN);
    let call = example.call(CALLER, presses("1"));
    example.run(5 * SECOND);
    assert_eq!(heard(example.leg(call)).last(), Some(&tone_of("nobody")));
    assert!(example.saw(call).any(|(_, event)| matches!(event, Event::HungUpByPeer { .. })));
    example.rest();
    let record = example.record(call);
    assert_eq!((record.cause, record.queue.as_deref()), (Cause::FlowEnded, Some("product_advice")));
}

#[test]
fn a_caller_who_gives_up_ends_every_leg_at_once() {
    let mut example = Example::at(OPEN);
    example.seat("zhao_min", Behaviour::waits());
    example.seat("chen_hao", Behaviour::waits());
    let call = talking(&mut example, "0");
    let gave_up = example.world.now().mono;
    example.caller(call, Action::HangUp);
    example.rest();
    for seat in ["zhao_min", "chen_hao"] {
        let after = example.seat_when(seat, is_cancelled).since(gave_up);
        assert!(after < millis(200), "{seat} rang on for {after:?}");
    }
    assert_eq!(example.record(call).cause, Cause::CallerGaveUp);
    assert!(example.world.pbx().takes().is_empty());
}

#[test]
fn a_seat_with_two_phones_rings_at_both() {
    let mut example = Example::at(OPEN);
    let desk = example.seat("li_na", Behaviour::waits());
    let cordless = example.seat("li_na", answers(2 * SECOND, 700.0));
    let call = example.call(CALLER, presses("1"));
    example.run(5 * SECOND);
    assert_eq!(example.world.when(desk, rings), example.world.when(cordless, rings));
    let elsewhere = |event: &Event| matches!(event, Event::CancelledByPeer { reason: Some(reason) } if reason.contains("elsewhere"));
    assert!(example.world.when(desk, elsewhere).is_some());
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(example.record(call).seat.as_deref(), Some("li_na"));
}

#[test]
fn who_came_first_is_served_first() {
    let mut example = Example::at(OPEN);
    example.seat("li_na", answers(SECOND, 700.0));
    let served = example.call("13900000001", presses("1"));
    example.run(4 * SECOND);
    let old = example.call("13900000002", presses("1"));
    example.run(2 * SECOND);
    let young = example.call("13900000003", presses("1"));
    example.run(2 * SECOND);
    for (leaves, next) in [(served, Some(old)), (old, Some(young)), (young, None)] {
        let before = example.world.now().mono;
        example.caller(leaves, Action::HangUp);
        example.run(16 * SECOND);
        let Some(next) = next else { break };
        let connected = example.world.pbx().told().iter().rev().find_map(|(at, call, what)| {
            matches!(what, pbx::seam::Told::Connected { .. }).then_some((*at, *call))
        });
        let (at, _) = connected.unwrap();
        let waited = at.since(before);
        assert!(waited >= 10 * SECOND && waited < 12 * SECOND, "li_na rests for ten seconds: {waited:?}");
        assert!(heard(example.leg(next)).contains(&700), "{next:?}");
    }
    example.rest();
}

/// The example with a duty mobile that does this, and no seats.
fn with_mobile(local: &str, mobile: Behaviour) -> Example {
    Example::of(&shipped(local), |carrier| carrier.plan = vec![("13800138001".to_owned(), mobile)])
}

/// The mobile's call: the carrier's second.
const MOBILE: CallNo = CallNo(1);

#[test]
fn the_duty_mobile_takes_a_complaint_by_pressing_1() {
    let accepts =
        Script::new().on_after(Cue::Answered, SECOND, Action::Press('1')).then(SECOND, says(700.0, SECOND));
    let mut example = with_mobile(OPEN, Behaviour::answers(2 * SECOND).with(accepts));
    let call = example.call(CALLER, presses("3"));
    example.run(8 * SECOND);
    example.caller(call, says(500.0, SECOND));
    example.run(2 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();
    assert_eq!(heard(example.leg(MOBILE)), [tone_of("press_to_accept"), 500]);
    assert!(heard(example.leg(call)).ends_with(&[450, 700]));
    let from = example.saw(MOBILE).find_map(|(_, event)| match event {
        Event::Incoming { from, .. } => Some(from.clone()),
        _ => None,
    });
    assert!(
        from.as_deref().is_some_and(|from| from.contains("057155550100")),
        "the verified number: {from:?}"
    );
    let record = example.record(call);
    assert_eq!(record.seat.as_deref(), Some("duty_mobile"));
    assert!(record.recording.is_some());
}

#[test]
fn a_voicemail_presses_no_key_and_so_did_not_answer() {
    let greets = Script::new().on(Cue::Answered, says(700.0, 20 * SECOND));
    let mut example = with_mobile(OPEN, Behaviour::answers(2 * SECOND).with(greets));
    let call = example.call(CALLER, presses("3"));
    example.run(40 * SECOND);
    example.rest();
    let heard = heard(example.leg(call));
    assert!(heard.ends_with(&[450, tone_of("nobody")]) && !heard.contains(&700), "{heard:?}");
    let record = example.record(call);
    assert_eq!((record.seat.as_deref(), record.connected_after), (None, None));
    assert!(example.world.pbx().takes().is_empty());
}

#[test]
fn a_mobile_that_presses_2_declines() {
    let declines = Script::new().on_after(Cue::Answered, SECOND, Action::Press('2'));
    let mut example = with_mobile(OPEN, Behaviour::answers(SECOND).with(declines));
    let call = example.call(CALLER, presses("3"));
    example.run(6 * SECOND);
    assert_eq!(heard(example.leg(call)).last(), Some(&tone_of("nobody")));
    example.rest();
    assert_eq!(example.record(call).legs[1].cause, Cause::Declined);
}

#[test]
fn a_trunk_that_does_not_answer_its_probes_is_not_dialled() {
    let mut example = with_mobile(OPEN, answers(SECOND, 700.0));
    example.world.change(example.carrier, |carrier| carrier.set_answers_options(false));
    example.run(60 * SECOND);
    let call = example.call(CALLER, presses("3"));
    example.run(3 * SECOND);
    assert_eq!(heard(example.leg(call)).last(), Some(&tone_of("nobody")), "at once");
    assert_eq!(example.world.phone(example.carrier).calls().count(), 1, "nobody was rung");
    example.world.change(example.carrier, |carrier| carrier.set_answers_options(true));
    example.run(30 * SECOND);
    let call = example.call(CALLER, presses("3"));
    example.run(3 * SECOND);
    assert_eq!(example.world.phone(example.carrier).calls().count(), 3, "it is back");
    example.caller(call, Action::HangUp);
    example.rest();
}
