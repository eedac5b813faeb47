//! Direct: a seat dials a seat. What its phones say on the way is relayed as it comes.

use base::{Cause, LegId, Mono};

use crate::call::Event;
use crate::call::ringing::{Ringing, Taken};
use crate::call::visit::Scene;
use crate::seam::Output;
use crate::seats::{Lease, SeatKey};

/// The other seat rings.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    ringing: Ringing,
    since: Mono,
}

/// What comes after a step of it.
#[derive(Debug)]
pub(crate) enum Next {
    Stays(Direct),
    Answered(Taken),
    /// Nobody answered, or there was nobody to ring.
    Failed(Option<Direct>, Cause),
}

impl Direct {
    pub(crate) fn begin(to: &SeatKey, scene: &mut Scene<'_>) -> Next {
        match Ringing::begin(to, None, scene) {
            Ok(ringing) => Next::Stays(Self { ringing, since: scene.now.mono }),
            Err(cause) => Next::Failed(None, cause),
        }
    }

    pub(crate) fn step(mut self, event: &Event, scene: &mut Scene<'_>) -> Next {
        match *event {
            Event::Progressed { leg, status, media } if self.ringing.has(leg) => {
                self.relay(leg, status, media, scene);
            }
            Event::Answered { leg } if self.ringing.has(leg) => return self.answered(leg, scene),
            Event::Ended { leg, cause } if self.ringing.has(leg) => {
                if let Some(cause) = self.ringing.ended(leg, cause, scene) {
                    return Next::Failed(Some(self), cause);
                }
            }
            Event::Alarm if self.deadline() <= scene.now.mono => {
                return Next::Failed(Some(self), Cause::NoAnswer);
            }
            // Keys before an answer have nobody to hear them.
            _ => {}
        }
        Next::Stays(self)
    }

    fn relay(&mut self, leg: LegId, status: u16, media: bool, scene: &mut Scene<'_>) {
        let caller = scene.visit.caller;
        let first = self.ringing.hears(leg, media);
        scene.floor.push(Output::Progress { leg: caller, status, media: first });
        if first {
            scene.floor.push(Output::Bridge { a: caller, b: leg });
        }
    }

    fn answered(self, leg: LegId, scene: &mut Scene<'_>) -> Next {
        scene.visit.waited += scene.now.mono.since(self.since);
        scene.answer();
        Next::Answered(self.ringing.answered(leg, scene))
    }

    /// The seat that this leg rings.
    pub(crate) fn rung_on(&self, leg: LegId) -> Option<&SeatKey> {
        self.ringing.rung_on(leg)
    }

    /// A colleague takes it.
    pub(crate) fn pick_up(self, leg: LegId, lease: Lease, scene: &mut Scene<'_>) -> Next {
        scene.visit.waited += scene.now.mono.since(self.since);
        scene.answer();
        self.ringing.abandon(Cause::AnsweredElsewhere, scene);
        Next::Answered(scene.picked_up(leg, lease))
    }

    /// The call ends while it rings.
    pub(crate) fn abandon(self, cause: Cause, scene: &mut Scene<'_>) {
        scene.visit.waited += scene.now.mono.since(self.since);
        self.ringing.abandon(cause, scene);
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.ringing.deadline()
    }
}
