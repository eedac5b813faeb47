//! One port for many legs: read and written by batches, because here a batch is more than one packet. The system calls
//! are most of what a packet costs (media.md 1): 2.8 µs instead of 4.1.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use rustix::net::sockopt;

use super::LONGEST_PACKET;
use super::names::Names;
use crate::drive::load::Tally;

/// The port on one of our addresses.
pub(super) struct Shared {
    pub(super) socket: UdpSocket,
    pub(super) names: Names,
    // One for each way and socket: the kernel leaves the length of the last address in them.
    incoming: MultiHeaders<SockaddrStorage>,
    outgoing: MultiHeaders<SockaddrStorage>,
    packets: Box<[[u8; LONGEST_PACKET]]>,
    /// Length and destination of the first so many packets.
    waiting: Vec<(usize, Option<SockaddrStorage>)>,
}

/// What came with one call.
pub(in crate::drive) struct Intake {
    packets: Box<[[u8; LONGEST_PACKET]]>,
    came: Vec<(usize, Option<SocketAddr>)>,
}

impl Shared {
    /// Binds it.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        // A short stop of the worker must not lose packets of hundreds of legs. Both are wishes: without the right to
        // go beyond net.core.rmem_max the kernel grants as much as that.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, KERNEL_BUFFER)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, KERNEL_BUFFER));
        let _ = sockopt::set_socket_send_buffer_size(&socket, KERNEL_BUFFER);
        Ok(Self {
            socket,
            names: Names::default(),
            incoming: MultiHeaders::preallocate(BATCH, None),
            outgoing: MultiHeaders::preallocate(BATCH, None),
            packets: packets(),
            waiting: Vec::with_capacity(BATCH),
        })
    }

    /// Takes in what has come, a batch at most; level-triggered epoll calls again when there is more.
    pub(super) fn fill(&mut self, intake: &mut Intake) -> usize {
        let Intake { packets, came } = intake;
        came.clear();
        let mut rooms = packets.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
            [IoSliceMut::new(rooms.next().map_or(&mut [][..], |room| &mut room[..]))]
        });
        let descriptor = self.socket.as_raw_fd();
        let taken = recvmmsg(descriptor, &mut self.incoming, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None);
        if let Ok(taken) = taken {
            came.extend(taken.map(|message| (message.bytes, message.address.as_ref().and_then(address))));
        }
        came.len()
    }

    /// Goes out with the batch.
    pub(super) fn send(&mut self, to: SocketAddr, bytes: &[u8], tally: &mut Tally) {
        if self.waiting.len() == BATCH {
            self.flush(tally);
        }
        let room = self.packets.get_mut(self.waiting.len()).and_then(|room| room.get_mut(..bytes.len()));
        let Some(room) = room else {
            tally.unsent += 1;
            return;
        };
        room.copy_from_slice(bytes);
        self.waiting.push((bytes.len(), Some(to.into())));
    }

    /// Sends the batch.
    pub(super) fn flush(&mut self, tally: &mut Tally) {
        let mut first = 0;
        while first < self.waiting.len() {
            match self.send_from(first) {
                Ok(sent) => {
                    tally.sent += sent as u64;
                    first += sent.max(1);
                }
                Err(Errno::EINTR) => {}
                // The kernel has no room at all: the rest is for nothing.
                Err(Errno::EAGAIN | Errno::ENOBUFS) => {
                    tally.unsent += (self.waiting.len() - first) as u64;
                    break;
                }
                Err(_) => {
                    tally.unsent += 1;
                    first += 1;
                }
            }
        }
        self.waiting.clear();
    }

    fn send_from(&mut self, first: usize) -> nix::Result<usize> {
        let waiting = self.waiting.get(first..).unwrap_or_default();
        let mut slices = [[IoSlice::new(&[])]; BATCH];
        let mut to = [None; BATCH];
        let rooms = self.packets.iter().skip(first);
        for (((slice, to), room), (len, address)) in slices.iter_mut().zip(&mut to).zip(rooms).zip(waiting) {
            *slice = [IoSlice::new(room.get(..*len).unwrap_or_default())];
            *to = *address;
        }
        let count = waiting.len().min(BATCH);
        let none: [ControlMessage<'_>; 0] = [];
        let descriptor = self.socket.as_raw_fd();
        let slices = slices.iter().take(count);
        let sent = sendmmsg(descriptor, &mut self.outgoing, slices, to, none, MsgFlags::MSG_DONTWAIT)?;
        Ok(sent.count())
    }
}

