//! 18x of ours that must arrive: numbered, repeated until their PRACK, one at a time (RFC 3262 section 3).

use std::time::Duration;

use base::{Cause, Mono};

use super::arriving::{Arriving, Exchange};
use super::leg::Stage;
use super::offer::Offer;
use super::sdp::Body;
use super::within::Asked;
use crate::endpoint::step::Step;
use crate::header::rack::RAck;
use crate::message::Message;
use crate::message::name::Header;
use crate::seam::Event;
use crate::transaction::{PATIENCE, T1};

/// Which of our 18x the caller wants to acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reliability {
    /// It does not know how.
    Never,
    /// It knows how: those that carry a session description, because losing one costs early media.
    WithMedia,
    /// It requires it: all of them (section 3).
    Always,
}

impl Reliability {
    /// What an INVITE says of it.
    pub(crate) fn of(invite: &Message) -> Self {
        if invite.lists_token(Header::Require, EXTENSION) {
            Self::Always
        } else if invite.lists_token(Header::Supported, EXTENSION) {
            Self::WithMedia
        } else {
            Self::Never
        }
    }

    /// Whether a 18x goes out reliably.
    pub(crate) fn covers(self, has_sdp: bool) -> bool {
        match self {
            Self::Never => false,
            Self::WithMedia => has_sdp,
            Self::Always => true,
        }
    }
}

/// A reliable 18x that waits for its PRACK.
#[derive(Clone, Debug)]
pub(crate) struct Unpracked {
    pub(crate) rack: RAck,
    response: Message,
    pause: Duration,
    again: Mono,
    ends: Mono,
}

impl Unpracked {
    pub(crate) fn new(now: Mono, rseq: u32, response: Message) -> Self {
        let rack = RAck { rseq, cseq: response.cseq().clone() };
        Self { rack, response, pause: T1, again: now + T1, ends: now + PATIENCE }
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.again.min(self.ends)
    }

    /// No PRACK came in all that time: the INVITE is to be refused.
    pub(crate) fn is_over(&self, now: Mono) -> bool {
        self.ends <= now
    }

    /// What to send again: the pause doubles without bound, and streams are no exception (section 3).
    pub(crate) fn repeat(&mut self, now: Mono) -> Option<&Message> {
        if self.again > now {
            return None;
        }
        self.pause *= 2;
        self.again = now + self.pause;
        Some(&self.response)
    }
}

impl Arriving {
    /// A PRACK. One that matches nothing is 481; one that matches ends the repetition.
    pub(crate) fn pracked(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Stage {
        let matches = |unpracked: &mut Unpracked| told(asked.request).as_ref() == Some(&unpracked.rack);
        let Some(unpracked) = self.unpracked.take_if(matches) else {
            asked.answer(step, 481);
            return Stage::Arriving(self);
        };
        match (self.exchange, Body::of(asked.request)) {
            (_, Body::Unknown) => {
                asked.answer_with(step, 415, |draft| draft.header(Header::Accept, "application/sdp"));
                self.unpracked = Some(unpracked);
                return Stage::Arriving(self);
            }
            // Our offer was not answered, or theirs is not yet: such a PRACK means nothing (section 5).
            (Exchange::Proposed, Body::Empty) | (Exchange::Asked | Exchange::Open, Body::Sdp(_)) => {
                asked.answer(step, 400);
                self.unpracked = Some(unpracked);
                return Stage::Arriving(self);
            }
            (Exchange::Proposed, Body::Sdp(sdp)) => {
                asked.answer(step, 200);
                self.exchange = Exchange::Done;
                step.wire.tell(Event::Agreed { leg: step.id, sdp });
            }
            (exchange, Body::Empty) => {
                asked.answer(step, 200);
                if exchange == Exchange::Answered {
                    self.exchange = Exchange::Done;
                }
            }
            (Exchange::Answered | Exchange::Done, Body::Sdp(_)) if self.offer.is_some() => {
                asked.answer_later(step);
                self.unpracked = Some(unpracked);
                return Stage::Arriving(self);
            }
            (Exchange::Answered | Exchange::Done, Body::Sdp(sdp)) => {
                self.exchange = Exchange::Done;
                self.offer = Some(Offer::told_early(step, asked, sdp));
            }
        }
        self.go_on(step)
    }

    /// What waited for the PRACK.
    fn go_on(mut self: Box<Self>, step: &mut Step) -> Stage {
        if let Some(sdp) = self.accepting.take() {
            return self.accept(step, sdp);
        }
        if let Some((status, sdp)) = self.next.take() {
            self.show(step, status, sdp);
        }
        Stage::Arriving(self)
    }

    /// Sends what must arrive again; `false` when its PRACK never came (section 3: the INVITE gets a 5xx).
    pub(crate) fn repeat_unpracked(&mut self, step: &mut Step) -> bool {
        let Some(unpracked) = &mut self.unpracked else { return true };
        if unpracked.is_over(step.now) {
            return false;
        }
        if let Some(response) = unpracked.repeat(step.now) {
            step.wire.respond(step.now, &self.key, response);
        }
        true
    }

    /// Nobody acknowledged a reliable 18x.
    pub(crate) fn unheard(self: Box<Self>, step: &mut Step) {
        step.ended(Cause::NoResponse, Some(504));
        self.refuse(step, 504, None, Cause::NoResponse);
    }
}

/// RAck of a PRACK.
pub(crate) fn told(prack: &Message) -> Option<RAck> {
    RAck::parse(&prack.header(Header::RAck)?.text()).ok()
}

/// The option tag (RFC 3262 section 8.1).
pub(crate) const EXTENSION: &str = "100rel";
/// RSeq begins somewhere here (section 3).
pub(crate) const FIRST_RSEQ: u64 = (1 << 31) - 1;
