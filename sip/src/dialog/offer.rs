//! An offer of the peer that waits for the control: by re-INVITE, UPDATE or PRACK (RFC 3264, RFC 3311, RFC 3262).

use std::time::Duration;

use base::Mono;

use super::arriving::with_body;
use super::is_sips;
use super::leg::Stage;
use super::session::Ask;
use super::within::Asked;
use crate::endpoint::step::Step;
use crate::endpoint::wire::{self, ALLOW, SUPPORTED};
use crate::message::Message;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::{Event, Flow};
use crate::transaction::Key;

/// A request with an offer whose answer is the control's.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) key: Key,
    pub(crate) request: Message,
    pub(crate) ask: Option<Ask>,
    pub(crate) ends: Mono,
    /// It came before the leg was answered: it is no refresh of the session (RFC 4028 section 7.4).
    pub(crate) is_early: bool,
}

impl Offer {
    /// Tells the control.
    pub(crate) fn told(step: &mut Step, asked: Asked, sdp: Option<String>) -> Self {
        step.wire.tell(Event::Offer { leg: step.id, sdp });
        Self {
            key: asked.key.clone(),
            request: asked.request.clone(),
            ask: None,
            ends: step.now + PATIENCE,
            is_early: false,
        }
    }

    /// The same, in an early dialog.
    pub(crate) fn told_early(step: &mut Step, asked: Asked, sdp: String) -> Self {
        Self { is_early: true, ..Self::told(step, asked, Some(sdp)) }
    }

    /// 200 with this answer; what was sent, for its repetition.
    pub(crate) fn accept(&self, step: &mut Step, flow: Flow, answer: String) -> Message {
        let mut draft = wire::reply(&self.request, flow, 200, "");
        // A PRACK refreshes no target (RFC 3262 section 5).
        if *self.request.method() != Method::Prack {
            draft = draft
                .header(Header::Contact, step.wire.contact_as(&flow, is_sips(&self.request, &flow)))
                .header(Header::Allow, ALLOW)
                .header(Header::Supported, SUPPORTED);
        }
        if let Some(ask) = self.ask {
            draft = ask.answer(draft);
        }
        let response = with_body(draft, Some(answer)).finish();
        step.wire.respond(step.now, &self.key, &response);
        response
    }

    /// A refusal; the session stays as it was (RFC 3261 section 14.2).
    pub(crate) fn refuse(self, step: &mut Step, flow: Flow, status: u16) {
        let status = if (300..700).contains(&status) { status } else { 488 };
        let response = wire::reply(&self.request, flow, status, "").finish();
        step.wire.respond(step.now, &self.key, &response);
    }
}

impl Stage {
    /// The control answers the offer of the peer, before the leg is answered or after.
    pub(crate) fn accept_offer(mut self, step: &mut Step, answer: String) -> Self {
        match &mut self {
            Self::Up(up) => up.accept_offer(step, answer),
            Self::Arriving(arriving) => arriving.accept_offer(step, answer),
            Self::Placing(placing) => placing.accept_offer(step, answer),
            // The leg ended meanwhile, and the offer with it.
            Self::Leaving(_) | Self::Lingering(_) => {}
        }
        self
    }

    /// The control refuses it.
    pub(crate) fn refuse_offer(mut self, step: &mut Step, status: u16) -> Self {
        match &mut self {
            Self::Up(up) => up.refuse_offer(step, status),
            Self::Arriving(arriving) => arriving.refuse_offer(step, status),
            Self::Placing(placing) => placing.refuse_offer(step, status),
            Self::Leaving(_) | Self::Lingering(_) => {}
        }
        self
    }
}

/// How long the control may think about an offer; media answers at once, so this frees only what it forgot.
const PATIENCE: Duration = Duration::from_secs(10);
