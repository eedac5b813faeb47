//! Requests of the peer inside an answered leg (RFC 3261 sections 12.2.2, 14.2 and 15.1.2, RFC 3311, RFC 4028).

use super::info::Info;
use super::leg::Stage;
use super::lingering::Lingering;
use super::offer::Offer;
use super::reliable;
use super::sdp::Body;
use super::session::Ask;
use super::up::Up;
use super::{Dialog, cause};
use crate::endpoint::step::Step;
use crate::endpoint::wire::{self, ACCEPT, ALLOW, SUPPORTED};
use crate::header::session::LEAST_INTERVAL;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::{Event, Refer};
use crate::subscription::asking::ALLOW_EVENTS;
use crate::transaction::Key;

/// A request and the transaction that it opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) key: &'a Key,
    pub(crate) request: &'a Message,
    /// Of a REFER: what it asks for, or the status that refuses it.
    pub(crate) refer: Option<&'a Result<Refer, u16>>,
}

impl Asked<'_> {
    pub(crate) fn answer(self, step: &mut Step, status: u16) {
        self.answer_with(step, status, |draft| draft);
    }

    /// A refusal that says what we take instead.
    pub(crate) fn answer_allowing(self, step: &mut Step, status: u16) {
        self.answer_with(step, status, |draft| match status {
            405 | 501 => draft.header(Header::Allow, ALLOW),
            _ => draft,
        });
    }

    pub(crate) fn answer_with(self, step: &mut Step, status: u16, write: impl FnOnce(Draft) -> Draft) {
        let draft = wire::reply(self.request, step.flow, status, "");
        step.wire.respond(step.now, self.key, &write(draft).finish());
    }

    /// 500 with Retry-After of 0 to 10 s: come again, it is not your fault (section 14.2, RFC 3311 section 5.2).
    pub(crate) fn answer_later(self, step: &mut Step) {
        let seconds = step.wire.entropy.below(11);
        self.answer_with(step, 500, |draft| draft.header(Header::RetryAfter, seconds));
    }

    /// What every stage answers alike; `false` when the method is the stage's own affair.
    pub(crate) fn answer_common(self, step: &mut Step, dialog: &mut Dialog) -> bool {
        match self.request.method() {
            // A flood of keys is answered and dropped: a refusal would make some phones end the call.
            Method::Info if !dialog.admits_info(step.now) => self.answer(step, 200),
            Method::Info => self.answer_info(step),
            Method::Options => self.answer_with(step, 200, capabilities),
            Method::Register | Method::Notify | Method::Message | Method::Publish => {
                self.answer_allowing(step, 405);
            }
            Method::Other(_) => self.answer_allowing(step, 501),
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Update
            | Method::Prack
            | Method::Refer
            | Method::Subscribe => return false,
        }
        true
    }

    fn answer_info(self, step: &mut Step) {
        match Info::of(self.request) {
            Info::Digit(digit) => {
                step.wire.tell(Event::Digit { leg: step.id, digit });
                self.answer(step, 200);
            }
            Info::Nothing => self.answer(step, 200),
            Info::Malformed => self.answer(step, 400),
            Info::Unknown => self.answer_with(step, 415, |draft| draft.header(Header::Accept, ACCEPT)),
        }
    }
}

/// What we can, for OPTIONS (section 11.2).
pub(crate) fn capabilities(draft: Draft) -> Draft {
    draft
        .header(Header::Allow, ALLOW)
        .header(Header::Accept, ACCEPT)
        .header(Header::AcceptEncoding, "identity")
        .header(Header::Supported, SUPPORTED)
        .header(Header::AllowEvents, ALLOW_EVENTS)
}

