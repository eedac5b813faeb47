//! What we send under one keying: each packet's index is used once.

use super::cipher::{Cipher, Place, Protocol};
use super::keying::Keying;
use super::window::Window;
use super::{ENCRYPTED, MOST_CONTROL, MOST_PACKETS, MOST_STREAMS, SrtpFault};
use super::{control_source, payload_start, source};

/// Seals what we send to one peer. It must live as long as its keying is in use, and alone: two of one keying
/// would use up the same keystream, which gives the plain text away.
#[derive(Clone)]
pub struct Sealer {
    keying: Keying,
    rtp: Cipher,
    rtcp: Cipher,
    streams: [Stream; MOST_STREAMS],
    /// How many of `streams` are in use.
    used: usize,
    packets: u64,
    control: u64,
}

#[derive(Clone, Copy, Default)]
struct Stream {
    ssrc: u32,
    rtp: Window,
    /// Index of the last control packet.
    control: u32,
}

impl Sealer {
    /// Under this keying, which is ours alone.
    pub fn new(keying: Keying) -> Result<Self, SrtpFault> {
        let (rtp, rtcp) = (Cipher::new(&keying, Protocol::Rtp)?, Cipher::new(&keying, Protocol::Rtcp)?);
        Ok(Self::of(keying, rtp, rtcp))
    }

    pub(super) fn of(keying: Keying, rtp: Cipher, rtcp: Cipher) -> Self {
        let streams = [Stream::default(); MOST_STREAMS];
        Self { keying, rtp, rtcp, streams, used: 0, packets: 0, control: 0 }
    }

    /// The keying: when a new agreement brings the same one, the sealer stays.
    pub const fn keying(&self) -> &Keying {
        &self.keying
    }

    /// Seals the RTP packet of `len` bytes in place; gives the length that results. The buffer has
    /// [`Suite::overhead`](super::Suite::overhead) bytes of room behind it. A number that was sent before is
    /// refused, whatever the payload: its keystream is spent. Late ones are sealed as late ones.
    ///
    /// A stream begins without rollovers at the receiver too: its first number has to be below 2^15, or the
    /// first packets lost near the wrap part the two for good (RFC 4568 §6.4).
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpFault> {
        let packet = buffer.get(..len).ok_or(SrtpFault::Room)?;
        let (ssrc, sequence) = source(packet)?;
        let start = payload_start(packet)?;
        if self.packets >= self.keying.lifetime() {
            return Err(SrtpFault::Exhausted);
        }
        let at = self.stream(ssrc)?;
        let stream = self.streams.get_mut(at).ok_or(SrtpFault::Streams)?;
        let index = stream.rtp.index(sequence);
        stream.rtp.check(index)?;
        if index >= MOST_PACKETS {
            return Err(SrtpFault::Exhausted);
        }
        let sealed = self.rtp.seal(buffer, len, start, Place { ssrc, index })?;
        stream.rtp.take(index);
        self.keep(at, ssrc);
        self.packets += 1;
        Ok(sealed)
    }

    /// Seals the RTCP packet of `len` bytes in place; gives the length that results. The buffer has
    /// [`Suite::control_overhead`](super::Suite::control_overhead) bytes of room behind it.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpFault> {
        let ssrc = control_source(buffer.get(..len).ok_or(SrtpFault::Room)?)?;
        if self.control >= self.keying.lifetime().min(MOST_CONTROL - 1) {
            return Err(SrtpFault::Exhausted);
        }
        let at = self.stream(ssrc)?;
        let stream = self.streams.get_mut(at).ok_or(SrtpFault::Streams)?;
        // The first has 1, as with most stacks: by §3.4 it may have 0, which a receiver cannot tell from a loss.
        let index = stream.control + 1;
        let sealed = self.rtcp.seal_control(buffer, len, ssrc, ENCRYPTED | index)?;
        stream.control = index;
        self.keep(at, ssrc);
        self.control += 1;
        Ok(sealed)
    }

    /// The place of this source's counters; the first free one for a source that is new. None is ever
    /// forgotten: its indices would be used again.
    fn stream(&self, ssrc: u32) -> Result<usize, SrtpFault> {
        let known = self.streams.iter().take(self.used).position(|stream| stream.ssrc == ssrc);
        match known {
            Some(at) => Ok(at),
            None if self.used < MOST_STREAMS => Ok(self.used),
            None => Err(SrtpFault::Streams),
        }
    }

    /// A packet went out: a new source's counters are in use from now on.
    fn keep(&mut self, at: usize, ssrc: u32) {
        if at == self.used
            && let Some(stream) = self.streams.get_mut(at)
        {
            stream.ssrc = ssrc;
            self.used += 1;
        }
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let suite = self.keying.suite();
        f.debug_struct("Sealer")
            .field("suite", &suite)
            .field("packets", &self.packets)
            .finish_non_exhaustive()
    }
}
