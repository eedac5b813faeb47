//! One binding, and what a REGISTER asks of it.

use std::net::SocketAddr;
use std::time::Duration;

use base::{Entropy, Mono};

use super::KEEP_ALIVE;
use crate::header::address::{Address, Contacts};
use crate::header::uri::{Host, Scheme, Uri};
use crate::message::Message;
use crate::message::name::Header;
use crate::seam::{Flow, Limits, Transport};

/// A user is reachable at `contact` by way of `flow` until `expires`.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) key: u64,
    pub(crate) contact: Uri,
    /// As the phone wrote it, without `expires`: q, reg-id and +sip.instance are told back.
    written: Address,
    /// The proxies on the way to it, nearest to us first (RFC 3327).
    pub(crate) path: Vec<Address>,
    /// Whether phone and registrar agreed on RFC 5626.
    pub(crate) outbound: bool,
    instance: Option<(String, Option<u32>)>,
    pub(crate) call_id: String,
    pub(crate) number: u32,
    pub(crate) flow: Flow,
    pub(crate) refreshed: Mono,
    pub(crate) expires: Mono,
    pub(crate) keep_alive: Option<Mono>,
}

/// What a REGISTER asks.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) call_id: String,
    pub(crate) number: u32,
    pub(crate) flow: Flow,
    pub(crate) removes_all: bool,
    path: Vec<Address>,
    outbound: bool,
    pub(crate) contacts: Vec<Contact>,
}

/// One Contact of a REGISTER.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    address: Address,
    uri: Uri,
    granted: Duration,
    outbound: bool,
}

/// What is wrong with a REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A Contact that cannot be called, too many of them, or `*` with anything else: 400.
    Contact,
    /// Asked for less than the least: 423.
    TooBrief,
    /// A phone that counts on outbound came by a proxy that does not know it: 439 (RFC 5626 section 11.6).
    NoOutbound,
}

impl Registration {
    /// Reads a REGISTER (section 10.3, steps 6 and 7).
    pub(crate) fn read(
        request: &Message,
        flow: Flow,
        limits: &Limits,
        entropy: &mut Entropy,
    ) -> Result<Self, Wrong> {
        let wanted = request.number(Header::Expires).ok();
        let mut registration = Self {
            call_id: request.call_id().into_owned(),
            number: request.cseq().number,
            flow,
            removes_all: false,
            path: request.addresses(Header::Path).map_err(|_| Wrong::Contact)?,
            outbound: request.lists_token(Header::Supported, OUTBOUND)
                || request.lists_token(Header::Require, OUTBOUND),
            contacts: Vec::new(),
        };
        match request.contacts().map_err(|_| Wrong::Contact)? {
            Contacts::All if wanted == Some(0) => registration.removes_all = true,
            Contacts::All => return Err(Wrong::Contact),
            Contacts::List(list) if list.len() > MAX_CONTACTS => return Err(Wrong::Contact),
            Contacts::List(_) if registration.path.len() > MAX_PATH => return Err(Wrong::Contact),
            Contacts::List(list) => {
                for address in list {
                    let mut contact = Contact::read(address, wanted, limits, entropy)?;
                    contact.outbound &= registration.outbound;
                    if contact.outbound && !registration.keeps_flow(request) {
                        return Err(Wrong::NoOutbound);
                    }
                    registration.contacts.push(contact);
                }
            }
        }
        Ok(registration)
    }

    /// Whether the flow of the phone itself is kept: it came directly, or its first proxy says that it keeps
    /// it (RFC 5626 section 6).
    fn keeps_flow(&self, request: &Message) -> bool {
        match self.path.last() {
            Some(first_proxy) => first_proxy.uri.param("ob").is_some(),
            None => request.list(Header::Via).len() == 1,
        }
    }
}

