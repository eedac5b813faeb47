//! Opus (RFC 6716) at 8 or 16 kHz, mono; libopus' algorithms in safe Rust by the crate `opus-rs`.
//!
//! A clone begins anew: the crate's states cannot be copied. What a clone decodes converges with its
//! original within a few packets, as it does after a loss.

use std::fmt;

use opus_rs::{Application, OpusDecoder, OpusEncoder};

use crate::coding::{Coding, MOST_SAMPLES, Rate};
use crate::fence::fenced;

/// Packets to audio.
pub(crate) struct Decoder {
    rate: Rate,
    /// `None` after the fence had to hold; opened anew with the next packet. Boxed: it has tens of kilobytes, and goes
    /// through the fence with each packet.
    state: Option<Box<OpusDecoder>>,
}

/// Audio to packets.
pub(crate) struct Encoder {
    rate: Rate,
    effort: Effort,
    state: Option<Box<OpusEncoder>>,
    /// The length of the last frame: the crate panics when frames of a stream become shorter.
    frame: usize,
}

/// What an encoder was told.
#[derive(Clone, Copy)]
struct Effort {
    complexity: u8,
    loss: u8,
}

impl Decoder {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, state: OpusDecoder::new(rate.hz() as i32, 1).ok().map(Box::new) }
    }

    /// Decodes a packet of any length to 120 ms, mono or stereo; `None` when it is no Opus.
    pub(crate) fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Option<usize> {
        let ticks = Coding::Opus.ticks(packet)?;
        let len = ticks as usize * self.rate.hz() / 48_000;
        self.run(len, out, |state, pcm| state.decode(packet, len, pcm))
    }

    /// The audio of a lost packet, out of the one that followed it if that carries a copy.
    pub(crate) fn recover(&mut self, next: &[u8], out: &mut [i16]) -> Option<usize> {
        let len = self.whole(out.len());
        self.run(len, out, |state, pcm| state.decode_fec(next, len, pcm))
    }

    /// Makes up audio that is missing.
    pub(crate) fn conceal(&mut self, out: &mut [i16]) -> Option<usize> {
        let len = self.whole(out.len());
        self.run(len, out, |state, pcm| state.decode(&[], len, pcm))
    }

    /// What is missing is counted in tens of milliseconds here, rounded up.
    fn whole(&self, samples: usize) -> usize {
        samples.next_multiple_of(self.rate.samples(10)).min(self.rate.samples(120))
    }

    fn run(
        &mut self,
        len: usize,
        out: &mut [i16],
        step: impl FnOnce(&mut OpusDecoder, &mut [f32]) -> Result<usize, &'static str>,
    ) -> Option<usize> {
        if self.state.is_none() {
            *self = Self::new(self.rate);
        }
        let mut pcm = [0.0; MOST_SAMPLES];
        let pcm = pcm.get_mut(..len)?;
        let mut state = self.state.take()?;
        // A panic leaves `None` behind: a state that broke half way is not used again.
        let (state, result) = fenced(|| {
            let result = step(&mut state, pcm);
            (state, result)
        })?;
        self.state = Some(state);
        let len = result.ok()?.min(len).min(out.len());
        for (sample, value) in out.iter_mut().zip(&pcm[..len]) {
            // Saturates, and makes silence of what is no number.
            *sample = (value * 32_768.0).round() as i16;
        }
        Some(len)
    }
}

impl Encoder {
    pub(crate) fn new(rate: Rate) -> Self {
        Self::open(rate, Effort { complexity: COMPLEXITY, loss: 0 })
    }

    fn open(rate: Rate, effort: Effort) -> Self {
        let state = OpusEncoder::new(rate.hz() as i32, 1, Application::Voip).ok().map(Box::new);
        let mut encoder = Self { rate, effort, state, frame: 0 };
        encoder.tune();
        encoder
    }

    /// 0 to 10: more takes more time and sounds a little better.
    pub(crate) fn complexity(&mut self, complexity: u8) {
        self.effort.complexity = complexity.min(10);
        self.tune();
    }

