//! Any audio file to one channel of samples at its own rate.

use std::io::Cursor;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::{LONGEST_SECS, PromptFault};

/// One channel of audio, full scale at ±1.
pub(super) struct Decoded {
    pub(super) samples: Vec<f32>,
    pub(super) rate: u32,
}

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8], extension: Option<&str>) -> Result<Decoded, PromptFault> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    let mut format = symphonia::default::get_probe()
        .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
        .map_err(|fault| PromptFault::Format(fault.to_string()))?;
    let (track, mut decoder) = open(format.as_ref())?;
    let mut whole = Decoded { samples: Vec::new(), rate: 0 };
    let mut broken = 0;
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // A file that was cut short plays to its cut; some files have no other end.
            Err(Error::IoError(fault)) if fault.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(fault) => return Err(PromptFault::Broken(fault.to_string())),
        };
        if packet.track_id != track {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(audio) => {
                let mut interleaved: Vec<f32> = Vec::new();
                audio.copy_to_vec_interleaved(&mut interleaved);
                whole.append(&interleaved, audio.spec().channels().count(), audio.spec().rate())?;
            }
            // The first frame of a cut MP3 leans on bytes that are gone; more than a few are a fault.
            Err(Error::DecodeError(fault)) => {
                broken += 1;
                if broken > MOST_BROKEN {
                    return Err(PromptFault::Broken(fault.to_owned()));
                }
            }
            Err(fault) => return Err(PromptFault::Broken(fault.to_string())),
        }
    }
    if whole.samples.is_empty() { Err(PromptFault::Empty) } else { Ok(whole) }
}

fn open(format: &dyn FormatReader) -> Result<(u32, Box<dyn AudioDecoder>), PromptFault> {
    let track = format.default_track(TrackType::Audio).ok_or(PromptFault::Empty)?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| PromptFault::Format("no audio codec".into()))?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|fault| PromptFault::Format(fault.to_string()))?;
    Ok((track.id, decoder))
}

impl Decoded {
    fn append(&mut self, interleaved: &[f32], channels: usize, rate: u32) -> Result<(), PromptFault> {
        if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) {
            return Err(PromptFault::Rate(rate));
        }
        if self.rate != 0 && self.rate != rate {
            return Err(PromptFault::Broken("its sample rate changes on the way".into()));
        }
        self.rate = rate;
        let channels = channels.max(1);
        let mixed = interleaved.chunks_exact(channels).map(|frame| {
            let sum: f32 = frame.iter().sum();
            let mean = sum / channels as f32;
            // Float files may hold anything.
            if mean.is_finite() { mean.clamp(-LOUDEST, LOUDEST) } else { 0.0 }
        });
        self.samples.extend(mixed);
        if self.samples.len() > LONGEST_SECS * rate as usize { Err(PromptFault::TooLong) } else { Ok(()) }
    }
}

/// Packets that may fail to decode: an MP3's first two lean on a reservoir that a cut took away.
const MOST_BROKEN: u32 = 4;

const LOWEST_RATE: u32 = 4000;
const HIGHEST_RATE: u32 = 192_000;

/// 24 dB over full scale: float masters go over it by some; the level is set later.
const LOUDEST: f32 = 16.0;
