//! Which source a leg's media may come from and go to (symmetric RTP with latching).
//!
//! The rule, with the design's letters: (a) media goes to the SDP's address until latched; (b) the
//! SDP's address and any port of the signalling address latch at once, every other source after eight
//! packets in a row between the first and the third second after an agreement, and then only until the
//! former are heard; (c) once latched, nobody else is heard; (d) the latch moves only when its source fell
//! silent for 300 ms and another continues the very same stream; (g) nothing is ever sent to a source that
//! did not pass (b) or (d).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::Mono;

use crate::reception::ticks;
use crate::rtp::Header;
use crate::seam::Stream;

/// One leg's latch.
#[derive(Clone, Debug)]
pub(super) struct Latch {
    /// Where the SDP last said that the peer listens, if it said so.
    sdp: Option<SocketAddr>,
    sdp_rtcp: Option<SocketAddr>,
    signalling: IpAddr,
    mux: bool,
    /// Ticks of the stream's timestamps in a second.
    clock: u32,
    agreed: Mono,
    latched: Option<Latched>,
    /// The source before the peer moved by SDP: its last packets are still under way, so for it the
    /// signalling address is not enough.
    former: Option<SocketAddr>,
    candidates: [Option<Candidate>; MOST_CANDIDATES],
    rtcp: Option<SocketAddr>,
}

/// What to do with a packet from some source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// From the source that we are latched on to.
    Known,
    /// From a source that we latched on to by this packet.
    Latched,
    /// From somebody else: drop it.
    Foreign,
}

#[derive(Clone, Copy, Debug)]
struct Latched {
    source: SocketAddr,
    /// It is where the peer's words come from or say; else it has shown its packets and nothing else.
    vouched: bool,
    /// The newest packet that was accepted from it.
    newest: Header,
    heard: Mono,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    newest: Header,
    packets: u8,
}

impl Latch {
    pub(super) fn new(now: Mono, stream: &Stream) -> Self {
        Self {
            sdp: usable(stream.remote_rtp),
            sdp_rtcp: usable(stream.remote_rtcp),
            signalling: stream.signalling.to_canonical(),
            mux: stream.rtcp_mux,
            clock: stream.coding.clock(),
            agreed: now,
            latched: None,
            former: None,
            candidates: [None; MOST_CANDIDATES],
            rtcp: None,
        }
    }

    /// Another agreement; `true` when the peer moved and the latch is open again. A hold by address
    /// 0.0.0.0 moves nobody.
    pub(super) fn renew(&mut self, now: Mono, stream: &Stream) -> bool {
        let sdp = usable(stream.remote_rtp);
        let moved = sdp.is_some() && self.sdp.is_some() && sdp != self.sdp;
        self.sdp = sdp.or(self.sdp);
        let sdp_rtcp = usable(stream.remote_rtcp);
        if sdp_rtcp.is_some() && sdp_rtcp != self.sdp_rtcp || self.mux != stream.rtcp_mux {
            self.sdp_rtcp = sdp_rtcp;
            self.rtcp = None;
        }
        self.signalling = stream.signalling.to_canonical();
        self.mux = stream.rtcp_mux;
        self.clock = stream.coding.clock();
        self.agreed = now;
        self.candidates = [None; MOST_CANDIDATES];
        if moved {
            self.former = self.latched.take().map(|latched| latched.source);
            self.rtcp = None;
        }
        moved
    }

    /// Judges a packet that proved to be the peer's by its seal (rule e): the newest one says where the peer is.
    pub(super) fn follow(&mut self, now: Mono, source: SocketAddr, packet: Header) -> Verdict {
        let behind = self.latched.is_some_and(|latched| {
            let same = latched.newest.ssrc == packet.ssrc;
            same && packet.sequence.wrapping_sub(latched.newest.sequence).cast_signed() <= 0
        });
        if behind || self.latched.is_some_and(|latched| latched.source == source) {
            return Verdict::Known;
        }
        self.settle(now, source, packet)
    }

    /// Judges an RTP packet of good form. `negotiated`: its payload type is one that was agreed on.
    pub(super) fn judge(
        &mut self,
        now: Mono,
        source: SocketAddr,
        packet: Header,
        negotiated: bool,
    ) -> Verdict {
        if let Some(latched) = self.latched {
            if latched.source == source {
                return Verdict::Known;
            }
            let overruled = !latched.vouched && self.is_vouched_for(source);
            if !negotiated || !overruled && !latched.continued_by(packet, now, self.clock) {
                return Verdict::Foreign;
            }
        } else if !negotiated || !self.may_latch(now, source, packet) {
            return Verdict::Foreign;
        }
        self.settle(now, source, packet)
    }

    fn settle(&mut self, now: Mono, source: SocketAddr, packet: Header) -> Verdict {
        // Who goes on with a stream is as trustworthy as who began it.
        let vouched = self.is_vouched_for(source) || self.latched.is_some_and(|latched| latched.vouched);
        self.latched = Some(Latched { source, vouched, newest: packet, heard: now });
        self.candidates = [None; MOST_CANDIDATES];
        self.former = None;
        // The peer's RTCP moves with its RTP.
        self.rtcp = None;
        Verdict::Latched
    }

