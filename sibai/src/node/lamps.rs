//! Lamps: which users' phones ring and talk, from what passes between SIP and the brain (RFC 4235).

use std::collections::BTreeMap;

use base::{LegId, Name, Pii};
use sip::seam::{Command, Destination, Event, Identity, Lamp, LampCall, Peer};

/// The calls of every user's phones. A leg is shown from its first ringing to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Lamps {
    users: BTreeMap<Name, BTreeMap<LegId, Call>>,
    owners: BTreeMap<LegId, Name>,
}

#[derive(Clone, Debug)]
struct Call {
    is_caller: bool,
    stage: Stage,
    remote: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Our INVITE is out; its phone has not rung yet.
    Dark,
    Rings,
    Talks,
}

impl Lamps {
    /// The control is about to command this; the user whose lamp it changes. `is_user` tells users from outside
    /// numbers, of which watchers see no more than a part.
    pub(super) fn ordered(&mut self, command: &Command, is_user: impl Fn(&str) -> bool) -> Option<Name> {
        match command {
            Command::Place { leg, invite } => {
                let Destination::Contact { user, .. } = &invite.to else { return None };
                let remote = (!invite.withheld).then(|| shown(&invite.from_user, is_user));
                self.add(*leg, user, Call { is_caller: false, stage: Stage::Dark, remote });
                None
            }
            Command::Accept { leg, .. } => self.change(*leg, |call| call.stage = Stage::Talks),
            Command::Refuse { leg, .. } | Command::HangUp { leg, .. } => self.remove(*leg),
            Command::Identify { leg, identity } => {
                let Identity { user, withheld, .. } = identity.as_ref();
                let remote = (!withheld).then(|| shown(user, is_user));
                self.change(*leg, |call| call.remote = remote)
            }
            _ => None,
        }
    }

    /// SIP told this; the user whose lamp it changes.
    pub(super) fn told(&mut self, event: &Event, is_user: impl Fn(&str) -> bool) -> Option<Name> {
        match event {
            Event::Arrived(incoming) => {
                let Peer::User(user) = &incoming.peer else { return None };
                let remote = Some(shown(&incoming.request_user, is_user));
                self.add(incoming.leg, user, Call { is_caller: true, stage: Stage::Rings, remote });
                Some(user.clone())
            }
            Event::Progressed { leg, .. } => self.change(*leg, |call| call.stage = Stage::Rings),
            Event::Answered { leg, .. } => self.change(*leg, |call| call.stage = Stage::Talks),
            Event::Ended { leg, .. } => self.remove(*leg),
            _ => None,
        }
    }

    /// A user's lamp as it is now.
    pub(super) fn of(&self, user: &Name) -> Lamp {
        let calls = self.users.get(user).into_iter().flatten();
        let visible = calls.filter(|(_, call)| call.stage != Stage::Dark);
        let shown = visible.map(|(&leg, call)| LampCall {
            leg,
            is_caller: call.is_caller,
            is_confirmed: call.stage == Stage::Talks,
            remote: call.remote.clone(),
            dialog: None,
        });
        Lamp { calls: shown.collect() }
    }

    fn add(&mut self, leg: LegId, user: &Name, call: Call) {
        self.owners.insert(leg, user.clone());
        self.users.entry(user.clone()).or_default().insert(leg, call);
    }

    fn change(&mut self, leg: LegId, change: impl FnOnce(&mut Call)) -> Option<Name> {
        let user = self.owners.get(&leg)?;
        change(self.users.get_mut(user)?.get_mut(&leg)?);
        Some(user.clone())
    }

    fn remove(&mut self, leg: LegId) -> Option<Name> {
        let user = self.owners.remove(&leg)?;
        let calls = self.users.get_mut(&user)?;
        calls.remove(&leg);
        if calls.is_empty() {
            self.users.remove(&user);
        }
        Some(user)
    }
}

/// A colleague by its extension, anybody else masked: a lamp is seen by the whole line.
fn shown(user: &str, is_user: impl Fn(&str) -> bool) -> String {
    if is_user(user) { user.to_owned() } else { Pii(user).to_string() }
}

#[cfg(test)]
mod tests {
    use base::Cause;
    use sip::seam::Outgoing;

    use super::*;

    const LEG: LegId = LegId::placed(1);

    fn is_user(user: &str) -> bool {
        user == "8001"
    }

    fn place(from: &str, withheld: bool) -> Command {
        let invite = Outgoing {
            to: Destination::Contact { user: "8003".into(), contact: 1 },
            from_user: from.to_owned(),
            display: None,
            asserted: None,
            withheld,
            called: None,
            referred_by: None,
            diverting: None,
            hops: None,
            sdp: String::new(),
        };
        Command::Place { leg: LEG, invite: Box::new(invite) }
    }

    /// Whether it is confirmed, and the remote, of each call of 8003.
    fn lamp(lamps: &Lamps) -> Vec<(bool, Option<String>)> {
        lamps.of(&"8003".into()).calls.into_iter().map(|call| (call.is_confirmed, call.remote)).collect()
    }

    #[test]
    fn a_seat_burns_from_its_ringing_to_its_end() {
        let mut lamps = Lamps::default();
        assert_eq!(lamps.ordered(&place("13800138000", false), is_user), None);
        assert!(lamp(&lamps).is_empty(), "nothing rings yet");
        let rings = Event::Progressed { leg: LEG, status: 180, sdp: None };
        assert_eq!(lamps.told(&rings, is_user), Some("8003".into()));
        assert_eq!(lamp(&lamps), [(false, Some("138****8000".to_owned()))]);
        let answered = Event::Answered { leg: LEG, sdp: None, peer: [127, 0, 0, 1].into() };
        lamps.told(&answered, is_user);
        assert_eq!(lamp(&lamps), [(true, Some("138****8000".to_owned()))]);
        lamps.told(&Event::Ended { leg: LEG, cause: Cause::SeatHungUp, status: None, q850: None }, is_user);
        assert!(lamp(&lamps).is_empty() && lamps.owners.is_empty() && lamps.users.is_empty());
    }

    #[test]
    fn a_colleague_is_named_and_who_withholds_is_not() {
        let mut lamps = Lamps::default();
        let rings = Event::Progressed { leg: LEG, status: 180, sdp: None };
        lamps.ordered(&place("8001", false), is_user);
        lamps.told(&rings, is_user);
        assert_eq!(lamp(&lamps), [(false, Some("8001".to_owned()))]);
        let user = "13800138000".to_owned();
        let identity = Box::new(Identity { user, display: None, asserted: None, withheld: false });
        lamps.ordered(&Command::Identify { leg: LEG, identity }, is_user);
        assert_eq!(lamp(&lamps), [(false, Some("138****8000".to_owned()))], "transferred to another");
        lamps.ordered(&Command::HangUp { leg: LEG, cause: Cause::FlowEnded }, is_user);
        assert!(lamp(&lamps).is_empty());
        lamps.ordered(&place("anonymous", true), is_user);
        lamps.told(&rings, is_user);
        assert_eq!(lamp(&lamps), [(false, None)]);
    }
}
