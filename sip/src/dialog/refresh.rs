//! Refreshes of a session that are ours to send: UPDATE where the peer takes it, else a re-INVITE that changes
//! nothing (RFC 4028 section 7.4).

use std::time::Duration;

use base::{Cause, Mono};

use super::arriving::with_body;
use super::identity::{self, News};
use super::leg::Stage;
use super::placing;
use super::session::{self, Session};
use super::up::Up;
use crate::endpoint::login;
use crate::endpoint::step::Step;
use crate::endpoint::wire::{ALLOW, Owner, SUPPORTED};
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::transaction::Key;

/// A refresh that is out.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) key: Key,
    pub(crate) is_invite: bool,
    tries: u8,
    /// What it tells of who the other end is.
    news: Option<News>,
}

impl Up {
    /// Sends a refresh, and in it who the other end is now, unless something is under way that forbids it.
    pub(crate) fn send_refresh(mut self: Box<Self>, step: &mut Step) -> Option<Stage> {
        if self.is_blocked() {
            // A refresh that is not due yet stays where it is.
            let later = step.now + GLARE_PAUSE;
            if let Some(session) =
                self.session.as_mut().filter(|s| s.refresh_at.is_some_and(|at| at <= step.now))
            {
                session.refresh_at(later);
            }
            if let Some(news) = &mut self.news {
                news.at = later;
            }
            return Some(Stage::Up(self));
        }
        let news = self.news.take();
        if let Some(session) = &mut self.session {
            session.refresh_at = None;
        } else if news.is_none() {
            return Some(Stage::Up(self));
        }
        if let Some(as_whom) = news.as_ref().and_then(|news| identity::from(step, &news.identity)) {
            self.dialog.identify(as_whom);
        }
        let method = if self.dialog.takes_update { Method::Update } else { Method::Invite };
        let is_invite = method == Method::Invite;
        let Some((flow, mut draft)) = self.dialog.request(step.wire, &method) else {
            return self.fail(step, Cause::Internal);
        };
        draft = draft
            .header(Header::Contact, self.dialog.contact(step.wire, &flow))
            .header(Header::Allow, ALLOW)
            .header(Header::Supported, SUPPORTED);
        if let Some(session) = self.session {
            draft = session.ask(draft).header(Header::MinSe, session.least());
        }
        if let Some(news) = &news {
            draft = identity::write(draft, step, &news.identity);
        }
        let sdp = is_invite.then(|| self.sdp.clone());
        let request = with_body(draft, sdp).finish();
        let key = step.wire.request(step.now, flow, request, Owner::Refresh(step.id));
        self.refresh = key.map(|key| Refresh { key, is_invite, tries: 0, news });
        Some(Stage::Up(self))
    }

    /// A request of either side is under way (RFC 3261 section 14.1, RFC 3311 section 5.1), or the leg is over.
    pub(crate) fn is_blocked(&self) -> bool {
        self.offer.is_some() || self.unacked.is_some() || self.refresh.is_some() || self.hangup.is_some()
    }

    /// A response to a refresh.
    pub(crate) fn refreshed(
        mut self: Box<Self>,
        step: &mut Step,
        key: &Key,
        request: &Message,
        response: &Message,
    ) -> Option<Stage> {
        let status = response.status().unwrap_or(500);
        let Some(refresh) = self.refresh.take_if(|refresh| status >= 200 && refresh.key == *key) else {
            return Some(Stage::Up(self));
        };
        match status {
            200..300 => {
                self.dialog.refresh_target(response);
                if refresh.is_invite {
                    self.acknowledge_refresh(step, key, request, response);
                }
                self.session = Session::told(step.now, response);
                self.unblocked(step.now);
                Some(Stage::Up(self))
            }
            401 | 407 if refresh.tries < login::MAX_TRIES => {
                Some(self.refresh_again(step, &refresh, request, response))
            }
            // The dialog is gone at the other end (section 12.2.1.2).
            408 | 481 => self.fail(step, Cause::NoResponse),
            422 => {
                let told = session::min_se(response).unwrap_or(0);
                if self.session.as_mut().is_some_and(|session| session.raise(told)) {
                    self.put_back(step, refresh);
                    return self.send_refresh(step);
                }
                self.refresh_later(step, FAILURE_PAUSE);
                Some(Stage::Up(self))
            }
            405 | 501 if !refresh.is_invite => {
                self.dialog.takes_update = false;
                self.put_back(step, refresh);
                self.send_refresh(step)
            }
            // Glare.
            491 => {
                let pause = self.glare_pause(step);
                self.put_back(step, refresh);
                self.refresh_later(step, pause);
                Some(Stage::Up(self))
            }
            // Another failure is worth a try as well, as long as the session lasts; who the other end is, is
            // told once more only where the peer says when.
            _ => {
                let told =
                    response.number(Header::RetryAfter).ok().map(|after| after.clamp(1, LONGEST_PAUSE));
                let pause = told.map_or(FAILURE_PAUSE, |after| Duration::from_secs(after.into()));
                if told.is_some() {
                    self.put_back(step, refresh);
                }
                self.refresh_later(step, pause);
                Some(Stage::Up(self))
            }
        }
    }

