//! Whether each target of each trunk is there: by OPTIONS, and by what happens to calls (reliability F9).
//!
//! | | |
//! |---|---|
//! | out after | two misses in a row: at most 3 s until the next question and twice 1.4 s of waiting, below 6 s |
//! | a miss | no answer, a broken way, 408 or 503 to OPTIONS, silence after an INVITE or REGISTER |
//! | back after | three answers in a row; without probes after a rest of 30 s, on trial |
//! | told | at most once in ten seconds; what is silent is not used, told or not |

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Mono, Name};

use super::wire::{Owner, Wire};
use crate::header::uri::Uri;
use crate::message::Message;
use crate::seam::{Directory, Event, Flow, Trunk};
use crate::transaction::Key;

/// What is known of each trunk with a target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    trunks: BTreeMap<Name, Watch>,
    /// Trunks that were silent and answer again, since the last look.
    back: Vec<Name>,
}

/// One trunk: it is there while any of its targets is.
#[derive(Clone, Debug)]
struct Watch {
    asks: bool,
    targets: Vec<Probe>,
    told: Option<(bool, Mono)>,
}

#[derive(Clone, Debug)]
struct Probe {
    flow: Flow,
    state: State,
    /// When to ask, or when to cease waiting for an answer; never, where only calls tell.
    at: Option<Mono>,
    asked: Option<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was heard yet; so many misses.
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

/// How an answer stayed away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Miss {
    /// Nothing came: the time was spent waiting, and the next question follows at once.
    Silence,
    /// It was told at once.
    Refusal,
}

impl Probes {
    /// Takes the trunks of a directory; a target that stayed keeps what is known of it.
    pub(crate) fn follow(&mut self, directory: &Directory) {
        let mut before = std::mem::take(&mut self.trunks);
        for trunk in directory.trunks.iter().filter(|trunk| !trunk.targets.is_empty()) {
            let known = before.remove(&trunk.name).filter(|watch| watch.asks == trunk.probe);
            let (mut old, told) = known.map_or((Vec::new(), None), |watch| (watch.targets, watch.told));
            let targets = trunk.targets.iter().map(|&flow| {
                let kept =
                    old.iter().position(|probe| probe.flow == flow).map(|index| old.swap_remove(index));
                let at = trunk.probe.then_some(Mono::ZERO);
                kept.unwrap_or(Probe { flow, state: State::Unknown { misses: 0 }, at, asked: None })
            });
            let watch = Watch { asks: trunk.probe, targets: targets.collect(), told };
            self.trunks.insert(trunk.name.clone(), watch);
        }
    }

    /// How many questions are out.
    pub(crate) fn asked(&self) -> usize {
        let targets = self.trunks.values().flat_map(|watch| &watch.targets);
        targets.filter(|probe| probe.asked.is_some()).count()
    }

    /// Those of `targets` that are not known to be silent, in their order.
    pub(crate) fn alive(&self, trunk: &Name, targets: &[Flow]) -> Vec<Flow> {
        let watch = self.trunks.get(trunk);
        let is_down = |flow: &Flow| {
            watch
                .is_some_and(|watch| watch.targets.iter().any(|probe| probe.flow == *flow && probe.is_down()))
        };
        targets.iter().copied().filter(|flow| !is_down(flow)).collect()
    }

    /// A final response came. 408 and 503 say that what is behind the trunk's proxy is not there.
    pub(crate) fn answered(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, key: &Key, status: u16) {
        self.change(now, wire, trunk, |watch, wire| {
            let asks = watch.asks;
            let Some(probe) = watch.targets.iter_mut().find(|probe| probe.asked.as_ref() == Some(key)) else {
                return;
            };
            probe.asked = None;
            // A copy of the answer would change nothing: nobody need wait for it (timer K).
            wire.abandon(key);
            if matches!(status, 408 | 503) {
                probe.missed(now, wire, trunk, asks, Miss::Refusal);
            } else {
                probe.answered(now, asks);
            }
        });
    }

    /// The way to it is broken, or the transaction ended by itself.
    pub(crate) fn silent(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, key: &Key) {
        self.change(now, wire, trunk, |watch, wire| {
            let asks = watch.asks;
            if let Some(probe) = watch.targets.iter_mut().find(|probe| probe.asked.as_ref() == Some(key)) {
                probe.asked = None;
                probe.missed(now, wire, trunk, asks, Miss::Refusal);
            }
        });
    }

    /// A call or a registration was answered by a target, or found it silent.
    pub(crate) fn heard(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, flow: &Flow, heard: bool) {
        self.change(now, wire, trunk, |watch, wire| {
            let asks = watch.asks;
            let Some(probe) = watch.targets.iter_mut().find(|probe| probe.flow == *flow) else { return };
            if !heard {
                probe.missed(now, wire, trunk, asks, Miss::Silence);
            } else if asks {
                // Only answers to its questions bring a target up; a call that is answered forgives a miss.
                probe.state = match probe.state {
                    State::Unknown { .. } => State::Unknown { misses: 0 },
                    State::Up { .. } => State::Up { misses: 0 },
                    down @ State::Down { .. } => down,
                };
            } else {
                probe.state = State::Up { misses: 0 };
                probe.at = None;
            }
        });
    }

