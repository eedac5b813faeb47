//! Which packets of a stream were lost or came too late, and whether in bursts (RFC 3611 §4.7.2).

/// Counts a stream's packets by their sequence numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The latest packets, whose fate may change yet.
    recent: Recent,
    counted: Counted,
}

/// Bit n stands for `newest - n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recent {
    newest: u16,
    came: u64,
    discarded: u64,
    /// How many of the bits count.
    len: u32,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Played,
    Lost,
    Discarded,
}

/// A gap is a time with hardly any loss: a packet that is missing alone, with `LEAST_GAP` good ones before and
/// behind it, is part of one. What is not a gap is a burst: it begins and ends with a missing packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    tally: Tally,
    /// Missing packets since the last gap: a burst, or one alone.
    bad: u64,
    /// Packets from the first of them to the last.
    bad_span: u64,
    /// Good packets since the last missing one.
    good: u64,
    /// Packets of the gap before `bad`.
    gap: u64,
    /// The packet before was missing.
    in_run: bool,
}

/// What the packets of a stream came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that were to come.
    pub packets: u64,
    /// That did not.
    pub lost: u64,
    /// That came too late to be played.
    pub discarded: u64,
    /// Runs of missing packets without a good one between them.
    pub runs: u64,
    /// Bursts.
    pub bursts: u64,
    /// Packets in them, good ones too.
    pub burst_packets: u64,
    /// Missing packets in them.
    pub burst_bad: u64,
    /// Gaps.
    pub gaps: u64,
    /// Packets in them.
    pub gap_packets: u64,
    /// Missing packets in them.
    pub gap_bad: u64,
}

impl Losses {
    /// A packet came in time. One that comes later than 64 behind the newest counts as lost.
    pub fn take(&mut self, sequence: u16) {
        if let Some(bit) = self.place(sequence) {
            self.recent.came |= bit;
        }
    }

    /// A packet came too late to be played.
    pub fn discard(&mut self, sequence: u16) {
        let Some(bit) = self.place(sequence) else { return };
        // A double of one that was played spoils nothing.
        if self.recent.came & bit == 0 {
            self.recent.came |= bit;
            self.recent.discarded |= bit;
        }
    }

    /// Forgets where the stream is but not its sums: the next packet begins anew, and nothing between is lost.
    pub fn part(&mut self) {
        self.settle();
    }

    /// The sums up to the newest packet.
    pub fn tally(&self) -> Tally {
        let mut copy = *self;
        copy.settle();
        copy.counted.closed()
    }

    /// The bit of a packet; `None` when it is too old to have one.
    fn place(&mut self, sequence: u16) -> Option<u64> {
        let recent = &mut self.recent;
        let ahead = sequence.wrapping_sub(recent.newest);
        if recent.len == 0 {
            *recent = Recent { newest: sequence, len: 1, ..Recent::default() };
            return Some(1);
        }
        if ahead < MOST_DROPPED {
            for _ in 0..ahead {
                self.step();
            }
            self.recent.newest = sequence;
            return Some(1);
        }
        let behind = u32::from(recent.newest.wrapping_sub(sequence));
        if behind < recent.len {
            return Some(1 << behind);
        }
        if behind < u32::from(MOST_DROPPED) {
            return None;
        }
        // It jumped: what lies between was never sent.
        self.settle();
        self.recent = Recent { newest: sequence, len: 1, ..Recent::default() };
        Some(1)
    }

    /// Makes room for one more packet: the fate of the oldest is settled.
    fn step(&mut self) {
        let recent = &mut self.recent;
        if recent.len == u64::BITS {
            let fate = recent.fate(recent.len - 1);
            self.counted.push(fate);
        } else {
            recent.len += 1;
        }
        self.recent.came <<= 1;
        self.recent.discarded <<= 1;
    }

    fn settle(&mut self) {
        for age in (0..self.recent.len).rev() {
            self.counted.push(self.recent.fate(age));
        }
        self.recent = Recent::default();
    }
}

impl Recent {
    fn fate(&self, age: u32) -> Fate {
        match (self.came >> age & 1, self.discarded >> age & 1) {
            (0, _) => Fate::Lost,
            (_, 0) => Fate::Played,
            _ => Fate::Discarded,
        }
    }
}

