//! The peers: a socket for each, 50 packets of G.711 a second from each, spread over the packet time.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// All of them, driven by one thread.
pub struct Peers {
    sockets: Vec<UdpSocket>,
    /// Where the peers take reports, which nobody reads.
    reports: UdpSocket,
    began: Instant,
}

/// The other end of all peers, and how far the talk with it is.
pub struct Line {
    /// Where each peer's packets go.
    pub legs: Vec<SocketAddr>,
    sequence: u16,
    timestamp: u32,
}

/// What a stretch of talk came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Talked {
    /// Packets that the peers sent.
    pub sent: u64,
    /// That they received.
    pub received: u64,
}

impl Peers {
    /// So many.
    pub fn new(count: usize) -> Self {
        let bind = |_| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.set_nonblocking(true).expect("a socket");
            socket
        };
        let sockets = (0..count).map(bind).collect();
        Self { sockets, reports: bind(0), began: Instant::now() }
    }

    /// Where they listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|socket| socket.local_addr().expect("an address")).collect()
    }

    /// Where they want reports.
    pub fn reports(&self) -> SocketAddr {
        self.reports.local_addr().expect("an address")
    }

    /// Their sockets, for who listens in a thread of its own.
    pub fn listeners(&self) -> Vec<UdpSocket> {
        self.sockets.iter().map(|socket| socket.try_clone().expect("a socket")).collect()
    }

    /// Nanoseconds since they came to be: what `talk` writes into its packets.
    pub fn nanos(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// When they came to be.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Everybody talks for so many packet times; a twentieth of them every millisecond. Behind it they go on listening
    /// for what is still under way.
    pub fn talk(&self, line: &mut Line, times: u32, listens: bool) -> Talked {
        let (start, mut talked) = (Instant::now(), Talked::default());
        let mut packet = [0x2a; 172];
        for slot in 0..times * SLOTS {
            let due = Duration::from_millis(u64::from(slot));
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            let (time, part) = (slot / SLOTS, (slot % SLOTS) as usize);
            packet[..2].copy_from_slice(&[0x80, 8]);
            packet[2..4].copy_from_slice(&line.sequence.wrapping_add(time as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&line.timestamp.wrapping_add(time * 160).to_be_bytes());
            for n in (part..self.sockets.len()).step_by(SLOTS as usize) {
                packet[8..12].copy_from_slice(&(n as u32 + 1_000).to_be_bytes());
                packet[12..20].copy_from_slice(&self.nanos().to_be_bytes());
                talked.sent += u64::from(self.sockets[n].send_to(&packet, line.legs[n]).is_ok());
                // What came since its last turn: one packet, unless something was late.
                talked.received += if listens { self.hear(n) } else { 0 };
            }
        }
        line.sequence = line.sequence.wrapping_add(times as u16);
        line.timestamp = line.timestamp.wrapping_add(times * 160);
        talked
    }

    /// Takes what is under way still, until nothing came for this long.
    pub fn linger(&self, time: Duration) -> u64 {
        let (mut received, mut quiet, last) = (0, Instant::now(), Instant::now() + LONGEST_LINGER);
        while quiet.elapsed() < time && Instant::now() < last {
            std::thread::sleep(Duration::from_millis(10));
            let came = self.take_all();
            if came > 0 {
                quiet = Instant::now();
            }
            received += came;
        }
        while self.reports.recv(&mut [0; 64]).is_ok() {}
        received
    }

    /// Takes what came.
    pub fn take_all(&self) -> u64 {
        (0..self.sockets.len()).map(|n| self.hear(n)).sum()
    }

    fn hear(&self, n: usize) -> u64 {
        let mut buffer = [0; 256];
        let mut received = 0;
        while self.sockets[n].recv(&mut buffer).is_ok() {
            received += 1;
        }
        received
    }
}

impl Line {
    /// A talk that begins.
    pub fn to(legs: &[SocketAddr]) -> Self {
        Self { legs: legs.to_vec(), sequence: 0, timestamp: 0 }
    }
}

/// A machine that is behind by more is no machine to measure on.
const LONGEST_LINGER: Duration = Duration::from_secs(1);

/// Milliseconds of a packet time.
const SLOTS: u32 = 20;
