//! Where the datagrams of a worker's legs come in and go out; nothing above it knows of ports. A leg has two ports of
//! its own, or, where its peer is a browser and `rtp.web_port` is set, shares one with others of its kind.

mod names;
mod shared;
mod slots;
mod spread;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use base::{LegId, Mono};
use media::Port;

pub(super) use names::Whose;
pub(super) use shared::Intake;
use shared::Shared;
use slots::Slots;
use spread::Spread;

use super::load::Tally;
use super::poll::Poll;
use super::ports::{PortPair, PortPool};

/// The sockets of one worker.
pub(super) struct Sockets {
    slots: Slots<Place>,
    by_leg: HashMap<LegId, usize, Spread>,
    /// Locked only when a leg opens or closes.
    pool: Arc<Mutex<PortPool>>,
    web_port: Option<u16>,
    /// By our addresses; bound when the first leg there opens, and kept.
    shared: Vec<(IpAddr, Shared)>,
}

struct Place {
    leg: LegId,
    way: Way,
}

enum Way {
    Own(PortPair),
    Shared(usize),
}

/// What a token of the kernel stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// A port of one leg, by the leg's slot.
    Own(usize, Port),
    /// A port of many.
    Shared(usize),
}

impl Sockets {
    pub(super) fn new(pool: Arc<Mutex<PortPool>>, web_port: Option<u16>) -> Self {
        Self { slots: Slots::new(), by_leg: HashMap::default(), pool, web_port, shared: Vec::new() }
    }

    /// Binds the ports of a leg, RTP's and RTCP's, on this address; `web`: its peer proves by ICE where it is.
    pub(super) fn open(
        &mut self,
        now: Mono,
        leg: LegId,
        address: IpAddr,
        web: bool,
        poll: &Poll,
    ) -> io::Result<(u16, u16)> {
        self.close(now, leg);
        match self.web_port.filter(|_| web) {
            Some(port) => {
                let at = self.share(address, port, poll)?;
                self.enter(leg, Way::Shared(at));
                Ok((port, port))
            }
            None => self.open_own(now, leg, address, poll),
        }
    }

    fn open_own(&mut self, now: Mono, leg: LegId, address: IpAddr, poll: &Poll) -> io::Result<(u16, u16)> {
        let pair = self.pool.lock().unwrap_or_else(PoisonError::into_inner).bind(now, address)?;
        let port = pair.port;
        let slot = self.enter(leg, Way::Own(pair));
        let Some(Place { way: Way::Own(pair), .. }) = self.slots.get(slot) else {
            return Ok((port, port + 1));
        };
        let watched = [(&pair.rtp, Port::Rtp), (&pair.rtcp, Port::Rtcp)]
            .into_iter()
            .try_for_each(|(socket, which)| poll.add(socket, Door::Own(slot, which).token()));
        match watched {
            Ok(()) => Ok((port, port + 1)),
            Err(error) => {
                self.close(now, leg);
                Err(error)
            }
        }
    }

    /// The shared port on this address.
    fn share(&mut self, address: IpAddr, port: u16, poll: &Poll) -> io::Result<usize> {
        if let Some(at) = self.shared.iter().position(|(known, _)| *known == address) {
            return Ok(at);
        }
        let at = self.shared.len();
        if at == MOST_ADDRESSES {
            return Err(io::Error::other("rtp.web_port is in use on too many addresses"));
        }
        let shared = Shared::bind(SocketAddr::new(address, port))?;
        poll.add(&shared.socket, Door::Shared(at).token())?;
        self.shared.push((address, shared));
        Ok(at)
    }

    fn enter(&mut self, leg: LegId, way: Way) -> usize {
        let slot = self.slots.put(Place { leg, way });
        self.by_leg.insert(leg, slot);
        slot
    }

    /// Gives the ports of a leg back. Closing a socket takes it out of the epoll set.
    pub(super) fn close(&mut self, now: Mono, leg: LegId) {
        let Some(place) = self.by_leg.remove(&leg).and_then(|slot| self.slots.take(slot)) else { return };
        match place.way {
            Way::Own(pair) => {
                let port = pair.port;
                drop(pair);
                self.pool.lock().unwrap_or_else(PoisonError::into_inner).give_back(now, port);
            }
            Way::Shared(at) => {
                if let Some((_, shared)) = self.shared.get_mut(at) {
                    shared.names.forget(leg);
                }
            }
        }
    }

