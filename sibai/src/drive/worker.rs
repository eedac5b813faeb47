//! A media worker: one thread, one engine, one reading of the clock each time it wakes (media.md 1).

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base::time::soonest;
use base::{LegId, Mono, Now, RecordingId};
use media::{Command, Engine, Event, Port, Prompts, Sink, Tapped};

use super::clock::{Clock, Watch};
use super::control;
use super::dtls::{Act, Handshakes, Identity};
use super::load::{Load, Tally};
use super::poll::{Bell, Events, Poll, Woken};
use super::ports::PortPool;
use super::rank;
use super::sockets::{Door, Intake, LONGEST_PACKET, Sockets, Whose};
use super::tape;
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
        /// Its peer is a page that proves by ICE where it is: it may share a port with others.
        web: bool,
    },
    /// For the engine.
    Command(Command),
    /// End the thread.
    Stop,
    /// What a fault in the engine would do.
    #[cfg(test)]
    Fail(fn()),
}

/// The control's hand on a worker.
#[derive(Debug)]
pub struct Worker {
    orders: SyncSender<Order>,
    bell: Bell,
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
    /// The one port that the worker's browsers share; `None`: each leg has ports of its own.
    pub web_port: Option<u16>,
    /// Whether to run before everything else on the machine, where that is permitted.
    pub realtime: bool,
    /// What can be played.
    pub prompts: Arc<Prompts>,
    /// Who we are in handshakes.
    pub identity: Arc<Identity>,
    /// Where events go.
    pub control: control::Sender,
    /// The tape to the recorder.
    pub tap: tape::Writer,
    /// What it counts of itself.
    pub load: Arc<Load>,
    /// Gauges and counters of the process.
    pub metrics: Arc<Metrics>,
}