    /// Tells how much the receiver loses: from one percent on, packets carry copies of their forerunners.
    pub(crate) fn loss(&mut self, percent: u8) {
        self.effort.loss = percent.min(100);
        self.tune();
    }

    fn tune(&mut self) {
        let Some(state) = &mut self.state else { return };
        state.bitrate_bps = match self.rate {
            Rate::Narrow => NARROW_BITS,
            Rate::Wide => WIDE_BITS,
        };
        if self.effort.loss > 0 {
            state.bitrate_bps += COPY_BITS;
        }
        state.complexity = i32::from(self.effort.complexity);
        state.use_inband_fec = self.effort.loss > 0;
        state.packet_loss_perc = i32::from(self.effort.loss);
    }

    /// Encodes 10, 20, 30, 40 or 60 ms; 0 for any other length or when there is no room.
    pub(crate) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let ten = self.rate.samples(10);
        match pcm.len() / ten {
            _ if !pcm.len().is_multiple_of(ten) => 0,
            1 | 2 | 4 | 6 => self.frame(pcm, out),
            3 => self.three(pcm, out),
            _ => 0,
        }
    }

    fn frame(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let room = out.len().min(MOST_FRAME);
        if room < LEAST_ROOM {
            return 0;
        }
        let other = self.frame != 0 && self.frame != pcm.len();
        if self.state.is_none() || other {
            *self = Self::open(self.rate, self.effort);
        }
        self.frame = pcm.len();
        let Some(mut state) = self.state.take() else { return 0 };
        let coded = fenced(|| {
            let len = state.encode_i16(pcm, pcm.len(), &mut out[..room]);
            (state, len)
        });
        // After a panic or a refusal the next frame begins with a new state.
        let Some((state, Ok(len))) = coded else { return 0 };
        self.state = Some(state);
        len.min(room)
    }

    /// Opus has no frame of 30 ms: three of 10 in one packet, each with its length (RFC 6716 §3.2.5).
    fn three(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let ten = self.rate.samples(10);
        let mut frames = [[0; SHORT_FRAME]; 3];
        let mut lens = [0; 3];
        for ((frame, len), part) in frames.iter_mut().zip(&mut lens).zip(pcm.chunks(ten)) {
            *len = self.frame(part, frame);
        }
        // A frame's packet is its table of contents and its bytes; all three must say the same there.
        let toc = frames[0][0];
        let alike = frames
            .iter()
            .zip(lens)
            .all(|(frame, len)| len > 0 && frame[0] == toc && toc.trailing_zeros() >= 2);
        let total = lens.iter().sum::<usize>() + 1;
        if !alike || out.len() < total {
            return 0;
        }
        out[..4].copy_from_slice(&[toc | 3, 0x80 | 3, (lens[0] - 1) as u8, (lens[1] - 1) as u8]);
        let mut at = 4;
        for (frame, len) in frames.iter().zip(lens) {
            out[at..at + len - 1].copy_from_slice(&frame[1..len]);
            at += len - 1;
        }
        at
    }
}

impl Clone for Decoder {
    fn clone(&self) -> Self {
        Self::new(self.rate)
    }
}

impl Clone for Encoder {
    fn clone(&self) -> Self {
        Self::open(self.rate, self.effort)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// Telephone speech, and the "HD voice" of RFC 7587 §3.1.1 (8-12 and 16-20 kbit/s) with a little to spare.
const NARROW_BITS: i32 = 16_000;
const WIDE_BITS: i32 = 24_000;

/// More while packets carry copies: with fewer bits to spare the encoder of narrow audio leaves them out.
const COPY_BITS: i32 = 8_000;

/// The cheapest: measured against 1 it sounds the same, against 5 it costs a third (ADR 0004).
const COMPLEXITY: u8 = 0;

/// The longest frame of Opus (RFC 6716 §3.2.1).
const MOST_FRAME: usize = 1275;

/// With less the encoder would leave speech coding for want of bits; no frame of ours comes near it.
const LEAST_ROOM: usize = 200;

/// A frame of 10 ms: its length must be told in one byte, which ends at 251.
const SHORT_FRAME: usize = 252;
