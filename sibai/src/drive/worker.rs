//! A media worker: one thread, one engine, level-triggered epoll, one receive per event (media.md 1).

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base::time::soonest;
use base::{LegId, Mono, RecordingId};
use media::{Command, Engine, Event, Port, Prompts, Sink, Tapped};
use rustix::event::{EventfdFlags, epoll, eventfd};

use super::clock::Clock;
use super::control;
use super::dtls::{Act, Handshakes, Identity};
use super::ports::PortPool;
use crate::metrics::Metrics;
use crate::node;

/// What the control sends to a worker.
#[derive(Debug)]
pub enum Order {
    /// Bind ports for a leg on this address and open its channel.
    Open {
        /// The leg.
        leg: LegId,
        /// Our address.
        address: IpAddr,
        /// SSRC of the channel.
        ssrc: u32,
    },
    /// For the engine.
    Command(Command),
    /// End the thread.
    Stop,
}

/// The control's hand on a worker.
#[derive(Debug)]
pub struct Worker {
    orders: SyncSender<Order>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// What a worker needs to begin.
pub struct Setup {
    /// Its number, for the thread's name.
    pub number: usize,
    /// Both clocks.
    pub clock: Clock,
    /// Shared with the other workers; locked only when a leg opens or closes.
    pub ports: Arc<Mutex<PortPool>>,
    /// What can be played.
    pub prompts: Arc<Prompts>,
    /// Who we are in handshakes.
    pub identity: Arc<Identity>,
    /// Where events go.
    pub control: control::Sender,
    /// The ring to the recorder.
    pub tap: rtrb::Producer<Tapped>,
    /// Gauges and counters.
    pub metrics: Arc<Metrics>,
}

impl Worker {
    /// Starts the thread.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let (orders, inbox) = sync_channel(MOST_ORDERS);
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        let name = format!("media-{}", setup.number);
        let mut room = Room::new(setup, epoll, Arc::clone(&wake), inbox);
        let thread = std::thread::Builder::new().name(name).spawn(move || room.live())?;
        Ok(Self { orders, wake, thread: Some(thread) })
    }

    /// Gives an order. `false` when the worker's queue is full: it is stuck, and the leg is lost.
    pub fn order(&self, order: Order) -> bool {
        let taken = self.orders.try_send(order).is_ok();
        self.wake();
        taken
    }

    fn wake(&self) {
        // Only a full counter can refuse the write, and then the worker is awake anyway.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
    }

    /// Ends the thread and waits for it.
    pub fn stop(&mut self) {
        // Waits for room: a worker that is behind must still hear of its end.
        let _ = self.orders.send(Order::Stop);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Room {
    clock: Clock,
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    inbox: Receiver<Order>,
    engine: Engine,
    prompts: Arc<Prompts>,
    out: Out,
    handshakes: Handshakes,
    ports: Arc<Mutex<PortPool>>,
    buffer: Box<[u8; LONGEST_PACKET]>,
}

/// What leaves the engine; apart from the engine so that both can be borrowed at once.
struct Out {
    sockets: HashMap<LegId, Sockets>,
    /// Records that the engine let through, until they are looked at in the same turn.
    records: Vec<(LegId, SocketAddr, Vec<u8>)>,
    control: control::Sender,
    /// Events that the control had no room for; it gets them at the next turn, in order.
    backlog: VecDeque<Event>,
    tap: rtrb::Producer<Tapped>,
    /// Taps that the recorder had no room for, by recording, until it was told.
    missed: Vec<(RecordingId, u32)>,
    metrics: Arc<Metrics>,
}

struct Sockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    port: u16,
}

impl Room {
    fn new(setup: Setup, epoll: OwnedFd, wake: Arc<OwnedFd>, inbox: Receiver<Order>) -> Self {
        let Setup { clock, ports, prompts, identity, control, tap, metrics, .. } = setup;
        let out = Out {
            sockets: HashMap::new(),
            records: Vec::new(),
            control,
            backlog: VecDeque::new(),
            tap,
            missed: Vec::new(),
            metrics,
        };
        let engine = Engine::new(Arc::clone(&prompts));
        let handshakes = Handshakes::new(identity, clock);
        let buffer = Box::new([0; LONGEST_PACKET]);
        Self { clock, epoll, wake, inbox, engine, prompts, out, handshakes, ports, buffer }
    }

