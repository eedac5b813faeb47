//! Early dialogs of an INVITE of ours: one for each fork that sent a 18x (RFC 3261 section 12.1, RFC 3262
//! section 4), and what their callees ask before they answer.

use base::Mono;

use super::leg::Stage;
use super::offer::Offer;
use super::placing::Placing;
use super::sdp::Body;
use super::within::Asked;
use super::{Dialog, reliable};
use crate::endpoint::login;
use crate::endpoint::step::Step;
use crate::endpoint::wire::Owner;
use crate::header::rack::RAck;
use crate::message::Message;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::transaction::Key;

/// One fork that has not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Early {
    pub(crate) dialog: Dialog,
    /// RSeq of its last reliable 18x in order.
    rseq: Option<u32>,
    /// Its answer, from its last 18x that had one.
    sdp: Option<String>,
    /// That answer came reliably: further offers may follow.
    is_agreed: bool,
    /// An offer of its that the control has yet to answer.
    pub(crate) offer: Option<Offer>,
    /// What we answered to an offer of its: the answer to our first is history.
    said: Option<String>,
}

impl Early {
    fn of(dialog: Dialog) -> Self {
        Self { dialog, rseq: None, sdp: None, is_agreed: false, offer: None, said: None }
    }

    /// The answer that counts once its 2xx has come with this one: what was agreed before stands, even if
    /// another fork was heard meanwhile.
    pub(crate) fn answer(&mut self, in_2xx: Option<String>) -> Option<String> {
        match (&self.said, self.is_agreed) {
            (Some(_), _) => None,
            (None, true) => self.sdp.take(),
            (None, false) => in_2xx.or_else(|| self.sdp.take()),
        }
    }

    /// What we said last in this dialog; `first` is the offer of our INVITE.
    pub(crate) fn said(&mut self, first: String) -> String {
        self.said.take().unwrap_or(first)
    }

    /// The fork is of no interest any more.
    fn let_go(&mut self, step: &mut Step) {
        let flow = self.dialog.flow;
        if let Some(offer) = self.offer.take() {
            offer.refuse(step, flow, 481);
        }
    }

    /// Whether a reliable 18x is the next in order; the first may have any number (RFC 3262 section 4).
    fn is_next(&self, rseq: u32) -> bool {
        self.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq))
    }
}

impl Placing {
    /// A 18x: makes or moves its fork's dialog, and gets its PRACK if it is reliable. `false` when it is a copy
    /// or out of order, which is as if it had not come (RFC 3262 section 4).
    pub(crate) fn heard(&mut self, step: &mut Step, request: &Message, response: &Message) -> bool {
        let Some(tag) = response.to_tag() else { return true };
        let rseq = response.number(Header::RSeq).ok();
        let rseq = rseq.filter(|_| response.lists_token(Header::Require, reliable::EXTENSION));
        if !self.earlies.iter().any(|early| early.dialog.remote_tag == tag) {
            let made = Dialog::as_client(request, response, step.flow, step.party.trunk().cloned());
            let (Ok(dialog), true) = (made, self.earlies.len() < MAX_EARLY) else {
                // Its 2xx would still be taken; but what we cannot acknowledge we must not use.
                return rseq.is_none();
            };
            self.earlies.push(Early::of(dialog));
        }
        let Some(early) = self.earlies.iter_mut().find(|early| early.dialog.remote_tag == tag) else {
            return false;
        };
        if rseq.is_some_and(|rseq| !early.is_next(rseq)) {
            return false;
        }
        early.dialog.refresh_target(response);
        early.dialog.takes_update |= response.lists_token(Header::Allow, "UPDATE");
        if let Some(sdp) = Body::of(response).sdp()
            && !early.is_agreed
        {
            early.sdp = Some(sdp);
            early.is_agreed = rseq.is_some();
        }
        if let Some(rseq) = rseq {
            early.rseq = Some(rseq);
            let rack = RAck { rseq, cseq: response.cseq().clone() };
            if let Some((flow, draft)) = early.dialog.request(step.wire, &Method::Prack) {
                let prack = draft.header(Header::RAck, rack).finish();
                step.wire.request(step.now, flow, prack, Owner::Prack(step.id));
            }
        }
        true
    }

    /// A challenge of our PRACK is answered once; any other refusal of it the INVITE will show.
    pub(crate) fn prack_answered(
        &mut self,
        step: &mut Step,
        key: &Key,
        request: &Message,
        response: &Message,
    ) {
        if !matches!(response.status(), Some(401 | 407)) {
            return;
        }
        let tag = request.to_tag().unwrap_or_default();
        let Some(early) = self.earlies.iter_mut().find(|early| early.dialog.remote_tag == tag) else {
            return;
        };
        let flow = step.wire.client(key).map_or(step.flow, |client| client.flow);
        if let Some(again) = login::answer(step.wire, step.party, request, response) {
            early.dialog.skip_number();
            step.wire.request(step.now, flow, again, Owner::Prack(step.id));
        }
    }

