//! "按1咨询产品，按2联系售后": integration test number one, and the menus around it.

use std::time::Duration;

use base::Cause;
use integration_tests::world::Example;
use integration_tests::world::example::{PROMPT, tone_of};
use phones::audio::{dominant, tones_in};
use phones::{Action, Audio, Behaviour, Cue, Event, Script};

const SECOND: Duration = Duration::from_secs(1);

/// Presses a key as soon as the menu can hear it: welcome and notice are over.
fn presses(key: char) -> Script {
    Script::new().on_after(Cue::Answered, PROMPT * 2 + PROMPT / 2, Action::Press(key))
}

#[test]
fn key_1_asks_for_advice_li_na_does_not_answer_and_wang_wei_does() {
    let mut example = Example::at("2026-10-12T10:00");
    example.seat("li_na", Behaviour::waits());
    let says = Script::new().on(Cue::Answered, Action::Say(Audio::tone(700.0, 2 * SECOND)));
    example.seat("wang_wei", Behaviour::answers(3 * SECOND).with(says));
    let call = example.call("13912345678", presses('1'));
    example.run(25 * SECOND);
    example.caller(call, Action::Say(Audio::tone(500.0, 2 * SECOND)));
    example.run(5 * SECOND);
    example.caller(call, Action::HangUp);
    example.rest();

    let rang = example.seat_when("li_na", |event| matches!(event, Event::Incoming { .. }));
    let stopped = example.seat_when("li_na", |event| matches!(event, Event::CancelledByPeer { .. }));
    let next = example.seat_when("wang_wei", |event| matches!(event, Event::Incoming { .. }));
    let tolerance = Duration::from_millis(5);
    assert!(stopped.since(rang).abs_diff(15 * SECOND) < tolerance, "{:?}", stopped.since(rang));
    assert!(next.since(stopped).abs_diff(SECOND) < tolerance, "{:?}", next.since(stopped));
    let record = example.record(call);
    assert_eq!(
        (record.cause, record.seat.as_ref().map(|s| s.as_str())),
        (Cause::CallerHungUp, Some("wang_wei"))
    );
    let heard = tones_in(example.leg(call).stream().heard());
    for prompt in ["welcome", "recording_notice", "main_menu"] {
        assert!(heard.contains(&Some(tone_of(prompt))), "{prompt} in {heard:?}");
    }
    assert!(heard.contains(&Some(450)) && heard.contains(&Some(700)), "{heard:?}");
    assert!(tones_in(example.seat_leg("wang_wei").stream().heard()).contains(&Some(500)));
    let _ = dominant;
}
