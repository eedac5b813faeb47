//! Two calls of one seat become one: the other party of the one joins the other party of the other.

use base::{CallId, Cause, LegId, Now};

use crate::call::ringing::Taken;
use crate::call::talking::Talking;
use crate::call::transfer::{deny, leave, note};
use crate::call::visit::{Leg, Scene};
use crate::call::{Call, Stage, end};
use crate::cdr::TransferKind;
use crate::floor::Floor;
use crate::seats::{Lease, SeatKey};

/// What a call must know of itself to be joined with another one through a leg of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Side {
    /// The leg is a seat's, and the conversation's.
    Talks {
        seat: SeatKey,
        /// The seat of the other party; an outside caller has none.
        other: Option<SeatKey>,
        /// The leg is of whoever called.
        is_caller: bool,
    },
    /// A transfer is under way already.
    Pending,
    /// There is no conversation, or the leg is not in it.
    Nothing,
}

/// A party that leaves its call for another.
#[derive(Debug)]
pub(crate) struct Handed {
    leg: LegId,
    state: Leg,
    lease: Lease,
}

impl Call {
    /// What a leg of it is.
    pub(crate) fn side(&self, leg: LegId) -> Side {
        let talking = match &self.stage {
            Stage::Talking(talking) => talking,
            Stage::Transferring(_) => return Side::Pending,
            _ => return Side::Nothing,
        };
        let seat = talking.seat_of(leg, &self.visit).filter(|_| self.visit.is_phone(leg));
        let Some(seat) = seat else { return Side::Nothing };
        let is_caller = leg == self.visit.caller;
        let other = if is_caller { talking.leg } else { self.visit.caller };
        Side::Talks { seat, other: talking.seat_of(other, &self.visit), is_caller }
    }

    /// The other party of the seat `by` goes to call `to`; this call is over. Nothing where the two do not
    /// talk, or the other party is no seat.
    pub(crate) fn hand_over(
        self,
        by: LegId,
        to: CallId,
        now: Now,
        floor: &mut Floor,
    ) -> (Self, Option<Handed>) {
        let Self { mut visit, stage } = self;
        let Stage::Talking(mut talking) = stage else { return (Self { visit, stage }, None) };
        let mut scene = Scene { now, visit: &mut visit, floor };
        talking.part(&mut scene);
        if talking.leg == by {
            talking.turn(&mut scene);
        }
        let Some(state) = scene.hand_over(talking.leg, to) else {
            return (Self { visit, stage: Stage::Talking(talking) }, None);
        };
        talking.count(&mut scene);
        let Talking { lease, leg, .. } = talking;
        let lease = scene.floor.seats.hand_over(lease, to);
        let stage = end(None, Cause::Transferred, &mut scene);
        (Self { visit, stage }, Some(Handed { leg, state, lease }))
    }

    /// Somebody comes from another call in the place of the seat `by`, which leaves.
    pub(crate) fn receive(self, by: LegId, handed: Handed, now: Now, floor: &mut Floor) -> Self {
        let Self { mut visit, stage } = self;
        let mut scene = Scene { now, visit: &mut visit, floor };
        let Handed { leg, state, lease } = handed;
        scene.receive(leg, state);
        let Stage::Talking(mut talking) = stage else {
            // Both were judged before anything moved; a party that is not awaited is not kept.
            scene.floor.seats.give_back(lease);
            scene.let_go(leg, Cause::Internal);
            return Self { visit, stage };
        };
        talking.part(&mut scene);
        talking.count(&mut scene);
        if by == scene.visit.caller {
            talking.turn(&mut scene);
        }
        let Talking { lease: leaving, leg: left, terms, .. } = talking;
        let to = lease.key().seat.clone();
        note(leaving.key(), to.as_str(), TransferKind::Attended, Some(Cause::Transferred), &mut scene);
        scene.let_go(left, Cause::Transferred);
        leave(leaving, &terms, &mut scene);
        let caller = scene.visit.caller;
        scene.identify(caller, leg);
        scene.identify(leg, caller);
        let taken = Taken { lease, leg, bridged: false };
        let stage = Stage::Talking(Talking::begin(taken, terms, &mut scene));
        Self { visit, stage }
    }

    /// A REFER of this call's leg is refused, and noted.
    pub(crate) fn deny(
        self,
        leg: LegId,
        to: &str,
        denial: (u16, Cause),
        now: Now,
        floor: &mut Floor,
    ) -> Self {
        let Self { mut visit, stage } = self;
        let mut scene = Scene { now, visit: &mut visit, floor };
        let by = match &stage {
            Stage::Talking(talking) => talking.seat_of(leg, scene.visit),
            _ => None,
        };
        deny(leg, by, to, TransferKind::Attended, denial, &mut scene);
        Self { visit, stage }
    }

    /// Another phone of the same seat takes the place of a leg.
    pub(crate) fn replace(self, old: LegId, new: LegId, now: Now, floor: &mut Floor) -> Self {
        let Self { mut visit, stage } = self;
        let mut scene = Scene { now, visit: &mut visit, floor };
        let stage = match stage {
            Stage::Talking(mut talking) => {
                if let Some(key) = talking.seat_of(old, scene.visit) {
                    scene.take_in(new, key.seat);
                    talking.replace(old, new, &mut scene);
                }
                Stage::Talking(talking)
            }
            stage => stage,
        };
        Self { visit, stage }
    }
}