    /// The early dialog with this tag of the peer.
    pub(crate) fn early(&self, tag: &str) -> Option<&Early> {
        self.earlies.iter().find(|early| early.dialog.remote_tag == tag)
    }

    /// The first of them, unless the INVITE is not wanted any more.
    pub(crate) fn first_early(&self) -> Option<&Dialog> {
        self.earlies.first().filter(|_| !self.is_given_up()).map(|early| &early.dialog)
    }

    /// Takes the fork that answered out, and lets the others go.
    pub(crate) fn settle(&mut self, step: &mut Step, tag: &str) -> Option<Early> {
        let at = self.earlies.iter().position(|early| early.dialog.remote_tag == tag);
        let winner = at.map(|at| self.earlies.swap_remove(at));
        self.let_go(step);
        winner
    }

    /// No fork is of interest any more.
    pub(crate) fn let_go(&mut self, step: &mut Step) {
        for mut early in std::mem::take(&mut self.earlies) {
            early.let_go(step);
        }
    }

    /// A request of a callee that has not answered yet.
    pub(crate) fn within(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Stage {
        // One description of ours is negotiated for all forks: while there are several, or one offer waits,
        // another must come again.
        let is_busy = self.earlies.len() > 1 || self.earlies.iter().any(|early| early.offer.is_some());
        let tag = asked.request.from_tag().unwrap_or_default();
        let Some(at) = self.earlies.iter().position(|early| early.dialog.remote_tag == tag) else {
            asked.answer(step, 481);
            return Stage::Placing(self);
        };
        let Some(early) = self.earlies.get_mut(at) else { return Stage::Placing(self) };
        if !early.dialog.takes_number(asked.request.cseq().number) {
            asked.answer(step, 500);
            return Stage::Placing(self);
        }
        early.dialog.flow = step.flow;
        if asked.answer_common(step, &mut early.dialog) {
            return Stage::Placing(self);
        }
        match asked.request.method() {
            // No callee should (section 15), but one that does is gone; the INVITE's own end will come.
            Method::Bye => {
                asked.answer(step, 200);
                self.earlies.swap_remove(at).let_go(step);
            }
            Method::Update => early.updated(step, asked, is_busy),
            Method::Prack | Method::Subscribe => asked.answer(step, 481),
            // A re-INVITE before the answer to our own INVITE (section 14.2); a REFER of what is no call yet.
            _ => asked.answer(step, 491),
        }
        Stage::Placing(self)
    }

    /// The control answers an offer that came before the 2xx.
    pub(crate) fn accept_offer(&mut self, step: &mut Step, answer: String) {
        let Some(early) = self.earlies.iter_mut().find(|early| early.offer.is_some()) else { return };
        let flow = early.dialog.flow;
        if let Some(offer) = early.offer.take() {
            early.said = Some(answer.clone());
            offer.accept(step, flow, answer);
        }
    }

    /// The control refuses it.
    pub(crate) fn refuse_offer(&mut self, step: &mut Step, status: u16) {
        let Some(early) = self.earlies.iter_mut().find(|early| early.offer.is_some()) else { return };
        let flow = early.dialog.flow;
        if let Some(offer) = early.offer.take() {
            offer.refuse(step, flow, status);
        }
    }

    /// When the control has forgotten an offer.
    pub(crate) fn offer_ends(&self) -> Option<Mono> {
        self.earlies.iter().filter_map(|early| early.offer.as_ref()).map(|offer| offer.ends).min()
    }
}

impl Early {
    /// An UPDATE before the 2xx (RFC 3311 section 5.2).
    fn updated(&mut self, step: &mut Step, asked: Asked, is_busy: bool) {
        match Body::of(asked.request) {
            Body::Unknown => {
                asked.answer_with(step, 415, |draft| draft.header(Header::Accept, "application/sdp"));
            }
            Body::Empty => {
                self.dialog.refresh_target(asked.request);
                let contact = self.dialog.contact(step.wire, &self.dialog.flow);
                asked.answer_with(step, 200, |draft| draft.header(Header::Contact, contact));
            }
            // Our INVITE's offer has no answer yet.
            Body::Sdp(_) if !self.is_agreed => asked.answer(step, 491),
            Body::Sdp(_) if is_busy => asked.answer_later(step),
            Body::Sdp(sdp) => {
                self.dialog.refresh_target(asked.request);
                self.offer = Some(Offer::told_early(step, asked, sdp));
            }
        }
    }
}

/// The most forks of one INVITE whose early dialogs we keep: a subscriber has no more phones than this.
const MAX_EARLY: usize = 8;
