//! The endpoint: everything of SIP as one machine, from messages and commands to messages and events.
//!
//! ```text
//!  Received ─▶ transactions ─▶ in a dialog ─▶ leg's stage ─┐
//!                    │      └▶ outside: the gate, then INVITE, REGISTER, OPTIONS, refusals without memory
//!  Command ──────────┼────────────────────▶ leg's stage ──┤
//!  expire ───────────┴──▶ legs, bindings, probes ─────────┴─▶ Send, Event
//! ```

mod arrive;
mod command;
mod gate;
pub(crate) mod login;
mod probe;
mod receive;
mod refer;
mod register;
mod respond;
pub(crate) mod step;
mod subscribe;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::net::SocketAddr;

use base::{Entropy, LegId, Machine, Mono, Now};

use crate::access::Guard;
use crate::dialog::leg::{Leg, Legs, Stage};
use crate::registrar::Registrar;
use crate::seam::{Destination, Directory, Event, Flow, Input, Limits, Output, Route, Transport};
use crate::subscription::Subscriptions;
use crate::trunk::enrolment::Enrolments;
use probe::Probes;
use step::Step;
use wire::{Owner, TimedOut, Wire};

/// SIP as one machine. Plain data: a clone fed the same inputs gives the same outputs.
#[derive(Clone, Debug)]
pub struct Endpoint {
    wire: Wire,
    guard: Guard,
    legs: Legs,
    registrar: Registrar,
    subscriptions: Subscriptions,
    probes: Probes,
    enrolments: Enrolments,
    arrived: u64,
    is_draining: bool,
}

impl Endpoint {
    /// An endpoint that knows these users and trunks.
    pub fn new(directory: Directory, limits: Limits, entropy: Entropy) -> Self {
        let mut wire = Wire::new(directory, limits, entropy);
        let guard = Guard::new(&mut wire);
        let mut probes = Probes::default();
        probes.follow(&wire.directory);
        let mut enrolments = Enrolments::default();
        enrolments.follow(&mut wire);
        Self {
            wire,
            guard,
            legs: Legs::default(),
            registrar: Registrar::default(),
            subscriptions: Subscriptions::default(),
            probes,
            enrolments,
            arrived: 0,
            is_draining: false,
        }
    }

    /// The addresses on the way to a destination; `None` when the contact or trunk is not there.
    pub fn route(&self, to: &Destination) -> Option<Route> {
        let flow = self.target(to)?.flow;
        let (local, peer) = (flow.local.ip(), flow.remote.ip());
        let (confidential, web) = (flow.transport.is_secure(), flow.transport.is_web());
        Some(Route { local, advertised: self.wire.advertised_ip(local, peer), peer, confidential, web })
    }

    /// Whether there is a user of this name.
    pub fn knows(&self, user: &str) -> bool {
        self.wire.directory.users.contains_key(user)
    }

