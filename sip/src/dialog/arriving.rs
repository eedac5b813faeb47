//! An INVITE that came and has no final response yet (RFC 3261 section 13.3).

use std::time::Duration;

use base::{Cause, Mono};

use super::leg::Stage;
use super::offer::Offer;
use super::reliable::{self, Reliability, Unpracked};
use super::sdp::Body;
use super::session::Ask;
use super::unacked::Unacked;
use super::up::Up;
use super::within::Asked;
use super::{Dialog, cause};
use crate::endpoint::step::Step;
use crate::endpoint::wire;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::Flow;
use crate::transaction::Key;

/// The stage before our final response.
#[derive(Clone, Debug)]
pub(crate) struct Arriving {
    pub(super) key: Key,
    request: Message,
    pub(crate) dialog: Dialog,
    ask: Option<Ask>,
    reliability: Reliability,
    pub(super) exchange: Exchange,
    /// RSeq of our last reliable 18x.
    rseq: Option<u32>,
    pub(super) unpracked: Option<Unpracked>,
    /// A 18x that was to be sent while one waited for its PRACK: it goes out after that.
    pub(super) next: Option<(u16, Option<String>)>,
    /// The control answered while a description of ours waited for its PRACK: the 200 waits too (RFC 3262
    /// section 3).
    pub(super) accepting: Option<String>,
    /// An offer by PRACK or UPDATE that the control has yet to answer.
    pub(super) offer: Option<Offer>,
    /// What we said last.
    said: Option<String>,
    last: Option<Message>,
    again: Option<Mono>,
    ends: Mono,
}

/// How far the first offer and answer are (RFC 3261 section 13.2.1, RFC 6337 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// The INVITE has an offer, which is not answered reliably yet.
    Asked,
    /// Our answer is in a reliable 18x without PRACK.
    Answered,
    /// The INVITE has no offer; ours is not made yet.
    Open,
    /// Our offer is in a reliable 18x; its PRACK brings the answer.
    Proposed,
    /// Both sides know all: no 18x or 2xx has a description any more.
    Done,
}

impl Arriving {
    /// The server transaction is open and 100 was sent.
    pub(crate) fn new(now: Mono, key: Key, request: Message, dialog: Dialog, ask: Option<Ask>) -> Self {
        let exchange = if Body::of(&request) == Body::Empty { Exchange::Open } else { Exchange::Asked };
        Self {
            key,
            dialog,
            ask,
            reliability: Reliability::of(&request),
            request,
            exchange,
            rseq: None,
            unpracked: None,
            next: None,
            accepting: None,
            offer: None,
            said: None,
            last: None,
            again: None,
            ends: now + FORGOTTEN,
        }
    }

    pub(crate) fn deadline(&self) -> Mono {
        let mut first = self.again.map_or(self.ends, |again| again.min(self.ends));
        if let Some(unpracked) = &self.unpracked {
            first = first.min(unpracked.deadline());
        }
        self.offer.as_ref().map_or(first, |offer| first.min(offer.ends))
    }

    /// A 18x.
    pub(crate) fn progress(mut self: Box<Self>, step: &mut Step, status: u16, sdp: Option<String>) -> Stage {
        // Anything else is no progress; 180 says at least that we are at it.
        let status = if (101..200).contains(&status) { status } else { 180 };
        if self.unpracked.is_some() {
            // One at a time (RFC 3262 section 3); of those that wait the newest counts, and no media is lost.
            let before = self.next.take().and_then(|(_, sdp)| sdp);
            self.next = Some((status, sdp.or(before)));
        } else if self.accepting.is_none() {
            self.show(step, status, sdp);
        }
        Stage::Arriving(self)
    }

