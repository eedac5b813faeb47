//! OPTIONS to each trunk: is it there (reliability, trunks)?

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Mono, Name};

use super::wire::{Owner, PRODUCT, Wire};
use crate::header::address::Address;
use crate::header::uri::Uri;
use crate::message::Message;
use crate::message::draft::Draft;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::message::reply::MAX_FORWARDS;
use crate::seam::{Directory, Event, Flow, Trunk};
use crate::transaction::Key;

/// What is known of each trunk with a target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    trunks: BTreeMap<Name, Probe>,
}

#[derive(Clone, Debug)]
struct Probe {
    target: Flow,
    state: State,
    /// When to ask, or when to cease waiting for an answer.
    at: Mono,
    asked: Option<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not told yet; so many misses.
    Unknown {
        misses: u32,
    },
    Up {
        misses: u32,
    },
    /// So many good answers in a row.
    Down {
        answers: u32,
    },
}

impl Probes {
    /// Takes the trunks of a directory; one whose target stayed keeps what is known of it.
    pub(crate) fn follow(&mut self, directory: &Directory) {
        let mut before = std::mem::take(&mut self.trunks);
        for trunk in &directory.trunks {
            let Some(target) = trunk.target else { continue };
            let kept = before.remove(&trunk.name).filter(|probe| probe.target == target);
            let fresh = Probe { target, state: State::Unknown { misses: 0 }, at: Mono::ZERO, asked: None };
            self.trunks.insert(trunk.name.clone(), kept.unwrap_or(fresh));
        }
    }

    /// A final response came. 408 and 503 say that what is behind the trunk's proxy is not there.
    pub(crate) fn answered(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, status: u16) {
        if matches!(status, 408 | 503) {
            self.missed(now, wire, trunk);
            return;
        }
        let Some(probe) = self.trunks.get_mut(trunk) else { return };
        probe.asked = None;
        let (state, tell) = match probe.state {
            State::Unknown { .. } => (State::Up { misses: 0 }, true),
            State::Up { .. } => (State::Up { misses: 0 }, false),
            State::Down { answers } if answers + 1 >= ANSWERS_UNTIL_UP => (State::Up { misses: 0 }, true),
            State::Down { answers } => (State::Down { answers: answers + 1 }, false),
        };
        probe.moved(now, wire, trunk, state, tell.then_some(true));
    }

    /// No answer came in time.
    pub(crate) fn missed(&mut self, now: Mono, wire: &mut Wire, trunk: &Name) {
        let Some(probe) = self.trunks.get_mut(trunk) else { return };
        if let Some(key) = probe.asked.take() {
            wire.abandon(&key);
        }
        let (state, tell) = match probe.state {
            State::Unknown { misses } | State::Up { misses } if misses + 1 >= MISSES_UNTIL_DOWN => {
                (State::Down { answers: 0 }, Some(false))
            }
            State::Unknown { misses } => (State::Unknown { misses: misses + 1 }, None),
            State::Up { misses } => (State::Up { misses: misses + 1 }, None),
            State::Down { .. } => (State::Down { answers: 0 }, None),
        };
        probe.moved(now, wire, trunk, state, tell);
    }

    pub(crate) fn expire(&mut self, now: Mono, wire: &mut Wire) {
        let due: Vec<Name> =
            self.trunks.iter().filter(|(_, probe)| probe.at <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some(probe) = self.trunks.get_mut(&name) else { continue };
            if probe.asked.is_some() {
                self.missed(now, wire, &name);
            } else {
                probe.ask(now, wire, &name);
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.trunks.values().map(|probe| probe.at).min()
    }
}

impl Probe {
    fn ask(&mut self, now: Mono, wire: &mut Wire, trunk: &Name) {
        self.at = now + ANSWER_WITHIN;
        let request = wire.trunk(trunk).cloned().and_then(|known| options(wire, &known, &self.target));
        self.asked =
            request.and_then(|request| wire.request(now, self.target, request, Owner::Probe(trunk.clone())));
    }

    fn moved(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, state: State, tell: Option<bool>) {
        self.state = state;
        self.at = match state {
            State::Up { misses: 0 } => now + WHILE_UP,
            State::Up { .. } | State::Unknown { .. } | State::Down { .. } => now + WHILE_DOWN,
        };
        if let Some(up) = tell {
            wire.tell(Event::TrunkUp { trunk: trunk.clone(), up });
        }
    }
}

fn options(wire: &mut Wire, trunk: &Trunk, target: &Flow) -> Option<Message> {
    let uri = Uri::sip(None, &trunk.host, explicit_port(target)).ok()?;
    let from = Uri::sip(Some("ping"), &wire.directory.realm, None).ok()?;
    let tag = wire.fresh_tag();
    let call_id = wire.entropy.token(12);
    let draft = Draft::request(Method::Options, &uri)
        .header(Header::Via, wire.via(target))
        .header(Header::MaxForwards, MAX_FORWARDS)
        .header(Header::From, Address::new(from).tagged(&tag))
        .header(Header::To, Address::new(uri))
        .header(Header::CallId, call_id)
        .header(Header::CSeq, "1 OPTIONS")
        .header(Header::Contact, wire.contact(target))
        .header(Header::UserAgent, PRODUCT);
    Some(draft.finish())
}

/// The port of a target, where it is not the default.
pub(super) fn explicit_port(target: &Flow) -> Option<u16> {
    Some(target.remote.port()).filter(|&port| port != target.transport.default_port())
}

/// How often a trunk that answers is asked.
const WHILE_UP: Duration = Duration::from_secs(30);
/// How often one that does not.
const WHILE_DOWN: Duration = Duration::from_secs(5);
/// An answer must come within this: timer F would notice a dead trunk a minute too late.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// One lost datagram is no outage: OPTIONS is repeated three times in four seconds, twice over.
const MISSES_UNTIL_DOWN: u32 = 2;
/// A trunk that flaps is not used until it has answered this often.
const ANSWERS_UNTIL_UP: u32 = 3;
