//! The network of the World: it delays, loses, doubles and so reorders what is posted, from a seed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use base::{Entropy, Mono};

use super::second::SecondReader;

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
    traffic: Traffic,
    second: SecondReader,
    /// Where Sibai's SIP comes from.
    sibai: SocketAddr,
    /// SIP is printed as it is posted.
    traced: bool,
}

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// SIP messages that reached the other end.
    pub sip: u64,
    /// RTP and RTCP packets that did.
    pub media: u64,
    /// SIP messages lost.
    pub sip_lost: u64,
    /// Packets lost.
    pub media_lost: u64,
    /// Datagrams of either kind that came twice.
    pub doubled: u64,
    /// Datagrams that were overtaken by a later one.
    pub overtaken: u64,
}

impl Network {
    pub(super) fn new(link: Link, sibai: SocketAddr, entropy: Entropy) -> Self {
        let (letters, traffic, second) = (BTreeMap::new(), Traffic::default(), SecondReader::default());
        Self { link, entropy, letters, posted: 0, traffic, second, sibai, traced: false }
    }

    pub(super) fn trace(&mut self) {
        self.traced = true;
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub(super) fn second_reader(&self) -> &SecondReader {
        &self.second
    }

    pub(super) fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// When the next datagram arrives.
    pub(super) fn next(&self) -> Option<Mono> {
        self.letters.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn arrived(&mut self, now: Mono) -> Option<Letter> {
        let entry = self.letters.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    pub(super) fn post(&mut self, now: Mono, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if is_sip(&bytes) {
            self.second.read(from, from == self.sibai, &bytes);
        }
        self.inject(now, from, to, bytes);
    }

    /// The same for bytes that need not be good SIP: only we read them.
    pub(super) fn inject(&mut self, now: Mono, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let sip = is_sip(&bytes);
        let lost = self.entropy.below(10_000) < self.link.lost;
        if sip && self.traced {
            println!("{now:?} {from} -> {to} {}{}", title(&bytes), if lost { "  LOST" } else { "" });
        }
        let counter = match (sip, lost) {
            (true, false) => &mut self.traffic.sip,
            (true, true) => &mut self.traffic.sip_lost,
            (false, false) => &mut self.traffic.media,
            (false, true) => &mut self.traffic.media_lost,
        };
        *counter += 1;
        if lost {
            return;
        }
        if self.entropy.below(10_000) < self.link.doubled {
            self.traffic.doubled += 1;
            self.send(now, Letter { from, to, bytes: bytes.clone() });
        }
        self.send(now, Letter { from, to, bytes });
    }

    fn send(&mut self, now: Mono, letter: Letter) {
        let chance = self.entropy.below(self.link.jitter.as_nanos() as u64 + 1);
        let at = now + self.link.delay + Duration::from_nanos(chance);
        self.posted += 1;
        let last = self.letters.last_key_value().is_some_and(|((last, _), _)| *last > at);
        self.traffic.overtaken += u64::from(last);
        self.letters.insert((at, self.posted), letter);
    }
}

/// The first byte of RTP has its top bit set (RFC 3550 §5.1), that of SIP never.
fn is_sip(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii)
}

/// The first line of a message, with what tells its transaction from others.
fn title(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    format!("{} | {} | {}", text.lines().next().unwrap_or_default(), line("CSeq"), line("Call-ID"))
}