    /// Writes and sends a 18x; reliably, where the caller wants that.
    pub(super) fn show(&mut self, step: &mut Step, status: u16, sdp: Option<String>) {
        let sdp = sdp.filter(|_| match self.exchange {
            Exchange::Asked => true,
            // An offer of ours in an unreliable 18x would bind nobody (RFC 3261 section 13.2.1).
            Exchange::Open => self.reliability != Reliability::Never,
            Exchange::Answered | Exchange::Proposed | Exchange::Done => false,
        });
        let is_reliable = self.reliability.covers(sdp.is_some());
        let mut draft = self.reply(step, status);
        // We play tones and prompts, and listen to keys (RFC 5009 section 8).
        if sdp.is_some() && step.party.trunk().is_some() && self.request.header(Header::PEarlyMedia).is_some()
        {
            draft = draft.header(Header::PEarlyMedia, "sendrecv");
        }
        if is_reliable {
            let rseq = self.next_rseq(step);
            draft = draft.header(Header::Require, reliable::EXTENSION).header(Header::RSeq, rseq);
            self.rseq = Some(rseq);
            self.exchange = match (self.exchange, sdp.is_some()) {
                (Exchange::Asked, true) => Exchange::Answered,
                (Exchange::Open, true) => Exchange::Proposed,
                (exchange, _) => exchange,
            };
        }
        if sdp.is_some() {
            self.said.clone_from(&sdp);
        }
        let response = with_body(draft, sdp).finish();
        step.wire.respond(step.now, &self.key, &response);
        self.unpracked =
            self.rseq.filter(|_| is_reliable).map(|rseq| Unpracked::new(step.now, rseq, response.clone()));
        self.last = Some(response);
        self.again = Some(step.now + REFRESH_18X);
    }

    fn next_rseq(&self, step: &mut Step) -> u32 {
        match self.rseq {
            Some(last) => last.wrapping_add(1),
            None => 1 + step.wire.entropy.below(reliable::FIRST_RSEQ) as u32,
        }
    }

    /// 200; after the PRACK of a 18x with a description.
    pub(crate) fn accept(mut self: Box<Self>, step: &mut Step, sdp: String) -> Stage {
        if self.unpracked.is_some() && matches!(self.exchange, Exchange::Answered | Exchange::Proposed) {
            self.accepting = Some(sdp);
            return Stage::Arriving(self);
        }
        let mut draft = self.reply(step, 200).header(Header::Supported, wire::SUPPORTED);
        if let Some(ask) = self.ask {
            draft = ask.answer(draft);
        }
        let body = (self.exchange != Exchange::Done).then(|| sdp.clone());
        let response = with_body(draft, body).finish();
        step.wire.respond(step.now, &self.key, &response);
        let number = self.request.cseq().number;
        let bytes = response.as_bytes().clone();
        let unacked = Unacked::new(step.now, number, true, self.dialog.flow, bytes);
        let session = self.ask.map(|ask| ask.begin(step.now));
        let said = self.said.filter(|_| self.exchange == Exchange::Done).unwrap_or(sdp);
        let mut up = Up::arrived(self.dialog, said, unacked, session);
        up.offer = self.offer;
        up.unpracked = self.unpracked.map(|unpracked| unpracked.rack);
        Stage::Up(Box::new(up))
    }

    /// The control answers an offer that came before its answer to the INVITE.
    pub(crate) fn accept_offer(&mut self, step: &mut Step, answer: String) {
        if let Some(offer) = self.offer.take() {
            self.said = Some(answer.clone());
            offer.accept(step, self.dialog.flow, answer);
        }
    }

    /// The control refuses it.
    pub(crate) fn refuse_offer(&mut self, step: &mut Step, status: u16) {
        if let Some(offer) = self.offer.take() {
            offer.refuse(step, self.dialog.flow, status);
        }
    }

