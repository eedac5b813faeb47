//! Sound for phones to say, and ears for the judges: WAV files, tones, loudness, likeness.

use std::f64::consts::PI;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Linear samples at 8 kHz, shared so that a thousand calls can say the same thing.
#[derive(Clone, PartialEq, Eq)]
pub struct Audio(Arc<[i16]>);

/// Why a file is not something that a phone can say.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file cannot be read or is not a WAV.
    #[error("cannot read the WAV: {0}")]
    Wav(#[from] hound::Error),
    /// Only mono, 16 bits, 8 or 16 kHz.
    #[error("a phone says mono 16-bit WAV at 8 or 16 kHz, not {channels} channels, {bits} bits, {rate} Hz")]
    Shape {
        /// Channels of the file.
        channels: u16,
        /// Bits per sample.
        bits: u16,
        /// Sampling rate in Hz.
        rate: u32,
    },
}

impl Audio {
    /// These samples.
    pub fn from_samples(samples: impl Into<Arc<[i16]>>) -> Self {
        Self(samples.into())
    }

    /// A mono 16-bit WAV at 8 or 16 kHz.
    pub fn load(path: &Path) -> Result<Self, AudioError> {
        let mut wav = hound::WavReader::open(path)?;
        let spec = wav.spec();
        let samples = |wav: &mut hound::WavReader<_>| wav.samples::<i16>().collect::<Result<Vec<_>, _>>();
        match (spec.channels, spec.bits_per_sample, spec.sample_rate, spec.sample_format) {
            (1, 16, 8000, hound::SampleFormat::Int) => Ok(Self(samples(&mut wav)?.into())),
            (1, 16, 16_000, hound::SampleFormat::Int) => Ok(Self(halve_rate(&samples(&mut wav)?).into())),
            (channels, bits, rate, _) => Err(AudioError::Shape { channels, bits, rate }),
        }
    }

    /// A sine of `hz` at -9 dBFS (peak), `length` long.
    pub fn tone(hz: f64, length: Duration) -> Self {
        let samples = (length.as_millis() * 8) as usize;
        Self((0..samples).map(|n| (TONE_PEAK * (2.0 * PI * hz * n as f64 / RATE).sin()) as i16).collect())
    }

    /// Nothing, `length` long.
    pub fn silence(length: Duration) -> Self {
        Self(vec![0; (length.as_millis() * 8) as usize].into())
    }

    /// The samples.
    pub fn samples(&self) -> &[i16] {
        &self.0
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.0.len() as u64 * 125)
    }
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audio({:?})", self.length())
    }
}

/// Writes mono samples at 8 kHz.
pub fn save(path: &Path, samples: &[i16]) -> Result<(), AudioError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec)?;
    for &sample in samples {
        wav.write_sample(sample)?;
    }
    Ok(wav.finalize()?)
}

/// How strong `hz` is in the samples: 1.0 when there is nothing else, about 0 when it is absent (Goertzel).
pub fn share_of(samples: &[i16], hz: f64) -> f64 {
    let energy: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    if energy < 1.0 {
        return 0.0;
    }
    let turn = 2.0 * (2.0 * PI * hz / RATE).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + turn * one - two, one);
    }
    let power = one * one + two * two - turn * one * two;
    2.0 * power / (energy * samples.len() as f64)
}

/// The dominant frequency of each stretch of 100 ms, in Hz to the nearest 10; `None` for near-silence and
/// for sound without a dominant tone. Runs of the same answer are one entry.
pub fn tones_in(samples: &[i16]) -> Vec<Option<u32>> {
    let mut tones = Vec::new();
    for stretch in samples.chunks_exact(STRETCH) {
        let tone = dominant(stretch);
        if tones.last() != Some(&tone) {
            tones.push(tone);
        }
    }
    tones
}

/// The dominant frequency in Hz to the nearest 10, when one tone holds more than half of the energy.
pub fn dominant(samples: &[i16]) -> Option<u32> {
    if level(samples) < QUIET {
        return None;
    }
    let best = (LOWEST..=HIGHEST).map(|step| (step * 10, share_of(samples, f64::from(step) * 10.0)));
    let (hz, share) = best.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (share > 0.5).then_some(hz)
}

