//! An INVITE that came and has no final response yet (RFC 3261 section 13.3).

use std::time::Duration;

use base::{Cause, Mono};

use super::leg::Stage;
use super::session::Ask;
use super::unacked::Unacked;
use super::up::Up;
use super::{Dialog, cause};
use crate::endpoint::step::Step;
use crate::endpoint::wire;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::name::Header;
use crate::seam::Flow;
use crate::transaction::Key;

/// The stage before our final response.
#[derive(Clone, Debug)]
pub(crate) struct Arriving {
    key: Key,
    request: Message,
    pub(crate) dialog: Dialog,
    ask: Option<Ask>,
    last: Option<Message>,
    again: Option<Mono>,
    ends: Mono,
}

impl Arriving {
    /// The server transaction is open and 100 was sent.
    pub(crate) fn new(now: Mono, key: Key, request: Message, dialog: Dialog, ask: Option<Ask>) -> Self {
        Self { key, request, dialog, ask, last: None, again: None, ends: now + FORGOTTEN }
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.again.map_or(self.ends, |again| again.min(self.ends))
    }

    /// A 18x.
    pub(crate) fn progress(mut self: Box<Self>, step: &mut Step, status: u16, sdp: Option<String>) -> Stage {
        // Anything else is no progress; 180 says at least that we are at it.
        let status = if (101..200).contains(&status) { status } else { 180 };
        let draft = with_body(self.reply(step, status), sdp);
        let response = draft.finish();
        step.wire.respond(step.now, &self.key, &response);
        self.last = Some(response);
        self.again = Some(step.now + REFRESH_18X);
        Stage::Arriving(self)
    }

    /// 200.
    pub(crate) fn accept(self: Box<Self>, step: &mut Step, sdp: String) -> Stage {
        let mut draft = self.reply(step, 200).header(Header::Supported, wire::SUPPORTED);
        if let Some(ask) = self.ask {
            draft = ask.answer(draft);
        }
        let response = with_body(draft, Some(sdp.clone())).finish();
        step.wire.respond(step.now, &self.key, &response);
        let number = self.request.cseq().number;
        let bytes = response.as_bytes().clone();
        let unacked = Unacked::new(step.now, number, true, self.dialog.flow, bytes);
        let session = self.ask.map(|ask| ask.begin(step.now));
        Stage::Up(Box::new(Up::arrived(self.dialog, sdp, unacked, session)))
    }

    /// A final refusal; the leg is gone.
    pub(crate) fn refuse(
        self: Box<Self>,
        step: &mut Step,
        status: u16,
        retry_after: Option<u32>,
        why: Cause,
    ) {
        let status = if (300..700).contains(&status) { status } else { why.sip_status() };
        let mut draft = wire::reply(&self.request, self.flow(), status, &self.dialog.local_tag);
        if let Some(seconds) = retry_after {
            draft = draft.header(Header::RetryAfter, seconds);
        }
        let response = cause::write_reason(draft, why).finish();
        step.wire.respond(step.now, &self.key, &response);
    }

    /// A CANCEL or an early BYE: 487 (section 9.2); the leg is gone.
    pub(crate) fn cancelled(self: Box<Self>, step: &mut Step, why: Cause) {
        let response = wire::reply(&self.request, self.flow(), 487, &self.dialog.local_tag).finish();
        step.wire.respond(step.now, &self.key, &response);
        step.ended(why, Some(487));
    }

    pub(crate) fn expire(mut self: Box<Self>, step: &mut Step) -> Option<Stage> {
        if self.ends <= step.now {
            step.ended(Cause::NoAnswer, Some(480));
            self.refuse(step, 480, None, Cause::NoAnswer);
            return None;
        }
        if self.again.is_some_and(|again| again <= step.now) {
            if let Some(last) = &self.last {
                step.wire.respond(step.now, &self.key, last);
            }
            self.again = Some(step.now + REFRESH_18X);
        }
        Some(Stage::Arriving(self))
    }

    fn flow(&self) -> Flow {
        self.dialog.flow
    }

    /// A response that makes or confirms the dialog.
    fn reply(&self, step: &Step, status: u16) -> Draft {
        wire::reply(&self.request, self.flow(), status, &self.dialog.local_tag)
            .header(Header::Contact, step.wire.contact(&self.flow()))
            .header(Header::Allow, wire::ALLOW)
    }
}

/// Adds a session description.
pub(crate) fn with_body(draft: Draft, sdp: Option<String>) -> Draft {
    match sdp {
        Some(sdp) => draft.body(SDP, sdp.into_bytes()),
        None => draft,
    }
}

/// The media type of session descriptions.
pub(crate) const SDP: &str = "application/sdp";
/// A proxy gives up three minutes after the last 18x (section 13.3.1.1).
const REFRESH_18X: Duration = Duration::from_mins(1);
/// The control bounds ringing itself; this frees only a leg that it forgot.
const FORGOTTEN: Duration = Duration::from_mins(10);
