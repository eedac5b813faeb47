//! The node: SIP, the brain and the control of media as ONE machine. No sockets, no threads, no clock.
//!
//! Inputs are what the network, the media workers and the operator say; outputs are what the driver
//! carries out. The World (integration-tests) drives the very same node in virtual time.

mod channels;
mod finish;
mod homes;
mod insistent;
mod lamps;
mod media_side;
mod orders;
mod sip_side;
mod terms;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use base::time::soonest;
use base::{CallId, Cause, Entropy, LegId, Machine, Mono, Now, RecordingId};
use codecs::Coding;
use pbx::{Plan, Switchboard};
use sip::Endpoint;
use sip::seam as sip_seam;

use channels::Channel;
pub use finish::Finished;
use finish::Finishing;
use homes::Homes;
use insistent::Insistent;
use lamps::Lamps;
pub use terms::MediaTerms;

/// What can happen to the node.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message, a closed or unreachable stream.
    Sip(sip_seam::Input),
    /// A media worker tells.
    Media(media::Event),
    /// The ports that `Output::Open` asked for are bound.
    Bound {
        /// The leg.
        leg: LegId,
        /// RTP port.
        rtp: u16,
        /// RTCP port.
        rtcp: u16,
    },
    /// No port could be bound for the leg.
    Unbound {
        /// The leg.
        leg: LegId,
    },
    /// The worker of this leg panicked: its channel is gone.
    WorkerLost {
        /// The leg.
        leg: LegId,
    },
    /// The handshake of this leg's media failed, or took too long.
    Unproved {
        /// The leg.
        leg: LegId,
    },
    /// Who may register, which trunks there are.
    Directory(Box<sip_seam::Directory>),
    /// A new plan.
    Plan(Arc<Plan>),
    /// Take no new calls.
    Drain,
    /// End every call.
    EndAll(Cause),
}

/// What the driver is to carry out, in this order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write a SIP message.
    Send {
        /// The way.
        flow: sip_seam::Flow,
        /// The bytes.
        bytes: bytes::Bytes,
    },
    /// Bind a pair of ports on this address for a leg, tell the worker, and say `Bound` or `Unbound`.
    Open {
        /// Which worker.
        worker: usize,
        /// The leg.
        leg: LegId,
        /// Our address toward the peer.
        address: IpAddr,
        /// SSRC of the channel.
        ssrc: u32,
    },
    /// Tell a worker. Always after its leg's `Open`.
    Media {
        /// Which worker.
        worker: usize,
        /// What.
        command: media::Command,
    },
    /// Begin a recording: the catalog row first, then the spool. The tap follows.
    Record {
        /// Who, where, by which queue.
        record: Box<pbx::seam::Record>,
        /// The caller's codec.
        caller_codec: Coding,
        /// The seat's codec.
        seat_codec: Coding,
    },
    /// From now on another seat is recorded, or nobody.
    Segment {
        /// Which recording.
        recording: RecordingId,
        /// The seat.
        seat: Option<base::Name>,
    },
    /// End a recording.
    EndRecording {
        /// Which.
        recording: RecordingId,
        /// Consent at the end.
        consent: pbx::Consent,
    },
    /// A call is over: write its CDR.
    Finished(Box<Finished>),
    /// A call is up, or something about it changed: its record as it would end now.
    Standing(Box<pbx::CallRecord>),
    /// For the log, the demo and later events.
    Tell {
        /// The call.
        call: CallId,
        /// What happened.
        what: pbx::seam::Told,
    },
    /// A request was refused before it became a call.
    Refused {
        /// Where it came from.
        source: SocketAddr,
        /// The method.
        method: String,
        /// The answer; 0 for silence.
        status: u16,
        /// One word.
        why: &'static str,
    },
    /// A source guessed passwords and is met with silence: it stays so over a restart.
    Banned(sip_seam::Ban),
    /// A ban is over or was lifted.
    Unbanned {
        /// The address as it stood in the ban.
        source: IpAddr,
    },
    /// A user's password is being guessed from many sources.
    Guessed {
        /// The user.
        user: base::Name,
        /// Wrong proofs until now.
        failures: u32,
    },
    /// An address and port began or ceased to hold a registration.
    Known {
        /// The transport.
        transport: sip_seam::Transport,
        /// The address and port.
        source: SocketAddr,
        /// Began or ceased.
        known: bool,
    },
    /// A trunk began or ceased to answer.
    TrunkUp {
        /// Its name.
        trunk: base::Name,
        /// Up or down.
        up: bool,
    },
    /// Our registration with a trunk began or ceased to hold.
    TrunkRegistered {
        /// Its name.
        trunk: base::Name,
        /// Registered or not.
        up: bool,
        /// One word why.
        why: &'static str,
    },
    /// A user's number of contacts changed.
    Registered {
        /// The user.
        user: base::Name,
        /// How many contacts now.
        contacts: usize,
    },
    /// A step of a call panicked; the call was ended. A bug: report it.
    Fault {
        /// The leg whose input it was.
        leg: Option<LegId>,
        /// What the panic said.
        what: String,
    },
}