/// Loudness in dB below full scale (RMS; a full-scale square is 0); minus infinity for nothing.
pub fn level(samples: &[i16]) -> f64 {
    let mean = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    20.0 * (mean.sqrt() / 32_768.0).log10()
}

/// How alike two sounds are, at the best shift of `b` up to `reach` samples either way: the correlation
/// (1.0 = the same up to loudness) and the shift.
pub fn likeness(a: &[i16], b: &[i16], reach: usize) -> (f64, isize) {
    let reach = reach as isize;
    let at = |shift: isize| {
        let (skip_a, skip_b) = (shift.max(0) as usize, (-shift).max(0) as usize);
        let pairs = a.iter().skip(skip_a).zip(b.iter().skip(skip_b));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (&x, &y) in pairs {
            let (x, y) = (f64::from(x), f64::from(y));
            (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
        }
        if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
    };
    let best = (-reach..=reach).map(|shift| (at(shift), shift)).max_by(|x, y| x.0.total_cmp(&y.0));
    best.unwrap_or((0.0, 0))
}

/// 16 kHz to 8 kHz: a half-band low-pass (windowed sinc), then every second sample.
fn halve_rate(samples: &[i16]) -> Vec<i16> {
    let tap = |k: isize| {
        let x = k as f64 * PI / 2.0;
        let sinc = if k == 0 { 1.0 } else { x.sin() / x };
        let window = 0.5 + 0.5 * (PI * k as f64 / (HALF_TAPS as f64 + 1.0)).cos();
        0.5 * sinc * window
    };
    let taps: Vec<f64> = (-HALF_TAPS..=HALF_TAPS).map(tap).collect();
    let centre = |n: usize| {
        let sum: f64 = taps
            .iter()
            .enumerate()
            .filter_map(|(k, tap)| {
                let at = (2 * n) as isize + k as isize - HALF_TAPS;
                samples.get(usize::try_from(at).ok()?).map(|&s| tap * f64::from(s))
            })
            .sum();
        sum.clamp(-32_768.0, 32_767.0) as i16
    };
    (0..samples.len().div_ceil(2)).map(centre).collect()
}

const RATE: f64 = 8000.0;
/// -9 dBFS: loud, and far from clipping.
const TONE_PEAK: f64 = 11_600.0;
/// 100 ms: bins of 10 Hz.
const STRETCH: usize = 800;
/// In steps of 10 Hz: below lies hum, above the telephone band's end.
const LOWEST: u32 = 15;
const HIGHEST: u32 = 380;
/// dBFS under which a stretch counts as silence.
const QUIET: f64 = -55.0;
/// 31 taps each side at 16 kHz: enough for prompts.
const HALF_TAPS: isize = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_recognised_and_silence_is_not() {
        let tone = Audio::tone(440.0, Duration::from_millis(400));
        assert_eq!(tones_in(tone.samples()), vec![Some(440)]);
        assert_eq!(tones_in(Audio::silence(Duration::from_millis(300)).samples()), vec![None]);
        assert!((level(tone.samples()) + 12.0).abs() < 0.2);
    }

    #[test]
    fn likeness_finds_the_shift() {
        let noise: Vec<i16> =
            (0..2000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 18) as i16 - 8192).collect();
        let (like, shift) = likeness(&noise, &noise[37..], 100);
        assert!(like > 0.99);
        assert_eq!(shift, 37);
    }

    #[test]
    fn halving_keeps_what_the_telephone_can_carry_and_drops_the_rest() {
        let sine = |hz: f64| -> Vec<i16> {
            (0..16_000).map(|n| (10_000.0 * (2.0 * PI * hz * f64::from(n) / 16_000.0).sin()) as i16).collect()
        };
        assert_eq!(dominant(&halve_rate(&sine(1000.0))), Some(1000));
        assert!(level(&halve_rate(&sine(5000.0))) < -45.0);
    }
}