    /// A panic costs this worker's calls, not the process: they end with a cause, the engine begins anew.
    fn live(&mut self) {
        while let Err(_panic) = catch_unwind(AssertUnwindSafe(|| self.run())) {
            tracing::error!("a media worker panicked; its calls end");
            self.engine = Engine::new(Arc::clone(&self.prompts));
            self.out.records.clear();
            let legs: Vec<LegId> = self.out.sockets.keys().copied().collect();
            for leg in legs {
                self.drop_sockets(leg);
                self.out.control.send(control::Input::Node(node::Input::WorkerLost { leg }));
            }
        }
    }

    fn run(&mut self) {
        let mut events = Vec::with_capacity(MOST_EVENTS);
        loop {
            let now = self.clock.now();
            let timeout = self.patience(now.mono);
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "epoll");
                    return;
                }
            }
            let now = self.clock.now();
            let mut woken = false;
            for event in &events {
                match event.data.u64() {
                    WAKE => woken = true,
                    token => self.receive(now, token),
                }
            }
            if woken && !self.obey() {
                return;
            }
            let now = self.clock.now();
            if self.engine.deadline().is_some_and(|at| at <= now.mono) {
                self.engine.tick(now, &mut self.out);
            }
            if self.handshakes.deadline().is_some_and(|at| at <= now.mono) {
                self.shake(now);
            }
            self.out.catch_up();
        }
    }

    /// Handshakes go on: with what came, and with what is due.
    fn shake(&mut self, now: base::Now) {
        for (leg, source, record) in std::mem::take(&mut self.out.records) {
            self.handshakes.receive(now.mono, leg, source, &record);
        }
        let engine = &self.engine;
        for act in self.handshakes.go_on(now.mono, |leg| engine.peer(leg)) {
            match act {
                Act::Send { leg, to, record } => self.out.send(leg, Port::Rtp, to, &record),
                Act::Keys { leg, keys } => {
                    self.engine.command(now, Command::Keys { leg, keys }, &mut self.out);
                }
                Act::Fail { leg, why } => {
                    tracing::warn!(%leg, why, "the handshake of a leg's media");
                    self.out.control.send(control::Input::Node(node::Input::Unproved { leg }));
                }
            }
        }
    }

    fn patience(&self, now: Mono) -> rustix::event::Timespec {
        let idle = if self.out.backlog.is_empty() { LONGEST_SLEEP } else { BACKLOG_RETRY };
        let due = soonest(self.engine.deadline(), self.handshakes.deadline());
        let sleep = due.map_or(idle, |at| at.since(now).min(idle));
        rustix::event::Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: i64::from(sleep.subsec_nanos()) }
    }

    /// One datagram; level-triggered epoll calls again when there are more (media.md 1: a recv that finds
    /// nothing costs as much as one that does).
    fn receive(&mut self, now: base::Now, token: u64) {
        let (leg, port) = leg_of(token);
        let Some(sockets) = self.out.sockets.get(&leg) else { return };
        let socket = if port == Port::Rtp { &sockets.rtp } else { &sockets.rtcp };
        let Ok((length, source)) = socket.recv_from(&mut self.buffer[..]) else { return };
        self.engine.receive(now, leg, port, source, &mut self.buffer[..length], &mut self.out);
        if !self.out.records.is_empty() {
            self.shake(now);
        }
    }

    /// Carries out what the control ordered; `false` to stop.
    fn obey(&mut self) -> bool {
        let mut counter = [0; 8];
        let _ = rustix::io::read(&*self.wake, &mut counter);
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                Order::Open { leg, address, ssrc } => self.open(leg, address, ssrc),
                Order::Command(Command::Close { leg }) => {
                    self.engine.command(self.clock.now(), Command::Close { leg }, &mut self.out);
                    self.drop_sockets(leg);
                }
                Order::Command(command) => {
                    match &command {
                        Command::Prompts(prompts) => self.prompts = Arc::clone(prompts),
                        Command::Agree { leg, stream } => {
                            self.handshakes.agree(self.clock.now().mono, *leg, &stream.security);
                        }
                        _ => {}
                    }
                    self.engine.command(self.clock.now(), command, &mut self.out);
                }
                Order::Stop => return false,
            }
        }
        true
    }

    fn open(&mut self, leg: LegId, address: IpAddr, ssrc: u32) {
        match self.bind(leg, address) {
            Ok(port) => {
                self.engine.command(self.clock.now(), Command::Open { leg, ssrc }, &mut self.out);
                let bound = node::Input::Bound { leg, rtp: port, rtcp: port + 1 };
                self.out.control.send(control::Input::Node(bound));
            }
            Err(error) => {
                tracing::warn!(%leg, %address, %error, "no media ports");
                self.drop_sockets(leg);
                self.out.control.send(control::Input::Node(node::Input::Unbound { leg }));
            }
        }
    }

    fn bind(&mut self, leg: LegId, address: IpAddr) -> io::Result<u16> {
        let now = self.clock.now().mono;
        let pair = self.ports.lock().unwrap_or_else(PoisonError::into_inner).bind(now, address)?;
        let port = pair.port;
        for (socket, which) in [(&pair.rtp, Port::Rtp), (&pair.rtcp, Port::Rtcp)] {
            let data = epoll::EventData::new_u64(token_of(leg, which));
            epoll::add(&self.epoll, socket.as_fd(), data, epoll::EventFlags::IN)?;
        }
        self.out.sockets.insert(leg, Sockets { rtp: pair.rtp, rtcp: pair.rtcp, port });
        Ok(port)
    }

    fn drop_sockets(&mut self, leg: LegId) {
        self.handshakes.forget(leg);
        // Closing a descriptor takes it out of the epoll set.
        let Some(sockets) = self.out.sockets.remove(&leg) else { return };
        let now = self.clock.now().mono;
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).give_back(now, sockets.port);
    }
}