    /// The owner of the Call-ID waits longer, so that the two do not meet again (section 14.1).
    fn glare_pause(&self, step: &mut Step) -> Duration {
        let tens =
            if self.is_arrived { step.wire.entropy.below(201) } else { 210 + step.wire.entropy.below(191) };
        Duration::from_millis(10 * tens)
    }

    /// What a refused request told is still to be told, unless there are newer news.
    fn put_back(&mut self, step: &Step, refresh: Refresh) {
        if let Some(news) = refresh.news.filter(|news| news.tries < MOST_TRIES)
            && self.news.is_none()
        {
            self.news = Some(News { at: step.now, tries: news.tries + 1, ..news });
        }
    }

    fn refresh_later(&mut self, step: &Step, pause: Duration) {
        if let Some(session) = &mut self.session {
            session.refresh_at(step.now + pause);
        }
        if let Some(news) = &mut self.news {
            news.at = step.now + pause;
        }
    }

    /// Nothing is under way any more: what waited for that goes out.
    pub(crate) fn unblocked(&mut self, now: Mono) {
        if self.is_blocked() {
            return;
        }
        if let Some(news) = &mut self.news {
            news.at = now;
        }
    }

    fn refresh_again(
        mut self: Box<Self>,
        step: &mut Step,
        refresh: &Refresh,
        request: &Message,
        response: &Message,
    ) -> Stage {
        let Some(again) = login::answer(step.wire, step.party, request, response) else {
            return Stage::Up(self);
        };
        self.dialog.skip_number();
        let key = step.wire.request(step.now, self.dialog.flow, again, Owner::Refresh(step.id));
        self.refresh = key.map(|key| Refresh {
            key,
            is_invite: refresh.is_invite,
            tries: refresh.tries + 1,
            news: refresh.news.clone(),
        });
        Stage::Up(self)
    }

    fn acknowledge_refresh(&self, step: &mut Step, key: &Key, request: &Message, response: &Message) {
        let Some((flow, draft)) = self.dialog.ack(step.wire, request.cseq().number) else { return };
        let ack: Draft = draft.copied(request, Header::Authorization);
        let ack = ack.copied(request, Header::ProxyAuthorization).finish();
        step.wire.acknowledge(key, &response.to_tag().unwrap_or_default(), flow, &ack);
    }

    /// Nobody answered a refresh.
    pub(crate) fn refresh_timed_out(mut self: Box<Self>, step: &mut Step, key: &Key) -> Option<Stage> {
        if self.refresh.take_if(|refresh| refresh.key == *key).is_none() {
            return Some(Stage::Up(self));
        }
        self.fail(step, Cause::NoResponse)
    }
}

/// A 2xx to a re-INVITE whose leg has gone meanwhile, or to an INVITE whose leg another fork took: ACK, and
/// BYE for a fork (RFC 3261 section 13.2.2.4).
pub(crate) fn dismiss(step: &mut Step, key: &Key, request: &Message, response: &Message) {
    let trunk = step.party.trunk().cloned();
    let Some(mut dialog) = placing::acknowledge(step.wire, key, request, response, step.flow, trunk) else {
        return;
    };
    if let Some((flow, bye)) = dialog.request(step.wire, &Method::Bye) {
        step.wire.request(step.now, flow, bye.finish(), Owner::Nobody);
    }
}

/// A refresh that met another request waits this long.
const GLARE_PAUSE: Duration = Duration::from_secs(4);
/// A refresh that was refused is tried again after this.
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
/// A peer that puts the news off this often does not want them.
const MOST_TRIES: u8 = 5;
/// No peer keeps us waiting longer than this for a refresh, in seconds.
const LONGEST_PAUSE: u32 = 60;
