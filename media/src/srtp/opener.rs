//! What comes from a peer under its keying: only what is authentic and was not here before.

use super::cipher::{Cipher, Place, Protocol};
use super::keying::Keying;
use super::window::Window;
use super::{CONTROL_WORD, ENCRYPTED, MOST_CONTROL, MOST_PACKETS, MOST_STREAMS, SrtpFault};
use super::{control_source, payload_start, source};

/// Opens what one peer sends. It must live as long as the peer's keying is in use: a new one of the same
/// keying would know neither the rollovers nor what was here before.
#[derive(Clone)]
pub struct Opener {
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
    rtcp: Window,
    /// The count of packets when it was last heard.
    heard: u64,
}

impl Opener {
    /// Of the peer's keying.
    pub fn new(keying: Keying) -> Result<Self, SrtpFault> {
        let (rtp, rtcp) = (Cipher::new(&keying, Protocol::Rtp)?, Cipher::new(&keying, Protocol::Rtcp)?);
        Ok(Self::of(keying, rtp, rtcp))
    }

    pub(super) fn of(keying: Keying, rtp: Cipher, rtcp: Cipher) -> Self {
        let streams = [Stream::default(); MOST_STREAMS];
        Self { keying, rtp, rtcp, streams, used: 0, packets: 0, control: 0 }
    }

    /// The keying: when a new agreement brings the same one, the opener stays.
    pub const fn keying(&self) -> &Keying {
        &self.keying
    }

    /// Opens an SRTP packet in place; gives the length of the RTP packet that it was.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpFault> {
        let (ssrc, sequence) = source(packet)?;
        let start = payload_start(packet)?;
        if packet.len() < start + self.keying.suite().overhead() {
            return Err(SrtpFault::Form);
        }
        if self.packets >= self.keying.lifetime() {
            return Err(SrtpFault::Exhausted);
        }
        let known = self.known(ssrc);
        let mut window = known.map(|stream| stream.rtp).unwrap_or_default();
        let index = window.index(sequence);
        window.check(index)?;
        if index >= MOST_PACKETS {
            return Err(SrtpFault::Exhausted);
        }
        let len = self.rtp.open(packet, start, Place { ssrc, index })?;
        window.take(index);
        self.packets += 1;
        self.keep(ssrc, |stream| stream.rtp = window);
        Ok(len)
    }

    /// Opens an SRTCP packet in place; gives the length of the RTCP packet that it was. One whose E flag says
    /// that it is not encrypted is taken when it is authentic (RFC 3711 §3.4).
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpFault> {
        let ssrc = control_source(packet)?;
        let word = self.rtcp.word_at(packet.len()).and_then(|at| packet.get(at..at + CONTROL_WORD));
        let word = word.and_then(|word| word.first_chunk()).copied().ok_or(SrtpFault::Form)?;
        let index = u64::from(u32::from_be_bytes(word) & !ENCRYPTED);
        if packet.len() < super::CONTROL_HEADER + self.keying.suite().control_overhead() {
            return Err(SrtpFault::Form);
        }
        if self.control >= self.keying.lifetime().min(MOST_CONTROL) {
            return Err(SrtpFault::Exhausted);
        }
        let mut window = self.known(ssrc).map(|stream| stream.rtcp).unwrap_or_default();
        window.check(index)?;
        let len = self.rtcp.open_control(packet, ssrc)?;
        window.take(index);
        self.control += 1;
        self.keep(ssrc, |stream| stream.rtcp = window);
        Ok(len)
    }

    fn known(&self, ssrc: u32) -> Option<&Stream> {
        self.streams.iter().take(self.used).find(|stream| stream.ssrc == ssrc)
    }

    /// Writes what an authentic packet changed. A source that is new takes a free place, or that of the one
    /// that was not heard for longest; only the peer itself can bring one in.
    fn keep(&mut self, ssrc: u32, change: impl FnOnce(&mut Stream)) {
        let heard = self.packets.wrapping_add(self.control);
        let used = self.used;
        let at = match self.streams.iter().take(used).position(|stream| stream.ssrc == ssrc) {
            Some(at) => at,
            None if used < MOST_STREAMS => {
                self.used += 1;
                used
            }
            None => {
                let oldest = (0..).zip(&self.streams).min_by_key(|(_, stream)| stream.heard);
                oldest.map_or(0, |(at, _)| at)
            }
        };
        if let Some(stream) = self.streams.get_mut(at) {
            if stream.ssrc != ssrc {
                *stream = Stream { ssrc, ..Stream::default() };
            }
            change(stream);
            stream.heard = heard;
        }
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let suite = self.keying.suite();
        f.debug_struct("Opener")
            .field("suite", &suite)
            .field("packets", &self.packets)
            .finish_non_exhaustive()
    }
}