    pub(crate) fn expire(&mut self, now: Mono, wire: &mut Wire) {
        let due = |watch: &Watch| watch.deadline().is_some_and(|at| at <= now);
        let names: Vec<Name> =
            self.trunks.iter().filter(|(_, watch)| due(watch)).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.change(now, wire, &name, |watch, wire| {
                let asks = watch.asks;
                for probe in watch.targets.iter_mut().filter(|probe| probe.at.is_some_and(|at| at <= now)) {
                    if !asks {
                        probe.on_trial();
                    } else if probe.asked.is_some() {
                        probe.missed(now, wire, &name, asks, Miss::Silence);
                    } else {
                        probe.ask(now, wire, &name);
                    }
                }
            });
        }
    }

    /// Trunks that were silent and answer again, since the last look.
    pub(crate) fn take_back(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.back)
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.trunks.values().filter_map(Watch::deadline).min()
    }

    /// Lets something happen to a trunk, then tells what became of it as a whole.
    fn change(
        &mut self,
        now: Mono,
        wire: &mut Wire,
        trunk: &Name,
        happens: impl FnOnce(&mut Watch, &mut Wire),
    ) {
        let Some(watch) = self.trunks.get_mut(trunk) else { return };
        let before = watch.is_up();
        happens(watch, wire);
        let after = watch.is_up();
        if before == Some(false) && after == Some(true) {
            self.back.push(trunk.clone());
        }
        let Some(up) = after else { return };
        let quiet = watch.told.is_none_or(|(_, at)| at + BETWEEN_EVENTS <= now);
        if quiet && watch.told.is_none_or(|(told, _)| told != up) {
            watch.told = Some((up, now));
            wire.tell(Event::TrunkUp { trunk: trunk.clone(), up });
        }
    }
}

impl Watch {
    /// `None` while too little is known.
    fn is_up(&self) -> Option<bool> {
        if self.targets.iter().any(|probe| matches!(probe.state, State::Up { .. })) {
            return Some(true);
        }
        self.targets.iter().all(Probe::is_down).then_some(false)
    }

    fn deadline(&self) -> Option<Mono> {
        // What could not be told yet is told when the quiet time is over.
        let untold = match (self.told, self.is_up()) {
            (Some((told, at)), Some(up)) if told != up => Some(at + BETWEEN_EVENTS),
            _ => None,
        };
        self.targets.iter().filter_map(|probe| probe.at).chain(untold).min()
    }
}

impl Probe {
    const fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }

    fn ask(&mut self, now: Mono, wire: &mut Wire, trunk: &Name) {
        self.at = Some(now + ANSWER_WITHIN);
        let request = wire.trunk(trunk).cloned().and_then(|known| options(wire, &known, &self.flow));
        self.asked =
            request.and_then(|request| wire.request(now, self.flow, request, Owner::Probe(trunk.clone())));
    }

    fn answered(&mut self, now: Mono, asks: bool) {
        self.state = match self.state {
            State::Down { answers } if answers + 1 < ANSWERS_UNTIL_UP => State::Down { answers: answers + 1 },
            _ => State::Up { misses: 0 },
        };
        self.at = asks.then_some(now + EVERY);
    }

    fn missed(&mut self, now: Mono, wire: &mut Wire, trunk: &Name, asks: bool, miss: Miss) {
        if let Some(key) = self.asked.take() {
            wire.abandon(&key);
        }
        self.state = match self.state {
            State::Unknown { misses } if misses + 1 < MISSES_UNTIL_DOWN => {
                State::Unknown { misses: misses + 1 }
            }
            State::Up { misses } if misses + 1 < MISSES_UNTIL_DOWN => State::Up { misses: misses + 1 },
            _ => State::Down { answers: 0 },
        };
        if !asks {
            // Nobody asks; it is tried again after a rest.
            self.at = self.is_down().then_some(now + REST);
        } else if self.is_down() {
            self.at = Some(now + EVERY);
        } else if miss == Miss::Silence {
            self.ask(now, wire, trunk);
        } else {
            self.at = Some(now + AFTER_REFUSAL);
        }
    }

    /// The rest is over: one call may try it, and its silence is the last.
    fn on_trial(&mut self) {
        self.state = State::Unknown { misses: MISSES_UNTIL_DOWN - 1 };
        self.at = None;
    }
}

fn options(wire: &mut Wire, trunk: &Trunk, target: &Flow) -> Option<Message> {
    let uri = Uri::sip(None, &trunk.host, trunk.port).ok()?;
    wire.ping(target, &uri)
}

/// How often each target is asked.
const EVERY: Duration = Duration::from_secs(3);
/// An answer must come within this: room for a second datagram, and twice of it for six seconds in all.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_400);
/// A carrier that restarts refuses for a moment: the next question waits for it.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// One lost datagram is no outage: OPTIONS is sent twice in each question, and asked twice.
const MISSES_UNTIL_DOWN: u32 = 2;
/// A trunk that flaps is not used until it has answered this often.
const ANSWERS_UNTIL_UP: u32 = 3;
/// How long a target that is not asked is left alone once it was silent.
const REST: Duration = Duration::from_secs(30);
/// A trunk that flaps is told of this often at most (reliability F9).
const BETWEEN_EVENTS: Duration = Duration::from_secs(10);