impl Intake {
    pub(in crate::drive) fn new() -> Self {
        Self { packets: packets(), came: Vec::with_capacity(BATCH) }
    }

    /// The `n`-th of those that came, and its source.
    pub(in crate::drive) fn datagram(&mut self, n: usize) -> Option<(SocketAddr, &mut [u8])> {
        let &(len, source) = self.came.get(n)?;
        Some((source?, self.packets.get_mut(n)?.get_mut(..len)?))
    }
}

fn packets() -> Box<[[u8; LONGEST_PACKET]]> {
    vec![[0; LONGEST_PACKET]; BATCH].into_boxed_slice()
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::V4((*v4).into())),
        (None, Some(v6)) => Some(SocketAddr::V6((*v6).into())),
        (None, None) => None,
    }
}

/// Datagrams in one call: more save next to nothing (media.md 1), and 128 KB stay in the cache of the core.
const BATCH: usize = 64;

/// Some thousand packets each: a tenth of a second of five hundred legs.
const KERNEL_BUFFER: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(address: &str) -> (Shared, SocketAddr) {
        let shared = Shared::bind(address.parse().unwrap()).unwrap();
        let at = shared.socket.local_addr().unwrap();
        (shared, at)
    }

    /// Whatever has come, by its source and bytes.
    fn taken(shared: &mut Shared, intake: &mut Intake, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut all = Vec::new();
        while all.len() < count {
            for n in 0..shared.fill(intake) {
                all.extend(intake.datagram(n).map(|(source, bytes)| (source, bytes.to_vec())));
            }
        }
        all
    }

    /// Over IPv4 and IPv6 by turns, more than one batch of them, each of its own length.
    #[test]
    fn what_goes_out_by_batches_comes_in_by_batches() {
        let mut intake = Intake::new();
        let mut pairs = ["127.0.0.1:0", "[::1]:0"].map(|at| (bound(at), bound(at)));
        for round in 0..3_usize {
            for ((one, here), (other, there)) in &mut pairs {
                let mut tally = Tally::default();
                let sent: Vec<Vec<u8>> =
                    (0..150).map(|n| vec![n as u8; 1 + (n * 13 + round) % 700]).collect();
                let mut came = Vec::new();
                for part in sent.chunks(BATCH + 6) {
                    for packet in part {
                        one.send(*there, packet, &mut tally);
                    }
                    one.flush(&mut tally);
                    came.extend(taken(other, &mut intake, part.len()));
                }
                assert!(came.iter().all(|(source, _)| source == here), "{came:?}");
                assert_eq!(came.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), sent);
                assert_eq!((tally.sent, tally.unsent, other.fill(&mut intake)), (150, 0, 0));
            }
        }
    }

    #[test]
    fn what_cannot_be_sent_is_counted_and_holds_nothing_up() {
        let ((mut one, _), (mut other, there)) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
        let (mut tally, mut intake) = (Tally::default(), Intake::new());
        one.send(there, b"first", &mut tally);
        // Port 0 is nobody's, and what is longer than a packet is none.
        one.send(SocketAddr::from(([127, 0, 0, 1], 0)), b"lost", &mut tally);
        one.send(there, &[0; LONGEST_PACKET + 1], &mut tally);
        one.send(there, b"last", &mut tally);
        one.flush(&mut tally);
        let came: Vec<Vec<u8>> = taken(&mut other, &mut intake, 2).into_iter().map(|(_, b)| b).collect();
        assert_eq!(came, [b"first".to_vec(), b"last".to_vec()]);
        assert_eq!((tally.sent, tally.unsent), (2, 2));
    }
}