impl Worker {
    /// Starts the thread.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let (orders, inbox) = sync_channel(MOST_ORDERS);
        let bell = Bell::new()?;
        let poll = Poll::new(bell.clone())?;
        let (name, rung) = (format!("media-{}", setup.number), bell.clone());
        let live = move || Room::new(setup, poll, rung, inbox).live();
        let thread = std::thread::Builder::new().name(name).spawn(live)?;
        Ok(Self { orders, bell, thread: Some(thread) })
    }

    /// Gives an order. `false` when the worker's queue is full: it is stuck, and the leg is lost.
    pub fn order(&self, order: Order) -> bool {
        let taken = self.orders.try_send(order).is_ok();
        self.bell.ring();
        taken
    }

    /// Ends the thread and waits for it.
    pub fn stop(&mut self) {
        // Waits for room: a worker that is behind must still hear of its end.
        let _ = self.orders.send(Order::Stop);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own.
struct Room {
    number: usize,
    realtime: bool,
    clock: Clock,
    watch: Watch,
    poll: Poll,
    bell: Bell,
    inbox: Receiver<Order>,
    engine: Engine,
    prompts: Arc<Prompts>,
    out: Out,
    handshakes: Handshakes,
    /// When handshakes go on: asking each of them with every packet would cost more than the packet.
    shaking: Option<Mono>,
    buffer: Box<[u8; LONGEST_PACKET]>,
    /// For the shared port, once there is one.
    intake: Option<Box<Intake>>,
    load: Arc<Load>,
    /// By engines that failed.
    dropped_before: u64,
}

/// What leaves the engine; apart from the engine so that both can be borrowed at once.
struct Out {
    sockets: Sockets,
    /// Records that the engine let through, until they are looked at in the same turn.
    records: Vec<(LegId, SocketAddr, Vec<u8>)>,
    control: control::Sender,
    /// What the control had no room for; it gets it at the next turn, in order.
    backlog: VecDeque<control::Input>,
    tap: tape::Writer,
    /// Taps that the recorder had no room for, by recording, until it was told.
    missed: Vec<(RecordingId, u32)>,
    tally: Tally,
    /// Of those unsent, so many are in the counter of the process.
    told_unsent: u64,
    metrics: Arc<Metrics>,
}

impl Room {
    fn new(setup: Setup, poll: Poll, bell: Bell, inbox: Receiver<Order>) -> Self {
        let Setup {
            number,
            clock,
            ports,
            web_port,
            realtime,
            prompts,
            identity,
            control,
            tap,
            load,
            metrics,
        } = setup;
        let out = Out {
            sockets: Sockets::new(ports, web_port),
            records: Vec::new(),
            control,
            backlog: VecDeque::new(),
            tap,
            missed: Vec::new(),
            tally: Tally::default(),
            told_unsent: 0,
            metrics,
        };
        Self {
            number,
            realtime,
            clock,
            watch: Watch::new(clock),
            poll,
            bell,
            inbox,
            engine: Engine::new(Arc::clone(&prompts)),
            prompts,
            out,
            handshakes: Handshakes::new(identity, clock),
            shaking: None,
            buffer: Box::new([0; LONGEST_PACKET]),
            intake: None,
            load,
            dropped_before: 0,
        }
    }

    /// A panic or a fault of the kernel costs this worker's calls, not the process: they end with a cause, the engine
    /// begins anew. A worker that fails again and again pauses in between, longer each time, so that the machine is
    /// not its own.
    fn live(&mut self) {
        let (worker, rank) = (self.number, rank::take(self.realtime));
        tracing::info!(worker, scheduling = %rank, hint = rank.hint(), "a media worker starts");
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = self.clock.mono();
            match catch_unwind(AssertUnwindSafe(|| self.run())) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => tracing::error!(worker, %error, "a media worker failed; its calls end"),
                Err(_panic) => tracing::error!(worker, "a media worker panicked; its calls end"),
            }
            self.begin_anew();
            let steady = self.clock.mono().since(began) >= STEADY;
            pause = if steady { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            std::thread::sleep(pause);
        }
    }

    fn begin_anew(&mut self) {
        self.load.restarted();
        self.dropped_before = self.dropped();
        self.engine = Engine::new(Arc::clone(&self.prompts));
        self.out.records.clear();
        for leg in self.out.sockets.close_all(self.clock.mono()) {
            self.handshakes.forget(leg);
            self.out.report(control::Input::Node(node::Input::WorkerLost { leg }));
        }
        self.shaking = None;
        match Poll::new(self.bell.clone()) {
            Ok(poll) => self.poll = poll,
            Err(error) => tracing::error!(%error, "a media worker has no new epoll"),
        }
    }

    fn run(&mut self) -> io::Result<()> {
        // Whoever rang before a failure may not have been heard.
        self.bell.ring();
        let mut events = Events::new();
        loop {
            let retry =
                if self.out.backlog.is_empty() { None } else { Some(self.clock.mono() + BACKLOG_RETRY) };
            let due = soonest(soonest(self.engine.deadline(), self.shaking), retry);
            self.poll.wait(due, self.clock, &mut events)?;
            let now = self.watch.read();
            self.out.tally.wakeups += 1;
            self.out.tally.events += events.iter().len() as u64;
            let mut rung = false;
            for woken in events.iter() {
                match woken {
                    Woken::Socket(token) => self.receive(now, Door::of(token)),
                    Woken::Rung => rung = true,
                    Woken::Time => {}
                }
            }
            if rung && !self.obey(now) {
                return Ok(());
            }
            if let Some(at) = self.engine.deadline().filter(|at| *at <= now.mono) {
                self.out.tally.serve(at, now.mono);
                self.engine.tick(now, &mut self.out);
            }
            if self.shaking.is_some_and(|at| at <= now.mono) {
                self.shake(now);
            }
            self.out.settle();
            self.out.tally.tell(self.dropped(), self.out.sockets.legs(), &self.load);
        }
    }

    fn dropped(&self) -> u64 {
        self.dropped_before + self.engine.dropped() + self.engine.ignored()
    }

    /// Handshakes go on: with what came, and with what is due.
    fn shake(&mut self, now: Now) {
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
                    self.out.report(control::Input::Node(node::Input::Unproved { leg }));
                }
            }
        }
        // Never in the past, or one that cannot go on would hold the thread for ever.
        self.shaking = self.handshakes.deadline().map(|at| at.max(now.mono + SHORTEST_NAP));
    }

    fn receive(&mut self, now: Now, door: Door) {
        match door {
            Door::Own(slot, port) => {
                let came = self.out.sockets.receive(slot, port, &mut self.buffer[..]);
                let Some((leg, len, source)) = came else { return };
                self.out.tally.received += 1;
                self.engine.receive(now, leg, port, source, &mut self.buffer[..len], &mut self.out);
            }
            Door::Shared(at) => self.receive_batch(now, at),
        }
        if !self.out.records.is_empty() {
            self.shake(now);
        }
    }

    /// A port of many: silence for who is not known (as a port of one leg is silent to who proves nothing).
    fn receive_batch(&mut self, now: Now, at: usize) {
        let intake = self.intake.get_or_insert_with(|| Box::new(Intake::new()));
        for n in 0..self.out.sockets.fill(at, intake) {
            self.out.tally.received += 1;
            let Some((source, bytes)) = intake.datagram(n) else { continue };
            let Some(whose) = self.out.sockets.whose(at, source, bytes) else {
                self.out.tally.strangers += 1;
                continue;
            };
            let (Whose::Named(leg) | Whose::Proved(leg)) = whose;
            self.engine.receive(now, leg, Port::Rtp, source, bytes, &mut self.out);
            if matches!(whose, Whose::Named(_)) && self.engine.has_proved(leg, source) {
                self.out.sockets.prove(leg, source);
            }
        }
    }

    /// Carries out what the control ordered; `false` to stop.
    fn obey(&mut self, now: Now) -> bool {
        self.bell.hush();
        for _ in 0..MOST_OBEYED {
            let Ok(order) = self.inbox.try_recv() else { return true };
            match order {
                Order::Open { leg, address, ssrc, web } => self.open(now, leg, address, ssrc, web),
                Order::Command(command) => self.command(now, command),
                Order::Stop => return false,
                #[cfg(test)]
                Order::Fail(fault) => fault(),
            }
        }
        // The rest comes after the packets that have arrived meanwhile.
        self.bell.ring();
        true
    }

    fn command(&mut self, now: Now, command: Command) {
        let mut closed = None;
        match &command {
            Command::Close { leg } => closed = Some(*leg),
            Command::Prompts(prompts) => self.prompts = Arc::clone(prompts),
            Command::Agree { leg, stream } => {
                self.handshakes.agree(now.mono, *leg, &stream.security);
                self.shaking = self.handshakes.deadline();
                let ice = stream.security.ice();
                self.out.sockets.know(*leg, ice.map(|ice| ice.ours.fragment.as_str()));
            }
            _ => {}
        }
        self.engine.command(now, command, &mut self.out);
        if let Some(leg) = closed {
            self.handshakes.forget(leg);
            self.shaking = self.handshakes.deadline();
            // A goodbye may wait in a batch.
            self.out.sockets.flush(&mut self.out.tally);
            self.out.sockets.close(now.mono, leg);
        }
    }

    fn open(&mut self, now: Now, leg: LegId, address: IpAddr, ssrc: u32, web: bool) {
        let answer = match self.out.sockets.open(now.mono, leg, address, web, &self.poll) {
            Ok((rtp, rtcp)) => {
                self.engine.command(now, Command::Open { leg, ssrc }, &mut self.out);
                node::Input::Bound { leg, rtp, rtcp }
            }
            Err(error) => {
                tracing::warn!(%leg, %address, %error, "no media ports");
                node::Input::Unbound { leg }
            }
        };
        self.out.report(control::Input::Node(answer));
    }
}

