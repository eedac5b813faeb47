//! An INVITE of ours without final response (RFC 3261 sections 9.1 and 13.2, RFC 6026).

use std::time::Duration;

use base::{Cause, Mono, Name};

use super::early::Early;
use super::leg::{Party, Stage};
use super::session::{self, Session};
use super::up::Up;
use super::{Dialog, cause, sdp};
use crate::endpoint::login;
use crate::endpoint::step::Step;
use crate::endpoint::wire::{ALLOW, Owner, PRODUCT, SUPPORTED, Wire};
use crate::header::HeaderFault;
use crate::header::address::Address;
use crate::header::session::LEAST_INTERVAL;
use crate::header::uri::{Scheme, Uri};
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::message::reply::MAX_FORWARDS;
use crate::seam::{Event, Flow, Outgoing};
use crate::transaction::{Key, PATIENCE, client};
use crate::trunk::address;

/// The stage before the final response to our INVITE.
#[derive(Clone, Debug)]
pub(crate) struct Placing {
    invite: Key,
    sdp: String,
    cancel: Cancel,
    tries: u8,
    /// What was asked anew once: a longer session (RFC 4028 section 7.4), an extension required.
    renewed: Renewed,
    /// The forks that were heard.
    pub(super) earlies: Vec<Early>,
    ends: Mono,
    way: Way,
}

/// How the INVITE goes to a trunk, and where it goes when nobody answers there (RFC 3263 section 4.3).
#[derive(Clone, Debug)]
struct Way {
    request: Message,
    flow: Flow,
    others: Vec<Flow>,
    /// When silence has lasted too long here, and when on all ways together; a phone has the time of timer B.
    silence: Option<(Mono, Mono)>,
    /// It was answered, if only provisionally: a phone may ring, and a second must not.
    heard: bool,
}

/// Refusals that are answered by another INVITE, each once.
#[derive(Clone, Copy, Debug, Default)]
struct Renewed {
    session: bool,
    extensions: bool,
}

/// Whether the INVITE is still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    /// It is.
    No,
    /// It is not, but CANCEL must wait for a first provisional response (section 9.1).
    Wanted(Cause),
    /// CANCEL is out.
    Sent(Cause),
}

/// Where an INVITE goes and under which URIs.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The way.
    pub(crate) flow: Flow,
    /// The other ways, in the order in which they are tried.
    pub(crate) others: Vec<Flow>,
    /// Request-URI.
    pub(crate) uri: Uri,
    /// To.
    pub(crate) to: Uri,
    /// The host of our From: the carrier's domain toward a trunk, else ours.
    pub(crate) from_host: String,
    /// Who that is.
    pub(crate) party: Party,
    /// The proxies on the way (RFC 3327): the first of them is at the end of the flow.
    pub(crate) routes: Vec<Address>,
}

impl Placing {
    /// Sends the INVITE.
    pub(crate) fn begin(step: &mut Step, request: Message, sdp: String, others: Vec<Flow>) -> Option<Stage> {
        let invite = step.wire.request(step.now, step.flow, request.clone(), Owner::Invite(step.id))?;
        let ends = step.now + LONGEST_RING;
        let is_trunk = step.party.trunk().is_some();
        let silence = is_trunk.then(|| patience(step.now, step.now + SILENCE, &others));
        let way = Way { request, flow: step.flow, others, silence, heard: false };
        Some(Stage::Placing(Box::new(Self {
            invite,
            sdp,
            cancel: Cancel::No,
            tries: 0,
            renewed: Renewed::default(),
            earlies: Vec::new(),
            ends,
            way,
        })))
    }

    pub(crate) fn deadline(&self) -> Mono {
        let silence = self.way.silence.map(|(silence, _)| silence);
        let first = base::time::soonest(self.offer_ends(), silence);
        first.map_or(self.ends, |first| first.min(self.ends))
    }

    /// A response to the INVITE.
    pub(crate) fn response(
        mut self: Box<Self>,
        step: &mut Step,
        key: &Key,
        request: &Message,
        response: &Message,
    ) -> Option<Stage> {
        if self.invite != *key {
            return Some(Stage::Placing(self));
        }
        self.somebody_is_there(step);
        match response.status().unwrap_or(500) {
            101..200 if !self.heard(step, request, response) => Some(Stage::Placing(self)),
            ..200 => Some(self.provisional(step, response)),
            200..300 => (*self).answered(step, request, response),
            status => self.failed(step, status, request, response),
        }
    }