impl Out {
    /// What could not be told before.
    fn catch_up(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(event) = self.offer(event) {
                self.backlog.push_front(event);
                break;
            }
        }
        for (recording, packets) in std::mem::take(&mut self.missed) {
            self.metrics.taps_dropped.add(u64::from(packets));
            self.control.send(control::Input::TapGap { recording, packets });
        }
    }

    fn offer(&mut self, event: Event) -> Result<(), Event> {
        match self.control.try_send(control::Input::Node(node::Input::Media(event))) {
            Err(TrySendError::Full(control::Input::Node(node::Input::Media(event)))) => Err(event),
            _ => Ok(()),
        }
    }
}

impl Sink for Out {
    fn send(&mut self, leg: LegId, port: Port, to: SocketAddr, bytes: &[u8]) {
        let Some(sockets) = self.sockets.get(&leg) else { return };
        let socket = if port == Port::Rtp { &sockets.rtp } else { &sockets.rtcp };
        if socket.send_to(bytes, to).is_err() {
            self.metrics.rtp_unsent.add(1);
        }
    }

    fn tell(&mut self, event: Event) {
        if let Event::Closed { quality, .. } = &event {
            self.metrics.rtp_dropped.add(quality.dropped);
        }
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else if let Err(event) = self.offer(event) {
            self.backlog.push_back(event);
        }
    }

    fn handshake(&mut self, leg: LegId, source: SocketAddr, record: &[u8]) {
        self.records.push((leg, source, record.to_vec()));
    }

    fn tap(&mut self, packet: &Tapped) {
        if self.tap.push(*packet).is_ok() {
            return;
        }
        // The recorder is behind by the whole ring: drop, count, mark the recording; audio goes on.
        match self.missed.iter_mut().find(|(recording, _)| *recording == packet.recording) {
            Some((_, count)) => *count += 1,
            None => self.missed.push((packet.recording, 1)),
        }
    }
}

fn token_of(leg: LegId, port: Port) -> u64 {
    leg.as_u64() << 1 | u64::from(port == Port::Rtcp)
}

fn leg_of(token: u64) -> (LegId, Port) {
    let leg = token >> 1;
    let leg = if leg % 2 == 1 { LegId::arrived(leg / 2) } else { LegId::placed(leg / 2) };
    (leg, if token & 1 == 1 { Port::Rtcp } else { Port::Rtp })
}

/// The eventfd's token; no leg has it.
const WAKE: u64 = u64::MAX;

/// Orders that may wait: some hundred calls' worth.
const MOST_ORDERS: usize = 8_192;

/// Events taken per wait.
const MOST_EVENTS: usize = 512;

/// Longest UDP datagram taken whole; RTP of 60 ms G.711 has 492 bytes.
const LONGEST_PACKET: usize = 2_048;

/// With nothing due the thread still looks round this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How soon a control thread that had no room is asked again.
const BACKLOG_RETRY: Duration = Duration::from_millis(5);
