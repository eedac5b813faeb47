//! What a receiver keeps of a stream: which packets belong to it, what was lost, how it jitters
//! (RFC 3550 appendices A.1, A.3, A.8).

use base::Mono;

/// The count of one leg's incoming stream, across changes of its source identifier.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reception {
    current: Option<Current>,
    /// A packet that fits nothing so far; the next in sequence confirms it.
    suspect: Option<(u32, u16)>,
    received_before: u64,
    lost_before: u64,
}

/// How a packet fits into the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The first of a stream, or of a stream that started anew.
    Start,
    /// Newer than all before.
    Next,
    /// Older than the newest: reordered or doubled on the way.
    Late,
    /// Fits nothing: junk, unless the next packet confirms it.
    Stray,
}

/// What a report block says of the stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// Its source.
    pub ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub fraction: u8,
    /// Lost since the start, as a 24-bit signed number.
    pub lost: i32,
    /// Highest sequence number with its cycles.
    pub highest: u32,
    /// Jitter in ticks of the stream's clock.
    pub jitter: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Current {
    ssrc: u32,
    base: u16,
    highest: u16,
    cycles: u32,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Ticks of its timestamps in a second; 0 until something was measured.
    clock: u32,
    transit: Option<u32>,
    /// Sixteenths of a tick.
    jitter: u32,
}

impl Reception {
    /// Takes in one packet. A jump in the sequence or another source needs two packets in a row, so
    /// that one stray packet changes nothing (RFC 3550 §A.1).
    pub fn admit(&mut self, ssrc: u32, sequence: u16) -> Admission {
        let Some(current) = &mut self.current else {
            self.current = Some(Current::new(ssrc, sequence));
            return Admission::Start;
        };
        if current.ssrc == ssrc {
            let ahead = sequence.wrapping_sub(current.highest);
            if (1..MOST_DROPPED).contains(&ahead) {
                if sequence < current.highest {
                    current.cycles = current.cycles.wrapping_add(1 << 16);
                }
                current.highest = sequence;
                current.received += 1;
                self.suspect = None;
                return Admission::Next;
            }
            if ahead == 0 || ahead > u16::MAX - MOST_MISORDERED {
                current.received += 1;
                return Admission::Late;
            }
        }
        if self.suspect != Some((ssrc, sequence)) {
            self.suspect = Some((ssrc, sequence.wrapping_add(1)));
            return Admission::Stray;
        }
        self.restart(ssrc, sequence);
        Admission::Start
    }

    /// Forgets the stream but not its sums: the next packet starts anew.
    pub fn part(&mut self) {
        self.received_before = self.received();
        self.lost_before = self.lost();
        self.current = None;
        self.suspect = None;
    }

    /// Measures jitter by one audio packet (not by events: their timestamps stand still), whose timestamp counts
    /// `clock` ticks a second.
    pub fn measure(&mut self, timestamp: u32, arrived: Mono, clock: u32) {
        let Some(current) = &mut self.current else { return };
        if current.clock != clock {
            // Another coding: what was measured was measured in other ticks.
            (current.clock, current.transit, current.jitter) = (clock, None, 0);
        }
        let transit = ticks(arrived, clock).wrapping_sub(timestamp);
        if let Some(before) = current.transit {
            let change = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            // A gap of the sender's clock (it was on hold, say) is no jitter.
            if change < LARGEST_STEP_SECS * clock {
                current.jitter = current.jitter + change - ((current.jitter + 8) >> 4);
            }
        }
        current.transit = Some(transit);
    }

    /// The source of the stream.
    pub fn ssrc(&self) -> Option<u32> {
        self.current.as_ref().map(|current| current.ssrc)
    }

    /// Packets received, doubled ones included, as RFC 3550 counts.
    pub fn received(&self) -> u64 {
        self.received_before + self.current.as_ref().map_or(0, |current| current.received)
    }

    /// Packets lost.
    pub fn lost(&self) -> u64 {
        self.lost_before
            + self.current.as_ref().map_or(0, |current| current.expected().saturating_sub(current.received))
    }

    /// Interarrival jitter in milliseconds.
    pub fn jitter_ms(&self) -> f32 {
        self.current
            .as_ref()
            .map_or(0.0, |current| current.jitter as f32 / 16.0 / (current.clock.max(1) as f32 / 1000.0))
    }

