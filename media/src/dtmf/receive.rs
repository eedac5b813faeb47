//! RFC 4733 received: the first packet of an event that arrives decides, whichever it is; all others
//! with its timestamp are the same key.

use base::Digit;

use super::Payload;

/// One leg's receiver of events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receiver {
    /// The last events' timestamps and codes, the newest at `newest`.
    seen: [Option<(u32, u8)>; REMEMBERED],
    newest: usize,
    /// How far the newest event has come, while it is not ended.
    going: Option<u16>,
}

impl Receiver {
    /// Takes in one packet; gives the digit if this is the first that we see of it.
    pub fn receive(&mut self, timestamp: u32, marker: bool, payload: &[u8]) -> Option<Digit> {
        let payload = Payload::read(payload)?;
        let digit = Digit::from_event(payload.event)?;
        let event = (timestamp, payload.event);
        if self.seen.contains(&Some(event)) {
            if self.seen[self.newest] == Some(event) {
                self.note(payload);
            }
            return None;
        }
        if let Some((last, code)) = self.seen[self.newest] {
            let ahead = timestamp.wrapping_sub(last).cast_signed();
            // A straggler of an event that was overtaken as a whole: telling it now would put two
            // digits in the wrong order.
            if ahead < 0 && ahead > -OVERTAKEN {
                return None;
            }
            let continued = !marker && code == payload.event && self.continues(ahead);
            self.remember(event, payload);
            return (!continued).then_some(digit);
        }
        self.remember(event, payload);
        Some(digit)
    }

    /// A key held beyond the 65535 samples that a duration can say goes on as a new segment, whose
    /// timestamp is where the last one stopped (RFC 4733 §2.5.1.3).
    fn continues(&self, ahead: i32) -> bool {
        self.going.is_some_and(|_| ahead == i32::from(u16::MAX))
    }

    fn remember(&mut self, event: (u32, u8), payload: Payload) {
        self.newest = (self.newest + 1) % REMEMBERED;
        self.seen[self.newest] = Some(event);
        self.going = None;
        self.note(payload);
    }

    fn note(&mut self, payload: Payload) {
        self.going = (!payload.end).then_some(payload.duration);
    }
}

/// Eight keys take half a second at the fastest; nothing is reordered that far.
const REMEMBERED: usize = 8;

/// Five seconds of samples: a timestamp further back is a clock that started anew.
const OVERTAKEN: i32 = 40_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(event: u8, end: bool, duration: u16) -> [u8; 4] {
        Payload { event, end, volume: 10, duration }.to_bytes()
    }

    fn told(receiver: &mut Receiver, packets: &[(u32, bool, [u8; 4])]) -> String {
        packets
            .iter()
            .filter_map(|(ts, marker, p)| receiver.receive(*ts, *marker, p))
            .map(Digit::as_char)
            .collect()
    }

    #[test]
    fn one_key_is_one_digit_however_often_it_is_said() {
        let mut receiver = Receiver::default();
        let mut packets = vec![(1000, true, packet(5, false, 160))];
        packets.extend((2..=5).map(|n| (1000, false, packet(5, false, n * 160))));
        packets.extend([(1000, false, packet(5, true, 800)); 3]);
        assert_eq!(told(&mut receiver, &packets), "5");
    }

    #[test]
    fn an_end_alone_is_enough() {
        let mut receiver = Receiver::default();
        assert_eq!(told(&mut receiver, &[(1000, false, packet(11, true, 800))]), "#");
    }

    #[test]
    fn the_same_key_twice_is_two_digits_even_when_the_first_end_was_lost() {
        let mut receiver = Receiver::default();
        let packets = [(1000, true, packet(1, false, 160)), (2600, false, packet(1, false, 320))];
        assert_eq!(told(&mut receiver, &packets), "11");
    }

    #[test]
    fn a_late_end_of_the_last_key_does_not_double_it() {
        let mut receiver = Receiver::default();
        let packets = [
            (1000, true, packet(1, false, 160)),
            (2600, true, packet(2, false, 160)),
            (1000, false, packet(1, true, 800)),
            (2600, false, packet(2, true, 800)),
        ];
        assert_eq!(told(&mut receiver, &packets), "12");
    }

    #[test]
    fn a_key_held_for_twenty_seconds_is_one_digit() {
        let mut receiver = Receiver::default();
        let packets = [
            (0, true, packet(9, false, 160)),
            (0, false, packet(9, false, 65_535)),
            (65_535, false, packet(9, false, 160)),
            (65_535, false, packet(9, false, 65_535)),
            (131_070, false, packet(9, true, 8000)),
        ];
        assert_eq!(told(&mut receiver, &packets), "9");
    }

    #[test]
    fn a_flash_a_short_payload_and_an_old_straggler_are_no_digits() {
        let mut receiver = Receiver::default();
        let packets = [(9000, true, packet(16, false, 160)), (9000, true, packet(3, false, 160))];
        assert_eq!(told(&mut receiver, &packets), "3");
        assert_eq!(receiver.receive(10_000, true, &[1, 2, 3]), None);
        assert_eq!(receiver.receive(8000, true, &packet(4, true, 800)), None);
    }

    #[test]
    fn timestamps_may_wrap() {
        let mut receiver = Receiver::default();
        let packets = [(u32::MAX - 100, true, packet(1, true, 800)), (1500, true, packet(2, true, 800))];
        assert_eq!(told(&mut receiver, &packets), "12");
    }
}
