//! An answered leg: 2xx and ACK, offers of the peer, the session timer, the end (RFC 3261 sections 13 to 15).

use std::time::Duration;

use base::{Cause, Mono};

use super::identity::News;
use super::leaving::Leaving;
use super::leg::Stage;
use super::offer::Offer;
use super::refer::Referral;
use super::session::Session;
use super::unacked::Unacked;
use super::{Dialog, refresh, sdp};
use crate::endpoint::step::Step;
use crate::header::rack::RAck;
use crate::message::Message;
use crate::message::method::Method;
use crate::registrar::Moved;
use crate::seam::Event;

/// The stage between the 2xx and the first BYE.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    pub(crate) dialog: Dialog,
    pub(crate) is_arrived: bool,
    /// Our last 2xx to an INVITE, until its ACK.
    pub(crate) unacked: Option<Unacked>,
    /// The control hung up; BYE waits for the ACK (section 15) and for what a referral has to tell. The control
    /// hears nothing more of the leg.
    pub(crate) hangup: Option<Cause>,
    /// Until then BYE waits for a referral's NOTIFYs.
    pub(crate) last_word: Option<Mono>,
    /// An offer of the peer that the control has yet to answer.
    pub(crate) offer: Option<Offer>,
    /// A reliable 18x without description whose PRACK is still out (RFC 3262 section 3).
    pub(crate) unpracked: Option<RAck>,
    /// A refresh of ours that is out.
    pub(crate) refresh: Option<refresh::Refresh>,
    /// A REFER of the peer.
    pub(crate) referral: Referral,
    /// Who the other end is now, until the peer was told (RFC 4916).
    pub(crate) news: Option<News>,
    pub(crate) session: Option<Session>,
    /// What we said last, for a refresh by re-INVITE.
    pub(crate) sdp: String,
}

impl Up {
    /// We answered.
    pub(crate) fn arrived(dialog: Dialog, sdp: String, unacked: Unacked, session: Option<Session>) -> Self {
        Self {
            dialog,
            is_arrived: true,
            unacked: Some(unacked),
            hangup: None,
            last_word: None,
            offer: None,
            unpracked: None,
            refresh: None,
            referral: Referral::default(),
            news: None,
            session,
            sdp,
        }
    }

    /// The peer answered; its 2xx is ACKed.
    pub(crate) fn placed(dialog: Dialog, sdp: String, session: Option<Session>) -> Self {
        Self {
            dialog,
            is_arrived: false,
            unacked: None,
            hangup: None,
            last_word: None,
            offer: None,
            unpracked: None,
            refresh: None,
            referral: Referral::default(),
            news: None,
            session,
            sdp,
        }
    }

