//! When which leg is looked at: on a grid of ten milliseconds, so that whatever falls due in one step of it costs the
//! worker one wake-up, and a wake-up touches nobody but those who are due.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base::{LegId, Mono, Now};

use super::channel::{Channel, grid};
use crate::seam::Sink;

/// The legs of an engine by the next step of the grid at which something of theirs is due.
///
/// An entry that is no longer its channel's own (`Channel::entered`) is left where it is and passed over: taking it
/// out would cost a search.
#[derive(Clone, Debug)]
pub(super) struct Timetable {
    /// The soonest first; some hundreds, because reports come within seconds.
    steps: VecDeque<Step>,
    entries: usize,
    /// Lists of steps that are over, for those to come: after a while nothing is allocated any more.
    spare: Vec<Vec<LegId>>,
}

#[derive(Clone, Debug)]
struct Step {
    at: Mono,
    legs: Vec<LegId>,
}

impl Timetable {
    /// Nobody is due.
    pub(super) fn new() -> Self {
        let spare = (0..STOCK).map(|_| Vec::with_capacity(STOCK)).collect();
        Self { steps: VecDeque::with_capacity(STOCK), entries: 0, spare }
    }

    /// The channel has changed. A deadline that was put off is found out when the old one comes.
    pub(super) fn enter(&mut self, channel: &mut Channel) {
        let due = channel.deadline().map(grid);
        if let Some(at) = due.filter(|at| channel.entered.is_none_or(|entered| *at < entered)) {
            channel.entered = Some(at);
            self.put(at, channel.leg);
        }
    }

    /// Lets all that are due by now do what is due.
    pub(super) fn serve(&mut self, now: Now, channels: &mut BTreeMap<LegId, Channel>, out: &mut impl Sink) {
        while self.first().is_some_and(|at| at <= now.mono) {
            let Some(Step { at, mut legs }) = self.steps.pop_front() else { return };
            self.entries -= legs.len();
            for leg in legs.drain(..) {
                let Some(channel) = channels.get_mut(&leg).filter(|channel| channel.entered == Some(at))
                else {
                    continue;
                };
                channel.tick(now, out);
                // Never this step again, or a fault in a channel would hold the thread for ever.
                let later = now.mono + Duration::from_nanos(1);
                channel.entered = channel.deadline().map(|due| grid(due.max(later)));
                if let Some(next) = channel.entered {
                    self.put(next, leg);
                }
            }
            self.spare.push(legs);
        }
    }

    fn put(&mut self, at: Mono, leg: LegId) {
        self.entries += 1;
        match self.steps.binary_search_by_key(&at, |step| step.at) {
            Ok(known) => self.steps[known].legs.push(leg),
            Err(place) => {
                let mut legs = self.spare.pop().unwrap_or_default();
                legs.push(leg);
                self.steps.insert(place, Step { at, legs });
            }
        }
    }

    /// Forgets the entries that are nobody's, once they are most.
    pub(super) fn tidy(&mut self, channels: &BTreeMap<LegId, Channel>) {
        if self.entries <= 2 * channels.len() + FEW {
            return;
        }
        for Step { at, legs } in &mut self.steps {
            legs.retain(|leg| channels.get(leg).is_some_and(|channel| channel.entered == Some(*at)));
        }
        self.steps.retain(|step| !step.legs.is_empty());
        self.entries = self.steps.iter().map(|step| step.legs.len()).sum();
    }

    /// When to serve next, at the latest.
    pub(super) fn first(&self) -> Option<Mono> {
        self.steps.front().map(|step| step.at)
    }

    /// Entries, also those that are nobody's.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries
    }
}

/// The first few legs of an engine allocate nothing while they speak; more of them do so for some seconds.
const STOCK: usize = 8;

/// So many dead entries are not worth a look at all the others.
const FEW: usize = 64;