    /// A packet from the latched source was taken as the newest of its stream.
    pub(super) fn accepted(&mut self, now: Mono, packet: Header) {
        if let Some(latched) = &mut self.latched {
            latched.newest = packet;
            latched.heard = now;
        }
    }

    /// Whether RTCP from `source` is the peer's: from where the SDP says, or from the address that its
    /// RTP comes from, the first port that says something readable.
    pub(super) fn hears_rtcp(&self, source: SocketAddr) -> bool {
        if self.mux {
            return self.destination() == Some(source);
        }
        let ip = self.latched.map_or(self.signalling, |latched| latched.source.ip());
        self.sdp_rtcp == Some(source) || self.rtcp.map_or(source.ip() == ip, |known| known == source)
    }

    /// Readable RTCP came from a source that is heard: reports go there from now on.
    pub(super) fn accepted_rtcp(&mut self, source: SocketAddr) {
        self.rtcp = Some(source);
    }

    /// Whether the peer may shake hands from here: where it is, and until it proved to be there its signalling's
    /// address.
    pub(super) fn hears_handshake(&self, source: SocketAddr) -> bool {
        self.destination() == Some(source) || self.latched.is_none() && source.ip() == self.signalling
    }

    /// Where RTP goes.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        self.latched.map(|latched| latched.source).or(self.sdp)
    }

    /// Where RTCP goes.
    pub(super) fn rtcp_destination(&self) -> Option<SocketAddr> {
        if self.mux { self.destination() } else { self.rtcp.or(self.sdp_rtcp) }
    }

    fn may_latch(&mut self, now: Mono, source: SocketAddr, packet: Header) -> bool {
        self.is_vouched_for(source) || self.proves_itself(now, source, packet)
    }

    fn is_vouched_for(&self, source: SocketAddr) -> bool {
        let beside_signalling = source.ip() == self.signalling && self.former != Some(source);
        self.sdp == Some(source) || beside_signalling
    }

    fn proves_itself(&mut self, now: Mono, source: SocketAddr, packet: Header) -> bool {
        let passed = now.since(self.agreed);
        if passed > PROBATION_WINDOW {
            return false;
        }
        let known = self.candidates.iter().position(|c| c.is_some_and(|c| c.source == source));
        let Some(at) = known.or_else(|| self.candidates.iter().position(Option::is_none)) else {
            return false;
        };
        let packets = match self.candidates[at] {
            Some(before) if before.followed_by(packet) => before.packets.saturating_add(1),
            _ => 1,
        };
        self.candidates[at] = Some(Candidate { source, newest: packet, packets });
        packets >= PROBATION && passed >= PRECEDENCE
    }
}

impl Latched {
    /// Rule (d): silent long enough, and the packet goes on where the stream stopped.
    fn continued_by(&self, packet: Header, now: Mono, clock: u32) -> bool {
        let silent = now.since(self.heard) >= SILENT;
        let ahead = packet.sequence.wrapping_sub(self.newest.sequence);
        let passed = ticks(now, clock).wrapping_sub(ticks(self.heard, clock));
        let stamped = packet.timestamp.wrapping_sub(self.newest.timestamp);
        let off = stamped.wrapping_sub(passed).cast_signed().unsigned_abs();
        silent
            && packet.ssrc == self.newest.ssrc
            && (1..=FURTHEST).contains(&ahead)
            && off <= clock / CLOCK_TOLERANCES_A_SECOND
    }
}

impl Candidate {
    fn followed_by(&self, packet: Header) -> bool {
        let later = packet.timestamp.wrapping_sub(self.newest.timestamp).cast_signed() >= 0;
        packet.ssrc == self.newest.ssrc && packet.sequence == self.newest.sequence.wrapping_add(1) && later
    }
}

/// An address that can be sent to.
fn usable(address: SocketAddr) -> Option<SocketAddr> {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
}

/// Packets in a row that an unknown source has to show: 160 ms of honest audio.
const PROBATION: u8 = 8;

/// How long only those count who are vouched for: an attacker may have been sending to the port since before the call,
/// and an honest peer begins at once, or within a phone's time to open its sound card.
const PRECEDENCE: Duration = Duration::from_secs(1);

/// How long after an agreement an unknown source may show them.
const PROBATION_WINDOW: Duration = Duration::from_secs(3);

/// Sources on probation at a time: more are an attack, and the honest one is mostly the first.
const MOST_CANDIDATES: usize = 4;

/// How long the latched source must be silent before another may continue its stream.
const SILENT: Duration = Duration::from_millis(300);

/// Ten seconds of packets: longer outages are a new call's business.
const FURTHEST: u16 = 500;

/// Half a second: an event's timestamp stands still while it lasts.
const CLOCK_TOLERANCES_A_SECOND: u32 = 2;