impl Counted {
    fn push(&mut self, fate: Fate) {
        self.tally.packets += 1;
        match fate {
            Fate::Played => {
                self.good += 1;
                self.in_run = false;
                return;
            }
            Fate::Lost => self.tally.lost += 1,
            Fate::Discarded => self.tally.discarded += 1,
        }
        self.tally.runs += u64::from(!self.in_run);
        self.in_run = true;
        // Nothing is known of before the first packet: it counts as good.
        if self.bad == 0 || self.good >= u64::from(LEAST_GAP) {
            self.close();
            self.gap += self.good;
            (self.bad, self.bad_span) = (1, 1);
        } else {
            self.bad += 1;
            self.bad_span += self.good + 1;
        }
        self.good = 0;
    }

    /// The missing packets so far are one alone, in its gap, or a burst, which ends the gap.
    fn close(&mut self) {
        if self.bad <= 1 {
            self.gap += self.bad_span;
            self.tally.gap_bad += self.bad;
        } else {
            self.end_gap();
            self.tally.bursts += 1;
            self.tally.burst_packets += self.bad_span;
            self.tally.burst_bad += self.bad;
        }
        (self.bad, self.bad_span) = (0, 0);
    }

    fn end_gap(&mut self) {
        self.tally.gaps += u64::from(self.gap > 0);
        self.tally.gap_packets += self.gap;
        self.gap = 0;
    }

    /// The sums, with what is open taken as it stands.
    fn closed(mut self) -> Tally {
        self.close();
        self.gap += self.good;
        self.end_gap();
        self.tally
    }
}

impl Tally {
    /// Share of packets lost, 0.0-1.0.
    pub fn loss_share(&self) -> f32 {
        ratio(self.lost, self.packets)
    }

    /// Share of packets that came too late.
    pub fn discard_share(&self) -> f32 {
        ratio(self.discarded, self.packets)
    }

    /// Share of packets that were not played.
    pub fn bad_share(&self) -> f32 {
        ratio(self.lost + self.discarded, self.packets)
    }

    /// Share of missing packets inside bursts.
    pub fn burst_density(&self) -> f32 {
        ratio(self.burst_bad, self.burst_packets)
    }

    /// Share of missing packets inside gaps.
    pub fn gap_density(&self) -> f32 {
        ratio(self.gap_bad, self.gap_packets)
    }

    /// Packets of a burst on average.
    pub fn mean_burst(&self) -> f32 {
        ratio(self.burst_packets, self.bursts)
    }

    /// Packets of a gap on average.
    pub fn mean_gap(&self) -> f32 {
        ratio(self.gap_packets, self.gaps)
    }

    /// The E-model's BurstR: how much longer runs of missing packets are than by chance; never below 1.
    pub fn burst_ratio(&self) -> f32 {
        // By chance a run has 1 / (1 - loss) packets on average.
        (ratio(self.lost + self.discarded, self.runs) * (1.0 - self.bad_share())).max(1.0)
    }
}

/// Nothing of nothing is none.
fn ratio(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { part as f32 / whole as f32 }
}

/// RFC 3611 §4.7.2 recommends 16: Gmin.
pub const LEAST_GAP: u8 = 16;

