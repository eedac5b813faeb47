//! Direct: a seat dials a seat. What its phones say on the way is relayed as it comes.

use std::time::Duration;

use base::{Cause, LegId, Mono};

use crate::call::Event;
use crate::call::visit::Scene;
use crate::hunt::{another_trunk, more_telling, permits};
use crate::seam::{Output, Told};
use crate::seats::{Lease, SeatKey};

/// The other seat rings.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    lease: Lease,
    legs: Vec<LegId>,
    until: Mono,
    since: Mono,
    /// Whose early media the caller hears.
    early: Option<LegId>,
    cause: Option<Cause>,
    /// Trunks over which it failed.
    tried: Vec<base::Name>,
}

/// What comes after a step of it.
#[derive(Debug)]
pub(crate) enum Next {
    Stays(Direct),
    Answered {
        lease: Lease,
        leg: LegId,
        /// They hear each other already.
        bridged: bool,
    },
    /// Nobody answered, or there was nobody to ring.
    Failed(Option<Direct>, Cause),
}

impl Direct {
    pub(crate) fn begin(to: &SeatKey, scene: &mut Scene<'_>) -> Next {
        let permits = permits(to, scene.floor, &scene.visit.shown, scene.now.mono);
        if permits.is_empty() {
            return Next::Failed(None, Cause::Unreachable);
        }
        if scene.floor.seats.is_let_go(to) {
            return Next::Failed(None, Cause::Busy);
        }
        // Rest after a call keeps queues away, not colleagues.
        let Some(lease) = scene.floor.seats.take_answered(to, scene.visit.id) else {
            return Next::Failed(None, Cause::Busy);
        };
        let legs: Vec<LegId> = permits.into_iter().map(|permit| scene.place(&to.seat, permit)).collect();
        scene.tell(Told::Rings { seat: to.seat.clone() });
        let since = scene.now.mono;
        Next::Stays(Self {
            lease,
            legs,
            until: since + RINGS_FOR,
            since,
            early: None,
            cause: None,
            tried: Vec::new(),
        })
    }

    pub(crate) fn step(mut self, event: &Event, scene: &mut Scene<'_>) -> Next {
        match *event {
            Event::Progressed { leg, status, media } if self.legs.contains(&leg) => {
                self.relay(leg, status, media, scene);
            }
            Event::Answered { leg } if self.legs.contains(&leg) => return self.answered(leg, scene),
            Event::Ended { leg, cause } if self.legs.contains(&leg) => return self.ended(leg, cause, scene),
            Event::Alarm if self.until <= scene.now.mono => return Next::Failed(Some(self), Cause::NoAnswer),
            // Keys before an answer have nobody to hear them.
            _ => {}
        }
        Next::Stays(self)
    }

    fn relay(&mut self, leg: LegId, status: u16, media: bool, scene: &mut Scene<'_>) {
        let caller = scene.visit.caller;
        let first = media && self.early.is_none();
        scene.floor.push(Output::Progress { leg: caller, status, media: first });
        if first {
            self.early = Some(leg);
            scene.floor.push(Output::Bridge { a: caller, b: leg });
        }
    }

    fn answered(self, leg: LegId, scene: &mut Scene<'_>) -> Next {
        scene.mark_answered(leg);
        for &other in self.legs.iter().filter(|&&other| other != leg) {
            scene.let_go(other, Cause::AnsweredElsewhere);
        }
        scene.visit.waited += scene.now.mono.since(self.since);
        scene.answer();
        let bridged = self.early == Some(leg);
        self.part(!bridged, scene);
        scene.floor.seats.talks(&self.lease);
        Next::Answered { lease: self.lease, leg, bridged }
    }

    fn part(&self, really: bool, scene: &mut Scene<'_>) {
        if let Some(early) = self.early.filter(|_| really) {
            scene.floor.push(Output::Unbridge { a: scene.visit.caller, b: early });
        }
    }

    fn ended(mut self, leg: LegId, cause: Cause, scene: &mut Scene<'_>) -> Next {
        self.legs.retain(|&other| other != leg);
        if let Some(next) = another_trunk(self.lease.key(), leg, cause, &mut self.tried, scene) {
            self.legs.push(next);
            return Next::Stays(self);
        }
        if self.early == Some(leg) {
            self.part(true, scene);
            self.early = None;
        }
        let telling = self.cause.map_or(cause, |before| more_telling(before, cause));
        self.cause = Some(telling);
        if cause == Cause::Declined || self.legs.is_empty() {
            return Next::Failed(Some(self), telling);
        }
        Next::Stays(self)
    }

    /// The call ends while it rings.
    pub(crate) fn abandon(self, cause: Cause, scene: &mut Scene<'_>) {
        for &leg in &self.legs {
            scene.let_go(leg, cause);
        }
        let seat = self.lease.key().seat.clone();
        scene.visit.waited += scene.now.mono.since(self.since);
        scene.floor.seats.give_back(self.lease);
        scene.tell(Told::StopsRinging { seat, cause });
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.until
    }
}

/// How long a colleague's phone rings: longer than anybody needs, shorter than a carrier's own patience.
const RINGS_FOR: Duration = Duration::from_mins(1);