    /// How many legs there are, with those whose BYE is still out.
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// How many transactions there are, without the probes of trunks, which never cease.
    pub fn transactions(&self) -> usize {
        self.wire.load().saturating_sub(self.probes.asked())
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// How many contacts are registered.
    pub fn bindings(&self) -> usize {
        self.registrar.total()
    }

    /// How many sources are banned.
    pub fn bans(&self) -> usize {
        self.guard.banned()
    }

    /// With how many trunks we are registered.
    pub fn enrolled(&self) -> usize {
        self.enrolments.standing()
    }

    /// Moves one leg: takes it out, lets `step` eat its stage, and puts back what comes of it.
    fn step_leg(
        &mut self,
        now: Now,
        id: LegId,
        flow: Option<Flow>,
        step: impl FnOnce(&mut Step, Stage) -> Option<Stage>,
    ) {
        let Some(leg) = self.legs.take(id) else { return };
        let Leg { id, party, index, invite, stage } = leg;
        let mut at =
            Step { wire: &mut self.wire, now: now.mono, id, party: &party, flow: flow.unwrap_or(NOWHERE) };
        match step(&mut at, stage) {
            Some(stage) => self.legs.put(Leg { id, party, index, invite, stage }),
            None => self.legs.forget(&index, invite.as_ref()),
        }
    }

    /// A client transaction got no answer.
    fn timed_out(&mut self, now: Now, failed: TimedOut) {
        let TimedOut { key, owner } = failed;
        match owner {
            Owner::Invite(leg) => self.step_leg(now, leg, None, |step, stage| match stage {
                Stage::Placing(placing) => placing.timed_out(step, &key),
                other => Some(other),
            }),
            Owner::Refresh(leg) => self.step_leg(now, leg, None, |step, stage| match stage {
                Stage::Up(up) => up.refresh_timed_out(step, &key),
                other => Some(other),
            }),
            Owner::Bye(leg) => self.step_leg(now, leg, None, |_, stage| match stage {
                Stage::Leaving(_) => None,
                other => Some(other),
            }),
            Owner::Probe(trunk) => self.probes.silent(now.mono, &mut self.wire, &trunk, &key),
            Owner::Registration(trunk) => self.enrolments.silent(now.mono, &mut self.wire, &trunk, &key),
            Owner::Notify(leg) => self.step_leg(now, leg, None, |step, mut stage| {
                if let Some((_, referral)) = stage.referral() {
                    referral.unheard(&key);
                }
                stage.settle(step)
            }),
            Owner::Watch(id) => self.subscriptions.unheard(id, &key),
            // The INVITE's own end will come.
            Owner::Prack(_) | Owner::Left | Owner::Stray | Owner::Nobody => {}
        }
    }

    fn unreachable(&mut self, now: Now, flow: &Flow) {
        for failed in self.wire.fail_flow(now.mono, flow) {
            self.timed_out(now, failed);
        }
    }

    /// What calls and probes learned of trunks: who is silent is not used, who is back is registered with anew.
    fn note_news(&mut self, now: Now) {
        for (trunk, flow, heard) in self.wire.take_heard() {
            self.probes.heard(now.mono, &mut self.wire, &trunk, &flow, heard);
        }
        for trunk in self.probes.take_back() {
            self.enrolments.again(now.mono, &mut self.wire, &trunk);
        }
    }

    fn refused(&mut self, source: SocketAddr, method: &str, status: u16, why: &'static str) {
        self.wire.tell(Event::Refused { source, method: method.to_owned(), status, why });
    }
}

impl Machine for Endpoint {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Received { flow, message: Ok(message) } if message.is_request() => {
                self.request(now, flow, &message);
            }
            Input::Received { flow, message: Ok(message) } => self.response(now, flow, &message),
            Input::Received { flow, message: Err(bad) } => self.malformed(now, flow, &bad),
            Input::Proved { connection, names } => {
                self.wire.proofs.insert(connection, names);
            }
            Input::Closed { connection } => {
                self.wire.proofs.remove(&connection);
                self.registrar.closed(&mut self.wire, connection);
                self.subscriptions.closed(connection);
                self.enrolments.closed(now.mono, &mut self.wire, connection);
            }
            Input::Unreachable { flow } => self.unreachable(now, &flow),
            Input::Command(command) => self.command(now, command),
        }
        self.note_news(now);
    }

    fn expire(&mut self, now: Now) {
        for failed in self.wire.expire(now.mono) {
            self.timed_out(now, failed);
        }
        while let Some(leg) = self.legs.due(now.mono) {
            self.step_leg(now, leg, None, |step, stage| match stage {
                Stage::Arriving(arriving) => arriving.expire(step),
                Stage::Placing(placing) => placing.expire(step),
                Stage::Up(up) => up.expire(step),
                mut stage @ (Stage::Leaving(_) | Stage::Lingering(_)) => {
                    if let Some((dialog, referral)) = stage.referral() {
                        referral.expire(step, dialog);
                    }
                    stage.settle(step)
                }
            });
        }
        self.registrar.expire(now.mono, &mut self.wire);
        self.subscriptions.expire(now.mono, &mut self.wire);
        self.guard.expire(now.mono, &mut self.wire);
        self.probes.expire(now.mono, &mut self.wire);
        self.enrolments.expire(now.mono, &mut self.wire);
        self.note_news(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.wire.poll().or_else(|| self.registrar.poll_known().map(Output::Event))
    }

    fn deadline(&self) -> Option<Mono> {
        let machines = base::time::soonest(self.wire.deadline(), self.legs.deadline());
        let machines = base::time::soonest(machines, self.subscriptions.deadline());
        let machines = base::time::soonest(machines, self.guard.deadline());
        let trunks = base::time::soonest(self.probes.deadline(), self.enrolments.deadline());
        base::time::soonest(machines, base::time::soonest(self.registrar.deadline(), trunks))
    }
}

/// Stands for the way of a step that no message caused; nothing is sent there.
const NOWHERE: Flow = Flow {
    transport: Transport::Udp,
    local: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    remote: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    connection: None,
    listener: 0,
};