/// RFC 3550 §A.1: what is further ahead than a minute of packets, or as far behind, is another stream.
const MOST_DROPPED: u16 = 3000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `.` came, `x` lost, `d` too late, from this number on.
    fn tally(first: u16, stream: &str) -> Tally {
        let mut losses = Losses::default();
        for (n, what) in (0..).zip(stream.bytes()) {
            match what {
                b'.' => losses.take(first.wrapping_add(n)),
                b'd' => losses.discard(first.wrapping_add(n)),
                _ => {}
            }
        }
        losses.tally()
    }

    fn good(n: usize) -> String {
        ".".repeat(n)
    }

    #[test]
    fn one_packet_missing_alone_is_part_of_a_gap() {
        let stream = good(100) + "x" + &good(16) + "x" + &good(100);
        let tally = tally(65_500, &stream);
        assert_eq!((tally.packets, tally.lost, tally.runs, tally.bursts), (218, 2, 2, 0));
        assert_eq!((tally.gaps, tally.gap_packets, tally.gap_bad), (1, 218, 2));
    }

    #[test]
    fn missing_packets_with_fewer_than_sixteen_between_are_a_burst() {
        let burst = "xx..x".to_owned() + &good(15) + "d";
        let stream = good(100) + &burst + &good(200) + "x" + &good(50) + "xxx" + &good(10);
        let tally = tally(0, &stream);
        assert_eq!((tally.lost, tally.discarded, tally.runs), (7, 1, 5));
        assert_eq!((tally.bursts, tally.burst_packets, tally.burst_bad), (2, 21 + 3, 4 + 3));
        assert_eq!((tally.gaps, tally.gap_packets, tally.gap_bad), (3, 100 + 251 + 10, 1));
        assert!((tally.burst_density() - 7.0 / 24.0).abs() < 1e-6);
        assert!((tally.mean_burst() - 12.0).abs() < 1e-6);
    }

    #[test]
    fn what_comes_out_of_order_is_not_lost_and_a_double_is_one() {
        let mut losses = Losses::default();
        for sequence in [65_530u16, 65_533, 65_531, 65_531, 65_532, 2, 65_534, 65_535, 1, 0] {
            losses.take(sequence);
        }
        losses.discard(1);
        let tally = losses.tally();
        assert_eq!((tally.packets, tally.lost, tally.discarded), (9, 0, 0));
    }

    #[test]
    fn a_jump_and_a_parting_lose_nothing() {
        let mut losses = Losses::default();
        (0..100).for_each(|sequence| losses.take(sequence));
        (30_000..30_100).for_each(|sequence| losses.take(sequence));
        losses.part();
        (50_000..50_100).for_each(|sequence| losses.take(sequence));
        assert_eq!((losses.tally().packets, losses.tally().lost), (300, 0));
        assert!((losses.tally().burst_ratio() - 1.0).abs() < 1e-6);
        assert_eq!(Losses::default().tally(), Tally::default());
    }

    #[test]
    fn the_burst_ratio_is_one_by_chance_and_more_in_bursts() {
        let mut random = 1u64;
        let mut by_chance = Losses::default();
        let mut in_bursts = Losses::default();
        for sequence in 0..60_000u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if !(random >> 33).is_multiple_of(10) {
                by_chance.take(sequence as u16);
            }
            if sequence % 50 >= 5 {
                in_bursts.take(sequence as u16);
            }
        }
        let (chance, bursts) = (by_chance.tally(), in_bursts.tally());
        assert!((chance.bad_share() - 0.1).abs() < 0.005 && chance.burst_ratio() < 1.03, "{chance:?}");
        assert!((bursts.bad_share() - 0.1).abs() < 0.001 && (bursts.burst_ratio() - 4.5).abs() < 0.01);
    }

    /// The same by the standard's words over the whole list: bursts are the longest stretches from missing
    /// packet to missing packet in which no sixteen good ones follow each other.
    fn plain(stream: &[bool]) -> (u64, u64, u64) {
        let bad: Vec<usize> = (0..stream.len()).filter(|&at| !stream[at]).collect();
        let mut bursts: Vec<(usize, usize, u64)> = Vec::new();
        for at in bad {
            match bursts.last_mut() {
                Some((_, last, count)) if at - *last - 1 < usize::from(LEAST_GAP) => {
                    *last = at;
                    *count += 1;
                }
                _ => bursts.push((at, at, 1)),
            }
        }
        bursts.retain(|&(_, _, count)| count > 1);
        let packets = bursts.iter().map(|(first, last, _)| last - first + 1).sum::<usize>() as u64;
        (bursts.len() as u64, packets, bursts.iter().map(|burst| burst.2).sum())
    }

    proptest! {
        #[test]
        fn it_is_what_the_standard_says(
            stream in proptest::collection::vec(proptest::bool::weighted(0.93), 1..500),
            first in any::<u16>(),
        ) {
            // The ends are seen only when they come.
            let mut stream = stream;
            stream.insert(0, true);
            stream.push(true);
            let text: String = stream.iter().map(|came| if *came { '.' } else { 'x' }).collect();
            let tally = tally(first, &text);
            prop_assert_eq!((tally.bursts, tally.burst_packets, tally.burst_bad), plain(&stream));
            prop_assert_eq!(tally.packets, stream.len() as u64);
            prop_assert_eq!(tally.burst_packets + tally.gap_packets, tally.packets);
            prop_assert_eq!(tally.burst_bad + tally.gap_bad, tally.lost);
        }
    }
}