    fn provisional(self: Box<Self>, step: &mut Step, response: &Message) -> Stage {
        let status = response.status().unwrap_or(100);
        match self.cancel {
            Cancel::Wanted(why) => self.send_cancel(step, why),
            // A 18x that was under way when we gave up is nobody's business any more.
            Cancel::Sent(_) => Stage::Placing(self),
            Cancel::No => {
                if status > 100 {
                    // A description may come early and its sound not (RFC 5009 section 8): the 2xx tells it again.
                    let is_heard = !response.lists_token(Header::PEarlyMedia, "inactive");
                    let sdp = sdp::Body::of(response).sdp().filter(|_| is_heard);
                    step.wire.tell(Event::Progressed { leg: step.id, status, sdp });
                }
                Stage::Placing(self)
            }
        }
    }

    /// Whether its INVITE is not wanted any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.cancel != Cancel::No
    }

    /// The first 2xx makes the leg, even one that crosses our CANCEL: the control decides.
    fn answered(mut self, step: &mut Step, request: &Message, response: &Message) -> Option<Stage> {
        let made =
            acknowledge(step.wire, &self.invite, request, response, step.flow, step.party.trunk().cloned());
        let mut early = self.settle(step, &response.to_tag().unwrap_or_default());
        let Some(mut dialog) = made else {
            let why = if step.party.trunk().is_some() { Cause::TrunkFailed } else { Cause::Unreachable };
            step.ended(why, response.status());
            return None;
        };
        let session = Session::told(step.now, response);
        let mut sdp = sdp::Body::of(response).sdp();
        let mut said = self.sdp;
        let mut offer = None;
        if let Some(early) = &mut early {
            dialog.continues(&early.dialog);
            sdp = early.answer(sdp);
            said = early.said(said);
            offer = early.offer.take();
        }
        step.wire.tell(Event::Answered { leg: step.id, sdp, peer: step.flow.remote.ip() });
        let mut up = Up::placed(dialog, said, session);
        up.offer = offer;
        Some(Stage::Up(Box::new(up)))
    }

    fn failed(
        mut self: Box<Self>,
        step: &mut Step,
        status: u16,
        request: &Message,
        response: &Message,
    ) -> Option<Stage> {
        if self.cancel == Cancel::No
            && let Some(again) = self.renew(step, status, request, response)
        {
            self.let_go(step);
            self.way.request = again.clone();
            // The way of the next one is heard anew.
            self.way.silence =
                step.party.trunk().map(|_| patience(step.now, step.now + SILENCE, &self.way.others));
            self.invite = step.wire.request(step.now, step.flow, again, Owner::Invite(step.id))?;
            return Some(Stage::Placing(self));
        }
        self.let_go(step);
        // 503 sends us to the next address of the same trunk (RFC 3263 section 4.3).
        if status == 503 && self.cancel == Cancel::No && !self.way.others.is_empty() {
            let all = step.now + SILENCE;
            return self.go_elsewhere(step, all);
        }
        let why = match self.cancel {
            Cancel::Wanted(why) | Cancel::Sent(why) => why,
            Cancel::No => cause::of_failure(response, step.party.trunk().is_some()),
        };
        step.ended_by(why, Some(status), response);
        None
    }

    /// The INVITE as the peer wants it, where its refusal says how.
    fn renew(
        &mut self,
        step: &mut Step,
        status: u16,
        request: &Message,
        response: &Message,
    ) -> Option<Message> {
        match status {
            401 | 407 if self.tries < login::MAX_TRIES => {
                self.tries += 1;
                login::answer(step.wire, step.party, request, response)
            }
            422 if !std::mem::replace(&mut self.renewed.session, true) => {
                let least = session::min_se(response)?;
                Some(session::propose(login::again(step.wire, request)?, least).finish())
            }
            421 if !std::mem::replace(&mut self.renewed.extensions, true) => {
                let wanted = response.tokens(Header::Require);
                let known =
                    |token: &String| SUPPORTED.split(", ").any(|known| known.eq_ignore_ascii_case(token));
                let all_known = !wanted.is_empty() && wanted.iter().all(known);
                let again = login::again(step.wire, request).filter(|_| all_known)?;
                Some(again.replace(Header::Require, wanted.join(", ")).finish())
            }
            _ => None,
        }
    }

    /// Somebody is there: the clock of silence stops.
    fn somebody_is_there(&mut self, step: &mut Step) {
        self.way.heard = true;
        self.way.silence = None;
        if let Some(trunk) = step.party.trunk() {
            step.wire.hear(trunk, self.way.flow, true);
        }
    }

    /// Nobody was heard for too long. What is answered late is dismissed: the call goes another way.
    fn fell_silent(self: Box<Self>, step: &mut Step, all: Mono) -> Option<Stage> {
        step.wire.disown(&self.invite);
        self.unheard(step, all)
    }

    fn unheard(mut self: Box<Self>, step: &mut Step, all: Mono) -> Option<Stage> {
        if let Some(trunk) = step.party.trunk() {
            step.wire.hear(trunk, self.way.flow, false);
        }
        if self.cancel == Cancel::No && !self.way.heard && !self.way.others.is_empty() && all > step.now {
            return self.go_elsewhere(step, all);
        }
        self.let_go(step);
        let why = match self.cancel {
            Cancel::Wanted(why) | Cancel::Sent(why) => why,
            Cancel::No => Cause::NoResponse,
        };
        step.ended(why, None);
        None
    }

    /// The same INVITE on the next way: a new branch, and our address as that way knows it.
    fn go_elsewhere(mut self: Box<Self>, step: &mut Step, all: Mono) -> Option<Stage> {
        let flow = self.way.others.remove(0);
        let via = step.wire.via(&flow);
        let request = Draft::of(&self.way.request)
            .without(Header::Via)
            .header_first(Header::Via, via)
            .replace(Header::Contact, step.wire.contact(&flow))
            .finish();
        let Some(invite) = step.wire.request(step.now, flow, request.clone(), Owner::Invite(step.id)) else {
            step.ended(Cause::Internal, None);
            return None;
        };
        let silence = Some(patience(step.now, all, &self.way.others));
        let others = std::mem::take(&mut self.way.others);
        self.way = Way { request, flow, others, silence, heard: false };
        self.invite = invite;
        Some(Stage::Placing(self))
    }

    /// Nobody answered the INVITE at all (timer B), or its way is broken.
    pub(crate) fn timed_out(self: Box<Self>, step: &mut Step, key: &Key) -> Option<Stage> {
        if self.invite != *key {
            return Some(Stage::Placing(self));
        }
        // It was told at once that nobody is there: the other ways have all their time.
        let all = step.now + SILENCE;
        self.unheard(step, all)
    }

    /// The control no longer wants it.
    pub(crate) fn give_up(mut self: Box<Self>, step: &mut Step, why: Cause) -> Stage {
        if self.cancel != Cancel::No {
            return Stage::Placing(self);
        }
        let state = step.wire.client(&self.invite).map(client::Client::state);
        if state == Some(client::State::Proceeding) {
            return self.send_cancel(step, why);
        }
        self.cancel = Cancel::Wanted(why);
        Stage::Placing(self)
    }

    fn send_cancel(mut self: Box<Self>, step: &mut Step, why: Cause) -> Stage {
        if let Some(invite) = step.wire.client(&self.invite) {
            let (flow, cancel) = (invite.flow, invite.request.cancel());
            // Our own INVITE can always be cancelled; were it not, the end below still comes.
            if let Ok(cancel) = cancel {
                let cancel = cause::write_reason(cancel, why).finish();
                step.wire.request(step.now, flow, cancel, Owner::Nobody);
            }
        }
        self.cancel = Cancel::Sent(why);
        self.ends = step.now + PATIENCE;
        Stage::Placing(self)
    }

    /// It rang too long: as if the control had given up. Or the CANCEL had no effect: gone.
    pub(crate) fn expire(mut self: Box<Self>, step: &mut Step) -> Option<Stage> {
        if self.offer_ends().is_some_and(|ends| ends <= step.now) {
            self.refuse_offer(step, 500);
        }
        if self.ends <= step.now && self.cancel != Cancel::No {
            self.let_go(step);
        }
        match self.cancel {
            _ if self.ends > step.now => match self.way.silence {
                Some((silence, all)) if silence <= step.now => self.fell_silent(step, all),
                _ => Some(Stage::Placing(self)),
            },
            Cancel::No if step.wire.client(&self.invite).is_some() => {
                Some(self.send_cancel(step, Cause::NoAnswer))
            }
            Cancel::No => {
                step.ended(Cause::NoAnswer, None);
                None
            }
            Cancel::Wanted(why) | Cancel::Sent(why) => {
                step.wire.abandon(&self.invite);
                step.ended(why, None);
                None
            }
        }
    }
}

