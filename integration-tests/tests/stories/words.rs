//! What stories say again and again.

use std::time::Duration;

use codecs::Coding;
use integration_tests::world::example::PROMPT;
use integration_tests::world::{Example, Take};
use media::Side;
use phones::audio::tones_in;
use phones::{Action, Audio, Behaviour, Call, CallNo, Cue, Event, Script};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// An ordinary Monday morning.
pub(crate) const OPEN: &str = "2026-10-12T10:00";

/// A caller who is nobody special.
pub(crate) const CALLER: &str = "13912345678";

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Presses keys, the first as soon as the main menu can hear it: welcome and notice are over.
pub(crate) fn presses(keys: &str) -> Script {
    let mut keys = keys.chars();
    let first = keys.next().map(Action::Press).into_iter();
    let script =
        first.fold(Script::new(), |script, key| script.on_after(Cue::Answered, PROMPT * 2 + PROMPT / 2, key));
    keys.fold(script, |script, key| script.then(millis(500), Action::Press(key)))
}

/// Answers after a while and says a tone for two seconds.
pub(crate) fn answers(after: Duration, hz: f64) -> Behaviour {
    Behaviour::answers(after).with(Script::new().on(Cue::Answered, says(hz, 2 * SECOND)))
}

pub(crate) fn says(hz: f64, length: Duration) -> Action {
    Action::Say(Audio::tone(hz, length))
}

/// The tones that a party heard, in order.
pub(crate) fn heard(call: &Call) -> Vec<u32> {
    tones_in(call.stream().heard()).into_iter().flatten().collect()
}

/// The tones that it heard after so many samples.
pub(crate) fn heard_since(call: &Call, samples: usize) -> Vec<u32> {
    tones_in(&call.stream().heard()[samples..]).into_iter().flatten().collect()
}

/// The tones on one side of a recording, as they were tapped.
pub(crate) fn taped(take: &Take, side: Side) -> Vec<u32> {
    let packets = take.packets.iter().filter(|packet| packet.side == side);
    let samples: Vec<i16> = packets
        .flat_map(|packet| packet.bytes().iter().map(|byte| decode(packet.coding, *byte)).collect::<Vec<_>>())
        .collect();
    tones_in(&samples).into_iter().flatten().collect()
}

fn decode(coding: Coding, byte: u8) -> i16 {
    // The World speaks G.711 only.
    coding.law().map_or(0, |law| law.decode(byte))
}

pub(crate) fn rings(event: &Event) -> bool {
    matches!(event, Event::Incoming { .. })
}

pub(crate) fn is_cancelled(event: &Event) -> bool {
    matches!(event, Event::CancelledByPeer { .. })
}

/// The only recording there is.
pub(crate) fn only_take(example: &Example) -> &Take {
    let takes = example.world.pbx().takes();
    assert_eq!(takes.len(), 1, "{takes:?}");
    takes.values().next().unwrap_or_else(|| panic!("no recording"))
}

/// A caller who was put through to this seat: the seat answers at once.
pub(crate) fn talking(example: &mut Example, keys: &str) -> CallNo {
    let call = example.call(CALLER, presses(keys));
    example.run(3 * SECOND);
    call
}
