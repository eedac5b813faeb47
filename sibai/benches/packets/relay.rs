//! Two-leg G.711 calls, relayed: CPU a packet, the same with every call recorded, and the time that a packet spends in
//! us.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use media::seam::Direction;
use rustix::event::{Timespec, epoll};

use crate::bed::bare::Bare;
use crate::bed::ours::Ours;
use crate::bed::peers::{Line, Peers};
use crate::bed::recording::Recording;
use crate::bed::turns::{Second, Turns};
use crate::bed::{Thread, argument, load_average, percentile};

/// CPU a packet, plain and recorded.
pub(crate) fn cost(plain: bool, recorded: bool) {
    let calls = argument("calls", 200) as usize;
    let pairs = argument("pairs", 20);
    let mut bench = Bench::new(calls);
    println!(
        "relay: {calls} calls, {} packets/s; load average {}; {}",
        calls * 100,
        load_average(),
        bench.ours_thread.scheduling()
    );
    if plain {
        bench.compare(pairs).print("a packet of G.711 relayed", "<= 1.20");
    }
    if recorded {
        let recording = Recording::start(&mut bench.ours);
        bench.recorder = Some(Recording::thread());
        bench.ours.tap_all();
        bench.compare(pairs).print("the same, every call recorded", "<= 1.30");
        let megabytes = recording.bytes() / 1_000_000;
        println!("{:<44} {megabytes} MB in spools; {} packets missed", "", bench.ours.missed);
    }
}

struct Bench {
    peers: Peers,
    ours: Ours,
    ours_thread: Thread,
    bare_thread: Thread,
    recorder: Option<Thread>,
    to_ours: Line,
    to_bare: Line,
    _bare: Bare,
}

impl Bench {
    fn new(calls: usize) -> Self {
        let peers = Peers::new(2 * calls);
        let addresses = peers.addresses();
        let mut ours = Ours::start();
        ours.open(addresses.len());
        for (n, address) in addresses.iter().enumerate() {
            ours.agree(n, *address, peers.reports(), Direction::Both);
        }
        ours.bridge_all();
        let bare = Bare::relay(&addresses);
        let (ours_thread, bare_thread) = (Ours::thread(), bare.thread());
        bare_thread.schedule_as(ours_thread);
        let (to_ours, to_bare) = (Line::to(&ours.legs), Line::to(&bare.legs));
        Self { peers, ours, ours_thread, bare_thread, recorder: None, to_ours, to_bare, _bare: bare }
    }

    fn compare(&mut self, pairs: u64) -> Turns {
        let mut turns = Turns::default();
        // Latches, caches and the kernel's tables.
        self.second(true);
        self.second(false);
        for _ in 0..pairs {
            let ours = self.second(true);
            turns.add(ours, self.second(false));
            self.ours.listen();
        }
        turns
    }

    fn second(&mut self, of_ours: bool) -> Second {
        let (thread, line) = if of_ours {
            (self.ours_thread, &mut self.to_ours)
        } else {
            (self.bare_thread, &mut self.to_bare)
        };
        let beside = |recorder: Option<Thread>| recorder.map_or(Duration::ZERO, Thread::spent);
        let before = (thread.spent(), beside(self.recorder));
        let mut talked = self.peers.talk(line, 50, true);
        talked.received += self.peers.linger(LINGER);
        Second {
            spent: thread.spent().saturating_sub(before.0),
            beside: beside(self.recorder).saturating_sub(before.1),
            talked,
        }
    }
}

/// Stamps of sending and of receiving, at a rate that leaves the machine idle, alternating between the two.
pub(crate) fn latency(seconds: u64) {
    let mut bench = Bench::new(argument("calls", 25) as usize);
    let ear = Ear::start(&bench.peers);
    for thread in [Thread::named("ear"), Thread::main()] {
        thread.schedule_as(bench.ours_thread);
    }
    println!(
        "added latency at {} packets/s; load average {}; worker {}, peers {}",
        bench.peers.addresses().len() * 50,
        load_average(),
        bench.ours_thread.scheduling(),
        Thread::named("ear").scheduling(),
    );
    let mut sent = [0; 2];
    for n in 0..2 * seconds {
        let side = (n % 2) as usize;
        ear.hears.store(side, Ordering::Relaxed);
        let line = if side == 0 { &mut bench.to_ours } else { &mut bench.to_bare };
        sent[side] += bench.peers.talk(line, 50, false).sent;
        std::thread::sleep(LINGER);
        bench.ours.listen();
    }
    let heard = ear.stop();
    for (what, (mut nanos, sent)) in ["ours", "bare"].into_iter().zip(heard.into_iter().zip(sent)) {
        nanos.sort_unstable();
        println!(
            "{what:<44} p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs, most {:.0} µs (goal p99 <= 2000); lost {} of {sent}",
            percentile(&nanos, 0.5),
            percentile(&nanos, 0.99),
            percentile(&nanos, 0.999),
            percentile(&nanos, 1.0),
            sent.saturating_sub(nanos.len() as u64),
        );
    }
}

/// Hears every peer, and how old each packet is.
struct Ear {
    hears: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<[Vec<u32>; 2]>,
}

impl Ear {
    fn start(peers: &Peers) -> Self {
        let (hears, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (of, stopping) = (Arc::clone(&hears), Arc::clone(&stop));
        let (sockets, began) = (peers.listeners(), peers.began());
        let listen = move || listen(&sockets, began, &of, &stopping);
        let thread = std::thread::Builder::new().name("ear".into()).spawn(listen);
        std::thread::sleep(LINGER);
        Self { hears, stop, thread: thread.unwrap_or_else(|error| panic!("{error}")) }
    }

    fn stop(self) -> [Vec<u32>; 2] {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn listen(sockets: &[UdpSocket], began: Instant, of: &AtomicUsize, stop: &AtomicBool) -> [Vec<u32>; 2] {
    let mut heard = [Vec::with_capacity(1 << 20), Vec::with_capacity(1 << 20)];
    let Ok(set) = epoll::create(epoll::CreateFlags::CLOEXEC) else { return heard };
    for (n, socket) in sockets.iter().enumerate() {
        let data = epoll::EventData::new_u64(n as u64);
        let _ = epoll::add(&set, socket.as_fd(), data, epoll::EventFlags::IN);
    }
    let (mut events, mut buffer) = (Vec::with_capacity(64), [0; 256]);
    while !stop.load(Ordering::Relaxed) {
        events.clear();
        let timeout = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let _ = epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), Some(&timeout));
        for event in &events {
            let socket = sockets.get(event.data.u64() as usize);
            let Some(Ok(172)) = socket.map(|socket| socket.recv(&mut buffer)) else { continue };
            let stamp = buffer[12..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            let age = (began.elapsed().as_nanos() as u64).saturating_sub(stamp);
            heard[of.load(Ordering::Relaxed)].push(u32::try_from(age).unwrap_or(u32::MAX));
        }
    }
    heard
}

/// What is under way when a second ends has come by then.
const LINGER: Duration = Duration::from_millis(40);
