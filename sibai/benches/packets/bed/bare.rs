//! The bare loops: what any program must spend on the same packets, and nothing else. Level-triggered epoll, a socket
//! for each leg, one receive for each event.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use super::Thread;

/// A bare loop in a thread of its own.
pub struct Bare {
    name: &'static str,
    /// Where its legs listen.
    pub legs: Vec<SocketAddr>,
    /// Whether it speaks of itself.
    pub speaks: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Legs {
    epoll: OwnedFd,
    sockets: Vec<UdpSocket>,
    peers: Vec<SocketAddr>,
    buffer: [u8; 2_048],
}

impl Bare {
    /// Gives each leg's packets to the leg beside it, under another source identifier.
    pub fn relay(peers: &[SocketAddr]) -> Self {
        Self::start("bare-relay", peers, |legs, stop, _| {
            let mut events = Vec::with_capacity(512);
            while !stop.load(Ordering::Relaxed) {
                legs.wait(&mut events, Duration::from_millis(100));
                for event in &events {
                    legs.relay(event.data.u64() as usize);
                }
            }
        })
    }

    /// Receives what comes; sends each leg a stretch of the prompt every 20 ms, half of the legs every 10 ms.
    pub fn player(peers: &[SocketAddr]) -> Self {
        Self::start("bare-player", peers, |legs, stop, speaks| {
            let (mut events, prompt) = (Vec::with_capacity(512), prompt());
            let (start, mut tick) = (Instant::now(), 0_u32);
            let mut at: Vec<(u16, u32)> = vec![(0, 0); legs.sockets.len()];
            while !stop.load(Ordering::Relaxed) {
                let due = GRID * tick;
                legs.wait(&mut events, due.saturating_sub(start.elapsed()));
                for event in &events {
                    let _ = legs.receive(event.data.u64() as usize);
                }
                while GRID * tick <= start.elapsed() {
                    let half = tick as usize % 2;
                    tick += 1;
                    if speaks.load(Ordering::Relaxed) {
                        (half..at.len()).step_by(2).for_each(|n| legs.play(n, &mut at[n], &prompt));
                    }
                }
            }
        })
    }

    fn start(
        name: &'static str,
        peers: &[SocketAddr],
        run: impl FnOnce(&mut Legs, &AtomicBool, &AtomicBool) + Send + 'static,
    ) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
        let mut sockets = Vec::with_capacity(peers.len());
        for n in 0..peers.len() {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            let data = epoll::EventData::new_u64(n as u64);
            epoll::add(&epoll, socket.as_fd(), data, epoll::EventFlags::IN).expect("epoll");
            sockets.push(socket);
        }
        let legs = sockets.iter().map(|socket| socket.local_addr().expect("an address")).collect();
        let (stop, speaks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut room = Legs { epoll, sockets, peers: peers.to_vec(), buffer: [0; 2_048] };
        let (stopping, speaking) = (Arc::clone(&stop), Arc::clone(&speaks));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&mut room, &stopping, &speaking))
            .expect("a thread");
        Self { name, legs, speaks, stop, thread: Some(thread) }
    }

    /// Its thread.
    pub fn thread(&self) -> Thread {
        Thread::named(self.name)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Legs {
    fn wait(&self, events: &mut Vec<epoll::Event>, at_most: Duration) {
        events.clear();
        let timeout =
            Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&timeout));
    }

    fn receive(&mut self, n: usize) -> Option<usize> {
        let (len, _) = self.sockets[n].recv_from(&mut self.buffer).ok()?;
        (len >= 12 && self.buffer[0] >> 6 == 2).then_some(len)
    }

    fn relay(&mut self, n: usize) {
        let Some(len) = self.receive(n) else { return };
        let other = n ^ 1;
        self.buffer[8..12].copy_from_slice(&(other as u32).to_be_bytes());
        let _ = self.sockets[other].send_to(&self.buffer[..len], self.peers[other]);
    }

    fn play(&mut self, n: usize, at: &mut (u16, u32), prompt: &[u8]) {
        let (sequence, timestamp) = *at;
        let from = timestamp as usize % (prompt.len() - 160);
        let packet = &mut self.buffer[..172];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&(n as u32).to_be_bytes());
        packet[12..].copy_from_slice(&prompt[from..from + 160]);
        let _ = self.sockets[n].send_to(packet, self.peers[n]);
        *at = (sequence.wrapping_add(1), timestamp.wrapping_add(160));
    }
}

/// Ten minutes of A-law that is no silence.
pub fn prompt() -> Vec<u8> {
    (0..8_000 * 600).map(|n: u32| (n % 251) as u8).collect()
}

const GRID: Duration = Duration::from_millis(10);