    /// A request in the early dialog.
    pub(crate) fn within(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Option<Stage> {
        // A PRACK that an UPDATE has overtaken is as good as ever: it names what it is for.
        if *asked.request.method() == Method::Prack {
            return Some(self.pracked(step, asked));
        }
        if !self.dialog.takes_number(asked.request.cseq().number) {
            asked.answer(step, 500);
            return Some(Stage::Arriving(self));
        }
        if asked.answer_common(step, &mut self.dialog) {
            return Some(Stage::Arriving(self));
        }
        match asked.request.method() {
            // The caller may end an early dialog by BYE (section 15).
            Method::Bye => {
                asked.answer(step, 200);
                self.cancelled(step, asked.request, Cause::CallerGaveUp);
                return None;
            }
            Method::Update => self.updated(step, asked),
            // There is no call yet that could be transferred.
            Method::Refer => asked.answer(step, 491),
            Method::Subscribe => asked.answer(step, 481),
            // The first INVITE is not answered yet (section 14.2).
            _ => asked.answer_later(step),
        }
        Some(Stage::Arriving(self))
    }

    /// An UPDATE before our 2xx: an offer may come once the first exchange is through (RFC 3311 section 5.2).
    fn updated(&mut self, step: &mut Step, asked: Asked) {
        match (Body::of(asked.request), self.exchange) {
            (Body::Unknown, _) => {
                asked.answer_with(step, 415, |draft| draft.header(Header::Accept, SDP));
            }
            (Body::Empty, _) => {
                self.dialog.refresh_target(asked.request);
                let contact = self.dialog.contact(step.wire, &self.dialog.flow);
                asked.answer_with(step, 200, |draft| draft.header(Header::Contact, contact));
            }
            (Body::Sdp(sdp), Exchange::Done) if self.offer.is_none() => {
                self.dialog.refresh_target(asked.request);
                self.offer = Some(Offer::told_early(step, asked, sdp));
            }
            (Body::Sdp(_), Exchange::Proposed) => asked.answer(step, 491),
            (Body::Sdp(_), _) => asked.answer_later(step),
        }
    }

    /// A final refusal; the leg is gone.
    pub(crate) fn refuse(
        mut self: Box<Self>,
        step: &mut Step,
        status: u16,
        retry_after: Option<u32>,
        why: Cause,
    ) {
        self.refuse_offer(step, 487);
        let status = if (300..700).contains(&status) { status } else { why.sip_status() };
        let mut draft = wire::reply(&self.request, self.flow(), status, &self.dialog.local_tag);
        if let Some(seconds) = retry_after {
            draft = draft.header(Header::RetryAfter, seconds);
        }
        let response = cause::write_reason(draft, why).finish();
        step.wire.respond(step.now, &self.key, &response);
    }

    /// A CANCEL or an early BYE: 487 (section 9.2); the leg is gone.
    pub(crate) fn cancelled(mut self: Box<Self>, step: &mut Step, by: &Message, why: Cause) {
        self.refuse_offer(step, 487);
        let response = wire::reply(&self.request, self.flow(), 487, &self.dialog.local_tag).finish();
        step.wire.respond(step.now, &self.key, &response);
        step.ended_by(why, Some(487), by);
    }

    pub(crate) fn expire(mut self: Box<Self>, step: &mut Step) -> Option<Stage> {
        if self.ends <= step.now {
            step.ended(Cause::NoAnswer, Some(480));
            self.refuse(step, 480, None, Cause::NoAnswer);
            return None;
        }
        if !self.repeat_unpracked(step) {
            self.unheard(step);
            return None;
        }
        if self.offer.as_ref().is_some_and(|offer| offer.ends <= step.now) {
            self.refuse_offer(step, 500);
        }
        if self.again.is_some_and(|again| again <= step.now) {
            self.show_again(step);
        }
        Some(Stage::Arriving(self))
    }

    /// The last 18x once more: a reliable one under a new number, without what was said already.
    fn show_again(&mut self, step: &mut Step) {
        self.again = Some(step.now + REFRESH_18X);
        let Some(last) = self.last.clone() else { return };
        if self.unpracked.is_some() {
            return;
        }
        match last.status() {
            Some(status) if self.reliability == Reliability::Always => self.show(step, status, None),
            _ if last.header(Header::RSeq).is_some() => {
                let plain = self.reply(step, last.status().unwrap_or(180)).finish();
                step.wire.respond(step.now, &self.key, &plain);
            }
            _ => step.wire.respond(step.now, &self.key, &last),
        }
    }

    fn flow(&self) -> Flow {
        self.dialog.flow
    }

    /// A response that makes or confirms the dialog.
    fn reply(&self, step: &Step, status: u16) -> Draft {
        wire::reply(&self.request, self.flow(), status, &self.dialog.local_tag)
            .header(Header::Contact, self.dialog.contact(step.wire, &self.flow()))
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
