//! Dialogs and legs: what two phones have agreed on, and where each call stands (RFC 3261 sections 12 to 15).
//!
//! A leg is in one of four stages; a stage owns its data and a transition eats it:
//!
//! ```text
//!  INVITE in  ──▶ Arriving ──200──▶ Up ──BYE out──▶ Leaving ──final──▶ gone
//!                    └─ refusal, CANCEL ─▶ gone     └─ BYE in ─▶ gone
//!                                     (with a REFER still to be reported on: ─▶ Lingering ─▶ gone)
//!  INVITE out ──▶ Placing ──2xx──▶ Up
//!                    └─ 300-699, no answer, CANCEL's 487 ─▶ gone
//! ```
//!
//! | stage | deadlines |
//! |---|---|
//! | Arriving | 18x again each minute (section 13.3.1.1), a reliable one until its PRACK (RFC 3262), an offer unanswered by the control, the control forgot it |
//! | Placing | no final response: CANCEL; no final response after CANCEL: gone (section 9.1); an offer of a fork |
//! | Up | 2xx again until its ACK, no ACK, an offer unanswered by the control, session timer (RFC 4028), a referral's, a BYE that waits for a NOTIFY |
//! | Leaving | none of its own but a referral's: the BYE's transaction ends it |
//! | Lingering | the referral's |

pub(crate) mod arriving;
pub(crate) mod cause;
pub(crate) mod early;
pub(crate) mod identity;
pub(crate) mod info;
pub(crate) mod leaving;
pub(crate) mod leg;
pub(crate) mod lingering;
pub(crate) mod offer;
pub(crate) mod placing;
pub(crate) mod refer;
pub(crate) mod refresh;
pub(crate) mod reliable;
pub(crate) mod sdp;
pub(crate) mod session;
pub(crate) mod unacked;
pub(crate) mod up;
pub(crate) mod within;

use crate::endpoint::wire::{PRODUCT, Wire};
use crate::header::HeaderFault;
use crate::header::address::Address;
use crate::header::uri::{Host, Scheme, Uri};
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::message::reply::MAX_FORWARDS;
use crate::registrar::Moved;
use crate::seam::Flow;
use base::{Mono, Name};
use std::net::SocketAddr;
use std::time::Duration;

/// The state that RFC 3261 section 12 calls a dialog.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) remote_tag: String,
    local: Address,
    remote: Address,
    local_seq: u32,
    remote_seq: Option<u32>,
    target: Uri,
    routes: Vec<Address>,
    /// The way that the peer was last heard on.
    pub(crate) flow: Flow,
    /// For a dialog with a trunk: its name. It may send us to another of its own addresses.
    trunk: Option<Name>,
    /// Whether the peer said that it takes UPDATE.
    pub(crate) takes_update: bool,
    /// It began with a `sips:` URI, and our Contact in it is one.
    is_sips: bool,
    /// Whether it follows when our From changes (RFC 4916 section 4.4.2).
    takes_from_change: bool,
    /// INFOs of the second that began then.
    infos: (Mono, u32),
}

impl Dialog {
    /// Of an INVITE that we answer with `tag` (section 12.1.1).
    pub(crate) fn as_server(
        request: &Message,
        flow: Flow,
        tag: &str,
        trunk: Option<Name>,
    ) -> Result<Self, HeaderFault> {
        let remote = request.from()?;
        Ok(Self {
            call_id: request.call_id().into_owned(),
            local_tag: tag.to_owned(),
            // An RFC 2543 peer has none (section 12.1.1).
            remote_tag: remote.tag().unwrap_or("").to_owned(),
            local: request.to()?.tagged(tag),
            remote,
            local_seq: 0,
            remote_seq: Some(request.cseq().number),
            target: request.contact()?.uri.without_headers()?,
            routes: request.addresses(Header::RecordRoute)?,
            flow,
            trunk,
            is_sips: begins_sips(request, &flow),
            takes_update: request.lists_token(Header::Allow, "UPDATE"),
            takes_from_change: request.lists_token(Header::Supported, FROM_CHANGE),
            infos: (Mono::ZERO, 0),
        })
    }

    /// Of our INVITE and its 2xx (section 12.1.2).
    pub(crate) fn as_client(
        request: &Message,
        response: &Message,
        flow: Flow,
        trunk: Option<Name>,
    ) -> Result<Self, HeaderFault> {
        let (local, remote) = (request.from()?, response.to()?);
        // A re-INVITE changes no route (section 12.2.1.1).
        let routes = if request.to_tag().is_some() {
            request.addresses(Header::Route)?
        } else {
            let mut routes = response.addresses(Header::RecordRoute)?;
            routes.reverse();
            routes
        };
        // A 2xx must have a Contact; where a careless peer left it out, the way that we called is the best guess.
        let target =
            response.contact().map_or_else(|_| request.uri(), |contact| contact.uri.without_headers())?;
        Ok(Self {
            call_id: request.call_id().into_owned(),
            local_tag: local.tag().unwrap_or("").to_owned(),
            remote_tag: remote.tag().unwrap_or("").to_owned(),
            local,
            remote,
            local_seq: request.cseq().number,
            remote_seq: None,
            target,
            routes,
            flow,
            trunk,
            is_sips: is_sips(request, &flow),
            takes_update: response.lists_token(Header::Allow, "UPDATE"),
            takes_from_change: response.lists_token(Header::Supported, FROM_CHANGE),
            infos: (Mono::ZERO, 0),
        })
    }

