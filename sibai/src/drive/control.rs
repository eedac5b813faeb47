//! The control thread: one loop round one node. Drain what it wants, fire what is due, then wait.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use base::{Machine, RecordingId};

use super::clock::Clock;
use super::net::Net;
use super::recorder;
use super::worker::{Order, Worker};
use crate::metrics::Metrics;
use crate::node::{self, Node, Output};

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

/// The way into the control thread. Cheap to clone; bounded.
#[derive(Clone, Debug)]
pub struct Sender(SyncSender<Input>);

impl Sender {
    /// Waits for room: for what must not be lost and may wait.
    pub fn send(&self, input: Input) {
        // It fails only when the control thread is gone, and then nothing matters any more.
        let _ = self.0.send(input);
    }

    /// Does not wait: a datagram that finds no room is sent again by its sender (RFC 3261 §17).
    pub fn try_send(&self, input: Input) -> Result<(), TrySendError<Input>> {
        self.0.try_send(input)
    }
}

/// The channel into a control thread.
pub fn channel() -> (Sender, Receiver<Input>) {
    let (sender, inbox) = sync_channel(MOST_INPUTS);
    (Sender(sender), inbox)
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
    pub fn run(mut self, inbox: &Receiver<Input>) {
        self.drain();
        loop {
            self.fire();
            match inbox.recv_timeout(self.patience()) {
                Ok(first) => {
                    let mut next = Some(first);
                    // A bounded batch, so that a flood cannot starve the timers.
                    for _ in 0..BATCH {
                        match next {
                            Some(Input::Stop) => return self.stop(),
                            Some(input) => self.take(input),
                            None => break,
                        }
                        next = inbox.try_recv().ok();
                    }
                    match next {
                        Some(Input::Stop) => return self.stop(),
                        Some(input) => self.take(input),
                        None => {}
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
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
                Output::Open { worker, leg, address, ssrc } => {
                    self.order(worker, Order::Open { leg, address, ssrc });
                }
                Output::Media { worker, command } => self.order(worker, Order::Command(command)),
                Output::Record { record, caller_law, seat_law } => {
                    let now = self.clock.now();
                    self.recorder.send(recorder::Input::Begin { record, caller_law, seat_law, now });
                }
                Output::EndRecording { recording, consent } => {
                    let now = self.clock.now();
                    self.recorder.send(recorder::Input::End { recording, consent, now });
                }
                Output::Finished(finished) => (self.news)(News::Finished(finished)),
                Output::Standing(record) => (self.news)(News::Standing(record)),
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
                    (self.news)(News::Banned(ban));
                }
                Output::Unbanned { source } => {
                    tracing::info!(%source, "no longer banned");
                    (self.news)(News::Unbanned { source });
                }
                Output::Guessed { user, failures } => {
                    self.metrics.sip_guessed.add(1);
                    tracing::warn!(%user, failures, "a seat's password is being guessed; proofs from elsewhere wait");
                }
                Output::Known { .. } => {}
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

    fn order(&self, worker: usize, order: Order) {
        let taken = self.workers.get(worker).is_some_and(|worker| worker.order(order));
        if !taken {
            tracing::error!(worker, "a media worker takes no orders");
        }
    }

    fn stop(&mut self) {
        for worker in &mut self.workers {
            worker.stop();
        }
        self.recorder.send(recorder::Input::Stop);
    }
}

/// Inputs that may wait: a second of overload at 8,000 messages.
const MOST_INPUTS: usize = 8_192;

/// Inputs taken between two looks at the timers.
const BATCH: usize = 64;

/// With nothing due the thread still looks round this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