impl Up {
    /// A request in the dialog.
    pub(crate) fn within(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Option<Stage> {
        let is_prack = *asked.request.method() == Method::Prack;
        if !self.dialog.takes_number(asked.request.cseq().number) && !is_prack {
            asked.answer(step, 500);
            return Some(Stage::Up(self));
        }
        // The phone may have moved: from now on it is called where it was heard last.
        self.dialog.flow = step.flow;
        if asked.answer_common(step, &mut self.dialog) {
            return Some(Stage::Up(self));
        }
        match asked.request.method() {
            Method::Bye => {
                asked.answer(step, 200);
                self.let_go(step);
                if self.hangup.is_none() {
                    step.ended_by(cause::of_bye(self.is_arrived), None, asked.request);
                }
                Lingering::begin(self.dialog, self.referral, step)
            }
            Method::Refer => Some(self.referred(step, asked)),
            Method::Subscribe => {
                self.referral.subscribe(step, &mut self.dialog, asked);
                Some(Stage::Up(self))
            }
            Method::Prack => {
                let is_awaited =
                    self.unpracked.take_if(|rack| reliable::told(asked.request).as_ref() == Some(rack));
                asked.answer(step, if is_awaited.is_some() { 200 } else { 481 });
                Some(Stage::Up(self))
            }
            Method::Update if asked.request.body().is_empty() => Some(self.session_refresh(step, asked)),
            _ => Some(self.offered(step, asked)),
        }
    }

    fn referred(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Stage {
        match asked.refer {
            Some(judged) if self.hangup.is_none() => self.referral.asked(step, asked, judged.clone()),
            _ => asked.answer(step, 481),
        }
        Stage::Up(self)
    }

    /// An UPDATE without offer changes the target and the session timer, nothing else.
    fn session_refresh(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Stage {
        let Some(ask) = ask(step, asked) else { return Stage::Up(self) };
        self.dialog.refresh_target(asked.request);
        self.dialog.follow_identity(asked.request);
        self.session = ask.map(|ask| ask.begin(step.now));
        let contact = self.dialog.contact(step.wire, &self.dialog.flow);
        asked.answer_with(step, 200, |draft| {
            let draft = draft
                .header(Header::Contact, contact)
                .header(Header::Allow, ALLOW)
                .header(Header::Supported, SUPPORTED);
            ask.map_or(draft.clone(), |ask| ask.answer(draft))
        });
        Stage::Up(self)
    }

    /// A re-INVITE, or an UPDATE with an offer.
    fn offered(mut self: Box<Self>, step: &mut Step, asked: Asked) -> Stage {
        let is_invite = *asked.request.method() == Method::Invite;
        if self.hangup.is_some() {
            asked.answer(step, 481);
        } else if self.offer.is_some() {
            asked.answer_later(step);
        } else if self.unacked.is_some()
            // Our UPDATE has no offer: an INVITE of the peer is no glare with it.
            || self.refresh.as_ref().is_some_and(|ours| ours.is_invite)
        {
            asked.answer(step, 491);
        } else {
            let Some(ask) = ask(step, asked) else { return Stage::Up(self) };
            let sdp = match Body::of(asked.request) {
                Body::Unknown => {
                    asked.answer_with(step, 415, |draft| draft.header(Header::Accept, "application/sdp"));
                    return Stage::Up(self);
                }
                Body::Empty => None,
                Body::Sdp(sdp) => Some(sdp),
            };
            self.dialog.refresh_target(asked.request);
            self.dialog.follow_identity(asked.request);
            if is_invite {
                asked.answer(step, 100);
            }
            self.offer = Some(Offer { ask, ..Offer::told(step, asked, sdp) });
        }
        Stage::Up(self)
    }

    /// CANCEL of a re-INVITE or UPDATE that waits for the control.
    pub(crate) fn cancel_offer(mut self: Box<Self>, step: &mut Step, key: &Key) -> Stage {
        if self.offer.as_ref().is_some_and(|offer| offer.key == *key) {
            self.refuse_offer(step, 487);
        }
        Stage::Up(self)
    }
}

/// What the request asks of the session timer; `None` when it was refused with 422.
#[expect(clippy::option_option, reason = "refused, asked for nothing, asked: three different things")]
fn ask(step: &mut Step, asked: Asked) -> Option<Option<Ask>> {
    let ask = Ask::read(asked.request).ok();
    if ask.is_none() {
        asked.answer_with(step, 422, |draft| draft.header(Header::MinSe, LEAST_INTERVAL));
    }
    ask
}
