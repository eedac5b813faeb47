//! Who gets in, who does not, and who may dial what.

use base::Cause;
use integration_tests::world::Example;
use integration_tests::world::example::{NUMBER, carried, tone_of};
use phones::{Action, Behaviour, Dial, Event, Input, Script};

use crate::words::*;

fn refusal(example: &Example, call: phones::CallNo) -> Option<u16> {
    example.saw(call).find_map(|(_, event)| match event {
        Event::Refused { code, .. } => Some(*code),
        _ => None,
    })
}

#[test]
fn an_unknown_number_is_404_and_takes_no_channel() {
    let mut example = Example::at(OPEN);
    let call = example.dial(carried(CALLER, "02155551234"));
    example.run(SECOND);
    assert_eq!(refusal(&example, call), Some(404));
    example.rest();
    assert_eq!(example.record(call).cause, Cause::UnknownNumber);
    assert!(!example.saw(call).any(|(_, event)| matches!(event, Event::Early | Event::Answered)));
}

#[test]
fn a_blocked_caller_is_603_before_any_answer() {
    let mut example = Example::at(OPEN);
    let call = example.call("13800000000", Script::new());
    example.run(SECOND);
    assert_eq!(refusal(&example, call), Some(603));
    example.rest();
    assert!(!example.saw(call).any(|(_, event)| *event == Event::Answered));
}

#[test]
fn the_eleventh_caller_hears_that_the_lines_are_busy_unbilled_and_gets_486() {
    let mut example = Example::at(OPEN);
    let first: Vec<_> = (0..10).map(|n| example.call(&format!("1391234567{n}"), Script::new())).collect();
    example.run(SECOND);
    let eleventh = example.call("13812345678", Script::new());
    example.run(SECOND);
    assert_eq!(refusal(&example, eleventh), Some(486));
    assert_eq!(heard(example.leg(eleventh)), [tone_of("lines_busy")]);
    assert!(example.saw(eleventh).any(|(_, event)| *event == Event::Early));
    assert!(!example.saw(eleventh).any(|(_, event)| *event == Event::Answered));
    for call in first {
        example.caller(call, Action::HangUp);
    }
    example.run(SECOND);
    let twelfth = example.call("13812345678", Script::new());
    example.run(SECOND);
    assert!(example.saw(twelfth).any(|(_, event)| *event == Event::Answered), "there is room again");
    example.caller(twelfth, Action::HangUp);
    example.rest();
}

#[test]
fn a_seat_may_call_the_lines_own_number() {
    let mut example = Example::at(OPEN);
    example.seat("wang_wei", Behaviour::waits());
    example.seat("li_na", answers(SECOND, 700.0));
    let dial = Dial { script: presses("1"), ..Dial::to("4005550100") };
    example.act("wang_wei", Action::Call(dial));
    example.run(5 * SECOND);
    example.act("wang_wei", Action::HangUp);
    example.rest();
    let call = example.seat_leg("wang_wei");
    let record = example.record_of(call.call_id());
    assert!(record.internal && record.seat.as_deref() == Some("li_na"), "{record:?}");
    assert!(heard(call).contains(&700));
}

#[test]
fn a_seat_calls_a_seat_and_what_its_phone_says_is_relayed() {
    for early_media in [false, true] {
        let mut example = Example::at(OPEN);
        example.seat("wang_wei", Behaviour::waits());
        // The 200 follows the 18x at once: none may be swallowed.
        example.seat("li_na", Behaviour { early_media, ..answers(millis(0), 700.0) });
        example.act("wang_wei", Action::Call(Dial::to("8001")));
        example.run(2 * SECOND);
        example.act("wang_wei", says(500.0, SECOND));
        example.run(2 * SECOND);
        example.act("wang_wei", Action::HangUp);
        example.rest();
        let saw: Vec<_> = example.seat_saw("wang_wei").map(|(_, event)| event.clone()).collect();
        let first = if early_media { Event::Early } else { Event::Ringing(180) };
        let at = |event: &Event| saw.iter().position(|seen| seen == event);
        assert!(at(&first).is_some() && at(&first) < at(&Event::Answered), "{saw:?}");
        assert!(heard(example.seat_leg("wang_wei")).contains(&700));
        assert!(heard(example.seat_leg("li_na")).contains(&500));
        assert!(example.world.pbx().takes().is_empty(), "colleagues are not recorded");
    }
}

#[test]
fn a_seat_may_dial_nothing_else() {
    let mut example = Example::at(OPEN);
    let phone = example.seat("wang_wei", Behaviour::waits());
    for target in ["13912345678", "02155551234", "8009", "00441632960000", "duty_mobile"] {
        example.act("wang_wei", Action::Call(Dial::to(target)));
        example.run(SECOND);
        let last = example.world.phone(phone).calls().next_back().unwrap().0;
        let mut seen =
            example.world.seen().iter().filter(|seen| seen.call == Some(last) && seen.phone == phone);
        assert!(seen.any(|seen| matches!(seen.event, Event::Refused { code: 403, .. })), "{target}");
    }
    assert_eq!(example.world.phone(example.carrier).calls().count(), 0, "nothing went out");
    example.rest();
}

#[test]
fn a_wrong_password_registers_nobody_and_dials_nothing() {
    let mut example = Example::at(OPEN);
    let phone = example.phone("li_na", |setup| setup.password = Some("guess".into()));
    example.world.tell(phone, Input::Do(Action::Register));
    example.run(2 * SECOND);
    example.world.tell(phone, Input::Do(Action::Call(Dial::to(NUMBER))));
    example.run(2 * SECOND);
    assert_eq!(example.world.pbx().node().sip().bindings(), 0);
    assert!(example.world.when(phone, |event| matches!(event, Event::RegisterFailed(401 | 403))).is_some());
    assert!(
        example
            .world
            .when(phone, |event| matches!(event, Event::Refused { code: 401 | 403 | 407, .. }))
            .is_some()
    );
    assert!(example.world.pbx().finished().is_empty(), "it never became a call");
    example.rest();
}