    /// The 2xx of a fork that was heard before: the numbers of its early dialog go on (section 12.2.1.1).
    pub(crate) fn continues(&mut self, early: &Self) {
        self.local_seq = self.local_seq.max(early.local_seq);
        self.remote_seq = early.remote_seq;
        self.takes_update |= early.takes_update;
        self.takes_from_change |= early.takes_from_change;
    }

    /// Whether a request of the peer is in order (section 12.2.2), and remembers its number.
    pub(crate) fn takes_number(&mut self, number: u32) -> bool {
        if self.remote_seq.is_some_and(|last| number < last) {
            return false;
        }
        self.remote_seq = Some(number);
        true
    }

    /// Its connection was replaced by another way to the same phone.
    pub(crate) fn moved(&mut self, moved: Moved) {
        if self.flow.connection == moved.from.connection {
            self.flow = moved.to;
        }
    }

    /// Target refresh (section 12.2): a re-INVITE, an UPDATE or a 2xx to one brings a new Contact.
    pub(crate) fn refresh_target(&mut self, message: &Message) {
        if let Ok(target) = message.contact().and_then(|contact| contact.uri.without_headers()) {
            self.target = target;
        }
    }

    /// The peer may be somebody else by now (RFC 4916 section 4.4.2); its tag stays.
    pub(crate) fn follow_identity(&mut self, request: &Message) {
        if let Ok(from) = request.from()
            && from.tag().unwrap_or("") == self.remote_tag
        {
            self.remote = from;
        }
    }

    /// We are somebody else by now, for a peer that follows (RFC 4916 section 4.4.1).
    pub(crate) fn identify(&mut self, as_whom: Address) {
        if self.takes_from_change {
            self.local = as_whom.tagged(&self.local_tag);
        }
    }

    /// Our Contact in it on this way.
    pub(crate) fn contact(&self, wire: &Wire, flow: &Flow) -> String {
        wire.contact_as(flow, self.is_sips)
    }

    /// Whether an INFO counts: nobody presses so many keys in a second.
    pub(crate) fn admits_info(&mut self, now: Mono) -> bool {
        if now.since(self.infos.0) >= Duration::from_secs(1) {
            self.infos = (now, 0);
        }
        self.infos.1 += 1;
        self.infos.1 <= INFOS_PER_SECOND
    }

    /// A new request to the peer (section 12.2.1.1), and the way that it goes.
    pub(crate) fn request(&mut self, wire: &mut Wire, method: &Method) -> Option<(Flow, Draft)> {
        self.local_seq += 1;
        self.numbered(wire, method, self.local_seq)
    }

    /// A request was sent again under the next number (with a password).
    pub(crate) fn skip_number(&mut self) {
        self.local_seq += 1;
    }

    /// The ACK of a 2xx: the INVITE's number, a branch of its own (section 13.2.2.4).
    pub(crate) fn ack(&self, wire: &mut Wire, number: u32) -> Option<(Flow, Draft)> {
        self.numbered(wire, &Method::Ack, number)
    }

    /// `None` only when a strict router's URI cannot be one.
    fn numbered(&self, wire: &mut Wire, method: &Method, number: u32) -> Option<(Flow, Draft)> {
        let flow = self.next_hop(wire);
        let strict = self.routes.first().filter(|first| !first.uri.is_loose());
        let uri = match strict {
            Some(first) => first.uri.without_headers().ok()?,
            None => self.target.clone(),
        };
        let mut draft = Draft::request(method.clone(), &uri).header(Header::Via, wire.via(&flow));
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            draft = draft.header(Header::Route, route);
        }
        if strict.is_some() {
            draft = draft.header(Header::Route, Address::new(self.target.clone()));
        }
        draft = draft
            .header(Header::MaxForwards, MAX_FORWARDS)
            .header(Header::From, &self.local)
            .header(Header::To, &self.remote)
            .header(Header::CallId, &self.call_id)
            .header(Header::CSeq, format_args!("{number} {method}"))
            .header(Header::UserAgent, PRODUCT);
        Some((flow, draft))
    }

    /// Where requests go: the address that the peer was heard on, because behind NAT no other works. A trunk
    /// may name another of its own addresses by Route or Contact; nobody may name a stranger's.
    fn next_hop(&self, wire: &Wire) -> Flow {
        let trunk = self.trunk.as_deref().and_then(|name| wire.trunk(name));
        let named = self.routes.first().map_or(&self.target, |first| &first.uri);
        let Some(Host::Address(ip)) = named.host() else { return self.flow };
        let named = SocketAddr::new(ip, named.port().unwrap_or(5060));
        let is_trunks = trunk.is_some_and(|trunk| trunk.is_at(named));
        if is_trunks && self.flow.remote != named && self.flow.connection.is_none() {
            return Flow { remote: named, ..self.flow };
        }
        self.flow
    }
}

/// Whether a request is to a `sips:` URI, on a way that is one.
pub(crate) fn is_sips(request: &Message, flow: &Flow) -> bool {
    flow.transport.is_secure() && request.uri().is_ok_and(|uri| uri.scheme() == Scheme::Sips)
}

/// Whether a dialog that this request begins is a `sips:` one (section 12.1.1).
fn begins_sips(request: &Message, flow: &Flow) -> bool {
    let first = request.addresses(Header::RecordRoute).ok().and_then(|routes| routes.into_iter().next());
    let names = first.or_else(|| request.contact().ok());
    is_sips(request, flow)
        || flow.transport.is_secure() && names.is_some_and(|address| address.uri.scheme() == Scheme::Sips)
}

/// The option tag of RFC 4916.
const FROM_CHANGE: &str = "from-change";
/// The fastest dialler sends twenty keys a second; beyond that it is no keypad.
const INFOS_PER_SECOND: u32 = 30;
