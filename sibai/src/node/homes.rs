//! Homes: which worker has the channels of a user.
//!
//! All legs of one phone's user live in one worker, so that two calls of a seat can become one: a transfer
//! bridges what only one worker can bridge.

use std::collections::BTreeMap;

use base::{LegId, Name};

/// The legs of each user, and the worker that has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Homes {
    legs: BTreeMap<Name, BTreeMap<LegId, usize>>,
    users: BTreeMap<LegId, Name>,
}

impl Homes {
    /// A leg of `user` is with this worker.
    pub(super) fn add(&mut self, user: Name, leg: LegId, worker: usize) {
        self.legs.entry(user.clone()).or_default().insert(leg, worker);
        self.users.insert(leg, user);
    }

    /// Whether this leg is a phone's of ours.
    pub(super) fn has(&self, leg: LegId) -> bool {
        self.users.contains_key(&leg)
    }

    /// A leg is gone.
    pub(super) fn remove(&mut self, leg: LegId) {
        let Some(user) = self.users.remove(&leg) else { return };
        if let Some(legs) = self.legs.get_mut(&user) {
            legs.remove(&leg);
            if legs.is_empty() {
                self.legs.remove(&user);
            }
        }
    }

    /// The worker that has legs of this user.
    pub(super) fn of(&self, user: &Name) -> Option<usize> {
        self.legs.get(user)?.values().next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_at_home_until_the_last_leg_is_gone() {
        let mut homes = Homes::default();
        let (user, one, two) = (Name::from("8001"), LegId::placed(1), LegId::arrived(5));
        assert_eq!(homes.of(&user), None);
        homes.add(user.clone(), one, 3);
        homes.add(user.clone(), two, 3);
        homes.remove(one);
        assert!(homes.has(two) && !homes.has(one));
        assert_eq!(homes.of(&user), Some(3));
        homes.remove(two);
        homes.remove(two);
        assert_eq!(homes.of(&user), None);
        assert!(homes.legs.is_empty() && homes.users.is_empty());
    }
}
