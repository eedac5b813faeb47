//! One side on the time axis: where each of its packets belongs, and what became of them.

use std::collections::VecDeque;

use super::voice::Spoken;

/// What became of the packets of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets in the spool.
    pub packets: u64,
    /// Packets that never arrived, by their sequence numbers.
    pub lost: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that could not be placed: far too late, or with a timestamp from nowhere.
    pub strays: u64,
    /// How often the side was placed anew by arrival, after the first time.
    pub reanchored: u64,
    /// Silence between its first and its last sample where nothing was received, in samples.
    pub gap_samples: u64,
    /// Position of its first sample.
    pub first_sample: Option<u64>,
    /// Position behind its last sample.
    pub end_sample: Option<u64>,
}

impl Tally {
    /// The silence where nothing was received, in milliseconds.
    pub const fn gap_ms(&self) -> u64 {
        self.gap_samples / 8
    }
}

/// The placing of one side. Positions are samples from the start of the recording, 8 per millisecond.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    current: Option<Segment>,
    /// The one before, for packets of it that were overtaken by the change.
    previous: Option<Segment>,
    /// The numbering of the two newest sources, newest first.
    numbering: [Option<Sequence>; 2],
    /// Behind the last sample placed.
    end: i64,
    pub(super) tally: Tally,
}

impl Lane {
    /// Where the first sample of `packet` belongs; `None` when nowhere. `ahead` are the packets of the same
    /// side that arrived within the next second.
    pub(super) fn place<'a>(
        &mut self,
        packet: &Spoken,
        ahead: impl Iterator<Item = &'a Spoken>,
    ) -> Option<i64> {
        self.count(packet);
        let at = samples(packet.arrival_us);
        if let Some(segment) = &mut self.current
            && segment.fits(packet)
        {
            segment.heal(packet, self.end);
            return Some(segment.take(packet));
        }
        if let Some(segment) = &mut self.previous
            && segment.fits(packet)
        {
            return Some(segment.take(packet));
        }
        if let Some(segment) = &mut self.current
            && segment.ssrc == packet.ssrc
        {
            // A stall or one odd packet: the stream itself comes back to where it was.
            let last = ahead.filter(|next| next.ssrc == packet.ssrc).last();
            if last.is_some_and(|last| segment.fits(last)) {
                let early = segment.position(packet.rtp_ts) - at - segment.bias;
                return (early <= ODD).then(|| segment.take(packet));
            }
        }
        Some(self.anchor(packet, at))
    }

    /// Notes that samples up to `end` are placed.
    pub(super) fn placed(&mut self, end: i64) {
        self.end = self.end.max(end);
    }

    /// Takes back the count of a packet that turned out to have come before.
    pub(super) fn duplicate(&mut self, packet: &Spoken) {
        self.tally.duplicates += 1;
        if let Some(sequence) = self.numbering.iter_mut().flatten().find(|s| s.ssrc == packet.ssrc) {
            sequence.received -= 1;
        }
    }

    /// The final tally.
    pub(super) fn finish(mut self) -> Tally {
        self.tally.lost += self.numbering.iter().flatten().map(Sequence::lost).sum::<u64>();
        self.tally
    }

    fn count(&mut self, packet: &Spoken) {
        if let Some(sequence) = self.numbering.iter_mut().flatten().find(|s| s.ssrc == packet.ssrc) {
            sequence.take(packet.seq);
            return;
        }
        let [newest, oldest] = &mut self.numbering;
        self.tally.lost += oldest.take().map_or(0, |sequence| sequence.lost());
        *oldest = newest.replace(Sequence::starting(packet.ssrc, packet.seq));
    }

    /// Begins a segment at the packet's arrival, though never over what is already placed, unless keeping
    /// off it would leave the two sides seconds apart.
    fn anchor(&mut self, packet: &Spoken, at: i64) -> i64 {
        let position = if self.end - at <= LARGEST_BIAS { at.max(self.end) } else { at };
        let segment = Segment { ssrc: packet.ssrc, rtp_ts: packet.rtp_ts, position, bias: position - at };
        self.previous = self.current.replace(segment);
        self.tally.reanchored += u64::from(self.previous.is_some());
        position
    }
}

