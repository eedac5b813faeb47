//! Linear audio to the payloads of one stream.

use base::g711::Law;

use crate::coding::{Coding, MOST_SAMPLES, Rate};
#[cfg(feature = "g729")]
use crate::g729;
use crate::resample::{Down, Up};
use crate::{g722, opus};

/// An encoder of one stream. Nothing is allocated after `new`, unless the packets of Opus change their
/// length, with which it begins anew; so does a clone of Opus or G.729.
#[derive(Clone, Debug)]
pub struct Encoder {
    coding: Coding,
    rate: Rate,
    codec: Codec,
}

#[derive(Clone, Debug)]
enum Codec {
    G711(Law, Option<Down>),
    G722(g722::Encoder, Option<Up>),
    Opus(opus::Encoder),
    #[cfg(feature = "g729")]
    G729(g729::Encoder, Option<Down>),
}

impl Encoder {
    /// An encoder of audio at `rate`. Opus codes that rate; for the others it is resampled.
    pub fn new(coding: Coding, rate: Rate) -> Self {
        let down = || (rate == Rate::Wide).then(Down::new);
        let codec = match coding {
            Coding::Pcma => Codec::G711(Law::A, down()),
            Coding::Pcmu => Codec::G711(Law::Mu, down()),
            Coding::G722 => Codec::G722(g722::Encoder::new(), (rate == Rate::Narrow).then(Up::new)),
            Coding::Opus => Codec::Opus(opus::Encoder::new(rate)),
            #[cfg(feature = "g729")]
            Coding::G729 => Codec::G729(g729::Encoder::new(), down()),
        };
        Self { coding, rate, codec }
    }

    /// What it makes.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// The rate of what it takes.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// How hard Opus tries, 0 to 10; 0 unless told otherwise. Others know no such choice.
    pub fn set_complexity(&mut self, complexity: u8) {
        if let Codec::Opus(encoder) = &mut self.codec {
            encoder.complexity(complexity);
        }
    }

    /// What the receiver reports as lost, in percent: Opus then sends copies of what it sent before
    /// (in-band forward error correction). Others cannot.
    pub fn set_loss(&mut self, percent: u8) {
        if let Codec::Opus(encoder) = &mut self.codec {
            encoder.loss(percent);
        }
    }

    /// Encodes 10, 20, 30, 40, 50 or 60 ms; Opus knows no 50. Says how many bytes: 0 for audio of another
    /// length, and when there is no room. `MOST_PAYLOAD` is room for all.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let ten = self.rate.samples(10);
        if !pcm.len().is_multiple_of(ten) || !(1..=6).contains(&(pcm.len() / ten)) {
            return 0;
        }
        let mut fitted = [0; MOST_SAMPLES];
        match &mut self.codec {
            Codec::G711(law, down) => {
                let pcm = down.as_mut().map_or(pcm, |down| {
                    let len = down.process(pcm, &mut fitted);
                    &fitted[..len]
                });
                let Some(out) = out.get_mut(..pcm.len()) else { return 0 };
                for (byte, &sample) in out.iter_mut().zip(pcm) {
                    *byte = law.encode(sample);
                }
                out.len()
            }
            Codec::G722(encoder, up) => {
                let pcm = up.as_mut().map_or(pcm, |up| {
                    let len = up.process(pcm, &mut fitted);
                    &fitted[..len]
                });
                if out.len() < pcm.len() / 2 { 0 } else { encoder.encode(pcm, out) }
            }
            Codec::Opus(encoder) => encoder.encode(pcm, out),
            #[cfg(feature = "g729")]
            Codec::G729(encoder, down) => {
                let pcm = down.as_mut().map_or(pcm, |down| {
                    let len = down.process(pcm, &mut fitted);
                    &fitted[..len]
                });
                encoder.encode(pcm, out)
            }
        }
    }
}
