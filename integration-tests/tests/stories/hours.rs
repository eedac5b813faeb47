//! Opening hours, holidays and worked weekends, as a caller hears them.

use integration_tests::world::Example;
use integration_tests::world::example::tone_of;
use phones::{Action, Event, Script};

use crate::words::*;

#[test]
fn the_clock_of_the_line_decides_what_a_caller_hears() {
    for (moment, prompt) in [
        ("2026-10-12T10:00", "recording_notice"),
        ("2026-10-02T10:00", "holiday_closed"),
        // 0.5 s pass before the call and 0.3 s of welcome before the question: half-open to the second.
        ("2026-10-12T11:59:59", "recording_notice"),
        ("2026-10-12T11:59:59.3", "closed"),
        ("2026-10-12T12:00:00", "closed"),
        ("2026-10-12T13:30:00", "recording_notice"),
        ("2026-10-12T18:00:00", "closed"),
        // 调休: a Saturday that is worked like a Monday, and one that is not.
        ("2026-10-10T14:00", "recording_notice"),
        ("2026-10-17T14:00", "closed"),
        ("2026-10-17T11:00", "recording_notice"),
        ("2026-10-18T11:00", "closed"),
        // A special day beats the week.
        ("2026-12-31T14:00", "closed"),
        ("2026-12-31T10:00", "recording_notice"),
    ] {
        let mut example = Example::at(moment);
        let call = example.call(CALLER, Script::new());
        example.run(2 * SECOND);
        let heard = heard(example.leg(call));
        assert_eq!(heard[..2], [tone_of("welcome"), tone_of(prompt)], "{moment}: {heard:?}");
        if prompt != "recording_notice" {
            assert!(
                example.saw(call).any(|(_, event)| matches!(event, Event::HungUpByPeer { .. })),
                "{moment}"
            );
        }
        example.caller(call, Action::HangUp);
        example.rest();
    }
}
