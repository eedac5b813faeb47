//! Tones that we make ourselves: China's ringback, rendered once and played as a loop.

use std::f64::consts::TAU;

use base::g711::Law;
use bytes::Bytes;

use crate::prompts::Prompt;

/// China's ringback: 450 Hz, one second on, four seconds off, at -10 dBm0 (GB/T 3380 asks for
/// 450 ± 25 Hz and -10 ± 3 dBm). 450 Hz makes nine whole periods in 20 ms, so the loop has no seam.
pub fn ringback() -> Prompt {
    let peak = FULL_SCALE * 10f64.powf((LEVEL_DBM0 - FULL_SCALE_DBM0) / 20.0);
    let mut linear = vec![0i16; RATE * (ON_SECS + OFF_SECS)];
    for (n, sample) in linear.iter_mut().take(RATE * ON_SECS).enumerate() {
        *sample = (peak * (TAU * FREQUENCY * n as f64 / RATE as f64).sin()).round() as i16;
    }
    let encoded = |law: Law| -> Bytes {
        let tone = linear[..RATE * ON_SECS].iter().map(|&sample| law.encode(sample));
        let silence = std::iter::repeat_n(law.silence(), RATE * OFF_SECS);
        tone.chain(silence).collect()
    };
    Prompt { pcma: encoded(Law::A), pcmu: encoded(Law::Mu) }
}

const RATE: usize = 8000;
const FREQUENCY: f64 = 450.0;
const ON_SECS: usize = 1;
const OFF_SECS: usize = 4;
const LEVEL_DBM0: f64 = -10.0;

/// The peak of µ-law's loudest sine in 16-bit linear, and its level (G.711 table 2a; A-law's differs
/// by 0.06 dB).
const FULL_SCALE: f64 = 32_636.0;
const FULL_SCALE_DBM0: f64 = 3.17;

#[cfg(test)]
mod tests {
    use super::*;

    fn power(audio: &[u8], law: Law, frequency: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &byte) in audio.iter().enumerate() {
            let sample = f64::from(law.decode(byte));
            let phase = TAU * frequency * n as f64 / RATE as f64;
            re += sample * phase.cos();
            im += sample * phase.sin();
        }
        2.0 * (re * re + im * im).sqrt() / audio.len() as f64
    }

    #[test]
    fn ringback_is_450_hz_for_a_second_and_four_of_silence() {
        let tone = ringback();
        for (law, audio) in [(Law::A, &tone.pcma), (Law::Mu, &tone.pcmu)] {
            assert_eq!(audio.len(), 40_000);
            let amplitude = power(&audio[..8000], law, 450.0);
            let level = 20.0 * (amplitude / FULL_SCALE).log10() + FULL_SCALE_DBM0;
            assert!((level + 10.0).abs() < 0.2, "{law:?} {level} dBm0");
            assert!(power(&audio[..8000], law, 900.0) < amplitude / 50.0);
            assert!(audio[8000..].iter().all(|&byte| byte == law.silence()));
            assert_eq!(audio[..160], audio[160..320], "every 20 ms is the same");
        }
    }
}
