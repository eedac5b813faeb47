//! A table of timed things: found by key, and by who is due first.

use std::collections::BTreeSet;

use base::Mono;

use super::key::{ByKey, Key};

/// What has a deadline and an end.
pub trait Timed {
    /// When it must be looked at.
    fn deadline(&self) -> Option<Mono>;
    /// Whether it is to be forgotten.
    fn is_over(&self) -> bool;
}

/// Things by key, with one exact alarm each.
///
/// The map is looked up, and where it is walked its keys are sorted, so its order cannot reach an output.
#[derive(Clone, Debug)]
pub struct Table<T> {
    /// Boxed: a map that grows moves its entries and has room for twice as many.
    entries: ByKey<Box<T>>,
    alarms: BTreeSet<(Mono, Key)>,
}

impl<T: Timed> Table<T> {
    /// Adds or replaces; a thing that is over already is not kept.
    pub fn insert(&mut self, key: Key, entry: T) {
        self.remove(&key);
        if entry.is_over() {
            return;
        }
        if let Some(at) = entry.deadline() {
            self.alarms.insert((at, key.clone()));
        }
        self.entries.insert(key, Box::new(entry));
    }

    /// Takes it out.
    pub fn remove(&mut self, key: &Key) -> Option<T> {
        let entry = self.entries.remove(key)?;
        if let Some(at) = entry.deadline() {
            self.alarms.remove(&(at, key.clone()));
        }
        Some(*entry)
    }

    /// Reads it.
    pub fn find(&self, key: &Key) -> Option<&T> {
        self.entries.get(key).map(Box::as_ref)
    }

    /// Changes it, and sets its alarm anew; the second of the pair is the thing itself if it is now over.
    pub fn change<R>(&mut self, key: &Key, change: impl FnOnce(&mut T) -> R) -> Option<(R, Option<T>)> {
        let entry = self.entries.get_mut(key)?;
        let before = entry.deadline();
        let result = change(entry);
        let (after, over) = (entry.deadline(), entry.is_over());
        if before != after || over {
            if let Some(at) = before {
                self.alarms.remove(&(at, key.clone()));
            }
            if let Some(at) = after.filter(|_| !over) {
                self.alarms.insert((at, key.clone()));
            }
        }
        let ended = if over { self.entries.remove(key).map(|entry| *entry) } else { None };
        Some((result, ended))
    }

    /// The keys of those that `wanted` picks, in the order of the keys.
    pub fn keys_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<Key> {
        let mut keys: Vec<Key> =
            self.entries.iter().filter(|(_, entry)| wanted(entry)).map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// Who is due at `now`, the earliest first.
    pub fn due(&self, now: Mono) -> Option<Key> {
        self.alarms.first().filter(|(at, _)| *at <= now).map(|(_, key)| key.clone())
    }

    /// When the next one is due.
    pub fn deadline(&self) -> Option<Mono> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: ByKey::default(), alarms: BTreeSet::new() }
    }
}
