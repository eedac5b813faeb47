//! A table of timed things: found by key, and by who is due first.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use base::Mono;

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
pub struct Table<K, T> {
    entries: HashMap<K, T>,
    alarms: BTreeSet<(Mono, K)>,
}

impl<K: Clone + Ord + Hash, T: Timed> Table<K, T> {
    /// Adds or replaces; a thing that is over already is not kept.
    pub fn insert(&mut self, key: K, entry: T) {
        self.remove(&key);
        if entry.is_over() {
            return;
        }
        if let Some(at) = entry.deadline() {
            self.alarms.insert((at, key.clone()));
        }
        self.entries.insert(key, entry);
    }

    /// Takes it out.
    pub fn remove(&mut self, key: &K) -> Option<T> {
        let entry = self.entries.remove(key)?;
        if let Some(at) = entry.deadline() {
            self.alarms.remove(&(at, key.clone()));
        }
        Some(entry)
    }

    /// Reads it.
    pub fn find(&self, key: &K) -> Option<&T> {
        self.entries.get(key)
    }

    /// Changes it, and sets its alarm anew; the second of the pair is the thing itself if it is now over.
    pub fn change<R>(&mut self, key: &K, change: impl FnOnce(&mut T) -> R) -> Option<(R, Option<T>)> {
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
        let ended = if over { self.entries.remove(key) } else { None };
        Some((result, ended))
    }

    /// The keys of those that `wanted` picks, in the order of the keys.
    pub fn keys_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<K> {
        let mut keys: Vec<K> =
            self.entries.iter().filter(|(_, entry)| wanted(entry)).map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }

    /// Who is due at `now`, the earliest first.
    pub fn due(&self, now: Mono) -> Option<K> {
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

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), alarms: BTreeSet::new() }
    }
}
