//! Who was found to take SRTP alone and refuses it beside plain RTP: offered alone at once the next time.

use std::collections::{BTreeMap, BTreeSet};

use base::Name;
use pbx::Plan;
use pbx::seam::Target;

/// Registrations and trunks that insist on `RTP/SAVP`.
#[derive(Clone, Debug, Default)]
pub(super) struct Insistent {
    contacts: BTreeMap<Name, BTreeSet<u64>>,
    trunks: BTreeSet<Name>,
}

impl Insistent {
    /// Whether this one does.
    pub(super) fn holds(&self, target: &Target) -> bool {
        match target {
            Target::Contact { ext, contact } => {
                self.contacts.get(ext).is_some_and(|known| known.contains(contact))
            }
            Target::Outside { trunk, .. } => self.trunks.contains(trunk),
        }
    }

    /// This one took what we offered: SRTP alone, or not.
    pub(super) fn note(&mut self, target: &Target, alone: bool) {
        match (target, alone) {
            (Target::Contact { ext, contact }, true) => {
                self.contacts.entry(ext.clone()).or_default().insert(*contact);
            }
            (Target::Contact { ext, contact }, false) => {
                if let Some(known) = self.contacts.get_mut(ext) {
                    known.remove(contact);
                }
            }
            (Target::Outside { trunk, .. }, true) => {
                self.trunks.insert(trunk.clone());
            }
            (Target::Outside { trunk, .. }, false) => {
                self.trunks.remove(trunk);
            }
        }
    }

    /// A user has these registrations now: what was known of others is forgotten.
    pub(super) fn keep(&mut self, user: &Name, contacts: &[u64]) {
        if let Some(known) = self.contacts.get_mut(user) {
            known.retain(|contact| contacts.contains(contact));
            if known.is_empty() {
                self.contacts.remove(user);
            }
        }
    }

    /// Trunks that are gone are forgotten.
    pub(super) fn follow(&mut self, plan: &Plan) {
        self.trunks.retain(|trunk| plan.trunks.contains_key(trunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_registration_ends_with_it() {
        let mut insistent = Insistent::default();
        let user = Name::from("8001");
        let phone = |contact| Target::Contact { ext: user.clone(), contact };
        insistent.note(&phone(1), true);
        insistent.note(&phone(2), true);
        assert!(insistent.holds(&phone(1)) && insistent.holds(&phone(2)) && !insistent.holds(&phone(3)));
        insistent.keep(&user, &[2, 3]);
        assert!(!insistent.holds(&phone(1)) && insistent.holds(&phone(2)));
        insistent.note(&phone(2), false);
        assert!(!insistent.holds(&phone(2)));
        insistent.keep(&user, &[]);
        assert!(insistent.contacts.is_empty());
    }
}
