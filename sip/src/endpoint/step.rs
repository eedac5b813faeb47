//! One step of one leg: what a stage needs to act.

use base::{Cause, LegId, Mono};

use super::wire::Wire;
use crate::dialog::cause;
use crate::dialog::leg::Party;
use crate::message::Message;
use crate::seam::{Event, Flow};

/// The leg that is moved, when, and by what way the news came.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) wire: &'a mut Wire,
    pub(crate) now: Mono,
    pub(crate) id: LegId,
    pub(crate) party: &'a Party,
    /// The way of the message at hand; of a command or a deadline, any.
    pub(crate) flow: Flow,
}

impl Step<'_> {
    /// Tells the control that the leg is over.
    pub(crate) fn ended(&mut self, cause: Cause, status: Option<u16>) {
        self.wire.tell(Event::Ended { leg: self.id, cause, status, q850: None });
    }

    /// The same, by a message that may say more in its Reason.
    pub(crate) fn ended_by(&mut self, cause: Cause, status: Option<u16>, by: &Message) {
        let q850 = cause::q850(by);
        self.wire.tell(Event::Ended { leg: self.id, cause, status, q850 });
    }
}