/// Until when silence is borne on this way, and on all: where others are left each of them must have its time.
fn patience(now: Mono, all: Mono, others: &[Flow]) -> (Mono, Mono) {
    if others.is_empty() { (all, all) } else { ((now + SILENCE_HERE).min(all), all) }
}

/// ACKs a 2xx and makes its dialog.
pub(crate) fn acknowledge(
    wire: &mut Wire,
    key: &Key,
    request: &Message,
    response: &Message,
    flow: Flow,
    trunk: Option<Name>,
) -> Option<Dialog> {
    let dialog = Dialog::as_client(request, response, flow, trunk).ok()?;
    let (way, draft) = dialog.ack(wire, request.cseq().number)?;
    let mut ack = draft;
    // The ACK carries the same proof as its INVITE (RFC 3261 section 22.1).
    ack = ack.copied(request, Header::Authorization).copied(request, Header::ProxyAuthorization);
    wire.acknowledge(key, &dialog.remote_tag, way, &ack.finish());
    Some(dialog)
}

/// Writes the INVITE (RFC 3261 section 13.2.1, RFC 3325, RFC 3323).
pub(crate) fn write_invite(
    wire: &mut Wire,
    target: &Target,
    outgoing: &Outgoing,
    tag: &str,
) -> Result<Message, HeaderFault> {
    let from = if outgoing.withheld {
        Address::new(Uri::parse("sip:anonymous@anonymous.invalid")?).named("Anonymous")
    } else {
        let uri = Uri::sip(Some(&outgoing.from_user), &target.from_host, None)?;
        Address::new(uri).named(outgoing.display.as_deref().unwrap_or(""))
    };
    let call_id = wire.entropy.token(12);
    let is_sips = target.flow.transport.is_secure() && target.uri.scheme() == Scheme::Sips;
    let mut draft = Draft::request(Method::Invite, &target.uri)
        .header(Header::Via, wire.via(&target.flow))
        .header(Header::MaxForwards, outgoing.hops.unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS))
        .header(Header::From, from.tagged(tag))
        .header(Header::To, Address::new(target.to.clone()))
        .header(Header::CallId, call_id)
        .header(Header::CSeq, "1 INVITE")
        .header(Header::Contact, wire.contact_as(&target.flow, is_sips))
        .header(Header::Allow, ALLOW)
        .header(Header::Supported, SUPPORTED)
        .header(Header::UserAgent, PRODUCT);
    draft = session::propose(draft, LEAST_INTERVAL);
    if target.party.trunk().is_some() {
        // Early media that is meant for nobody is said to be so (RFC 5009 section 8).
        draft = draft.header(Header::PEarlyMedia, "supported");
    }
    for route in &target.routes {
        draft = draft.header(Header::Route, route);
    }
    if let Some(asserted) = &outgoing.asserted {
        let uri = Uri::sip(Some(asserted), &target.from_host, None)?;
        draft = draft.header(Header::PAssertedIdentity, Address::new(uri));
    }
    if outgoing.withheld {
        draft = draft.header(Header::Privacy, "id");
    }
    if let Some(called) = &outgoing.called {
        let uri = Uri::sip(Some(called), &wire.directory.realm, None)?;
        draft = draft.header_named("P-Called-Party-ID", Address::new(uri));
    }
    if let Some(referrer) = &outgoing.referred_by {
        let uri = Uri::sip(Some(referrer), &wire.directory.realm, None)?;
        draft = draft.header(Header::ReferredBy, Address::new(uri));
    }
    if let Some(diverting) = &outgoing.diverting
        && let Some((name, value)) = address::diverting(diverting, &target.from_host, &target.to)
    {
        draft = draft.header_named(name, value);
    }
    Ok(draft.body(super::arriving::SDP, outgoing.sdp.clone().into_bytes()).finish())
}

/// Silence of a trunk, all its addresses together: the next trunk is tried within four seconds (reliability F9).
const SILENCE: Duration = Duration::from_millis(3_500);
/// Silence of one address when the trunk has another: three datagrams were not answered.
const SILENCE_HERE: Duration = Duration::from_secs(2);
/// No seat rings longer than a proxy's timer C would let it (RFC 3261 section 16.6, reliability 5.5).
const LONGEST_RING: Duration = Duration::from_mins(3);