    /// Closes all; gives the legs that had any, in the order of their numbers.
    pub(super) fn close_all(&mut self, now: Mono) -> Vec<LegId> {
        let mut legs: Vec<LegId> = self.by_leg.keys().copied().collect();
        legs.sort_unstable();
        for leg in &legs {
            self.close(now, *leg);
        }
        self.shared.clear();
        legs
    }

    /// How many legs have ports.
    pub(super) fn legs(&self) -> usize {
        self.by_leg.len()
    }

    /// What was agreed on: by this fragment of ours the peer's checks name the leg.
    pub(super) fn know(&mut self, leg: LegId, fragment: Option<&str>) {
        if let Some(shared) = self.shared_of(leg) {
            shared.names.know(leg, fragment);
        }
    }

    /// The source has proved the leg's password.
    pub(super) fn prove(&mut self, leg: LegId, source: SocketAddr) {
        if let Some(shared) = self.shared_of(leg) {
            shared.names.prove(leg, source);
        }
    }

    fn shared_of(&mut self, leg: LegId) -> Option<&mut Shared> {
        let place = self.slots.get(*self.by_leg.get(&leg)?)?;
        let Way::Shared(at) = place.way else { return None };
        self.shared.get_mut(at).map(|(_, shared)| shared)
    }

    /// One datagram from a port of one leg. A receive that finds nothing costs as much as one that does, so there is
    /// one for each event (media.md 1).
    pub(super) fn receive(
        &self,
        slot: usize,
        port: Port,
        buffer: &mut [u8],
    ) -> Option<(LegId, usize, SocketAddr)> {
        let place = self.slots.get(slot)?;
        let Way::Own(pair) = &place.way else { return None };
        let (len, source) = pair.socket(port).recv_from(buffer).ok()?;
        Some((place.leg, len, source))
    }

    /// What has come to a port of many; gives how much.
    pub(super) fn fill(&mut self, at: usize, intake: &mut Intake) -> usize {
        self.shared.get_mut(at).map_or(0, |(_, shared)| shared.fill(intake))
    }

    /// Whose a datagram on a port of many is.
    pub(super) fn whose(&self, at: usize, source: SocketAddr, datagram: &[u8]) -> Option<Whose> {
        self.shared.get(at)?.1.names.whose(source, datagram)
    }

    /// Sends from a leg's port: at once from one of its own, with the next flush from a shared one.
    pub(super) fn send(&mut self, leg: LegId, port: Port, to: SocketAddr, bytes: &[u8], tally: &mut Tally) {
        let Some(place) = self.by_leg.get(&leg).and_then(|slot| self.slots.get(*slot)) else { return };
        match &place.way {
            Way::Own(pair) => match pair.socket(port).send_to(bytes, to) {
                Ok(_) => tally.sent += 1,
                Err(_) => tally.unsent += 1,
            },
            Way::Shared(at) => {
                if let Some((_, shared)) = self.shared.get_mut(*at) {
                    shared.send(to, bytes, tally);
                }
            }
        }
    }

    /// What waits goes out.
    pub(super) fn flush(&mut self, tally: &mut Tally) {
        for (_, shared) in &mut self.shared {
            shared.flush(tally);
        }
    }
}

impl PortPair {
    fn socket(&self, port: Port) -> &UdpSocket {
        if port == Port::Rtp { &self.rtp } else { &self.rtcp }
    }
}

impl Door {
    /// The token under which the kernel tells of it.
    const fn token(self) -> u64 {
        match self {
            Self::Own(slot, Port::Rtp) => (slot as u64) << 1,
            Self::Own(slot, Port::Rtcp) => (slot as u64) << 1 | 1,
            Self::Shared(at) => SHARED | at as u64,
        }
    }

    /// The door that has this token.
    pub(super) const fn of(token: u64) -> Self {
        if token & SHARED != 0 {
            return Self::Shared((token & !SHARED) as usize);
        }
        Self::Own((token >> 1) as usize, if token & 1 == 1 { Port::Rtcp } else { Port::Rtp })
    }
}

/// Marks the tokens of shared ports; no worker has as many legs.
const SHARED: u64 = 1 << 62;

/// Our own addresses that pages reach: more than any host has.
const MOST_ADDRESSES: usize = 16;

/// Longest UDP datagram taken whole; RTP of 60 ms G.711 has 492 bytes.
pub(super) const LONGEST_PACKET: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_door() {
        for door in [
            Door::Own(0, Port::Rtp),
            Door::Own(0, Port::Rtcp),
            Door::Own(19_999, Port::Rtp),
            Door::Own(19_999, Port::Rtcp),
            Door::Shared(0),
            Door::Shared(MOST_ADDRESSES),
        ] {
            assert_eq!(Door::of(door.token()), door);
        }
    }
}
