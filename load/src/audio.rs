//! The audio of all calls: one thread, few sockets, packets in batches, a twentieth of the streams every millisecond.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::net::addr::SocketAddrArg;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

use crate::ear::Ear;
use crate::streams::{Mark, PACKET, Tally};

/// The thread, and where its sockets are.
pub struct Audio {
    orders: Sender<Order>,
    thread: JoinHandle<Outcome>,
    addresses: Vec<SocketAddr>,
    ears: [SocketAddr; 2],
}

/// What became of all streams.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Packets that were sent, by stream.
    pub sent: Vec<u32>,
    /// What came of it.
    pub tallies: Vec<Tally>,
    /// How old packets of the first calls were, in nanoseconds, sorted.
    pub ages: Vec<u32>,
    /// Packets of the server's own: prompts, ringback, reports.
    pub others: u64,
    /// That the kernel did not take.
    pub unsent: u64,
    /// Junk that was sent.
    pub junk: u64,
}

enum Order {
    Start { stream: u32, to: SocketAddr },
    Stop { stream: u32 },
    Junk { to: SocketAddr, a_second: u32 },
    Finish,
}

impl Audio {
    /// Binds the sockets on this address and starts the thread.
    pub fn start(ip: IpAddr) -> Result<Self> {
        let sockets = (0..SOCKETS).map(|_| bind(ip)).collect::<Result<Vec<_>>>()?;
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<std::io::Result<_>>()?;
        let began = Instant::now();
        let probes = [Arc::new(bind(ip)?), Arc::new(bind(ip)?)];
        let ears = [probes[0].local_addr()?, probes[1].local_addr()?];
        let ear = Ear::start(&probes, began)?;
        let (orders, inbox) = channel();
        let mut room = Room {
            sockets,
            probes,
            began,
            active: vec![Vec::new(); SOCKETS + 2],
            outcome: Outcome::default(),
            junk: None,
            noise: UdpSocket::bind((ip, 0))?,
        };
        let thread = std::thread::Builder::new().name("audio".into()).spawn(move || {
            room.live(&inbox);
            let (tallies, ages) = ear.stop();
            room.finish(tallies, ages)
        })?;
        Ok(Self { orders, thread, addresses, ears })
    }

    /// Where the other party of a stream sends its audio.
    pub fn address(&self, stream: u32) -> SocketAddr {
        let place = place(stream);
        self.addresses.get(place).copied().unwrap_or(self.ears[place.saturating_sub(SOCKETS) % 2])
    }

    /// The stream begins.
    pub fn begin(&self, stream: u32, to: SocketAddr) {
        let _ = self.orders.send(Order::Start { stream, to });
    }

    /// It is over.
    pub fn end(&self, stream: u32) {
        let _ = self.orders.send(Order::Stop { stream });
    }

    /// From now on this port gets junk.
    pub fn disturb(&self, to: SocketAddr, a_second: u32) {
        let _ = self.orders.send(Order::Junk { to, a_second });
    }

    /// Ends everything.
    pub fn finish(self) -> Result<Outcome> {
        let _ = self.orders.send(Order::Finish);
        self.thread.join().map_err(|_| anyhow!("the audio thread panicked"))
    }
}

struct Room {
    sockets: Vec<UdpSocket>,
    /// Of the first calls, whose packets are heard the moment they come.
    probes: [Arc<UdpSocket>; 2],
    began: Instant,
    active: Vec<Vec<Active>>,
    outcome: Outcome,
    junk: Option<(SocketAddr, u32)>,
    noise: UdpSocket,
}

#[derive(Clone)]
struct Active {
    stream: u32,
    to: SocketAddrAny,
    number: u32,
}

impl Room {
    fn live(&mut self, inbox: &Receiver<Order>) {
        let start = Instant::now();
        for slot in 0_u64.. {
            std::thread::sleep(Duration::from_millis(slot).saturating_sub(start.elapsed()));
            while let Ok(order) = inbox.try_recv() {
                match order {
                    Order::Start { stream, to } => self.begin(stream, to),
                    Order::Stop { stream } => self.end(stream),
                    Order::Junk { to, a_second } => self.junk = Some((to, a_second)),
                    Order::Finish => return,
                }
            }
            let at = (slot % SLOTS) as usize;
            self.speak(2 * at);
            self.speak(2 * at + 1);
            self.probe(at as u32);
            for socket in (slot as usize % 2..SOCKETS).step_by(2) {
                self.hear(socket);
            }
            self.disturb();
        }
    }

    fn begin(&mut self, stream: u32, to: SocketAddr) {
        self.outcome.resize(stream);
        self.active[place(stream)].push(Active { stream, to: to.as_any(), number: 0 });
    }

