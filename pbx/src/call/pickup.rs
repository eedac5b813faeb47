//! Picking up: a seat takes a call that rings on a colleague's phone (RFC 3891 section 3, early dialogs).

use base::{LegId, Now};

use crate::call::ringing::Taken;
use crate::call::visit::Scene;
use crate::call::{Call, Stage, after_direct, settle};
use crate::floor::Floor;
use crate::seam::Output;
use crate::seats::{Lease, SeatKey};

impl Call {
    /// The seat whose phone rings on this leg.
    pub(crate) fn rung_on(&self, leg: LegId) -> Option<&SeatKey> {
        match &self.stage {
            Stage::Waiting(waiting) => waiting.rung_on(leg),
            Stage::Direct(direct) => direct.rung_on(leg),
            Stage::Transferring(transferring) => transferring.rung_on(leg),
            Stage::Greeting(_) | Stage::Talking(_) | Stage::Ending(_) => None,
        }
    }

    /// The phone `leg` of the seat of `lease` takes it; whoever rings stops.
    pub(crate) fn pick_up(self, leg: LegId, lease: Lease, now: Now, floor: &mut Floor) -> Self {
        let Self { mut visit, stage } = self;
        let mut scene = Scene { now, visit: &mut visit, floor };
        let next = match stage {
            Stage::Waiting(waiting) => waiting.pick_up(leg, lease, &mut scene).into(),
            Stage::Direct(direct) => {
                let next = direct.pick_up(leg, lease, &mut scene);
                after_direct(next, &mut scene)
            }
            Stage::Transferring(transferring) => transferring.pick_up(leg, lease, &mut scene).into(),
            stage @ (Stage::Greeting(_) | Stage::Talking(_) | Stage::Ending(_)) => {
                // Nothing rings here; whoever comes is not kept.
                scene.floor.seats.give_back(lease);
                scene.floor.push(Output::Refuse { leg, status: GONE, cause: base::Cause::Refused });
                return Self { visit, stage };
            }
        };
        let stage = settle(next, &mut scene);
        Self { visit, stage }
    }
}

impl Scene<'_> {
    /// The phone that picks up is a leg of the call and answered.
    pub(crate) fn picked_up(&mut self, leg: LegId, lease: Lease) -> Taken {
        self.take_in(leg, lease.key().seat.clone());
        self.floor.seats.talks(&lease);
        Taken { lease, leg, bridged: false }
    }
}

/// RFC 3891 section 3: the dialog has ended.
const GONE: u16 = 603;
