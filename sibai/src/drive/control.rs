//! The control thread: one loop round one node. Drain what it wants, fire what is due, then wait.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Machine, PeerMatch, RecordingId};

use super::clock::Clock;
use super::inbox::Inbox;
pub use super::inbox::{Sender, channel};
use super::net::Net;
use super::recorder;
use super::worker::{Order, Worker};
use crate::metrics::Metrics;
use crate::node::{self, LapseKind, Node, Output};

/// What can reach the control thread.
#[derive(Debug)]
pub enum Input {
    /// For the node.
    Node(node::Input),
    /// A worker had to drop packets of a recording.
    TapGap {
        /// Which.
        recording: RecordingId,
        /// How many.
        packets: u32,
    },
    /// End the loop.
    Stop,
}

/// The thread's own.
pub struct Control {
    /// The machine.
    pub node: Node,
    /// Both clocks.
    pub clock: Clock,
    /// Sockets.
    pub net: Net,
    /// Media.
    pub workers: Vec<Worker>,
    /// The recorder's inbox.
    pub recorder: recorder::Sender,
    /// Its own inbox's door, to be told who is known.
    pub doorkeeper: Sender,
    /// Where calls that are over and other news go.
    pub news: Box<dyn FnMut(News) + Send>,
    /// Gauges and counters.
    pub metrics: Arc<Metrics>,
}

/// What the rest of the process wants to know.
#[derive(Debug)]
pub enum News {
    /// A call is over.
    Finished(Box<node::Finished>),
    /// A call is up, or something about it changed: its record as it would end now.
    Standing(Box<pbx::CallRecord>),
    /// Something happened in a call.
    Told {
        /// The call.
        call: base::CallId,
        /// What.
        what: pbx::seam::Told,
    },
    /// A source is banned.
    Banned(sip::seam::Ban),
    /// A ban is over or was lifted.
    Unbanned {
        /// The address as it stood in the ban.
        source: IpAddr,
    },
    /// A user's number of contacts changed.
    Registered {
        /// The user.
        user: base::Name,
        /// How many now.
        contacts: usize,
    },
}

impl Control {
    /// Lives until `Input::Stop`.
    pub fn run(mut self, inbox: &Inbox) {
        self.drain();
        loop {
            self.fire();
            let mut next = inbox.wait(self.patience());
            // A bounded batch, so that a flood cannot starve the timers.
            for _ in 0..BATCH {
                match next {
                    Some(Input::Stop) => return self.stop(),
                    Some(input) => self.take(input),
                    None => break,
                }
                next = inbox.take();
            }
            match next {
                Some(Input::Stop) => return self.stop(),
                Some(input) => self.take(input),
                None => {}
            }
            self.gauge();
        }
    }

