//! A call's record waits for the quality of its channels, then goes to the driver in one piece.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use base::{LegId, Mono, Now};
use media::Quality;
use pbx::CallRecord;

use super::Output;
use super::lapses::Lapse;

/// A call that is over, with the quality of its legs.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// What the brain tells.
    pub record: CallRecord,
    /// How its legs were, those with media.
    pub sounded: BTreeMap<LegId, Sounded>,
    /// The Q.850 value that the network gave for the end of a leg (RFC 3326), as read.
    pub q850: BTreeMap<LegId, u8>,
}

/// How the media of a leg was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sounded {
    /// Loss, jitter and the like.
    pub quality: Quality,
    /// When it was not heard, in order.
    pub lapses: Vec<Lapse>,
}

/// Records whose channels have not all reported yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Finishing {
    closing: BTreeSet<LegId>,
    known: BTreeMap<LegId, Sounded>,
    said: BTreeMap<LegId, u8>,
    waiting: Vec<(Mono, Box<CallRecord>)>,
}

impl Finishing {
    /// This leg's channel was told to close; its quality will come.
    pub(super) fn wait_for(&mut self, leg: LegId) {
        self.closing.insert(leg);
    }

    /// What the network said of the end of a leg.
    pub(super) fn said(&mut self, leg: LegId, q850: u8) {
        self.said.insert(leg, q850);
        while self.said.len() > MOST_KNOWN {
            self.said.pop_first();
        }
    }

    /// A channel reported.
    pub(super) fn closed(&mut self, leg: LegId, sounded: Sounded, out: &mut VecDeque<Output>) {
        if !self.closing.remove(&leg) {
            return;
        }
        self.known.insert(leg, sounded);
        // The seat's leg may close minutes before the call ends; but what no call asks for must not pile up.
        while self.known.len() > MOST_KNOWN {
            self.known.pop_first();
        }
        let ready = |record: &CallRecord| own(record).all(|leg| !self.closing.contains(&leg));
        let (done, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, r)| ready(r));
        self.waiting = waiting;
        for (_, record) in done {
            self.emit(record, out);
        }
    }

    /// The brain is done with a call.
    pub(super) fn finish(&mut self, now: Now, record: Box<CallRecord>, out: &mut VecDeque<Output>) {
        if own(&record).any(|leg| self.closing.contains(&leg)) {
            self.waiting.push((now.mono + PATIENCE, record));
        } else {
            self.emit(record, out);
        }
    }

    /// A worker that does not report costs the call its figures, never its record.
    pub(super) fn expire(&mut self, now: Now, out: &mut VecDeque<Output>) {
        let (due, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(deadline, _)| *deadline <= now.mono);
        self.waiting = waiting;
        for (_, record) in due {
            for leg in own(&record) {
                self.closing.remove(&leg);
            }
            self.emit(record, out);
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.waiting.iter().map(|(deadline, _)| *deadline).min()
    }

    fn emit(&mut self, record: Box<CallRecord>, out: &mut VecDeque<Output>) {
        let sounded = own(&record).filter_map(|leg| Some((leg, self.known.remove(&leg)?))).collect();
        let q850 = own(&record).filter_map(|leg| Some((leg, self.said.remove(&leg)?))).collect();
        out.push_back(Output::Finished(Box::new(Finished { record: *record, sounded, q850 })));
    }
}

/// The legs whose figures belong to this record: one that went on in another call is that one's.
fn own(record: &CallRecord) -> impl Iterator<Item = LegId> {
    record.legs.iter().filter(|leg| !leg.moved).map(|leg| leg.leg)
}

/// A worker answers `Close` within a tick; after this long it is not going to.
const PATIENCE: Duration = Duration::from_secs(2);

/// More qualities than calls can be up at once.
const MOST_KNOWN: usize = 65_536;