    /// The phone is now at the end of another way; a 2xx that waits for its ACK is repeated there.
    pub(crate) fn moved(&mut self, moved: Moved) {
        self.dialog.moved(moved);
        if let Some(unacked) = &mut self.unacked
            && unacked.flow.connection == moved.from.connection
        {
            unacked.flow = moved.to;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        let mut first = self.unacked.as_ref().map(Unacked::deadline);
        first = base::time::soonest(first, self.offer.as_ref().map(|offer| offer.ends));
        first = base::time::soonest(first, self.referral.deadline());
        first = base::time::soonest(first, self.news.as_ref().map(|news| news.at));
        first = base::time::soonest(first, self.last_word);
        if let Some(session) = &self.session {
            first = base::time::soonest(first, Some(session.ends));
            first = base::time::soonest(first, session.refresh_at);
        }
        first
    }

    /// An ACK with this number came.
    pub(crate) fn acknowledged(mut self: Box<Self>, step: &mut Step, ack: &Message) -> Option<Stage> {
        let Some(unacked) = self.unacked.take_if(|unacked| unacked.number == ack.cseq().number) else {
            return Some(Stage::Up(self));
        };
        if self.hangup.is_some() {
            return self.leave_when_done(step);
        }
        self.unblocked(step.now);
        let sdp = sdp::Body::of(ack).sdp();
        if unacked.is_first || sdp.is_some() {
            step.wire.tell(Event::Confirmed { leg: step.id, sdp });
        }
        Some(Stage::Up(self))
    }

    /// The control hangs up.
    pub(crate) fn hang_up(mut self: Box<Self>, step: &mut Step, why: Cause) -> Option<Stage> {
        self.refuse_offer(step, 487);
        self.referral.refuse(step, &self.dialog, 487);
        if self.hangup.is_none() {
            self.hangup = Some(why);
            self.last_word = Some(step.now + LAST_WORD);
        }
        self.leave_when_done(step)
    }

    /// Where the control has hung up: BYE, once nothing must come before it. A leg that we answered must first
    /// have its ACK (section 15). Whoever sent a REFER is first told what came of it: most phones are deaf for
    /// it after the BYE, and the one that overtakes the other would be refused for its number (section 12.2.2).
    pub(crate) fn leave_when_done(self: Box<Self>, step: &mut Step) -> Option<Stage> {
        let Some(why) = self.hangup else { return Some(Stage::Up(self)) };
        let is_telling = self.last_word.is_some() && self.referral.is_telling();
        if self.unacked.is_some() || is_telling {
            return Some(Stage::Up(self));
        }
        self.leave(step, why)
    }

    /// Sends BYE.
    pub(crate) fn leave(mut self: Box<Self>, step: &mut Step, why: Cause) -> Option<Stage> {
        self.let_go(step);
        Leaving::begin(self.dialog, self.referral, step, why)
    }

    /// Ends what hangs on the dialog (section 15.1.2: pending requests get 487).
    pub(crate) fn let_go(&mut self, step: &mut Step) {
        self.refuse_offer(step, 487);
        self.referral.refuse(step, &self.dialog, 487);
        if let Some(refresh) = self.refresh.take() {
            step.wire.leave(step.now, &refresh.key);
        }
    }

    /// Something of ours went wrong with the dialog: BYE, and the control is told, unless it hung up before.
    pub(crate) fn fail(self: Box<Self>, step: &mut Step, why: Cause) -> Option<Stage> {
        if self.hangup.is_none() {
            step.ended(why, None);
        }
        self.leave(step, why)
    }

    /// The control answers the peer's offer.
    pub(crate) fn accept_offer(&mut self, step: &mut Step, answer: String) {
        let Some(offer) = self.offer.take() else { return };
        let flow = self.dialog.flow;
        let response = offer.accept(step, flow, answer.clone());
        self.sdp = answer;
        if !offer.is_early {
            self.session = offer.ask.map(|ask| ask.begin(step.now));
        }
        if *offer.request.method() == Method::Invite {
            let number = offer.request.cseq().number;
            self.unacked = Some(Unacked::new(step.now, number, false, flow, response.as_bytes().clone()));
        }
        self.unblocked(step.now);
    }

    /// Refuses the peer's offer.
    pub(crate) fn refuse_offer(&mut self, step: &mut Step, status: u16) {
        if let Some(offer) = self.offer.take() {
            offer.refuse(step, self.dialog.flow, status);
            self.unblocked(step.now);
        }
    }

    pub(crate) fn expire(mut self: Box<Self>, step: &mut Step) -> Option<Stage> {
        let now = step.now;
        if let Some(unacked) = &mut self.unacked {
            if unacked.ends <= now {
                self.unacked = None;
                return match self.hangup {
                    Some(why) => self.leave(step, why),
                    None => self.fail(step, Cause::NoResponse),
                };
            }
            if let Some((flow, bytes)) = unacked.repeat(now) {
                step.wire.send(flow, bytes);
            }
        }
        if self.offer.as_ref().is_some_and(|offer| offer.ends <= now) {
            self.refuse_offer(step, 500);
        }
        self.referral.expire(step, &mut self.dialog);
        self.last_word.take_if(|until| *until <= now);
        if self.hangup.is_some() {
            return self.leave_when_done(step);
        }
        if self.session.is_some_and(|session| session.ends <= now) {
            return self.fail(step, Cause::SessionExpired);
        }
        let refreshes = self.session.and_then(|session| session.refresh_at).is_some_and(|at| at <= now);
        if refreshes || self.news.as_ref().is_some_and(|news| news.at <= now) {
            return self.send_refresh(step);
        }
        Some(Stage::Up(self))
    }
}

/// So long BYE waits for the answer to a NOTIFY: three attempts at it (timer E: 0, 0.5 and 1.5 s). Whoever is
/// put through hears nothing of the wait, and the phone that put them through is done with talking.
const LAST_WORD: Duration = Duration::from_secs(2);