    fn gauge(&self) {
        self.metrics.sip_transactions.set(self.node.sip().transactions() as i64);
        self.metrics.registrations.set(self.node.sip().bindings() as i64);
        self.metrics.sip_banned.set(self.node.sip().bans() as i64);
        self.metrics.trunks_registered.set(self.node.sip().enrolled() as i64);
        self.metrics.queue_waiting.set(self.node.brain().waiting() as i64);
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Node(input) => {
                if let node::Input::Directory(directory) = &input {
                    let trunks = trunks(directory);
                    self.doorkeeper.teach(|admission| admission.set_trunks(trunks));
                }
                self.node.handle(self.clock.now(), input);
                self.drain();
            }
            Input::TapGap { recording, packets } => {
                self.recorder.send(recorder::Input::Gap { recording, packets });
            }
            Input::Stop => {}
        }
    }

    fn fire(&mut self) {
        let now = self.clock.now();
        if self.node.deadline().is_some_and(|at| at <= now.mono) {
            self.node.expire(now);
            self.drain();
        }
    }

    fn patience(&self) -> Duration {
        let now = self.clock.now().mono;
        self.node.deadline().map_or(LONGEST_SLEEP, |at| at.since(now).min(LONGEST_SLEEP))
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll() {
            match output {
                Output::Send { flow, bytes } => self.net.send(flow, bytes),
                Output::Open { worker, leg, address, ssrc, web } => {
                    if !self.order(worker, Order::Open { leg, address, ssrc, web }) {
                        self.node.handle(self.clock.now(), node::Input::Unbound { leg });
                    }
                }
                Output::Media { worker, command } => {
                    self.order(worker, Order::Command(command));
                }
                Output::Record { record, caller_codec, seat_codec } => {
                    let now = self.clock.now();
                    self.recorder.send(recorder::Input::Begin { record, caller_codec, seat_codec, now });
                }
                Output::Segment { recording, seat } => {
                    let now = self.clock.now().mono;
                    self.recorder.send(recorder::Input::Segment { recording, seat, now });
                }
                Output::EndRecording { recording, consent } => {
                    let now = self.clock.now();
                    self.recorder.send(recorder::Input::End { recording, consent, now });
                }
                Output::Finished(finished) => (self.news)(News::Finished(finished)),
                Output::Standing(record) => (self.news)(News::Standing(record)),
                Output::Lapse { call, leg, seat, kind, over } => self.lapse(call, leg, seat, kind, over),
                Output::Tell { call, what } => {
                    tracing::info!(%call, ?what, "call");
                    (self.news)(News::Told { call, what });
                }
                Output::Refused { source, method, status, why } => {
                    self.metrics.sip_refused.add(1);
                    tracing::debug!(%source, method, status, why, "refused");
                }
                Output::Banned(ban) => {
                    self.metrics.sip_bans.add(1);
                    let (source, minutes) = (ban.source, ban.length.as_secs() / 60);
                    tracing::warn!(%source, minutes, offences = ban.offences, "banned: too many wrong passwords");
                    self.doorkeeper.teach(|admission| admission.ban(source, true));
                    (self.news)(News::Banned(ban));
                }
                Output::Unbanned { source } => {
                    tracing::info!(%source, "no longer banned");
                    self.doorkeeper.teach(|admission| admission.ban(source, false));
                    (self.news)(News::Unbanned { source });
                }
                Output::Guessed { user, failures } => {
                    self.metrics.sip_guessed.add(1);
                    tracing::warn!(%user, failures, "a seat's password is being guessed; proofs from elsewhere wait");
                }
                Output::Known { transport, source, known } => {
                    self.doorkeeper.teach(|admission| admission.know(transport, source, known));
                }
                Output::TrunkUp { trunk, up } => tracing::warn!(%trunk, up, "trunk"),
                Output::TrunkRegistered { trunk, up, why } => {
                    tracing::warn!(%trunk, up, why, "registration with a trunk");
                }
                Output::Registered { user, contacts } => {
                    tracing::info!(%user, contacts, "registered");
                    (self.news)(News::Registered { user, contacts });
                }
                Output::Fault { leg, what } => tracing::error!(?leg, what, "a call's step panicked; it ends"),
            }
        }
    }

    fn lapse(&self, call: Option<base::CallId>, leg: base::LegId, seat: bool, kind: LapseKind, over: bool) {
        let (side, word) = (if seat { "seat" } else { "trunk" }, kind.as_str());
        let call = call.map(|call| call.to_string());
        if over {
            tracing::info!(call, %leg, side, kind = word, "heard again");
        } else {
            self.metrics.sounds.unheard(seat, kind);
            tracing::warn!(call, %leg, side, kind = word, "not heard");
        }
    }

    /// `false`: the worker is stuck.
    fn order(&self, worker: usize, order: Order) -> bool {
        let taken = self.workers.get(worker).is_some_and(|worker| worker.order(order));
        if !taken {
            tracing::error!(worker, "a media worker takes no orders");
        }
        taken
    }

    fn stop(&mut self) {
        for worker in &mut self.workers {
            worker.stop();
        }
        self.recorder.send(recorder::Input::Stop);
    }
}

/// The addresses that are trunks: those from which they call, and those where they are called and so answer from.
pub fn trunks(directory: &sip::seam::Directory) -> Vec<PeerMatch> {
    let all = directory.trunks.iter();
    let targets = all.clone().flat_map(|trunk| &trunk.targets).map(|way| PeerMatch::Address(way.remote));
    all.flat_map(|trunk| trunk.sources.iter().copied()).chain(targets).collect()
}

/// Inputs taken between two looks at the timers.
const BATCH: usize = 64;

/// With nothing due the thread still looks round this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
