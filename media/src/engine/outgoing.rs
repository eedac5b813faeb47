//! The one RTP stream that a leg's peer hears from us, whoever fills it: one SSRC for life, sequence
//! numbers without holes of our making, timestamps that keep real time.

use base::Mono;

use crate::reception::{Admission, ticks};
use crate::rtp::Header;

/// A leg's outgoing stream.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) ssrc: u32,
    /// Ticks of our timestamps in a second.
    pub(super) clock: u32,
    /// The next sequence number.
    next: u16,
    /// The newest packet's timestamp, its length in ticks, and the moment that it stands for.
    timestamp: u32,
    len: u32,
    at: Option<Mono>,
    relay: Option<Relay>,
    pub(super) packets: u64,
    pub(super) octets: u64,
}

/// How the other party's numbers map on to ours.
#[derive(Clone, Copy, Debug)]
struct Relay {
    ssrc: u32,
    /// The newest of the source's sequence numbers.
    newest: u16,
    /// Older ones than this stand before the mapping.
    floor: u16,
    sequence_offset: u16,
    timestamp_offset: u32,
}

impl Outgoing {
    /// Starts at numbers that the seed decides (RFC 3550 §5.1 wants them unpredictable).
    pub(super) fn new(ssrc: u32) -> Self {
        let random = scramble(u64::from(ssrc));
        Self {
            ssrc,
            clock: 8000,
            // In the lower half: a receiver of SRTP that misses the first packets takes a wrap for the beginning (RFC 3711 §3.3.1).
            next: random as u16 & 0x7fff,
            timestamp: (random >> 16) as u32,
            len: 0,
            at: None,
            relay: None,
            packets: 0,
            octets: 0,
        }
    }

    /// From now on timestamps count so many ticks a second: another coding was agreed on. They go on from where
    /// they are.
    pub(super) fn tune(&mut self, clock: u32) {
        if self.clock != clock {
            (self.clock, self.at, self.len, self.relay) = (clock, None, 0, None);
        }
    }

    /// The header of a packet that we make ourselves and that stands for `len` ticks from `at` on.
    pub(super) fn make(&mut self, at: Mono, len: u32, payload_type: u8) -> Header {
        self.relay = None;
        let marker =
            self.at.is_none_or(|before| self.elapsed(before, at) > self.len + self.clock / PAUSES_A_SECOND);
        self.timestamp = self.timestamp_for(at);
        self.at = Some(at);
        self.len = len;
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        Header { marker, payload_type, sequence, timestamp: self.timestamp, ssrc: self.ssrc }
    }

    /// The header under which the other party's packet goes out; `None` for one that is too old.
    ///
    /// Lost packets stay lost: the hole in the source's sequence is a hole in ours, so that the
    /// receiver conceals and reports it.
    pub(super) fn relay(
        &mut self,
        now: Mono,
        packet: Header,
        admission: Admission,
        len: u32,
    ) -> Option<Header> {
        let fitting = self.relay.filter(|relay| relay.ssrc == packet.ssrc && admission != Admission::Start);
        let started = fitting.is_none();
        let mut relay = match fitting {
            Some(relay) => relay,
            // A stream does not begin with a straggler.
            None if admission == Admission::Late => return None,
            None => Relay {
                ssrc: packet.ssrc,
                newest: packet.sequence,
                floor: packet.sequence,
                sequence_offset: self.next.wrapping_sub(packet.sequence),
                timestamp_offset: self.timestamp_for(now).wrapping_sub(packet.timestamp),
            },
        };
        if is_before(packet.sequence, relay.floor) {
            return None;
        }
        let sequence = packet.sequence.wrapping_add(relay.sequence_offset);
        let timestamp = packet.timestamp.wrapping_add(relay.timestamp_offset);
        if !is_before(packet.sequence, relay.newest) {
            relay.newest = packet.sequence;
            self.next = sequence.wrapping_add(1);
            // An event's packets all carry its beginning: only the first of them says what time it is.
            if started || timestamp.wrapping_sub(self.timestamp).cast_signed() > 0 || self.at.is_none() {
                self.timestamp = timestamp;
                self.at = Some(now);
                self.len = len;
            }
        }
        self.relay = Some(relay);
        let marker = packet.marker || started;
        Some(Header { marker, payload_type: packet.payload_type, sequence, timestamp, ssrc: self.ssrc })
    }

    /// A packet of the other party is left out on purpose: its place in the sequence is closed.
    pub(super) fn leave_out(&mut self, packet: Header) {
        let Some(relay) = &mut self.relay else { return };
        if relay.ssrc != packet.ssrc || !is_before(relay.newest, packet.sequence) {
            return;
        }
        relay.newest = packet.sequence;
        relay.floor = packet.sequence.wrapping_add(1);
        relay.sequence_offset = relay.sequence_offset.wrapping_sub(1);
        // What was lost between stays a hole.
        self.next = relay.floor.wrapping_add(relay.sequence_offset);
    }

    /// The other party's numbers are forgotten; the next of its packets starts a new mapping.
    pub(super) fn part(&mut self) {
        self.relay = None;
    }

    /// A packet with this much payload went out.
    pub(super) fn sent(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    /// What RTP time it is at `now` (for sender reports).
    pub(super) fn clock(&self, now: Mono) -> u32 {
        self.at.map_or(self.timestamp, |at| self.timestamp.wrapping_add(self.elapsed(at, now)))
    }

    /// The timestamp for the next packet: real time since the last one, but never inside it.
    fn timestamp_for(&self, at: Mono) -> u32 {
        self.at.map_or(self.timestamp, |before| {
            self.timestamp.wrapping_add(self.elapsed(before, at).max(self.len))
        })
    }

    /// Ticks between two moments; none when the second is not the later one.
    fn elapsed(&self, from: Mono, to: Mono) -> u32 {
        if to > from { ticks(to, self.clock).wrapping_sub(ticks(from, self.clock)) } else { 0 }
    }
}

fn is_before(a: u16, b: u16) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// SplitMix64's finish: one seed, well spread bits.
pub(super) fn scramble(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A hole of more than 40 ms beyond the last packet begins a new talk spurt (RFC 3551 §4.1).
const PAUSES_A_SECOND: u32 = 25;