    fn end(&mut self, stream: u32) {
        let place = &mut self.active[place(stream)];
        if let Some(at) = place.iter().position(|active| active.stream == stream) {
            let gone = place.swap_remove(at);
            self.outcome.sent[gone.stream as usize] = gone.number;
        }
    }

    /// One packet of each of a socket's streams.
    fn speak(&mut self, socket: usize) {
        let stamp = self.now();
        let streams = &mut self.active[socket];
        let mut packets = vec![[0; PACKET]; streams.len()];
        for (active, packet) in streams.iter_mut().zip(&mut packets) {
            Mark { stream: active.stream, number: active.number, stamp }.write(packet);
            active.number += 1;
        }
        let slices: Vec<_> = packets.iter().map(|packet| [IoSlice::new(packet)]).collect();
        let mut controls: Vec<_> = packets.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut messages: Vec<MMsgHdr<'_>> = streams
            .iter()
            .zip(&slices)
            .zip(&mut controls)
            .map(|((active, slice), control)| MMsgHdr::new_with_addr(&active.to, slice, control))
            .collect();
        let mut rest = &mut messages[..];
        while !rest.is_empty() {
            let Ok(sent @ 1..) = sendmmsg(&self.sockets[socket], rest, SendFlags::empty()) else {
                self.outcome.unsent += rest.len() as u64;
                return;
            };
            rest = &mut rest[sent..];
        }
    }

    /// The probes whose turn it is, each with a stamp of its own.
    fn probe(&mut self, slot: u32) {
        for side in 0..2 {
            for n in 0..self.active[SOCKETS + side].len() {
                let stamp = self.now();
                let active = &mut self.active[SOCKETS + side][n];
                if active.stream / 2 % SLOTS as u32 != slot {
                    continue;
                }
                let mut packet = [0; PACKET];
                Mark { stream: active.stream, number: active.number, stamp }.write(&mut packet);
                active.number += 1;
                let to = &active.to;
                let sent = rustix::net::sendto(&*self.probes[side], &packet, SendFlags::empty(), to);
                self.outcome.unsent += u64::from(sent.is_err());
            }
        }
    }

    fn hear(&mut self, socket: usize) {
        let mut buffer = [0; 2_048];
        while let Ok(length) = self.sockets[socket].recv(&mut buffer) {
            match Mark::read(&buffer[..length]) {
                Some(mark) => self.outcome.take(mark),
                None => self.outcome.others += 1,
            }
        }
    }

    fn disturb(&mut self) {
        let Some((to, a_second)) = self.junk else { return };
        for n in 0..a_second / 1_000 {
            // Noise, RTP of nobody, RTCP, pieces of handshakes and checks; of any length.
            let first = [0x80, 0x00, 0x16, 0xff, 0x81, 0x2a][(n % 6) as usize];
            let junk = [first; 400];
            let length = 1 + (n as usize * 37) % junk.len();
            self.outcome.junk += u64::from(self.noise.send_to(&junk[..length], to).is_ok());
        }
    }

    fn finish(&mut self, tallies: Vec<Tally>, ages: Vec<u32>) -> Outcome {
        for socket in 0..SOCKETS {
            self.hear(socket);
        }
        let mut outcome = std::mem::take(&mut self.outcome);
        for (mine, heard) in outcome.tallies.iter_mut().zip(tallies) {
            if heard.received > 0 {
                *mine = heard;
            }
        }
        outcome.ages = ages;
        outcome
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Outcome {
    fn resize(&mut self, stream: u32) {
        let wanted = self.sent.len().max(stream as usize + 1);
        self.sent.resize(wanted, 0);
        self.tallies.resize(wanted, Tally::default());
    }

    fn take(&mut self, mark: Mark) {
        match self.tallies.get_mut(mark.stream as usize) {
            Some(tally) => tally.take(mark.number),
            None => self.others += 1,
        }
    }
}

fn bind(ip: IpAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, 0)).context("a socket for audio")?;
    socket.set_nonblocking(true)?;
    // What is refused is no loss: the socket keeps the room that it has.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER);
    Ok(socket)
}

/// The socket of a stream: of the callers' or of the seats', by the millisecond in which it speaks.
fn place(stream: u32) -> usize {
    let (call, side) = (stream / 2, (stream % 2) as usize);
    if call < PROBES { SOCKETS + side } else { 2 * (call as usize % SLOTS as usize) + side }
}

/// Milliseconds of a packet time.
const SLOTS: u64 = 20;
const SOCKETS: usize = 2 * SLOTS as usize;
/// Calls whose latency is measured.
const PROBES: u32 = 10;
/// A second of 500 streams.
const RECEIVE_BUFFER: usize = 8 << 20;
