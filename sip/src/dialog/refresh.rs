//! Refreshes of a session that are ours to send: UPDATE where the peer takes it, else a re-INVITE that changes
//! nothing (RFC 4028 section 7.4).

use std::time::Duration;

use base::Cause;

use super::arriving::with_body;
use super::leg::Stage;
use super::placing;
use super::session::Session;
use super::up::Up;
use crate::endpoint::login;
use crate::endpoint::step::Step;
use crate::endpoint::wire::{Owner, SUPPORTED};
use crate::header::session::{LEAST_INTERVAL, parse_min_se};
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
}

impl Up {
    /// Sends a refresh, unless something is under way that refreshes as well.
    pub(crate) fn send_refresh(mut self: Box<Self>, step: &mut Step) -> Option<Stage> {
        let Some(mut session) = self.session else { return Some(Stage::Up(self)) };
        session.refresh_at = None;
        self.session = Some(session);
        if self.offer.is_some() || self.unacked.is_some() || self.refresh.is_some() {
            session.refresh_at = Some(step.now + GLARE_PAUSE);
            self.session = Some(session);
            return Some(Stage::Up(self));
        }
        let method = if self.dialog.takes_update { Method::Update } else { Method::Invite };
        let is_invite = method == Method::Invite;
        let Some((flow, draft)) = self.dialog.request(step.wire, &method) else {
            return self.fail(step, Cause::Internal);
        };
        let draft = draft
            .header(Header::Contact, step.wire.contact(&flow))
            .header(Header::Supported, SUPPORTED)
            .header(Header::MinSe, LEAST_INTERVAL);
        let sdp = is_invite.then(|| self.sdp.clone());
        let request = with_body(session.ask(draft), sdp).finish();
        let key = step.wire.request(step.now, flow, request, Owner::Refresh(step.id));
        self.refresh = key.map(|key| Refresh { key, is_invite, tries: 0 });
        Some(Stage::Up(self))
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
                Some(Stage::Up(self))
            }
            401 | 407 if refresh.tries < login::MAX_TRIES => {
                Some(self.refresh_again(step, &refresh, request, response))
            }
            // The dialog is gone at the other end (section 12.2.1.2).
            408 | 481 => self.fail(step, Cause::NoResponse),
            422 => {
                let told = response.header(Header::MinSe).and_then(|value| parse_min_se(&value.text()).ok());
                let grows = self.session.as_mut().is_some_and(|session| session.raise(told.unwrap_or(0)));
                if grows {
                    return self.send_refresh(step);
                }
                self.refresh_later(step, FAILURE_PAUSE);
                Some(Stage::Up(self))
            }
            405 | 501 if !refresh.is_invite => {
                self.dialog.takes_update = false;
                self.send_refresh(step)
            }
            // Glare: the owner of the Call-ID waits longer (section 14.1); other failures are worth a try
            // as well, as long as the session lasts.
            _ => {
                let (from, span) = if self.is_arrived { (0, 2_000) } else { (2_100, 1_900) };
                let pause = Duration::from_millis(from + step.wire.entropy.below(span));
                let pause = if status == 491 { pause } else { pause + FAILURE_PAUSE };
                self.refresh_later(step, pause);
                Some(Stage::Up(self))
            }
        }
    }

    fn refresh_later(&mut self, step: &Step, pause: Duration) {
        if let Some(session) = &mut self.session {
            session.refresh_at = Some(step.now + pause);
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
        self.refresh = key.map(|key| Refresh { key, is_invite: refresh.is_invite, tries: refresh.tries + 1 });
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
