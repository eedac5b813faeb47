//! A bounded table that forgets what was touched longest ago.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, at most so many; a new one pushes out the one that was touched longest ago.
///
/// The map is only looked up, so its order cannot reach an output.
#[derive(Clone, Debug)]
pub(crate) struct Recent<K, V> {
    entries: HashMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
    next: u64,
    most: usize,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    /// An empty table for at most `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), next: 0, most: most.max(1) }
    }

    /// Reads a value; that does not touch it.
    pub(crate) fn find(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Changes the value of a key, made by `new` if it is not there; what was pushed out for it comes back too.
    pub(crate) fn touch<R>(
        &mut self,
        key: &K,
        new: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> R,
    ) -> (R, Option<(K, V)>) {
        let mut pushed = None;
        if !self.entries.contains_key(key) && self.entries.len() >= self.most {
            pushed = self
                .order
                .pop_first()
                .and_then(|(_, oldest)| self.entries.remove(&oldest).map(|(_, value)| (oldest, value)));
        }
        self.next += 1;
        let next = self.next;
        let (at, value) = self.entries.entry(key.clone()).or_insert_with(|| (next, new()));
        self.order.remove(at);
        *at = next;
        let result = change(value);
        self.order.insert(next, key.clone());
        (result, pushed)
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (at, value) = self.entries.remove(key)?;
        self.order.remove(&at);
        Some(value)
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_pushes_out_what_was_touched_longest_ago() {
        let mut recent = Recent::new(2);
        for key in ["a", "b", "a"] {
            let ((), pushed) = recent.touch(&key, || 0, |count| *count += 1);
            assert_eq!(pushed, None);
        }
        let (_, pushed) = recent.touch(&"c", || 7, |count| *count);
        assert_eq!(pushed, Some(("b", 1)));
        assert_eq!((recent.find(&"a"), recent.find(&"b"), recent.len()), (Some(&2), None, 2));
        assert_eq!(recent.remove(&"a"), Some(2));
        assert_eq!(recent.len(), 1);
    }
}
