//! The network of the World: it delays, loses, doubles and so reorders what is posted, from a seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use base::{Entropy, Mono};

/// How bad a network is.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Of ten thousand datagrams so many are lost.
    pub lost: u64,
    /// Of ten thousand datagrams so many come twice.
    pub doubled: u64,
    /// The least that a datagram takes.
    pub delay: Duration,
    /// What chance adds to it, at most: more than the pace of the packets reorders them.
    pub jitter: Duration,
}

impl Link {
    /// A wire in one room.
    pub const CLEAN: Self =
        Self { lost: 0, doubled: 0, delay: Duration::from_micros(200), jitter: Duration::ZERO };
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// All datagrams under way.
#[derive(Clone, Debug)]
pub(super) struct Network {
    link: Link,
    entropy: Entropy,
    letters: BTreeMap<(Mono, u64), Letter>,
    posted: u64,
}

impl Network {
    pub fn new(link: Link, entropy: Entropy) -> Self {
        Self { link, entropy, letters: BTreeMap::new(), posted: 0 }
    }

    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// When the next datagram arrives.
    pub fn next(&self) -> Option<Mono> {
        self.letters.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn arrived(&mut self, now: Mono) -> Option<Letter> {
        let entry = self.letters.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    pub fn post(&mut self, now: Mono, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.entropy.below(10_000) < self.link.lost {
            return;
        }
        if self.entropy.below(10_000) < self.link.doubled {
            self.send(now, Letter { from, to, bytes: bytes.clone() });
        }
        self.send(now, Letter { from, to, bytes });
    }

    fn send(&mut self, now: Mono, letter: Letter) {
        let chance = self.entropy.below(self.link.jitter.as_nanos() as u64 + 1);
        let at = now + self.link.delay + Duration::from_nanos(chance);
        self.posted += 1;
        self.letters.insert((at, self.posted), letter);
    }
}
