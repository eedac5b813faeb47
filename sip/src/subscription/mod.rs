//! Subscriptions: who watches whom, and the lamps that they see (RFC 6665, RFC 4235, RFC 3842).
//!
//! A subscription lives until it expires, is ended by its watcher, its watcher or whom it watches is gone, its
//! connection is closed, or a NOTIFY is refused or not answered. News are told at most one NOTIFY at a time.

pub(crate) mod asking;
mod dialog_info;
pub(crate) mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base::{Mono, Name};

use crate::dialog::leg::Index;
use crate::endpoint::wire::Wire;
use crate::header::subscription_state::Ending;
use crate::seam::Lamp;
use crate::transaction::Key;
use asking::Asking;
use watch::{Left, Watch};

/// Every subscription, and every lamp that burns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriptions {
    watches: BTreeMap<u64, Watch>,
    by_index: HashMap<Index, u64>,
    by_watcher: BTreeMap<Name, BTreeSet<u64>>,
    by_target: BTreeMap<Name, BTreeSet<u64>>,
    by_connection: BTreeMap<u64, BTreeSet<u64>>,
    alarms: BTreeSet<(Mono, u64)>,
    lamps: BTreeMap<Name, Lamp>,
    next_id: u64,
}

impl Subscriptions {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.watches.len()
    }

    /// The subscription whose dialog has these two: Call-ID with our tag, and the watcher's tag.
    pub(crate) fn find(&self, index: &Index, remote_tag: &str) -> Option<u64> {
        let id = *self.by_index.get(index)?;
        (self.watches.get(&id)?.dialog.remote_tag == remote_tag).then_some(id)
    }

    pub(crate) fn watch(&self, id: u64) -> Option<&Watch> {
        self.watches.get(&id)
    }

    /// A new subscription, told of at once. Over its watcher's share the one that was quiet longest goes: a
    /// phone that came back is worth more than its own ghost.
    pub(crate) fn begin(&mut self, now: Mono, wire: &mut Wire, mut watch: Watch) {
        let own = self.by_watcher.get(&watch.watcher);
        if own.is_some_and(|own| own.len() >= MOST_PER_WATCHER) {
            let own = own.into_iter().flatten().filter_map(|id| self.watches.get(id));
            let oldest = own.min_by_key(|watch| (watch.granted, watch.id)).map(|watch| watch.id);
            self.end_now(now, wire, oldest);
        }
        self.next_id += 1;
        watch.id = self.next_id;
        let id = watch.id;
        self.by_index.insert(watch.index.clone(), id);
        self.by_watcher.entry(watch.watcher.clone()).or_default().insert(id);
        self.by_target.entry(watch.target.clone()).or_default().insert(id);
        self.put(watch);
        self.step(id, |watch, lamp| watch.tell(now, wire, lamp));
    }

    /// Ends one at once: the watcher is told if it can be told in order, and nothing is kept.
    fn end_now(&mut self, now: Mono, wire: &mut Wire, id: Option<u64>) {
        let Some(id) = id else { return };
        self.step(id, |watch, lamp| {
            watch.end(now, Ending::Other("probation".to_owned()));
            let _ = watch.tell(now, wire, lamp);
            Left::Gone
        });
    }

    /// A SUBSCRIBE inside a dialog of ours: refreshes or ends. `false`: it is about another subscription.
    pub(crate) fn renew(&mut self, now: Mono, id: u64, asking: &Asking) -> bool {
        let mut is_about = false;
        self.step(id, |watch, _| {
            is_about = watch.is_about(asking);
            if is_about {
                watch.grant(now, asking.seconds);
            }
            Left::Stays
        });
        is_about
    }

    /// Changes the dialog of a subscription: a number taken, a new target, another flow.
    pub(crate) fn in_dialog<R>(&mut self, id: u64, change: impl FnOnce(&mut Watch) -> R) -> Option<R> {
        let mut result = None;
        self.step(id, |watch, _| {
            result = Some(change(watch));
            Left::Stays
        });
        result
    }

    /// A user's lamp is this now.
    pub(crate) fn light(&mut self, now: Mono, user: &Name, mut lamp: Lamp) {
        lamp.calls.truncate(MOST_CALLS);
        let before = if lamp.calls.is_empty() {
            self.lamps.remove(user)
        } else {
            self.lamps.insert(user.clone(), lamp.clone())
        };
        if before.unwrap_or_default() == lamp {
            return;
        }
        for id in self.by_target.get(user).cloned().unwrap_or_default() {
            self.step(id, |watch, _| {
                if watch.shows_lamps() {
                    watch.changed(now);
                }
                Left::Stays
            });
        }
    }

    /// The answer to a NOTIFY; `later` is its Retry-After.
    pub(crate) fn notified(
        &mut self,
        now: Mono,
        wire: &mut Wire,
        id: u64,
        key: &Key,
        (status, later): (u16, Option<u32>),
    ) {
        self.step(id, |watch, lamp| match watch.notified(now, key, status, later) {
            Left::Stays => watch.tell(now, wire, lamp),
            Left::Gone => Left::Gone,
        });
    }

    /// Nobody answered a NOTIFY.
    pub(crate) fn unheard(&mut self, id: u64, key: &Key) {
        self.step(id, |watch, _| if watch.waits_for(key) { Left::Gone } else { Left::Stays });
    }

    /// A stream connection is gone, and whoever watched over it.
    pub(crate) fn closed(&mut self, connection: u64) {
        for id in self.by_connection.get(&connection).cloned().unwrap_or_default() {
            self.step(id, |_, _| Left::Gone);
        }
    }

    /// Users changed: who may no longer watch is told so.
    pub(crate) fn follow(&mut self, now: Mono, wire: &mut Wire) {
        let ids: Vec<u64> = self.watches.keys().copied().collect();
        for id in ids {
            let Some(watch) = self.watches.get(&id) else { continue };
            let reason = if !wire.directory.users.contains_key(&watch.watcher) {
                Ending::Other("rejected".to_owned())
            } else if !wire.may_touch(&watch.watcher, &watch.target) {
                Ending::NoResource
            } else {
                continue;
            };
            self.step(id, |watch, lamp| {
                watch.end(now, reason);
                watch.tell(now, wire, lamp)
            });
        }
        self.lamps.retain(|user, _| wire.directory.users.contains_key(user));
    }

    pub(crate) fn expire(&mut self, now: Mono, wire: &mut Wire) {
        while let Some(&(at, id)) = self.alarms.first()
            && at <= now
        {
            self.step(id, |watch, lamp| watch.expire(now, wire, lamp));
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// How many entries are held in all tables but the lamps.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.watches.len()
            + self.by_index.len()
            + self.by_watcher.len()
            + self.by_target.len()
            + self.by_connection.len()
            + self.alarms.len()
    }

    /// Moves one: takes it out, lets it change, and puts back what is left of it.
    fn step(&mut self, id: u64, change: impl FnOnce(&mut Watch, Option<&Lamp>) -> Left) {
        let Some(mut watch) = self.watches.remove(&id) else { return };
        if let Some(at) = watch.deadline() {
            self.alarms.remove(&(at, id));
        }
        if let Some(connection) = watch.dialog.flow.connection {
            forget(&mut self.by_connection, &connection, id);
        }
        let lamp = self.lamps.get(&watch.target);
        match change(&mut watch, lamp) {
            Left::Stays => self.put(watch),
            Left::Gone => {
                self.by_index.remove(&watch.index);
                forget(&mut self.by_watcher, &watch.watcher, id);
                forget(&mut self.by_target, &watch.target, id);
            }
        }
    }

    fn put(&mut self, watch: Watch) {
        if let Some(at) = watch.deadline() {
            self.alarms.insert((at, watch.id));
        }
        if let Some(connection) = watch.dialog.flow.connection {
            self.by_connection.entry(connection).or_default().insert(watch.id);
        }
        self.watches.insert(watch.id, watch);
    }
}

fn forget<K: Ord>(table: &mut BTreeMap<K, BTreeSet<u64>>, key: &K, id: u64) {
    if let Some(ids) = table.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            table.remove(key);
        }
    }
}

/// Subscriptions in all: about 2 KB each.
pub(crate) const MOST: usize = 20_000;
/// Of one watcher: the largest panels of keys have a hundred.
const MOST_PER_WATCHER: usize = 128;
/// Calls shown of one user: no phone has more lines.
const MOST_CALLS: usize = 16;
