//! Admission: what of the network's messages is served, in which order, and what is dropped, decided from raw
//! bytes before anything is parsed or queued (reliability 5, row 4). Time is an argument, as everywhere.
//!
//! | from | what | rule |
//! |---|---|---|
//! | a banned source | all | dropped |
//! | a trunk, a registered phone | beyond its own bucket | dropped |
//! | | responses, in-dialog, REGISTER | first lane, always |
//! | | new calls above the rate, or while we lag | 503 with Retry-After |
//! | | others | second lane |
//! | anybody else | beyond the source's bucket | dropped |
//! | | responses, in-dialog | first lane up to a rate, then second lane |
//! | | REGISTER above the rate, or while we lag | 503 with Retry-After |
//! | | others above the cost that strangers may cause, or while we lag | dropped |
//! | | others | second lane |
//!
//! Refusing costs less than serving, and a stranger's INVITE hears 401 or nothing, never 503.

mod bucket;
mod class;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::{Entropy, Mono, PeerMatch};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::message::Message;
use crate::message::method::Method;
use crate::message::name::Header;
use crate::recent::Recent;
use crate::seam::{Ban, Transport};
use bucket::Bucket;
pub use bucket::Rate;
pub use class::Class;

/// Decides. Plain data.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: Limits,
    trunks: Vec<PeerMatch>,
    phones: BTreeSet<(Transport, SocketAddr)>,
    banned: BTreeSet<IpAddr>,
    peers: Recent<SocketAddr, Bucket>,
    sources: Recent<IpAddr, Bucket>,
    calls: Bucket,
    registers: Bucket,
    within: Bucket,
    strangers: Bucket,
    refusals: Bucket,
    secret: [u8; 32],
    entropy: Entropy,
}

/// How much is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// New calls of trunks and phones.
    pub calls: Rate,
    /// REGISTERs of phones that are not registered; each phone needs two.
    pub registers: Rate,
    /// Messages of one trunk address or registered phone.
    pub peer: Rate,
    /// Messages of one source of which nothing is known.
    pub source: Rate,
}

impl Limits {
    /// The limits for so many new calls and so many registrations a second; the others follow the machine.
    pub const fn of(calls: u32, registers: u32) -> Self {
        Self {
            calls: Rate { per_second: calls, burst: calls.saturating_mul(2) },
            registers: Rate { per_second: registers.saturating_mul(2), burst: registers.saturating_mul(4) },
            peer: PEER,
            source: SOURCE,
        }
    }
}

/// How far behind the control is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// How long the oldest message has waited.
    pub lag: Duration,
    /// Messages in the second lane.
    pub waiting: usize,
    /// How many it holds.
    pub room: usize,
}

impl Pressure {
    fn is_high(self) -> bool {
        (self.lag > MOST_LAG && self.waiting >= A_QUEUE) || self.waiting * 2 > self.room
    }
}

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Before everything else.
    First,
    /// After that.
    Second,
    /// Refused where it arrived: 503 with Retry-After of so many seconds.
    Busy(u32),
    /// Dropped, and counted.
    Drop(Drop),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// Its source is banned.
    Banned,
    /// Its source sends more than one may.
    Source,
    /// Strangers cause more work than they may, or we lag behind.
    Strangers,
    /// So much is refused that refusals are dropped too.
    Refusals,
}

impl Drop {
    /// For metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Banned => "banned",
            Self::Source => "source",
            Self::Strangers => "strangers",
            Self::Refusals => "refusals",
        }
    }
}

impl Admission {
    /// Knows nobody yet.
    pub fn new(now: Mono, limits: Limits, mut entropy: Entropy) -> Self {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self {
            limits,
            trunks: Vec::new(),
            phones: BTreeSet::new(),
            banned: BTreeSet::new(),
            peers: Recent::new(MAX_SOURCES),
            sources: Recent::new(MAX_SOURCES),
            calls: Bucket::full(now, limits.calls),
            registers: Bucket::full(now, limits.registers),
            within: Bucket::full(now, WITHIN),
            strangers: Bucket::full(now, STRANGERS),
            refusals: Bucket::full(now, REFUSALS),
            secret,
            entropy,
        }
    }

    /// The addresses of the trunks.
    pub fn set_trunks(&mut self, trunks: Vec<PeerMatch>) {
        self.trunks = trunks;
    }

    /// An address began or ceased to hold a registration (`Event::Known`).
    pub fn know(&mut self, transport: Transport, source: SocketAddr, known: bool) {
        if known {
            self.phones.insert((transport, source));
        } else {
            self.phones.remove(&(transport, source));
        }
    }

