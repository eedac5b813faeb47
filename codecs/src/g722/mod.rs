//! ITU-T G.722 mode 1: 7 kHz audio in 64 kbit/s, two sub-bands of adaptive differential code.
//!
//! Written from the Recommendation's blocks; the variables keep its names where a reader would look them
//! up. All arithmetic is on integers, as it prescribes, so that decoders agree to the bit.

mod band;
mod tables;

use band::Band;
use tables::{
    DIFFERENCE, FIRST, HIGH_INVERSE_2, LOW_INVERSE_4, LOW_INVERSE_6, LOW_LEVELS, SECOND, SUM, TAPS,
};

use crate::coding::MOST_SAMPLES;

/// 16 kHz audio to bytes.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    low: Band,
    high: Band,
    /// The newest 22 samples, which the band-splitting filter still needs.
    past: [i16; TAPS - 2],
}

/// Bytes to 16 kHz audio.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    low: Band,
    high: Band,
    /// Sums and differences of the bands, which the joining filter still needs.
    past: [i16; TAPS - 2],
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self { low: Band::low(), high: Band::high(), past: [0; TAPS - 2] }
    }

    /// Encodes two samples to a byte, as far as both reach; says how many bytes.
    pub(crate) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let len = (pcm.len() / 2).min(out.len()).min(MOST_SAMPLES / 2);
        let mut line = [0i16; TAPS - 2 + MOST_SAMPLES];
        line[..TAPS - 2].copy_from_slice(&self.past);
        line[TAPS - 2..][..2 * len].copy_from_slice(&pcm[..2 * len]);
        for (byte, window) in out[..len].iter_mut().zip(line.array_windows::<TAPS>().step_by(2)) {
            let low = self.encode_low(dot(window, &SUM) >> 14);
            let high = self.encode_high(dot(window, &DIFFERENCE) >> 14);
            *byte = high << 6 | low;
        }
        self.past.copy_from_slice(&line[2 * len..][..TAPS - 2]);
        len
    }

    /// Blocks 1L to 4L: six bits.
    fn encode_low(&mut self, x: i32) -> u8 {
        let error = saturate(x - self.low.prediction());
        let size = if error >= 0 { error } else { !error };
        let step = self.low.step();
        let level = LOW_LEVELS.partition_point(|&level| size >= (level * step) >> 12) as u8;
        // Codes run downwards from the smallest level; the two smallest of the negative ones stand alone.
        let code = match (error < 0, level) {
            (false, level) => 61 - level,
            (true, 0 | 1) => 63 - level,
            (true, level) => 33 - level,
        };
        self.low.adapt_low(LOW_INVERSE_4[usize::from(code >> 2)], code >> 2);
        code
    }

    /// Blocks 1H to 4H: two bits.
    fn encode_high(&mut self, x: i32) -> u8 {
        let error = saturate(x - self.high.prediction());
        let size = if error >= 0 { error } else { !error };
        let large = size >= (HIGH_LEVEL * self.high.step()) >> 12;
        let code = match (error < 0, large) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.high.adapt_high(HIGH_INVERSE_2[usize::from(code)], code);
        code
    }
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { low: Band::low(), high: Band::high(), past: [0; TAPS - 2] }
    }

    /// Decodes a byte to two samples, as far as both reach; says how many samples.
    pub(crate) fn decode(&mut self, bytes: &[u8], out: &mut [i16]) -> usize {
        let len = bytes.len().min(out.len() / 2).min(MOST_SAMPLES / 2);
        let mut line = [0i16; TAPS - 2 + MOST_SAMPLES];
        line[..TAPS - 2].copy_from_slice(&self.past);
        for (&byte, pair) in bytes.iter().zip(line[TAPS - 2..].as_chunks_mut::<2>().0).take(len) {
            let (low, high) = (self.decode_low(byte & 0x3f), self.decode_high(byte >> 6));
            *pair = [(low + high) as i16, (low - high) as i16];
        }
        let pairs = out.as_chunks_mut::<2>().0.iter_mut().take(len);
        for (pair, window) in pairs.zip(line.array_windows::<TAPS>().step_by(2)) {
            *pair = [dot(window, &FIRST), dot(window, &SECOND)].map(|sum| saturate(sum >> 11) as i16);
        }
        self.past.copy_from_slice(&line[2 * len..][..TAPS - 2]);
        2 * len
    }

    fn decode_low(&mut self, code: u8) -> i32 {
        let fine = (self.low.step() * LOW_INVERSE_6[usize::from(code)]) >> 15;
        let value = (self.low.prediction() + fine).clamp(-16_384, 16_383);
        self.low.adapt_low(LOW_INVERSE_4[usize::from(code >> 2)], code >> 2);
        value
    }

    fn decode_high(&mut self, code: u8) -> i32 {
        let fine = (self.high.step() * HIGH_INVERSE_2[usize::from(code)]) >> 15;
        let value = (self.high.prediction() + fine).clamp(-16_384, 16_383);
        self.high.adapt_high(HIGH_INVERSE_2[usize::from(code)], code);
        value
    }
}

fn dot(window: &[i16; TAPS], taps: &[i16; TAPS]) -> i32 {
    window.iter().zip(taps).map(|(&x, &c)| i32::from(x) * i32::from(c)).sum()
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// The high band's one decision level, in 4096ths of its step.
const HIGH_LEVEL: i32 = 564;
