//! What comes from the network: to its transaction, into its dialog, or judged as something new.

use base::Now;

use super::Endpoint;
use super::gate::Asker;
use super::register::REGISTRAR_SUPPORTED;
use super::subscribe::explained;
use super::wire::{self, ACCEPT, ALLOW, SUPPORTED};
use crate::dialog::cause;
use crate::dialog::leg::{self, Party, Stage};
use crate::dialog::within::{Asked, capabilities};
use crate::header::uri::Scheme;
use crate::message::Message;
use crate::message::bad::BadMessage;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::seam::Flow;
use crate::transaction::server::Acknowledged;
use crate::transaction::{Key, server};

impl Endpoint {
    pub(super) fn request(&mut self, now: Now, flow: Flow, request: &Message) {
        let Some(key) = self.wire.keys.server(request, request.method()) else { return };
        match request.method() {
            Method::Ack => return self.ack(now, &key, flow, request),
            _ if self.wire.has_server(&key) => return self.wire.repeat(&key),
            Method::Cancel => return self.cancel(now, &key, flow, request),
            _ => {}
        }
        if request.to_tag().is_some() {
            self.within(now, &key, flow, request);
        } else {
            self.outside(now, &key, flow, request);
        }
    }

    /// A request outside any dialog.
    fn outside(&mut self, now: Now, key: &Key, flow: Flow, request: &Message) {
        let Some(asker) = self.ask_who(now, flow, request) else { return };
        if let Some(status) = unacceptable(request, &flow) {
            return self.refuse_stateless(flow, request, status, "unacceptable");
        }
        match (request.method(), asker) {
            (Method::Invite, asker) => {
                let Some(party) = asker.party() else { return };
                self.invite(now, key, flow, request, party);
            }
            (Method::Register, Asker::User(user)) => self.register(now, key, flow, request, &user),
            (Method::Options, _) if self.is_draining => self.overloaded(flow, request, "draining"),
            // A question changes nothing, so that it needs no transaction (section 8.2.7).
            (Method::Options, _) => {
                let tag = self.wire.stateless_tag(request);
                let answer = capabilities(wire::reply(request, flow, 200, &tag)).finish();
                let bare = || Some(request.reply(200, flow.remote, Some(&tag)).finish());
                self.answer_modestly(flow, request.as_bytes().len(), answer, bare);
            }
            (Method::Bye | Method::Info | Method::Update | Method::Prack, _) => {
                self.refuse_stateless(flow, request, 481, "no dialog");
            }
            (Method::Subscribe, Asker::User(user)) => self.subscribe(now, key, flow, request, user),
            (Method::Subscribe, _) => self.refuse_stateless(flow, request, 403, "method"),
            (Method::Refer | Method::Publish | Method::Message | Method::Notify, _) => {
                self.refuse_stateless(flow, request, 405, "method");
            }
            (Method::Other(_), _) => self.refuse_stateless(flow, request, 501, "method"),
            // The gate lets a REGISTER in with its user only; the others were answered before.
            (Method::Register | Method::Ack | Method::Cancel, _) => {}
        }
    }

    /// A request with a To tag: both tags must be a dialog's, and the source its peer's.
    fn within(&mut self, now: Now, key: &Key, flow: Flow, request: &Message) {
        let Some(leg) = self.find_dialog(request) else {
            let Some(id) = self.find_subscription(request) else {
                return self.dialog_is_gone(now, flow, request);
            };
            if let Some(status) = unacceptable(request, &flow) {
                return self.refuse_stateless(flow, request, status, "unacceptable");
            }
            return self.within_subscription(now, key, flow, id, request);
        };
        if !self.may_speak(now, leg, flow, request) {
            return;
        }
        if let Some(status) = unacceptable(request, &flow) {
            return self.refuse_stateless(flow, request, status, "unacceptable");
        }
        let refer = (*request.method() == Method::Refer).then(|| self.judge_refer(leg, request));
        if let Some(Err(status)) = refer {
            self.refused(flow.remote, "REFER", status, "refer");
        }
        self.wire.open(key, flow, *request.method() == Method::Invite, None);
        let asked = Asked { key, request, refer: refer.as_ref() };
        self.step_leg(now, leg, Some(flow), |step, stage| match stage {
            Stage::Arriving(arriving) => arriving.within(step, asked),
            Stage::Up(up) => up.within(step, asked),
            Stage::Leaving(leaving) => Some(leaving.within(step, asked)),
            Stage::Lingering(lingering) => lingering.within(step, asked),
            Stage::Placing(placing) => Some(placing.within(step, asked)),
        });
    }

    /// 481 (section 12.2.2). An INVITE is told so only when its sender is known: with a To tag made up, a
    /// scanner must not hear more than without.
    fn dialog_is_gone(&mut self, now: Now, flow: Flow, request: &Message) {
        if *request.method() == Method::Invite && self.ask_who(now, flow, request).is_none() {
            return;
        }
        if self.is_shunned(now, &flow) {
            return self.refused(flow.remote, request.method().as_str(), 0, "banned");
        }
        self.refuse_stateless(flow, request, 481, "no dialog");
    }