    /// A source was banned (`Event::Banned`), or is no longer.
    pub fn ban(&mut self, source: IpAddr, banned: bool) {
        if banned {
            self.banned.insert(source);
        } else {
            self.banned.remove(&source);
        }
    }

    /// What is to be done with a message that came.
    pub fn judge(
        &mut self,
        now: Mono,
        transport: Transport,
        source: SocketAddr,
        bytes: &[u8],
        pressure: Pressure,
    ) -> Verdict {
        let is_peer = self.phones.contains(&(transport, source))
            || self.trunks.iter().any(|trunk| trunk.covers(source));
        let network = Ban::network(source.ip());
        if is_peer {
            let rate = self.limits.peer;
            let full = || Bucket::full(now, rate);
            if !self.peers.touch(&source, full, |bucket| bucket.pay(now, rate, 1)).0 {
                return Verdict::Drop(Drop::Source);
            }
            return self.judge_peer(now, Class::of(bytes), pressure);
        }
        if self.banned.contains(&network) {
            return Verdict::Drop(Drop::Banned);
        }
        let rate = self.limits.source;
        let full = || Bucket::full(now, rate);
        if !self.sources.touch(&network, full, |bucket| bucket.pay(now, rate, 1)).0 {
            return Verdict::Drop(Drop::Source);
        }
        self.judge_stranger(now, Class::of(bytes), pressure)
    }

    fn judge_peer(&mut self, now: Mono, class: Class, pressure: Pressure) -> Verdict {
        match class {
            Class::Response | Class::Within | Class::Register => Verdict::First,
            Class::Call if pressure.is_high() || !self.calls.pay(now, self.limits.calls, 1) => self.busy(now),
            Class::Call | Class::Question => Verdict::Second,
        }
    }

    fn judge_stranger(&mut self, now: Mono, class: Class, pressure: Pressure) -> Verdict {
        match class {
            Class::Response | Class::Within if self.within.pay(now, WITHIN, 1) => Verdict::First,
            Class::Register if pressure.is_high() || !self.registers.pay(now, self.limits.registers, 1) => {
                self.busy(now)
            }
            Class::Register => Verdict::Second,
            Class::Response | Class::Within | Class::Call | Class::Question => {
                if pressure.is_high() || !self.strangers.pay(now, STRANGERS, 1) {
                    return Verdict::Drop(Drop::Strangers);
                }
                Verdict::Second
            }
        }
    }

    fn busy(&mut self, now: Mono) -> Verdict {
        if self.refusals.pay(now, REFUSALS, 1) {
            // Scattered, so that the refused do not come back together.
            Verdict::Busy(5 + self.entropy.below(26) as u32)
        } else {
            Verdict::Drop(Drop::Refusals)
        }
    }

    /// The 503 of a message that was refused; `None` for what has no answer. Every copy of the request gets the
    /// same To tag, and the endpoint absorbs its ACK (RFC 3261 section 8.2.7). It is shorter than the request.
    pub fn refusal(&self, request: &Message, source: SocketAddr, retry_after: u32) -> Option<Bytes> {
        if !request.is_request() || *request.method() == Method::Ack {
            return None;
        }
        let tag = self.tag(request)?;
        let draft = request.reply(503, source, Some(&tag)).header(Header::RetryAfter, retry_after);
        Some(draft.finish().as_bytes().clone())
    }

    fn tag(&self, request: &Message) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(request.call_id().as_bytes());
        mac.update(b"\n");
        mac.update(request.from_tag().unwrap_or_default().as_bytes());
        let full = mac.finalize().into_bytes();
        Some(hex::encode(full.get(..8)?))
    }
}

/// New calls are refused beyond this: a caller notices nothing below it, and 503 still goes out in time.
const MOST_LAG: Duration = Duration::from_millis(50);
/// With fewer waiting it is no overload: the machine only looked away for a moment.
const A_QUEUE: usize = 64;
/// Sources whose buckets are kept; one that is pushed out begins with a full one.
const MAX_SOURCES: usize = 65_536;
/// A carrier's busiest address: 200 calls a second take ten messages each, and are repeated when lost.
const PEER: Rate = Rate { per_second: 5_000, burst: 10_000 };
/// An office behind one address, whose phones all come back at once.
const SOURCE: Rate = Rate { per_second: 100, burst: 400 };
/// What strangers may say inside dialogs: phones that moved, and calls of phones that do not register.
const WITHIN: Rate = Rate { per_second: 1_000, burst: 2_000 };
/// New requests of strangers: at 20 µs each a tenth of a core.
const STRANGERS: Rate = Rate { per_second: 5_000, burst: 5_000 };
/// 503s: at 20 µs each a twelfth of a core.
const REFUSALS: Rate = Rate { per_second: 4_000, burst: 4_000 };

#[cfg(test)]
mod tests;
