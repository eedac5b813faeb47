//! A leg and the table of legs: found by id, and by what an in-dialog request names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use base::{LegId, Mono, Name};

use super::Dialog;
use super::arriving::Arriving;
use super::leaving::Leaving;
use super::lingering::Lingering;
use super::placing::Placing;
use super::refer::Referral;
use super::up::Up;
use crate::endpoint::step::Step;
use crate::registrar::Moved;
use crate::seam::LampDialog;
use crate::transaction::Key;
use crate::transaction::key::ByKey;

/// One party of a call as SIP sees it.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    /// The control's name for it.
    pub(crate) id: LegId,
    /// Who is at the other end.
    pub(crate) party: Party,
    /// What finds it: Call-ID and our tag.
    pub(crate) index: Index,
    /// The server transaction of the INVITE that made it, for its CANCEL.
    pub(crate) invite: Option<Key>,
    /// Where it stands.
    pub(crate) stage: Stage,
}

impl Leg {
    /// Its dialog as its phone knows it, once it has one; of forks the first that rang.
    pub(crate) fn shown(&self) -> Option<LampDialog> {
        let dialog = match &self.stage {
            Stage::Arriving(arriving) => &arriving.dialog,
            Stage::Placing(placing) => placing.first_early()?,
            Stage::Up(up) => &up.dialog,
            Stage::Leaving(_) | Stage::Lingering(_) => return None,
        };
        Some(LampDialog {
            call_id: dialog.call_id.clone(),
            local_tag: dialog.remote_tag.clone(),
            remote_tag: dialog.local_tag.clone(),
        })
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// A trunk.
    Trunk(Name),
    /// A user.
    User(Name),
}

impl Party {
    /// The trunk's name, if it is one.
    pub(crate) fn trunk(&self) -> Option<&Name> {
        match self {
            Self::Trunk(name) => Some(name),
            Self::User(_) => None,
        }
    }
}

/// Where a leg stands. A transition eats the stage.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// An INVITE came; no final response yet.
    Arriving(Box<Arriving>),
    /// Our INVITE is out; no final response yet.
    Placing(Box<Placing>),
    /// Answered.
    Up(Box<Up>),
    /// Our BYE is out; for the control the leg is over.
    Leaving(Box<Leaving>),
    /// Over; a REFER has yet to be reported on.
    Lingering(Box<Lingering>),
}

impl Stage {
    /// The dialog and its referral, once there are any.
    pub(crate) fn referral(&mut self) -> Option<(&mut Dialog, &mut Referral)> {
        match self {
            Self::Up(up) => Some((&mut up.dialog, &mut up.referral)),
            Self::Leaving(leaving) => Some((&mut leaving.dialog, &mut leaving.referral)),
            Self::Lingering(lingering) => Some((&mut lingering.dialog, &mut lingering.referral)),
            Self::Arriving(_) | Self::Placing(_) => None,
        }
    }

    /// Its referral has moved: a stage that stays for nothing else goes on.
    pub(crate) fn settle(self, step: &mut Step) -> Option<Self> {
        match self {
            Self::Up(up) => up.leave_when_done(step),
            Self::Lingering(lingering) => lingering.or_gone(),
            other => Some(other),
        }
    }

    fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Arriving(arriving) => Some(arriving.deadline()),
            Self::Placing(placing) => Some(placing.deadline()),
            Self::Up(up) => up.deadline(),
            Self::Leaving(leaving) => leaving.deadline(),
            Self::Lingering(lingering) => lingering.deadline(),
        }
    }
}

/// Call-ID and our tag in one text.
pub(crate) type Index = Arc<str>;

/// The index of a dialog.
pub(crate) fn index(call_id: &str, local_tag: &str) -> Index {
    format!("{call_id}|{local_tag}").into()
}

/// All legs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legs {
    by_id: BTreeMap<LegId, Leg>,
    by_index: HashMap<Index, LegId>,
    by_invite: ByKey<LegId>,
    alarms: BTreeSet<(Mono, LegId)>,
}

impl Legs {
    /// Takes a leg out to change it. It must come back by `put`, or go by `forget`.
    pub(crate) fn take(&mut self, id: LegId) -> Option<Leg> {
        let leg = self.by_id.remove(&id)?;
        if let Some(at) = leg.stage.deadline() {
            self.alarms.remove(&(at, id));
        }
        Some(leg)
    }

    /// Puts a leg in, with its alarm.
    pub(crate) fn put(&mut self, leg: Leg) {
        if let Some(at) = leg.stage.deadline() {
            self.alarms.insert((at, leg.id));
        }
        self.by_index.insert(leg.index.clone(), leg.id);
        if let Some(invite) = &leg.invite {
            self.by_invite.insert(invite.clone(), leg.id);
        }
        self.by_id.insert(leg.id, leg);
    }

    /// A leg that was taken is gone for good.
    pub(crate) fn forget(&mut self, index: &Index, invite: Option<&Key>) {
        self.by_index.remove(index);
        if let Some(invite) = invite {
            self.by_invite.remove(invite);
        }
    }

    /// A phone has come back by another way: what it has with us goes on there (RFC 5626 section 5.3).
    pub(crate) fn moved(&mut self, user: &Name, moved: Moved) {
        for leg in self.by_id.values_mut() {
            if !matches!(&leg.party, Party::User(name) if name == user) {
                continue;
            }
            match &mut leg.stage {
                Stage::Arriving(arriving) => arriving.dialog.moved(moved),
                Stage::Up(up) => up.moved(moved),
                Stage::Leaving(leaving) => leaving.dialog.moved(moved),
                Stage::Lingering(lingering) => lingering.dialog.moved(moved),
                Stage::Placing(_) => {}
            }
        }
    }

    /// The leg that this INVITE made.
    pub(crate) fn find_by_invite(&self, invite: &Key) -> Option<LegId> {
        self.by_invite.get(invite).copied()
    }

    pub(crate) fn find(&self, index: &Index) -> Option<LegId> {
        self.by_index.get(index).copied()
    }

    pub(crate) fn leg(&self, id: LegId) -> Option<&Leg> {
        self.by_id.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn due(&self, now: Mono) -> Option<LegId> {
        self.alarms.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// How many entries are held in all tables.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.by_id.len() + self.by_index.len() + self.by_invite.len() + self.alarms.len()
    }
}