    /// The leg whose dialog has both tags of this request.
    fn find_dialog(&self, request: &Message) -> Option<base::LegId> {
        let to_tag = request.to_tag()?;
        let from_tag = request.from_tag().unwrap_or_default();
        let id = self.legs.find(&leg::index(&request.call_id(), &to_tag))?;
        let remote = match &self.legs.leg(id)?.stage {
            Stage::Arriving(arriving) => Some(arriving.dialog.remote_tag.as_str()),
            Stage::Up(up) => Some(up.dialog.remote_tag.as_str()),
            Stage::Leaving(leaving) => Some(leaving.dialog.remote_tag.as_str()),
            Stage::Lingering(lingering) => Some(lingering.dialog.remote_tag.as_str()),
            Stage::Placing(placing) => return placing.early(&from_tag).map(|_| id),
        };
        remote.is_none_or(|remote| remote == from_tag).then_some(id)
    }

    /// The way that the peer of a leg was last heard on.
    fn spoken_flow(&self, id: base::LegId, request: &Message) -> Option<Flow> {
        match &self.legs.leg(id)?.stage {
            Stage::Arriving(arriving) => Some(arriving.dialog.flow),
            Stage::Up(up) => Some(up.dialog.flow),
            Stage::Leaving(leaving) => Some(leaving.dialog.flow),
            Stage::Lingering(lingering) => Some(lingering.dialog.flow),
            Stage::Placing(placing) => {
                placing.early(&request.from_tag().unwrap_or_default()).map(|early| early.dialog.flow)
            }
        }
    }

    /// Tags can be overheard: a request from a new address must be the trunk's own, or prove the user's
    /// password (reliability A7). `false`: it was answered.
    fn may_speak(&mut self, now: Now, id: base::LegId, flow: Flow, request: &Message) -> bool {
        let known = self.spoken_flow(id, request);
        let Some(leg) = self.legs.leg(id) else { return false };
        if known.is_none_or(|known| known.remote.ip() == flow.remote.ip()) {
            return true;
        }
        match &leg.party {
            Party::Trunk(name) => {
                let covered = self.wire.trunk(name).is_some_and(|trunk| self.wire.is_within(trunk, &flow));
                if !covered {
                    self.refuse_stateless(flow, request, 403, "source");
                }
                covered
            }
            Party::User(name) => {
                let name = name.clone();
                let Some(proved) = self.prove(now, flow, request) else { return false };
                if proved != name {
                    self.refuse_stateless(flow, request, 403, "forbidden");
                }
                proved == name
            }
        }
    }

    /// Whether what came by `flow` can be of the peer of this leg, who was last heard on `spoken`. The proof of a
    /// certificate goes with its connection: then only the leg still knows whose that was.
    fn is_peer(&self, leg: Option<base::LegId>, spoken: &Flow, flow: &Flow) -> bool {
        let party = leg.and_then(|id| self.legs.leg(id)).map(|leg| &leg.party);
        let trunk = match party {
            Some(Party::Trunk(name)) => self.wire.trunk(name),
            Some(Party::User(_)) | None => None,
        };
        trunk.is_some_and(|trunk| self.wire.is_within(trunk, flow)) || self.wire.is_from(spoken, flow)
    }

    fn ack(&mut self, now: Now, key: &Key, flow: Flow, request: &Message) {
        if self.wire.acknowledged(now.mono, key) == Some(Acknowledged::Absorbed) {
            return;
        }
        // An ACK that is nobody's answers a stateless refusal: absorbed.
        let Some(leg) = self.find_dialog(request) else { return };
        // It may carry the answer to our offer, and cannot be challenged (section 22.1).
        let spoken = self.spoken_flow(leg, request);
        if spoken.is_some_and(|spoken| !self.is_peer(Some(leg), &spoken, &flow)) {
            return self.refused(flow.remote, "ACK", 0, "source");
        }
        self.step_leg(now, leg, Some(flow), |step, stage| match stage {
            Stage::Up(up) => up.acknowledged(step, request),
            other => Some(other),
        });
    }

