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
    pub(crate) contacts: Vec<Contact>,
}

/// One Contact of a REGISTER.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    address: Address,
    uri: Uri,
    granted: Duration,
}

/// What is wrong with a REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A Contact that cannot be called, too many of them, or `*` with anything else: 400.
    Contact,
    /// Asked for less than the least: 423.
    TooBrief,
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
            contacts: Vec::new(),
        };
        match request.contacts().map_err(|_| Wrong::Contact)? {
            Contacts::All if wanted == Some(0) => registration.removes_all = true,
            Contacts::All => return Err(Wrong::Contact),
            Contacts::List(list) if list.len() > MAX_CONTACTS => return Err(Wrong::Contact),
            Contacts::List(list) => {
                for address in list {
                    registration.contacts.push(Contact::read(address, wanted, limits, entropy)?);
                }
            }
        }
        Ok(registration)
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
        Ok(Self { address, uri, granted })
    }

    /// Whether it takes a binding away.
    pub(crate) fn is_removal(&self) -> bool {
        self.granted.is_zero()
    }

    /// The binding that it is about: the same instance and flow number (RFC 5626 section 6), or an equal URI.
    pub(crate) fn find<'a>(&self, bindings: &'a [Binding]) -> Option<&'a Binding> {
        let instance = instance(&self.address);
        bindings
            .iter()
            .find(|binding| instance.is_some() && binding.instance == instance)
            .or_else(|| bindings.iter().find(|binding| binding.contact.is_equivalent(&self.uri)))
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

fn instance(address: &Address) -> Option<(String, Option<u32>)> {
    address.instance().map(|instance| (instance, address.reg_id()))
}

impl Binding {
    pub(crate) fn new(now: Mono, key: u64, asked: &Registration, contact: &Contact) -> Self {
        let behind_nat = asked.flow.transport == Transport::Udp && !is_at(&contact.uri, asked.flow.remote);
        Self {
            key,
            contact: contact.uri.clone(),
            written: contact.address.clone(),
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

/// Contacts in one REGISTER: a phone names itself, by each of its transports at most.
const MAX_CONTACTS: usize = 10;
/// Shorter registrations scatter by themselves.
const SCATTER_FROM: Duration = Duration::from_mins(10);
