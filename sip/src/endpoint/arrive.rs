//! An INVITE outside any dialog, of somebody who may: the leg that it makes.

use base::{LegId, Now};

use super::Endpoint;
use super::wire;
use crate::dialog::Dialog;
use crate::dialog::arriving::Arriving;
use crate::dialog::leg::{self, Leg, Party, Stage};
use crate::dialog::sdp::Body;
use crate::dialog::session::Ask;
use crate::header::address::Address;
use crate::header::uri::{Host, Uri};
use crate::message::Message;
use crate::message::name::Header;
use crate::seam::{Event, Flow, Incoming, Peer};
use crate::transaction::{self, Key};
use crate::trunk::address;

impl Endpoint {
    pub(super) fn invite(&mut self, now: Now, key: &Key, flow: Flow, request: &Message, party: Party) {
        if self.is_draining {
            return self.overloaded(flow, request, "draining");
        }
        if self.wire.load() >= self.wire.limits.transactions || self.legs.len() >= self.wire.limits.legs {
            return self.overloaded(flow, request, "overload");
        }
        let merge = transaction::merge_key(request);
        if merge.as_ref().is_some_and(|merge| self.wire.is_merged(merge, key)) {
            return self.refuse_stateless(flow, request, 482, "merged");
        }
        let replaces = match self.judge_replaces(&party, request) {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse_stateless(flow, request, status, "replaces"),
        };
        let Ok(ask) = Ask::read(request) else {
            return self.refuse_stateless(flow, request, 422, "session");
        };
        let sdp = match Body::of(request) {
            Body::Unknown => return self.refuse_stateless(flow, request, 415, "body"),
            Body::Empty => None,
            Body::Sdp(sdp) => Some(sdp),
        };
        let tag = self.wire.fresh_tag();
        let Ok(dialog) = Dialog::as_server(request, flow, &tag, party.trunk().cloned()) else {
            return self.refuse_stateless(flow, request, 400, "contact");
        };
        let id = LegId::arrived(self.arrived);
        let Some(incoming) = self.incoming(id, &party, flow, request, sdp) else {
            return self.refuse_stateless(flow, request, 400, "address");
        };
        let incoming = Incoming { replaces, ..incoming };
        self.arrived += 1;
        self.wire.open(key, flow, true, merge);
        let trying = wire::reply(request, flow, 100, "").finish();
        self.wire.respond(now.mono, key, &trying);
        let index = leg::index(&dialog.call_id, &tag);
        let arriving = Arriving::new(now.mono, key.clone(), request.clone(), dialog, ask);
        let stage = Stage::Arriving(Box::new(arriving));
        self.legs.put(Leg { id, party, index, invite: Some(key.clone()), stage });
        self.wire.tell(Event::Arrived(Box::new(incoming)));
    }

    /// The INVITE as the control sees it.
    fn incoming(
        &self,
        leg: LegId,
        party: &Party,
        flow: Flow,
        request: &Message,
        sdp: Option<String>,
    ) -> Option<Incoming> {
        let from = request.from().ok()?;
        let (peer, is_trunk) = match party {
            Party::Trunk(name) => (Peer::Trunk(name.clone()), true),
            Party::User(name) => (Peer::User(name.clone()), false),
        };
        let asserted = is_trunk.then(|| request.addresses(Header::PAssertedIdentity).ok()).flatten();
        Some(Incoming {
            leg,
            peer,
            flow,
            media_address: self.wire.advertised_ip(flow.local.ip(), flow.remote.ip()),
            request_user: user(&request.uri().ok()?),
            to_user: user(&request.to().ok()?.uri),
            diverted: if is_trunk { diverted(request) } else { Vec::new() },
            from_user: user(&from.uri),
            display: from.display.clone(),
            asserted: asserted
                .and_then(|list| list.iter().map(|a| user(&a.uri)).find(|user| !user.is_empty())),
            withheld: is_withheld(request, &from),
            sdp,
            replaces: None,
            call_id: request.call_id().into_owned(),
        })
    }
}

/// The user part; a telephone number with its context.
fn user(uri: &Uri) -> String {
    address::number(uri)
}

/// Who was called before: Diversion is written most recent first (RFC 5806), History-Info last (RFC 7044).
fn diverted(request: &Message) -> Vec<String> {
    let users = |header| -> Vec<String> {
        let list = request.addresses(header).unwrap_or_default();
        list.iter().map(|address| user(&address.uri)).filter(|user| !user.is_empty()).collect()
    };
    let mut diverted = users(Header::Diversion);
    diverted.extend(users(Header::HistoryInfo).into_iter().rev());
    diverted.truncate(MAX_DIVERTED);
    diverted
}

/// RFC 3323 and RFC 3325: the caller does not want the number shown.
fn is_withheld(request: &Message, from: &Address) -> bool {
    let asks = request.headers(Header::Privacy).any(|value| {
        value.text().split([';', ',']).any(|word| {
            let word = word.trim();
            ["id", "user", "header"].iter().any(|hidden| word.eq_ignore_ascii_case(hidden))
        })
    });
    let anonymous = from.uri.user().is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
        || matches!(from.uri.host(), Some(Host::Name(name)) if name.eq_ignore_ascii_case("anonymous.invalid"));
    asks || anonymous
}

/// Longer chains of diversion are loops.
const MAX_DIVERTED: usize = 10;