    /// CANCEL ends what has no final response yet; after one it has no effect (section 9.2).
    fn cancel(&mut self, now: Now, key: &Key, flow: Flow, request: &Message) {
        let Some(invite) = self.wire.keys.server(request, &Method::Invite) else { return };
        let Some(state) = self.wire.server_state(&invite) else {
            return self.dialog_is_gone(now, flow, request);
        };
        let leg = self.legs.find_by_invite(&invite).or_else(|| self.find_dialog(request));
        if self.wire.server_flow(&invite).is_some_and(|asked| !self.is_peer(leg, &asked, &flow)) {
            // It cannot be challenged (section 22.1): to whoever is not the caller there is nothing to cancel.
            return self.refuse_stateless(flow, request, 481, "source");
        }
        self.wire.open(key, flow, false, None);
        let tag = match leg.and_then(|id| self.legs.leg(id)).map(|leg| &leg.stage) {
            Some(Stage::Arriving(arriving)) => arriving.dialog.local_tag.clone(),
            // The tag of the 200 that it crosses: some callers take the tag of the last response for the dialog's.
            Some(Stage::Up(up)) => up.dialog.local_tag.clone(),
            _ => self.wire.stateless_tag(request),
        };
        let answer = wire::reply(request, flow, 200, &tag).finish();
        self.wire.respond(now.mono, key, &answer);
        let (Some(leg), server::State::Proceeding) = (leg, state) else { return };
        self.step_leg(now, leg, Some(flow), |step, stage| match stage {
            Stage::Arriving(arriving) => {
                arriving.cancelled(step, request, cause::of_cancel(request));
                None
            }
            Stage::Up(up) => Some(up.cancel_offer(step, &invite)),
            other => Some(other),
        });
    }

    pub(super) fn malformed(&mut self, now: Now, flow: Flow, bad: &BadMessage) {
        if self.is_shunned(now, &flow) {
            return self.refused(flow.remote, bad.remains.method.as_deref().unwrap_or(""), 0, "banned");
        }
        let call_id = bad.remains.call_id.clone().unwrap_or_default();
        let tag = hex::encode(self.wire.seal(&[b"bad", call_id.as_bytes()]).get(..8).unwrap_or_default());
        let status = match bad.reply(flow.remote, &tag) {
            Some(reply) => self.answer_modestly(flow, bad.remains.length, reply, || None),
            None => 0,
        };
        let method = bad.remains.method.clone().unwrap_or_default();
        self.refused(flow.remote, &method, status, "malformed");
    }

    /// Refuses without memory, and says so in the log.
    pub(super) fn refuse_stateless(&mut self, flow: Flow, request: &Message, status: u16, why: &'static str) {
        let tag = self.wire.stateless_tag(request);
        let mut draft = wire::reply(request, flow, status, &tag);
        draft = match status {
            405 | 501 => draft.header(Header::Allow, ALLOW),
            415 => draft.header(Header::Accept, ACCEPT).header(Header::AcceptEncoding, "identity"),
            420 => draft.header(Header::Unsupported, unknown_extensions(request).join(", ")),
            422 => draft.header(Header::MinSe, crate::header::session::LEAST_INTERVAL),
            503 => draft.header(Header::RetryAfter, self.wire.retry_after()),
            _ => explained(draft, status),
        };
        let bare = || Some(request.reply(status, flow.remote, Some(&tag)).finish());
        let sent = self.answer_modestly(flow, request.as_bytes().len(), draft.finish(), bare);
        self.refused(flow.remote, request.method().as_str(), sent, why);
    }

    /// 503 with Retry-After.
    pub(super) fn overloaded(&mut self, flow: Flow, request: &Message, why: &'static str) {
        self.refuse_stateless(flow, request, 503, why);
    }
}

/// What no request may have, in the order of RFC 3261 section 8.2.
fn unacceptable(request: &Message, flow: &Flow) -> Option<u16> {
    let Ok(uri) = request.uri() else { return Some(400) };
    match uri.scheme() {
        Scheme::Sip | Scheme::Tel => {}
        // Secure as far as us, which is where it goes (RFC 5630 section 3.1.3); in the clear it is a lie.
        Scheme::Sips if flow.transport.is_secure() => {}
        _ => return Some(416),
    }
    let unknown = unknown_extensions(request);
    if !unknown.is_empty() {
        return Some(420);
    }
    let encoded = request
        .header(Header::ContentEncoding)
        .is_some_and(|value| !value.text().trim().eq_ignore_ascii_case("identity"));
    if encoded && !request.body().is_empty() {
        return Some(415);
    }
    // We forward calls, so a loop through us must end; a question about ourselves goes nowhere further.
    let is_new = request.to_tag().is_none() && *request.method() != Method::Options;
    (is_new && request.number(Header::MaxForwards) == Ok(0)).then_some(483)
}

/// What Require and Proxy-Require ask for beyond what we know (section 8.2.2.3). A back-to-back user agent
/// stands where a proxy would, so that Proxy-Require means it too.
fn unknown_extensions(request: &Message) -> Vec<String> {
    let mut unknown = request.tokens(Header::Require);
    unknown.extend(request.tokens(Header::ProxyRequire));
    let here = if *request.method() == Method::Register { REGISTRAR_SUPPORTED } else { SUPPORTED };
    unknown.retain(|token| !here.split(", ").any(|known| token.eq_ignore_ascii_case(known)));
    unknown
}
