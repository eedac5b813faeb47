//! G.729 with annex B's silence, by the crate `g729-sys`.
//!
//! A clone begins anew, as in `opus`.

use std::fmt;

use g729_sys::{FRAME_SAMPLES, VOICE_FRAME_BYTES};

use crate::coding::Coding;
use crate::fence::fenced;

/// Packets to 8 kHz audio.
pub(crate) struct Decoder {
    state: Option<Box<g729_sys::Decoder>>,
    /// The last frame was a silence descriptor: what does not come now is not lost.
    silent: bool,
}

/// 8 kHz audio to packets; it does not use silence descriptors, which save bits and cost quality.
pub(crate) struct Encoder {
    state: Box<g729_sys::Encoder>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { state: Some(Box::default()), silent: false }
    }

    /// Decodes frames of ten bytes, and a silence descriptor of two at the end (RFC 3551 §4.5.6).
    pub(crate) fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Option<usize> {
        Coding::G729.ticks(packet)?;
        let mut made = 0;
        for (frame, out) in packet.chunks(VOICE_FRAME_BYTES).zip(out.chunks_mut(FRAME_SAMPLES)) {
            self.silent = frame.len() != VOICE_FRAME_BYTES;
            made += self.frame(frame, false, out)?;
        }
        Some(made)
    }

    /// Makes up what is missing: an erased frame, or the silence that was described.
    pub(crate) fn conceal(&mut self, out: &mut [i16]) -> Option<usize> {
        let mut made = 0;
        for out in out.chunks_mut(FRAME_SAMPLES) {
            made += self.frame(&[], !self.silent, out)?;
        }
        Some(made)
    }

    fn frame(&mut self, frame: &[u8], erased: bool, out: &mut [i16]) -> Option<usize> {
        let mut state = self.state.take().unwrap_or_default();
        let silent = self.silent;
        // A panic leaves `None` behind: a state that broke half way is not used again.
        let (state, audio) = fenced(|| {
            let audio = state.decode(frame, erased, silent, false);
            (state, audio)
        })?;
        self.state = Some(state);
        let len = out.len().min(FRAME_SAMPLES);
        out[..len].copy_from_slice(&audio[..len]);
        Some(len)
    }
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self { state: Box::new(g729_sys::Encoder::new(false)) }
    }

    /// Encodes whole frames of 10 ms; 0 when there is no room.
    pub(crate) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        if pcm.len() / FRAME_SAMPLES * VOICE_FRAME_BYTES > out.len() {
            return 0;
        }
        let mut made = 0;
        for (frame, out) in pcm.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            made += usize::from(self.state.encode_into(frame, out));
        }
        made
    }
}

impl Clone for Decoder {
    fn clone(&self) -> Self {
        Self { silent: self.silent, ..Self::new() }
    }
}

impl Clone for Encoder {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("silent", &self.silent).finish_non_exhaustive()
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}