/// How a node begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Users, trunks, addresses.
    pub directory: sip_seam::Directory,
    /// Bounds of SIP.
    pub limits: sip_seam::Limits,
    /// Lines, numbers, seats.
    pub plan: Arc<Plan>,
    /// Codecs, and where media is SRTP.
    pub terms: MediaTerms,
    /// Media workers; at least one.
    pub workers: usize,
    /// Seeded by the driver.
    pub entropy: Entropy,
}

/// SIP, brain and media control as one machine; plain data, `Clone`.
#[derive(Clone, Debug)]
pub struct Node {
    sip: Endpoint,
    brain: Switchboard,
    channels: BTreeMap<LegId, Channel>,
    homes: Homes,
    insistent: Insistent,
    recordings: BTreeMap<RecordingId, usize>,
    finishing: Finishing,
    lamps: Lamps,
    terms: MediaTerms,
    workers: usize,
    entropy: Entropy,
    out: VecDeque<Output>,
}

impl Node {
    /// A node with nothing up.
    pub fn new(setup: Setup) -> Self {
        let (mut entropy, mut terms) = (setup.entropy, setup.terms);
        terms.follow(&setup.plan);
        Self {
            sip: Endpoint::new(setup.directory, setup.limits, entropy.fork()),
            brain: Switchboard::new(setup.plan, entropy.fork()),
            channels: BTreeMap::new(),
            homes: Homes::default(),
            insistent: Insistent::default(),
            recordings: BTreeMap::new(),
            finishing: Finishing::default(),
            lamps: Lamps::default(),
            terms,
            workers: setup.workers.max(1),
            entropy,
            out: VecDeque::new(),
        }
    }

    /// Legs with media ports, for gauges and leak tests.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// The SIP half, for gauges and leak tests.
    pub fn sip(&self) -> &Endpoint {
        &self.sip
    }

    /// The brain, for gauges and leak tests.
    pub fn brain(&self) -> &Switchboard {
        &self.brain
    }

    /// Moves what the two inner machines say to each other until both are silent.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some(output) = self.sip.poll() {
                self.sip_told(now, output);
            } else if let Some(order) = self.brain.poll() {
                self.carry_out(now, order);
            } else {
                break;
            }
        }
    }

    /// The one place where a panic of a call's step is caught (house.md, Habits): the call of `leg`
    /// ends with `Cause::Internal`, every other call goes on.
    fn think(&mut self, now: Now, leg: Option<LegId>, input: pbx::Input) {
        let brain = &mut self.brain;
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| brain.handle(now, input))) else { return };
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default();
        self.out.push_back(Output::Fault { leg, what });
        if let Some(leg) = leg {
            self.brain.handle(now, pbx::Input::Fault { leg });
        }
    }
}

impl Machine for Node {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Sip(input) => self.sip.handle(now, input),
            Input::Media(event) => self.media_told(now, &event),
            Input::Bound { leg, rtp, rtcp } => self.bound(now, leg, rtp, rtcp),
            Input::Unbound { leg } => self.unbound(now, leg),
            Input::WorkerLost { leg } => self.drop_leg(now, leg, Cause::Internal),
            // Nothing will ever be heard from there, and a minute of nothing is what that comes to.
            Input::Unproved { leg } => self.think(now, Some(leg), pbx::Input::Silent { leg }),
            Input::Directory(directory) => self.command(now, sip_seam::Command::Directory(directory)),
            Input::Plan(plan) => {
                self.terms.follow(&plan);
                self.insistent.follow(&plan);
                self.think(now, None, pbx::Input::Plan(plan));
            }
            Input::Drain => {
                self.command(now, sip_seam::Command::Drain);
                self.think(now, None, pbx::Input::Drain);
            }
            Input::EndAll(cause) => self.think(now, None, pbx::Input::EndAll(cause)),
        }
        self.settle(now);
    }

    fn expire(&mut self, now: Now) {
        if self.sip.deadline().is_some_and(|at| at <= now.mono) {
            self.sip.expire(now);
        }
        if self.brain.deadline().is_some_and(|at| at <= now.mono) {
            self.brain.expire(now);
        }
        self.finishing.expire(now, &mut self.out);
        self.settle(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Mono> {
        soonest(soonest(self.sip.deadline(), self.brain.deadline()), self.finishing.deadline())
    }
}
