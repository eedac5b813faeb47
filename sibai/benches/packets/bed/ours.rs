//! Our side: the worker of `drive`, its control and its legs, as the process starts them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::{Entropy, LegId, RecordingId};
use codecs::Coding;
use media::Event;
use media::prompts::{Prompt, Prompts};
use media::seam::{Command, Direction, Events, Security, Stream};
use sibai::drive::clock::Clock;
use sibai::drive::control::{self, Input};
use sibai::drive::dtls::Identity;
use sibai::drive::inbox::Inbox;
use sibai::drive::load::Load;
use sibai::drive::ports::PortPool;
use sibai::drive::tape;
use sibai::drive::worker::{Order, Setup, Worker};
use sibai::metrics::Metrics;
use sibai::node;
use sip::admission::{Admission, Limits};

use super::Thread;

/// A worker and what it tells.
pub struct Ours {
    worker: Worker,
    inbox: Inbox,
    /// Both clocks.
    pub clock: Clock,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// The recorder's end of its tape, until somebody takes it.
    pub tape: Option<(tape::Reader, Arc<Load>)>,
    /// Where its legs listen.
    pub legs: Vec<SocketAddr>,
    /// Packets that were dropped for want of room on the tape.
    pub missed: u64,
}

impl Ours {
    /// Starts the worker.
    pub fn start() -> Self {
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::default()));
        let admission = Admission::new(clock.mono(), Limits::of(10, 10), Entropy::from_number(1));
        let (control, inbox) = control::channel(clock, admission, Arc::clone(&metrics));
        let (tap, reader) = tape::tape(TAPE);
        let load = metrics.worker();
        let mut prompts = Prompts::default();
        let audio = super::bare::prompt();
        prompts.insert(
            "bench".into(),
            "long".into(),
            Prompt { pcma: audio.clone().into(), pcmu: audio.into() },
        );
        let worker = Worker::start(Setup {
            number: 0,
            clock,
            ports: Arc::new(Mutex::new(PortPool::new(FIRST_PORT, LAST_PORT, Entropy::from_number(2)))),
            web_port: None,
            realtime: true,
            prompts: Arc::new(prompts),
            identity: Arc::new(Identity::generate().expect("an identity")),
            control,
            tap,
            load: Arc::clone(&load),
            metrics: Arc::clone(&metrics),
        });
        let worker = worker.expect("a worker");
        Self { worker, inbox, clock, metrics, tape: Some((reader, load)), legs: Vec::new(), missed: 0 }
    }

    /// The thread of the one that runs.
    pub fn thread() -> Thread {
        Thread::named("media-0")
    }

    /// Opens a leg for each peer; they do not speak yet.
    pub fn open(&mut self, peers: usize) {
        for n in 0..peers {
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
            self.order(Order::Open { leg: leg(n), address, ssrc: n as u32, web: false });
        }
        let end = Instant::now() + Duration::from_secs(10);
        let mut legs = vec![None; peers];
        while legs.iter().any(Option::is_none) {
            assert!(Instant::now() < end, "not all legs were opened");
            let Some(Input::Node(node::Input::Bound { leg: bound, rtp, .. })) = self.inbox.wait(WAIT) else {
                continue;
            };
            if let Some(n) = (0..peers).find(|n| leg(*n) == bound) {
                legs[n] = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, rtp)));
            }
        }
        self.legs = legs.into_iter().flatten().collect();
    }

    /// Agrees on PCMA with a leg's peer, this way.
    pub fn agree(&self, n: usize, peer: SocketAddr, rtcp: SocketAddr, direction: Direction) {
        let stream = Stream {
            coding: Coding::Pcma,
            payload_type: 8,
            also: Vec::new(),
            // Without them tones of keys would be listened for.
            events: Some(Events { payload_type: 101, clock: 8_000 }),
            ptime: 20,
            remote_rtp: peer,
            remote_rtcp: rtcp,
            rtcp_mux: false,
            xr: false,
            direction,
            security: Security::Plain,
            signalling: peer.ip(),
        };
        self.command(Command::Agree { leg: leg(n), stream });
    }

    /// Joins each leg with the next.
    pub fn bridge_all(&self) {
        for n in (0..self.legs.len()).step_by(2) {
            self.command(Command::Bridge { a: leg(n), b: leg(n + 1) });
        }
    }

    /// Records every call.
    pub fn tap_all(&self) {
        for n in (0..self.legs.len()).step_by(2) {
            self.command(Command::Tap { recording: recording(n / 2), caller: leg(n), seat: leg(n + 1) });
        }
    }

    /// Plays the long prompt.
    pub fn play(&self, n: usize) {
        let (line, prompt) = ("bench".into(), "long".into());
        self.command(Command::Play { leg: leg(n), line, prompt, token: n as u64 });
    }

    /// Plays nothing.
    pub fn stop(&self, n: usize) {
        self.command(Command::Stop { leg: leg(n) });
    }

    fn command(&self, command: Command) {
        self.order(Order::Command(command));
    }

    fn order(&self, order: Order) {
        assert!(self.worker.order(order), "the worker takes no orders");
    }

    /// Takes what the worker told, as the control thread would.
    pub fn listen(&mut self) {
        while let Some(input) = self.inbox.take() {
            match input {
                Input::TapGap { packets, .. } => self.missed += u64::from(packets),
                Input::Node(node::Input::Media(Event::Played { .. })) => panic!("the prompt is too short"),
                _ => {}
            }
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.worker.stop();
    }
}

/// The n-th leg.
pub fn leg(n: usize) -> LegId {
    LegId::placed(n as u64)
}

/// The recording of the n-th call.
pub fn recording(n: usize) -> RecordingId {
    RecordingId::from_u128(1 + n as u128)
}

const WAIT: Duration = Duration::from_millis(100);
/// Two seconds of 200 calls, as in the process.
const TAPE: usize = 40_000;
/// Below those that the kernel gives to the peers.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 31_999;