/// The position at an arrival.
pub(super) fn samples(arrival_us: u64) -> i64 {
    i64::try_from(arrival_us / 125).unwrap_or(i64::MAX)
}

/// A run of packets whose timestamps count on from each other.
#[derive(Clone, Debug)]
struct Segment {
    ssrc: u32,
    /// The newest packet: its timestamp and its position.
    rtp_ts: u32,
    position: i64,
    /// How far the segment lies behind its arrival on purpose, in samples.
    bias: i64,
}

impl Segment {
    /// The position that a timestamp means; right across the wrap at 2³².
    fn position(&self, rtp_ts: u32) -> i64 {
        self.position + i64::from(rtp_ts.wrapping_sub(self.rtp_ts) as i32)
    }

    /// Whether the packet is of this segment and timestamp and arrival tell the same story.
    fn fits(&self, packet: &Spoken) -> bool {
        let apart = self.position(packet.rtp_ts) - samples(packet.arrival_us) - self.bias;
        self.ssrc == packet.ssrc && apart.abs() <= TOLERANCE
    }

    fn take(&mut self, packet: &Spoken) -> i64 {
        let position = self.position(packet.rtp_ts);
        if position > self.position {
            (self.position, self.rtp_ts) = (position, packet.rtp_ts);
        }
        position
    }

    /// Uses a hole before the packet to come closer to the arrival again.
    fn heal(&mut self, packet: &Spoken, end: i64) {
        let position = self.position(packet.rtp_ts);
        let (hole, early) = (position - end, position - samples(packet.arrival_us));
        if self.bias > 0 && early > 0 && hole >= HEALING_HOLE {
            let shift = hole.min(early);
            self.position -= shift;
            self.bias = early - shift;
        }
    }
}

/// The sequence numbers of one source, counted as RFC 3550 A.1 and A.3 do.
#[derive(Clone, Debug)]
struct Sequence {
    ssrc: u32,
    first: i64,
    highest: i64,
    received: i64,
    /// Lost before the numbering last began anew.
    lost_before: u64,
}

impl Sequence {
    fn starting(ssrc: u32, seq: u16) -> Self {
        Self { ssrc, first: i64::from(seq), highest: i64::from(seq), received: 1, lost_before: 0 }
    }

    fn take(&mut self, seq: u16) {
        let step = i64::from(seq.wrapping_sub(self.highest as u16) as i16);
        if step.abs() > DROPOUT {
            *self = Self { lost_before: self.lost(), ..Self::starting(self.ssrc, seq) };
            return;
        }
        // A packet from before the first one widens the range: the first had overtaken it.
        self.first = self.first.min(self.highest + step);
        self.highest = self.highest.max(self.highest + step);
        self.received += 1;
    }

    fn lost(&self) -> u64 {
        let missing = self.highest - self.first + 1 - self.received;
        self.lost_before + u64::try_from(missing).unwrap_or(0)
    }
}

/// The packets that are waiting for their decision, in order of arrival.
pub(super) type Lookahead = VecDeque<Spoken>;

/// Timestamp and arrival may differ by 200 ms: jitter that a phone's buffer still hides (house limit for
/// jitter) and ten minutes of a clock that is 300 ppm off stay below it; a jump or a hold does not.
const TOLERANCE: i64 = 200 * 8;

/// No network delivers a packet a second early: its timestamp is wrong.
const ODD: i64 = 1000 * 8;

/// Silence this long between two packets may be shortened unheard; a reordered packet never leaves so much.
const HEALING_HOLE: i64 = 100 * 8;

/// Two sides more than two seconds apart are no conversation; rather lose what overlaps.
const LARGEST_BIAS: i64 = 2000 * 8;

/// RFC 3550 A.1, MAX_DROPOUT: a larger step in the sequence numbers is a new beginning.
const DROPOUT: i64 = 3000;
