//! Prompts: decoded, resampled and levelled at load, held as frames of each codec, played by copying.

mod decode;
mod loudness;
mod resample;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base::g711::Law;
use base::{Country, Name};
use bytes::Bytes;

use crate::tone::Tones;

/// All prompts of all lines, and the tones of their countries; immutable, shared by `Arc`.
#[derive(Clone, Debug, Default)]
pub struct Prompts {
    by_name: HashMap<(Name, Name), Prompt>,
    tones: Tones,
}

/// One prompt at 8 kHz in both laws.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// A-law bytes, 8000 a second.
    pub pcma: Bytes,
    /// µ-law bytes, 8000 a second.
    pub pcmu: Bytes,
}

/// Why a file cannot be a prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptFault {
    /// More bytes than a prompt may have.
    #[error("file of {0} bytes; the longest that is read has {LARGEST_FILE}")]
    TooLarge(usize),
    /// No format that we know: WAV, MP3, FLAC or OGG Vorbis.
    #[error("no WAV, MP3, FLAC or OGG Vorbis file: {0}")]
    Format(String),
    /// The format is known but the file is broken.
    #[error("broken audio: {0}")]
    Broken(String),
    /// A sample rate that no voice recording has.
    #[error("sample rate of {0} Hz; 4000 to 192000 are read")]
    Rate(u32),
    /// Longer than any prompt.
    #[error("longer than {LONGEST_SECS} s")]
    TooLong,
    /// No audio in it.
    #[error("no audio in it")]
    Empty,
}

/// Reads a prompt from the bytes of its file: any channels become one, any rate 8 kHz, any loudness
/// the house's (see `loudness.rs`). `extension` (`wav`, `mp3`…) is a hint only; the content decides.
pub fn load(bytes: &[u8], extension: Option<&str>) -> Result<Prompt, PromptFault> {
    if bytes.len() > LARGEST_FILE {
        return Err(PromptFault::TooLarge(bytes.len()));
    }
    // The decoders are others' and have been seen to panic on damaged headers; a bad upload must not
    // take the process along. They share no state, so nothing is left half changed.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode::decode(bytes, extension)))
        .map_err(|_| PromptFault::Broken("its decoder gave up".into()))??;
    let mut samples = resample::to_8k(decoded.samples, decoded.rate)?;
    loudness::level(&mut samples);
    Ok(Prompt::from_linear(&samples))
}

impl Prompt {
    /// From samples at 8 kHz, full scale at ±1.
    pub fn from_linear(samples: &[f32]) -> Self {
        let encoded = |law: Law| -> Bytes {
            samples.iter().map(|sample| law.encode((sample * 32_768.0).round() as i16)).collect()
        };
        Self { pcma: encoded(Law::A), pcmu: encoded(Law::Mu) }
    }

    /// How long it plays, in milliseconds.
    pub fn millis(&self) -> u64 {
        self.pcma.len() as u64 / 8
    }
}

impl Prompts {
    /// Adds or replaces a prompt of a line.
    pub fn insert(&mut self, line: Name, prompt: Name, audio: Prompt) {
        self.by_name.insert((line, prompt), audio);
    }

    /// A line is of this country: its tones are rendered here, and by no worker.
    pub fn insert_country(&mut self, country: Country) {
        self.tones.render(country);
    }

    /// The tones that are rendered.
    pub fn tones(&self) -> &Tones {
        &self.tones
    }

    /// The prompt of a line.
    pub fn find(&self, line: &Name, prompt: &Name) -> Option<&Prompt> {
        self.by_name.get(&(line.clone(), prompt.clone()))
    }
}

/// Ten minutes of stereo at 48 kHz and 16 bits are 115 MB; whoever has more has no prompt.
const LARGEST_FILE: usize = 128 << 20;

/// Ten minutes: long enough for music on hold.
const LONGEST_SECS: usize = 600;
