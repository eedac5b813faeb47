//! The registrar: where each user can be reached (RFC 3261 section 10.3, RFC 5626).
//!
//! A binding lives until it expires, is removed, its user is gone, or its connection is closed. Its key is
//! ours and stays while it is refreshed, so that whoever rings it never holds a stale address.

pub(crate) mod binding;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::{Mono, Name};

use crate::endpoint::wire::Wire;
use crate::seam::{Ban, Event, Flow, Transport};
use binding::{Binding, Registration};

/// Every binding of every user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registrar {
    users: BTreeMap<Name, Vec<Binding>>,
    owners: HashMap<u64, Name>,
    alarms: BTreeSet<(Mono, u64)>,
    sources: HashMap<(Transport, SocketAddr), u32>,
    connections: BTreeMap<u64, BTreeSet<u64>>,
    /// Bindings whose connection is gone, until they would have expired: their dialogs wait for the phone to
    /// come back.
    orphans: BTreeMap<(Mono, u64), (Name, Binding)>,
    /// Sources that changed, and whether they held a registration when that was last told.
    unsaid: BTreeMap<(Transport, SocketAddr), bool>,
    next_key: u64,
}

/// A phone that is now at the end of another way: what was on the old one goes over the new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) from: Flow,
    pub(crate) to: Flow,
}

/// Why a registration failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A binding was changed by a later request of the same Call-ID: 500 (section 10.3 step 7).
    OutOfOrder,
    /// No room for another binding: 503.
    Full,
}

impl Registrar {
    /// The bindings of a user.
    pub(crate) fn bindings(&self, user: &str) -> &[Binding] {
        self.users.get(user).map_or(&[], Vec::as_slice)
    }

    /// A user's binding by its key.
    pub(crate) fn binding(&self, user: &str, key: u64) -> Option<&Binding> {
        self.bindings(user).iter().find(|binding| binding.key == key)
    }

    /// Whether a live registration came from this address.
    pub(crate) fn holds(&self, flow: &Flow) -> bool {
        self.sources.contains_key(&(flow.transport, flow.remote))
    }

    /// Whether a live registration of this user came from this very address.
    pub(crate) fn is_phone_of(&self, flow: &Flow, user: &str) -> bool {
        let here = |binding: &Binding| {
            binding.flow.transport == flow.transport && binding.flow.remote == flow.remote
        };
        self.bindings(user).iter().any(here)
    }

    /// Whether a live registration of this user came from this network: a phone that restarts has a new port.
    pub(crate) fn is_near(&self, user: &str, source: IpAddr) -> bool {
        let near = |binding: &Binding| Ban::network(binding.flow.remote.ip()) == Ban::network(source);
        self.bindings(user).iter().any(near)
    }

    /// The next address that began or ceased to hold a registration.
    pub(crate) fn poll_known(&mut self) -> Option<Event> {
        while let Some((key, was)) = self.unsaid.pop_first() {
            let known = self.sources.contains_key(&key);
            if known != was {
                return Some(Event::Known { transport: key.0, source: key.1, known });
            }
        }
        None
    }

    /// Does what a REGISTER asks, all of it or nothing; and which connections were replaced by it.
    pub(crate) fn register(
        &mut self,
        now: Mono,
        wire: &mut Wire,
        user: &Name,
        asked: &Registration,
    ) -> Result<Vec<Moved>, Refusal> {
        let before = self.keys(user);
        let kept = self.users.get(user).map_or(&[][..], Vec::as_slice);
        let touched: Vec<Option<u64>> = asked
            .contacts
            .iter()
            .map(|contact| contact.find(&kept.iter()).map(|binding| binding.key))
            .collect();
        let latest = kept
            .iter()
            .filter(|binding| binding.call_id == asked.call_id)
            .filter(|binding| asked.removes_all || touched.contains(&Some(binding.key)))
            .map(|binding| binding.number)
            .max();
        match latest.map(|latest| asked.number.cmp(&latest)) {
            Some(Ordering::Less) => return Err(Refusal::OutOfOrder),
            // A copy of what was granted already: the answer is the same, and nothing changes.
            Some(Ordering::Equal) => return Ok(Vec::new()),
            Some(Ordering::Greater) | None => {}
        }
        let fresh =
            asked.contacts.iter().zip(&touched).filter(|(c, key)| key.is_none() && !c.is_removal()).count();
        if self.owners.len() + fresh > wire.limits.bindings {
            return Err(Refusal::Full);
        }
        if asked.removes_all {
            for key in &before {
                self.remove(*key);
            }
        }
        let mut moved = Vec::new();
        for (contact, key) in asked.contacts.iter().zip(touched) {
            let key = key.filter(|key| self.owners.contains_key(key));
            let from = self.apply(now, user, asked, contact, key);
            // Datagrams find a phone by its address; a connection that is gone finds nobody.
            let from = from.filter(|from| from.connection.is_some() && *from != asked.flow);
            moved.extend(from.map(|from| Moved { from, to: asked.flow }));
        }
        self.trim(wire, user);
        self.tell_if_changed(wire, user, &before);
        Ok(moved)
    }

    /// Gives back the way of the binding that this one takes the place of.
    fn apply(
        &mut self,
        now: Mono,
        user: &Name,
        asked: &Registration,
        contact: &binding::Contact,
        key: Option<u64>,
    ) -> Option<Flow> {
        let before = match key {
            Some(key) => self.remove(key),
            None => self.adopt(user, contact),
        };
        if contact.is_removal() {
            return None;
        }
        let key = key.unwrap_or_else(|| {
            self.next_key += 1;
            self.next_key
        });
        self.add(user, Binding::new(now, key, asked, contact));
        before.map(|before| before.flow)
    }

