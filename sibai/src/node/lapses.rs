//! Who was not heard, and when: what the media workers tell of it, kept until the call's record is written.

use std::collections::BTreeMap;

use base::{LegId, Now, Timestamp};

use super::{Node, Output};

/// A time in which a leg was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapse {
    /// In which way.
    pub kind: LapseKind,
    /// When it was noticed.
    pub from: Timestamp,
    /// When it was over; `None`: the leg ended first.
    pub until: Option<Timestamp>,
}

/// In which way a leg was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LapseKind {
    /// Nothing came from it while the other sent.
    NoPackets,
    /// What came had no voice in it while the other spoke.
    NoVoice,
    /// Neither of two spoke.
    DeadAir,
}

impl LapseKind {
    /// As records, metrics and the log have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPackets => "no_packets",
            Self::NoVoice => "no_voice",
            Self::DeadAir => "dead_air",
        }
    }
}

/// What is known of the legs of calls that are not recorded yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Lapses(BTreeMap<LegId, Vec<Lapse>>);

impl Lapses {
    /// A lapse began; `false` when it is known, or there are too many to tell.
    fn begin(&mut self, leg: LegId, kind: LapseKind, at: Timestamp) -> bool {
        if !self.0.contains_key(&leg) && self.0.len() >= MOST_LEGS {
            // Nobody asked for the oldest.
            self.0.pop_first();
        }
        let lapses = self.0.entry(leg).or_default();
        let known = lapses.iter().any(|lapse| lapse.kind == kind && lapse.until.is_none());
        if known || lapses.len() >= MOST_OF_A_LEG {
            return false;
        }
        lapses.push(Lapse { kind, from: at, until: None });
        true
    }

    /// What is open of a leg is over.
    pub(super) fn end(&mut self, leg: LegId, at: Timestamp) {
        self.close(leg, at, |_| true);
    }

    /// What is open of these kinds is over; whether anything was.
    fn close(&mut self, leg: LegId, at: Timestamp, of: impl Fn(LapseKind) -> bool) -> bool {
        let open = self.0.get_mut(&leg).into_iter().flatten();
        let open = open.filter(|lapse| lapse.until.is_none() && of(lapse.kind));
        open.map(|lapse| lapse.until = Some(at)).count() > 0
    }

    /// What is known of a leg, for its record.
    pub(super) fn take(&mut self, leg: LegId) -> Option<Vec<Lapse>> {
        self.0.remove(&leg)
    }
}

impl Node {
    /// A worker misses a leg.
    pub(super) fn missed(&mut self, now: Now, leg: LegId, kind: LapseKind) {
        let Some(channel) = self.channels.get(&leg) else { return };
        let other = channel.bridged.and_then(|other| self.channels.get(&other));
        if channel.answered
            && other.is_none_or(|other| other.answered)
            && self.lapses.begin(leg, kind, now.wall)
        {
            self.tell_of(leg, kind, false);
        }
    }

    /// A worker hears it again, or them both.
    pub(super) fn found(&mut self, now: Now, leg: LegId, dead_air: bool) {
        let kinds: &[LapseKind] =
            if dead_air { &[LapseKind::DeadAir] } else { &[LapseKind::NoPackets, LapseKind::NoVoice] };
        for &kind in kinds {
            if self.lapses.close(leg, now.wall, |open| open == kind) {
                self.tell_of(leg, kind, true);
            }
        }
    }

    fn tell_of(&mut self, leg: LegId, kind: LapseKind, over: bool) {
        let call = self.brain.call_of(leg);
        let seat = self.homes.has(leg);
        self.out.push_back(Output::Lapse { call, leg, seat, kind, over });
    }
}

/// As many as legs can be up at once.
const MOST_LEGS: usize = 65_536;

/// A line that is cut off more often is known to be bad by then.
const MOST_OF_A_LEG: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const LEG: LegId = LegId::arrived(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_lapse_is_told_once_and_ends_once() {
        let mut lapses = Lapses::default();
        assert!(lapses.begin(LEG, LapseKind::NoPackets, at(5)));
        assert!(!lapses.begin(LEG, LapseKind::NoPackets, at(6)));
        assert!(lapses.begin(LEG, LapseKind::DeadAir, at(7)));
        assert!(lapses.close(LEG, at(9), |kind| kind == LapseKind::NoPackets));
        assert!(!lapses.close(LEG, at(10), |kind| kind == LapseKind::NoPackets));
        assert!(lapses.begin(LEG, LapseKind::NoPackets, at(20)));
        lapses.end(LegId::placed(1), at(20));
        let known = lapses.take(LEG).unwrap();
        let spans: Vec<_> = known.iter().map(|lapse| (lapse.kind, lapse.from, lapse.until)).collect();
        assert_eq!(
            spans,
            [
                (LapseKind::NoPackets, at(5), Some(at(9))),
                (LapseKind::DeadAir, at(7), None),
                (LapseKind::NoPackets, at(20), None),
            ]
        );
        assert_eq!(lapses.take(LEG), None);
    }

    #[test]
    fn what_nobody_asks_for_does_not_pile_up() {
        let mut lapses = Lapses::default();
        for n in 0..MOST_LEGS as u64 + 10 {
            lapses.begin(LegId::arrived(n), LapseKind::NoVoice, at(1));
        }
        assert_eq!(lapses.0.len(), MOST_LEGS);
        let told = (0..100).filter(|n| {
            let begun = lapses.begin(LEG, LapseKind::NoVoice, at(*n));
            lapses.end(LEG, at(*n));
            begun
        });
        assert_eq!(told.count(), MOST_OF_A_LEG);
    }
}
