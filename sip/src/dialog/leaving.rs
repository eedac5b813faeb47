//! A leg whose BYE is out: for the control it is over, the peer has yet to agree (RFC 3261 section 15).

use base::{Cause, Mono};

use super::leg::Stage;
use super::lingering::Lingering;
use super::refer::Referral;
use super::within::Asked;
use super::{Dialog, cause};
use crate::endpoint::login;
use crate::endpoint::step::Step;
use crate::endpoint::wire::{self, Owner};
use crate::message::Message;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::transaction::Key;

/// The stage between our BYE and its final response.
#[derive(Clone, Debug)]
pub(crate) struct Leaving {
    bye: Key,
    tries: u8,
    pub(crate) dialog: Dialog,
    pub(crate) referral: Referral,
}

impl Leaving {
    /// Sends the BYE; `None` when it cannot even be written.
    pub(crate) fn begin(
        mut dialog: Dialog,
        mut referral: Referral,
        step: &mut Step,
        why: Cause,
    ) -> Option<Stage> {
        let (flow, draft) = dialog.request(step.wire, &Method::Bye)?;
        let request = cause::write_reason(draft, why).finish();
        let bye = step.wire.request(step.now, flow, request, Owner::Bye(step.id))?;
        referral.hold();
        Some(Stage::Leaving(Box::new(Self { bye, tries: 0, dialog, referral })))
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.referral.deadline()
    }

    /// A response to the BYE; whatever the final one says, the leg is gone, save for one try with a password.
    pub(crate) fn response(
        mut self: Box<Self>,
        step: &mut Step,
        key: &Key,
        request: &Message,
        response: &Message,
    ) -> Option<Stage> {
        let status = response.status().unwrap_or(500);
        if status < 200 || self.bye != *key {
            return Some(Stage::Leaving(self));
        }
        self.tries += 1;
        if !matches!(status, 401 | 407) || self.tries > login::MAX_TRIES {
            return Lingering::begin(self.dialog, self.referral, step);
        }
        let flow = step.wire.client(key).map_or(step.flow, |client| client.flow);
        self.dialog.skip_number();
        let again = login::answer(step.wire, step.party, request, response)?;
        self.bye = step.wire.request(step.now, flow, again, Owner::Bye(step.id))?;
        Some(Stage::Leaving(self))
    }

    /// A request of the peer that crossed our BYE: its own BYE is granted, all else comes too late.
    pub(crate) fn within(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Stage {
        let Asked { key, request, .. } = asked;
        if *request.method() == Method::Subscribe && self.dialog.takes_number(request.cseq().number) {
            self.referral.subscribe(step, &mut self.dialog, asked);
            return Stage::Leaving(self);
        }
        let status = if *request.method() == Method::Bye { 200 } else { 481 };
        let mut draft = wire::reply(request, step.flow, status, "");
        if *request.method() == Method::Options {
            draft = draft.header(Header::Allow, wire::ALLOW);
        }
        step.wire.respond(step.now, key, &draft.finish());
        Stage::Leaving(self)
    }
}