impl Out {
    /// What waited goes out, and what could not be told before is told.
    fn settle(&mut self) {
        self.sockets.flush(&mut self.tally);
        while let Some(input) = self.backlog.pop_front() {
            if let Err(input) = self.offer(input) {
                self.backlog.push_front(input);
                break;
            }
        }
        for (recording, packets) in std::mem::take(&mut self.missed) {
            self.metrics.taps_dropped.add(u64::from(packets));
            self.report(control::Input::TapGap { recording, packets });
        }
        self.metrics.rtp_unsent.add(self.tally.unsent - self.told_unsent);
        self.told_unsent = self.tally.unsent;
    }

    /// Tells the control, now or as soon as it has room: audio does not wait for it.
    fn report(&mut self, input: control::Input) {
        if self.backlog.is_empty() {
            self.backlog.extend(self.offer(input).err());
        } else if self.backlog.len() < MOST_BACKLOG {
            self.backlog.push_back(input);
        } else {
            tracing::error!("the control thread takes nothing any more");
        }
    }

    fn offer(&self, input: control::Input) -> Result<(), control::Input> {
        match self.control.try_send(input) {
            Err(TrySendError::Full(input)) => Err(input),
            // Nobody is there any more: the process ends.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}

impl Sink for Out {
    fn send(&mut self, leg: LegId, port: Port, to: SocketAddr, bytes: &[u8]) {
        self.sockets.send(leg, port, to, bytes, &mut self.tally);
    }

    fn tell(&mut self, event: Event) {
        if let Event::Closed { quality, .. } = &event {
            self.metrics.rtp_dropped.add(quality.dropped);
        }
        self.report(control::Input::Node(node::Input::Media(event)));
    }

    fn handshake(&mut self, leg: LegId, source: SocketAddr, record: &[u8]) {
        self.records.push((leg, source, record.to_vec()));
    }

    fn tap(&mut self, packet: &Tapped) {
        if self.tap.put(packet) {
            return;
        }
        // The recorder is behind by the whole ring: drop, count, mark the recording; audio goes on.
        match self.missed.iter_mut().find(|(recording, _)| *recording == packet.recording) {
            Some((_, count)) => *count += 1,
            None => self.missed.push((packet.recording, 1)),
        }
    }
}

/// Orders that may wait: some hundred calls' worth.
const MOST_ORDERS: usize = 8_192;

/// Orders carried out at once: binding ports takes some ten microseconds, and packets wait meanwhile.
const MOST_OBEYED: usize = 64;

/// What may wait for the control: everything that all legs of a worker can have to say in a second.
const MOST_BACKLOG: usize = 65_536;

/// How soon a control thread that had no room is asked again.
const BACKLOG_RETRY: Duration = Duration::from_millis(5);

/// A handshake can wait for as long as that.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// After a failure, doubled each time until the worker has lived for long enough.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const STEADY: Duration = Duration::from_secs(30);
