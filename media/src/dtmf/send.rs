//! RFC 4733 sent: a queue of keys, each a growing event of 100 ms, its end said three times.

use base::Digit;

use super::Payload;

/// One leg's keys to send; asked for one step each packet time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sender {
    queue: [Option<Digit>; MOST_KEYS],
    len: usize,
    /// Samples since the first key began; `None` between keys.
    going: Option<Going>,
}

/// What to send in one packet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No key is being pressed.
    Idle,
    /// The pause between two keys.
    Pause,
    /// An event packet. The first of a key (`fresh`) has the marker; all of a key have its timestamp.
    Event {
        /// First packet of this key.
        fresh: bool,
        /// The payload.
        payload: Payload,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Going {
    elapsed: u16,
    ends: u8,
    pause: u16,
}

impl Sender {
    /// Queues a key; `false` when the queue is full.
    pub fn press(&mut self, digit: Digit) -> bool {
        let Some(place) = self.queue.get_mut(self.len) else { return false };
        *place = Some(digit);
        self.len += 1;
        true
    }

    /// Whether a key is waiting or being sent.
    pub fn is_busy(&self) -> bool {
        self.len > 0
    }

    /// What to send for the next `samples`.
    pub fn step(&mut self, samples: u16) -> Step {
        let Some(digit) = self.queue[0] else { return Step::Idle };
        let fresh = self.going.is_none();
        let going = self.going.get_or_insert(Going { elapsed: 0, ends: 0, pause: 0 });
        if going.ends == ENDS {
            going.pause += samples;
            if going.pause >= PAUSE {
                self.next_key();
            }
            return Step::Pause;
        }
        // Said at the start of its time: the first packet already claims one step.
        if going.ends == 0 {
            going.elapsed += samples;
        }
        let end = going.elapsed >= PRESSED;
        going.ends += u8::from(end);
        let payload = Payload { event: digit.event(), end, volume: LEVEL, duration: going.elapsed };
        Step::Event { fresh, payload }
    }

    fn next_key(&mut self) {
        self.queue.rotate_left(1);
        self.queue[MOST_KEYS - 1] = None;
        self.len -= 1;
        self.going = None;
    }
}

/// Longest run of keys waiting: an extension or a card number is shorter.
const MOST_KEYS: usize = 32;

/// 100 ms: twice what detectors need (RFC 4733 §2.5.1.1, ITU-T Q.24: 40 ms).
const PRESSED: u16 = 800;

/// The pause after the third end, 60 ms: with the two repeated ends it makes 100 ms between keys.
const PAUSE: u16 = 480;

/// The last packet goes out three times (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;

/// -10 dBm0, as phones do.
const LEVEL: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_grows_to_100_ms_and_ends_three_times() {
        let mut sender = Sender::default();
        assert!(sender.press(Digit::from_char('7').unwrap()));
        let mut durations = Vec::new();
        let mut ends = 0;
        let mut fresh = Vec::new();
        let mut pauses = 0;
        while sender.is_busy() {
            match sender.step(160) {
                Step::Event { fresh: first, payload } => {
                    fresh.push(first);
                    durations.push(payload.duration);
                    ends += u8::from(payload.end);
                    assert_eq!((payload.event, payload.volume), (7, 10));
                }
                Step::Pause => pauses += 1,
                Step::Idle => panic!("busy"),
            }
        }
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        assert_eq!(fresh, [true, false, false, false, false, false, false]);
        assert_eq!((ends, pauses), (3, 3));
        assert_eq!(sender.step(160), Step::Idle);
    }

    #[test]
    fn the_queue_is_bounded_and_keeps_its_order() {
        let mut sender = Sender::default();
        let keys: Vec<Digit> = "0123456789*#ABCD".chars().filter_map(Digit::from_char).collect();
        let taken = keys.iter().cycle().take(40).filter(|&&key| sender.press(key)).count();
        assert_eq!(taken, MOST_KEYS);
        let mut sent = Vec::new();
        while sender.is_busy() {
            if let Step::Event { fresh: true, payload } = sender.step(480) {
                sent.push(Digit::from_event(payload.event).unwrap());
            }
        }
        assert_eq!(sent[..16], keys[..]);
        assert_eq!(sent.len(), MOST_KEYS);
    }
}