    /// The report block for the time since the last call (RFC 3550 §A.3).
    pub fn report(&mut self) -> Option<Reported> {
        let current = self.current.as_mut()?;
        let expected = current.expected();
        let lost = i64::try_from(expected).ok()? - i64::try_from(current.received).ok()?;
        let due = expected - current.expected_prior;
        let came = current.received - current.received_prior;
        let fraction = (due.saturating_sub(came) << 8).checked_div(due).unwrap_or(0);
        current.expected_prior = expected;
        current.received_prior = current.received;
        Some(Reported {
            ssrc: current.ssrc,
            fraction: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: current.cycles | u32::from(current.highest),
            jitter: current.jitter >> 4,
        })
    }

    fn restart(&mut self, ssrc: u32, sequence: u16) {
        self.part();
        self.current = Some(Current::new(ssrc, sequence));
    }
}

impl Current {
    fn new(ssrc: u32, sequence: u16) -> Self {
        Self {
            ssrc,
            base: sequence,
            highest: sequence,
            cycles: 0,
            received: 1,
            expected_prior: 0,
            received_prior: 0,
            clock: 0,
            transit: None,
            jitter: 0,
        }
    }

    fn expected(&self) -> u64 {
        (u64::from(self.cycles) + u64::from(self.highest) + 1).saturating_sub(u64::from(self.base))
    }
}

/// A moment as ticks of an RTP clock, wrapping like its timestamps.
pub fn ticks(at: Mono, clock: u32) -> u32 {
    // Whole kilohertz: every clock of audio is, and a nanosecond count times 48 fits.
    (at.as_nanos() / 1000).wrapping_mul(u64::from(clock / 1000)).wrapping_div(1000) as u32
}

/// RFC 3550 §A.1 MAX_DROPOUT: a minute of lost packets.
const MOST_DROPPED: u16 = 3000;

/// RFC 3550 §A.1 MAX_MISORDER: two seconds.
const MOST_MISORDERED: u16 = 100;

/// Beyond this two packets do not belong to one talk spurt.
const LARGEST_STEP_SECS: u32 = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn loss_is_what_the_sequence_numbers_say_across_the_wrap() {
        let mut reception = Reception::default();
        assert_eq!(reception.admit(1, 65_530), Admission::Start);
        for sequence in [65_531, 65_533, 65_535, 1, 2, 0, 5] {
            let admission = reception.admit(1, sequence);
            assert_eq!(admission, if sequence == 0 { Admission::Late } else { Admission::Next });
        }
        assert_eq!((reception.received(), reception.lost()), (8, 4));
        let report = reception.report().unwrap();
        assert_eq!((report.lost, report.highest, report.fraction), (4, (1 << 16) + 5, 85));
        assert_eq!(reception.report().unwrap().fraction, 0);
    }

    #[test]
    fn one_stray_packet_changes_nothing_and_two_start_anew() {
        let mut reception = Reception::default();
        reception.admit(1, 100);
        assert_eq!(reception.admit(2, 5), Admission::Stray);
        assert_eq!(reception.admit(1, 30_000), Admission::Stray);
        assert_eq!(reception.admit(1, 101), Admission::Next);
        assert_eq!(reception.admit(2, 6), Admission::Stray);
        assert_eq!(reception.admit(2, 7), Admission::Start);
        assert_eq!(reception.ssrc(), Some(2));
        assert_eq!((reception.received(), reception.lost()), (3, 0));
    }

    #[test]
    fn jitter_is_the_one_of_the_standard() {
        let mut reception = Reception::default();
        let mut steady = Reception::default();
        let mut expected = 0.0f64;
        let mut before: Option<f64> = None;
        for k in 0..500u32 {
            let late = u64::from(k * 7919 % 31);
            let arrived = Mono::ZERO + Duration::from_millis(20 * u64::from(k) + late);
            reception.admit(1, k as u16);
            reception.measure(k * 160, arrived, 8000);
            steady.admit(1, k as u16);
            steady.measure(k * 160, Mono::ZERO + Duration::from_millis(20 * u64::from(k)), 8000);
            let transit = late as f64;
            if let Some(before) = before {
                expected += ((transit - before).abs() - expected) / 16.0;
            }
            before = Some(transit);
        }
        assert!((f64::from(reception.jitter_ms()) - expected).abs() < 0.2, "{expected}");
        assert!(steady.jitter_ms() < 0.01);
    }
}
