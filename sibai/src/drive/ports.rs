//! Media ports: even and odd pairs from the configured range, each rested after use.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use base::{Entropy, Mono};

/// The free pairs of the range.
#[derive(Debug)]
pub struct PortPool {
    /// Never used or rested long enough; taken at random, so that ports cannot be guessed.
    fresh: Vec<u16>,
    /// Given back, oldest first, with the moment from which they are rested.
    resting: VecDeque<(Mono, u16)>,
    entropy: Entropy,
}

/// A bound pair.
#[derive(Debug)]
pub struct PortPair {
    /// The even port.
    pub rtp: UdpSocket,
    /// The odd port above it.
    pub rtcp: UdpSocket,
    /// The even port's number.
    pub port: u16,
}

impl PortPool {
    /// All pairs that lie in `first..=last`.
    pub fn new(first: u16, last: u16, entropy: Entropy) -> Self {
        let first = first.next_multiple_of(2);
        let fresh = (first..last).step_by(2).collect();
        Self { fresh, resting: VecDeque::new(), entropy }
    }

    /// Pairs that can be handed out.
    pub fn free(&self) -> usize {
        self.fresh.len() + self.resting.len()
    }

    /// Binds a pair on `address`. Ports that another program holds are passed over, a bounded number of
    /// times.
    pub fn bind(&mut self, now: Mono, address: IpAddr) -> io::Result<PortPair> {
        let mut refused = io::Error::new(io::ErrorKind::AddrNotAvailable, "no media port is free");
        for _ in 0..MOST_TRIES {
            let Some(port) = self.take(now) else { break };
            match pair(address, port) {
                Ok((rtp, rtcp)) => return Ok(PortPair { rtp, rtcp, port }),
                Err(error) => {
                    refused = error;
                    self.give_back(now, port);
                }
            }
        }
        Err(refused)
    }

    /// Gives a pair back; it rests before it is used again (reliability.md 5, rule 16 f).
    pub fn give_back(&mut self, now: Mono, port: u16) {
        self.resting.push_back((now + REST, port));
    }

    fn take(&mut self, now: Mono) -> Option<u16> {
        while self.resting.front().is_some_and(|(rested, _)| *rested <= now) {
            self.fresh.extend(self.resting.pop_front().map(|(_, port)| port));
        }
        if self.fresh.is_empty() {
            // Better a port that has rested too little than a refused call: the oldest one.
            return self.resting.pop_front().map(|(_, port)| port);
        }
        let pick = self.entropy.below(self.fresh.len() as u64) as usize;
        Some(self.fresh.swap_remove(pick))
    }
}

fn pair(address: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let bind = |port| -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    Ok((bind(port)?, bind(port + 1)?))
}

/// Late packets of the last call must not reach the next one on the same port.
const REST: Duration = Duration::from_secs(60);

/// Ports that other programs hold, in a row, before a leg is refused.
const MOST_TRIES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_port_rests_while_others_are_fresh() {
        let mut pool = PortPool::new(30_001, 30_005, Entropy::from_number(1));
        assert_eq!(pool.free(), 2);
        let first = pool.take(Mono::ZERO).unwrap();
        pool.give_back(Mono::ZERO, first);
        let second = pool.take(Mono::ZERO).unwrap();
        assert_ne!(first, second);
        assert_eq!(second % 2, 0);
        // Nothing else is left: the resting one is better than none.
        assert_eq!(pool.take(Mono::ZERO), Some(first));
        assert_eq!(pool.take(Mono::ZERO), None);
    }

    #[test]
    fn a_pair_is_bound_even_and_odd() {
        let mut pool = PortPool::new(42_000, 42_999, Entropy::from_number(2));
        let pair = pool.bind(Mono::ZERO, "127.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(pair.rtp.local_addr().unwrap().port(), pair.port);
        assert_eq!(pair.rtcp.local_addr().unwrap().port(), pair.port + 1);
    }
}