    /// The binding of the same phone that went with its connection.
    fn adopt(&mut self, user: &Name, contact: &binding::Contact) -> Option<Binding> {
        let mine = self.orphans.values().filter(|(owner, _)| owner == user).map(|(_, binding)| binding);
        let found = contact.find(&mine)?;
        let place = (found.expires, found.key);
        self.orphans.remove(&place).map(|(_, binding)| binding)
    }

    /// Over the limit the binding that was refreshed longest ago goes: a phone that came back under a new
    /// port is worth more than its own ghost.
    fn trim(&mut self, wire: &Wire, user: &Name) {
        while self.bindings(user).len() > wire.limits.contacts_per_user {
            let oldest = self.bindings(user).iter().min_by_key(|binding| (binding.refreshed, binding.key));
            let Some(key) = oldest.map(|binding| binding.key) else { return };
            self.remove(key);
        }
    }

    /// A stream connection is gone, and what was reachable over it.
    pub(crate) fn closed(&mut self, wire: &mut Wire, connection: u64) {
        for key in self.connections.remove(&connection).unwrap_or_default() {
            let user = self.owners.get(&key).cloned();
            if let (Some(user), Some(binding)) = (user, self.remove(key)) {
                wire.tell(Event::Contacts { contacts: self.keys(&user), user: user.clone() });
                self.orphans.insert((binding.expires, key), (user, binding));
            }
        }
        // The one that would have expired first is the least likely to come back.
        while self.orphans.len() > MAX_ORPHANS {
            self.orphans.pop_first();
        }
    }

    /// Drops the bindings of users that are gone.
    pub(crate) fn follow(&mut self, wire: &mut Wire) {
        let gone: Vec<Name> =
            self.users.keys().filter(|user| !wire.directory.users.contains_key(*user)).cloned().collect();
        self.orphans.retain(|_, (user, _)| wire.directory.users.contains_key(user));
        for user in gone {
            for key in self.keys(&user) {
                self.remove(key);
            }
            wire.tell(Event::Contacts { user, contacts: Vec::new() });
        }
    }

    /// Ends what has expired and keeps the NAT's holes open.
    pub(crate) fn expire(&mut self, now: Mono, wire: &mut Wire) {
        while self.orphans.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
            self.orphans.pop_first();
        }
        while let Some(&(at, key)) = self.alarms.first()
            && at <= now
        {
            let Some(user) = self.owners.get(&key).cloned() else {
                self.alarms.remove(&(at, key));
                continue;
            };
            let Some(mut binding) = self.remove(key) else { continue };
            if binding.expires <= now {
                wire.tell(Event::Contacts { contacts: self.keys(&user), user });
                continue;
            }
            if binding.keep_alive.is_some_and(|due| due <= now) {
                binding.keep_alive = Some(now + KEEP_ALIVE);
                keep_alive(wire, &binding);
            }
            self.add(&user, binding);
        }
    }

    /// How many bindings there are.
    pub(crate) fn total(&self) -> usize {
        self.owners.len()
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        let orphaned = self.orphans.first_key_value().map(|((at, _), _)| *at);
        base::time::soonest(self.alarms.first().map(|(at, _)| *at), orphaned)
    }

    /// How many entries are held in all tables.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.users.len()
            + self.owners.len()
            + self.alarms.len()
            + self.sources.len()
            + self.connections.len()
            + self.orphans.len()
    }

    fn keys(&self, user: &str) -> Vec<u64> {
        let mut keys: Vec<u64> = self.bindings(user).iter().map(|binding| binding.key).collect();
        keys.sort_unstable();
        keys
    }

    fn tell_if_changed(&self, wire: &mut Wire, user: &Name, before: &[u64]) {
        let contacts = self.keys(user);
        if contacts != before {
            wire.tell(Event::Contacts { user: user.clone(), contacts });
        }
    }

    fn add(&mut self, user: &Name, binding: Binding) {
        let key = binding.key;
        self.owners.insert(key, user.clone());
        self.alarms.insert((binding.deadline(), key));
        let source = (binding.flow.transport, binding.flow.remote);
        let bindings = self.sources.entry(source).or_default();
        self.unsaid.entry(source).or_insert(*bindings > 0);
        *bindings += 1;
        if let Some(connection) = binding.flow.connection {
            self.connections.entry(connection).or_default().insert(key);
        }
        self.users.entry(user.clone()).or_default().push(binding);
    }

    fn remove(&mut self, key: u64) -> Option<Binding> {
        let user = self.owners.remove(&key)?;
        let bindings = self.users.get_mut(&user)?;
        let at = bindings.iter().position(|binding| binding.key == key)?;
        let binding = bindings.remove(at);
        if bindings.is_empty() {
            self.users.remove(&user);
        }
        self.alarms.remove(&(binding.deadline(), key));
        let source = (binding.flow.transport, binding.flow.remote);
        if let Some(count) = self.sources.get_mut(&source) {
            self.unsaid.entry(source).or_insert(true);
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
        if let Some(connection) = binding.flow.connection
            && let Some(keys) = self.connections.get_mut(&connection)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.connections.remove(&connection);
            }
        }
        Some(binding)
    }
}

/// OPTIONS through the NAT of a phone. It is sent once and its answer is not waited for: the packet keeps the
/// hole open, the answer would change nothing.
fn keep_alive(wire: &mut Wire, binding: &Binding) {
    let Some(ping) = wire.ping(&binding.flow, &binding.contact) else { return };
    wire.send(binding.flow, ping.as_bytes().clone());
}

/// Phones whose connections broke at one moment: those of a large office.
const MAX_ORPHANS: usize = 4_096;
/// NATs forget a UDP flow after 30 s (RFC 4787 lets them after 120 s, few wait so long).
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(25);