impl Contact {
    fn read(
        mut address: Address,
        wanted: Option<u32>,
        limits: &Limits,
        entropy: &mut Entropy,
    ) -> Result<Self, Wrong> {
        let uri = address.uri.without_headers().map_err(|_| Wrong::Contact)?;
        if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(Wrong::Contact);
        }
        // A number that cannot be read counts as absent (section 20.10).
        let asked =
            address.expires().or(wanted).map_or(limits.max_expires, |s| Duration::from_secs(s.into()));
        if !asked.is_zero() && asked < limits.min_expires {
            return Err(Wrong::TooBrief);
        }
        address.params.remove("expires");
        let granted = scattered(asked.min(limits.max_expires), limits.min_expires, entropy);
        let outbound = address.instance().is_some() && address.reg_id().is_some_and(|id| id > 0);
        Ok(Self { address, uri, granted, outbound })
    }

    /// Whether it takes a binding away.
    pub(crate) fn is_removal(&self) -> bool {
        self.granted.is_zero()
    }

    /// The binding that it is about: the same instance and flow number (RFC 5626 section 6), or an equal URI.
    pub(crate) fn find<'a>(
        &self,
        bindings: &(impl Iterator<Item = &'a Binding> + Clone),
    ) -> Option<&'a Binding> {
        let instance = instance(&self.address);
        bindings.clone().find(|binding| instance.is_some() && binding.instance == instance).or_else(|| {
            let another =
                |binding: &Binding| has_flow(binding.instance.as_ref()) && has_flow(instance.as_ref());
            let same = |binding: &Binding| binding.contact.is_equivalent(&self.uri);
            bindings.clone().find(|binding| same(binding) && !another(binding))
        })
    }
}

/// Phones that all registered when we came back must not come again together: long registrations are cut by
/// up to a fifth (reliability 5.18).
fn scattered(asked: Duration, least: Duration, entropy: &mut Entropy) -> Duration {
    if asked < SCATTER_FROM {
        return asked;
    }
    let cut = Duration::from_secs(entropy.below(asked.as_secs() / 5 + 1));
    asked.saturating_sub(cut).max(least)
}

/// Whether it is one of several flows of a phone: those are told apart by their numbers, and share a URI.
fn has_flow(instance: Option<&(String, Option<u32>)>) -> bool {
    instance.is_some_and(|(_, flow)| flow.is_some())
}

fn instance(address: &Address) -> Option<(String, Option<u32>)> {
    address.instance().map(|instance| (instance, address.reg_id()))
}

impl Binding {
    pub(crate) fn new(now: Mono, key: u64, asked: &Registration, contact: &Contact) -> Self {
        // Behind a proxy it is the proxy that keeps the phone awake.
        let behind_nat = asked.flow.transport == Transport::Udp
            && asked.path.is_empty()
            && !is_at(&contact.uri, asked.flow.remote);
        Self {
            key,
            contact: contact.uri.clone(),
            written: contact.address.clone(),
            path: asked.path.clone(),
            outbound: contact.outbound,
            instance: instance(&contact.address),
            call_id: asked.call_id.clone(),
            number: asked.number,
            flow: asked.flow,
            refreshed: now,
            expires: now + contact.granted,
            keep_alive: behind_nat.then(|| now + KEEP_ALIVE),
        }
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.keep_alive.map_or(self.expires, |due| due.min(self.expires))
    }

    /// As the 200 tells it: whole seconds, never more than are left.
    pub(crate) fn told(&self, now: Mono) -> Address {
        let mut told = self.written.clone();
        told.params.set("expires", &self.expires.since(now).as_secs().to_string());
        told
    }
}

/// Whether a Contact names the address that it came from.
fn is_at(contact: &Uri, source: SocketAddr) -> bool {
    let Some(Host::Address(ip)) = contact.host() else { return false };
    SocketAddr::new(ip, contact.port().unwrap_or(5060)) == source
}

/// RFC 5626.
pub(crate) const OUTBOUND: &str = "outbound";
/// Proxies between a phone and us: an edge, and perhaps a balancer before it.
const MAX_PATH: usize = 8;
/// Contacts in one REGISTER: a phone names itself, by each of its transports at most.
const MAX_CONTACTS: usize = 10;
/// Shorter registrations scatter by themselves.
const SCATTER_FROM: Duration = Duration::from_mins(10);
