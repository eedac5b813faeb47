//! Ringing: the phones of one seat ring for somebody who asked for that seat.

use std::time::Duration;

use base::{Cause, LegId, Mono, Name};

use crate::call::visit::Scene;
use crate::hunt::{another_trunk, more_telling, permits};
use crate::routing::{self, Shown};
use crate::seam::{Output, Told};
use crate::seats::{Lease, SeatKey};

/// All phones of a seat ring at once; the first answer counts.
#[derive(Clone, Debug)]
pub(crate) struct Ringing {
    lease: Lease,
    legs: Vec<LegId>,
    until: Mono,
    /// Whose early media the caller hears.
    early: Option<LegId>,
    cause: Option<Cause>,
    /// Trunks over which it failed.
    tried: Vec<Name>,
}

/// The seat answered.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) lease: Lease,
    pub(crate) leg: LegId,
    /// The two hear each other already.
    pub(crate) bridged: bool,
}

impl Ringing {
    /// Rings them, on behalf of `by` if it has the caller put through; `Err` when there is nobody to ring.
    pub(crate) fn begin(to: &SeatKey, by: Option<&SeatKey>, scene: &mut Scene<'_>) -> Result<Self, Cause> {
        let referrer = by.and_then(|by| routing::extension(&scene.floor.plan, by));
        let shown = Shown { referrer, ..scene.visit.shown.clone() };
        let permits = permits(to, scene.floor, &shown, scene.now.mono);
        if permits.is_empty() {
            return Err(Cause::Unreachable);
        }
        if scene.floor.seats.is_let_go(to) {
            return Err(Cause::Busy);
        }
        // Rest after a call keeps queues away, not colleagues.
        let Some(lease) = scene.floor.seats.take_answered(to, scene.visit.id) else {
            return Err(Cause::Busy);
        };
        let legs: Vec<LegId> = permits.into_iter().map(|permit| scene.place(&to.seat, permit)).collect();
        scene.tell(Told::Rings { seat: to.seat.clone() });
        let until = scene.now.mono + RINGS_FOR;
        Ok(Self { lease, legs, until, early: None, cause: None, tried: Vec::new() })
    }

    /// Whether the leg is one of them.
    pub(crate) fn has(&self, leg: LegId) -> bool {
        self.legs.contains(&leg)
    }

    /// The seat, where the leg is one of them.
    pub(crate) fn rung_on(&self, leg: LegId) -> Option<&SeatKey> {
        self.has(leg).then(|| self.lease.key())
    }

    /// Whether early media that this leg brings now would be the first; it is heard then.
    pub(crate) fn hears(&mut self, leg: LegId, media: bool) -> bool {
        let first = media && self.early.is_none();
        if first {
            self.early = Some(leg);
        }
        first
    }

    /// One answered; the others stop.
    pub(crate) fn answered(self, leg: LegId, scene: &mut Scene<'_>) -> Taken {
        scene.mark_answered(leg);
        for &other in self.legs.iter().filter(|&&other| other != leg) {
            scene.let_go(other, Cause::AnsweredElsewhere);
        }
        let bridged = self.early == Some(leg);
        if !bridged {
            self.part(scene);
        }
        scene.floor.seats.talks(&self.lease);
        Taken { lease: self.lease, leg, bridged }
    }

    /// One said no, or nothing more. Says why when no phone is left, or the person declined.
    pub(crate) fn ended(&mut self, leg: LegId, cause: Cause, scene: &mut Scene<'_>) -> Option<Cause> {
        self.legs.retain(|&other| other != leg);
        if let Some(next) = another_trunk(self.lease.key(), leg, cause, &mut self.tried, scene) {
            self.legs.push(next);
            return None;
        }
        if self.early == Some(leg) {
            self.part(scene);
            self.early = None;
        }
        let telling = self.cause.map_or(cause, |before| more_telling(before, cause));
        self.cause = Some(telling);
        (cause == Cause::Declined || self.legs.is_empty()).then_some(telling)
    }

    /// Nobody waits for them any more.
    pub(crate) fn abandon(self, cause: Cause, scene: &mut Scene<'_>) {
        self.part(scene);
        for &leg in &self.legs {
            scene.let_go(leg, cause);
        }
        let seat = self.lease.key().seat.clone();
        scene.floor.seats.give_back(self.lease);
        scene.tell(Told::StopsRinging { seat, cause });
    }

    fn part(&self, scene: &mut Scene<'_>) {
        if let Some(early) = self.early {
            scene.floor.push(Output::Unbridge { a: scene.visit.caller, b: early });
        }
    }

    /// Until when they ring.
    pub(crate) fn deadline(&self) -> Mono {
        self.until
    }
}

/// How long a colleague's phone rings: longer than anybody needs, shorter than a carrier's own patience.
const RINGS_FOR: Duration = Duration::from_mins(1);
