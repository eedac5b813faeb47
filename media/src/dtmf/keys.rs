//! One stream of digits out of all ways in which a key may be told.

use std::time::Duration;

use base::{Digit, Mono};

/// One leg's keys. A key that is told twice, in two ways, was pressed once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keys {
    /// The last keys, the newest at `newest`.
    told: [Option<Told>; REMEMBERED],
    newest: usize,
}

/// How a key was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// RFC 4733.
    Event,
    /// SIP INFO.
    Info,
    /// Tones in the audio.
    Band,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Told {
    digit: Digit,
    at: Mono,
    /// By which ways, one bit each: another way may confirm a key once.
    ways: u8,
}

impl Keys {
    /// A key was told; gives it if it is another press and not the other side of one that is known.
    pub fn tell(&mut self, now: Mono, way: Way, digit: Digit) -> Option<Digit> {
        let bit = 1 << way as u8;
        let oldest_first = (1..=REMEMBERED).map(|n| (self.newest + n) % REMEMBERED);
        for index in oldest_first {
            let Some(told) = &mut self.told[index] else { continue };
            if told.digit == digit && told.ways & bit == 0 && now.since(told.at) < SAME_PRESS {
                told.ways |= bit;
                return None;
            }
        }
        self.newest = (self.newest + 1) % REMEMBERED;
        self.told[self.newest] = Some(Told { digit, at: now, ways: bit });
        Some(digit)
    }
}

/// Tones are heard up to 250 ms after the event was told (jitter buffer, two blocks), INFO takes its own
/// way through the signalling.
const SAME_PRESS: Duration = Duration::from_millis(500);

/// Nobody presses more keys in that time.
const REMEMBERED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(told: &[(u64, Way, char)]) -> String {
        let mut keys = Keys::default();
        told.iter()
            .filter_map(|&(ms, way, key)| {
                keys.tell(Mono::from_nanos(ms * 1_000_000), way, Digit::from_char(key).unwrap())
            })
            .map(Digit::as_char)
            .collect()
    }

    #[test]
    fn a_key_told_by_event_tone_and_info_is_one() {
        let told = [(0, Way::Event, '5'), (90, Way::Band, '5'), (300, Way::Info, '5')];
        assert_eq!(stream(&told), "5");
        // Whichever comes first.
        assert_eq!(stream(&[(0, Way::Band, '5'), (20, Way::Event, '5')]), "5");
    }

    #[test]
    fn the_same_key_pressed_twice_quickly_is_two_by_both_ways() {
        let told = [
            (0, Way::Event, '1'),
            (100, Way::Band, '1'),
            (200, Way::Event, '1'),
            (290, Way::Band, '1'),
            (400, Way::Band, '1'),
        ];
        // The last tone has no event: its packets were all lost.
        assert_eq!(stream(&told), "111");
    }

    #[test]
    fn one_way_alone_hides_nothing_and_time_ends_a_press() {
        assert_eq!(stream(&[(0, Way::Band, '1'), (80, Way::Band, '1'), (160, Way::Band, '2')]), "112");
        assert_eq!(stream(&[(0, Way::Event, '1'), (501, Way::Band, '1')]), "11");
        assert_eq!(
            stream(&[
                (0, Way::Event, '1'),
                (10, Way::Event, '2'),
                (90, Way::Band, '1'),
                (95, Way::Band, '2')
            ]),
            "12"
        );
    }
}
