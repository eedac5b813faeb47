//! One stream's payloads to linear audio at the rate that is wanted, whatever came and whatever did not.

use base::g711::Law;

use crate::coding::{Coding, MOST_SAMPLES, Rate};
use crate::conceal::Concealment;
#[cfg(feature = "g729")]
use crate::g729;
use crate::noise::Noise;
use crate::resample::{Down, Up};
use crate::{g722, opus};

/// A decoder of one stream. Nothing is allocated after `new`.
///
/// It is plain data; of Opus and G.729 a clone begins anew, and converges with its original within a few
/// packets.
#[derive(Clone, Debug)]
pub struct Decoder {
    coding: Coding,
    rate: Rate,
    codec: Codec,
    fitting: Fitting,
    /// The sender is silent, and said how that sounds.
    comfort: Option<Noise>,
    /// Samples of the last packet, at the rate that is wanted.
    last: usize,
    faults: u64,
}

#[derive(Clone, Debug)]
enum Codec {
    G711(Law, Concealment),
    G722(g722::Decoder, Concealment),
    Opus(opus::Decoder),
    #[cfg(feature = "g729")]
    G729(g729::Decoder),
}

/// From the codec's rate to the one that is wanted.
#[derive(Clone, Debug)]
enum Fitting {
    None,
    Up(Up),
    Down(Down),
}

impl Decoder {
    /// A decoder that gives audio at `rate`; Opus decodes to it directly, others are resampled.
    pub fn new(coding: Coding, rate: Rate) -> Self {
        let native = if coding == Coding::Opus { rate } else { coding.rate() };
        let codec = match coding {
            Coding::Pcma => Codec::G711(Law::A, Concealment::new(native)),
            Coding::Pcmu => Codec::G711(Law::Mu, Concealment::new(native)),
            Coding::G722 => Codec::G722(g722::Decoder::new(), Concealment::new(native)),
            Coding::Opus => Codec::Opus(opus::Decoder::new(native)),
            #[cfg(feature = "g729")]
            Coding::G729 => Codec::G729(g729::Decoder::new()),
        };
        let fitting = match (native, rate) {
            (Rate::Narrow, Rate::Wide) => Fitting::Up(Up::new()),
            (Rate::Wide, Rate::Narrow) => Fitting::Down(Down::new()),
            _ => Fitting::None,
        };
        Self { coding, rate, codec, fitting, comfort: None, last: rate.samples(20), faults: 0 }
    }

    /// What it decodes.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// The rate of what it gives.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Payloads that were none of this coding; each was concealed like a lost one.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Decodes a payload; `None` is one that did not come: as much as the last one is made up, and after
    /// comfort noise the noise goes on. Says how many samples, no more than `out` holds; `MOST_SAMPLES`
    /// hold any packet.
    pub fn decode(&mut self, payload: Option<&[u8]>, out: &mut [i16]) -> usize {
        let Some(payload) = payload else { return self.missing(None, out) };
        let mut native = [0; MOST_SAMPLES];
        let Some(len) = self.codec.decode(payload, &mut native).filter(|&len| len > 0) else {
            self.faults += 1;
            return self.missing(None, out);
        };
        self.comfort = None;
        let made = self.fitting.fit(&native[..len], out);
        self.last = made;
        made
    }

    /// The audio of a lost packet when the one after it is already there: Opus may carry a copy in it.
    /// The next packet itself is to be decoded afterwards.
    pub fn recover(&mut self, next: &[u8], out: &mut [i16]) -> usize {
        self.missing(Some(next), out)
    }

    /// Takes in comfort noise (RFC 3389, payload type 13) and gives as much noise as the last packet was
    /// long. A payload without a level is counted and changes nothing.
    pub fn comfort(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let understood = match &mut self.comfort {
            Some(noise) => noise.update(payload),
            none => {
                *none = Noise::read(payload);
                none.is_some()
            }
        };
        self.faults += u64::from(!understood);
        self.missing(None, out)
    }

    fn missing(&mut self, next: Option<&[u8]>, out: &mut [i16]) -> usize {
        let len = self.last.min(out.len());
        if let Some(noise) = &mut self.comfort {
            noise.make(&mut out[..len]);
            return len;
        }
        let mut native = [0; MOST_SAMPLES];
        let wanted = self.fitting.needs(len).min(MOST_SAMPLES);
        self.codec.conceal(next, &mut native[..wanted]);
        self.fitting.fit(&native[..wanted], &mut out[..len])
    }
}

impl Codec {
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Option<usize> {
        match self {
            Self::G711(law, concealment) => {
                let len = payload.len().min(out.len());
                for (sample, &byte) in out.iter_mut().zip(payload) {
                    *sample = law.decode(byte);
                }
                concealment.hear(&mut out[..len]);
                Some(len)
            }
            Self::G722(decoder, concealment) => {
                let len = decoder.decode(payload, out);
                concealment.hear(&mut out[..len]);
                Some(len)
            }
            Self::Opus(decoder) => decoder.decode(payload, out),
            #[cfg(feature = "g729")]
            Self::G729(decoder) => decoder.decode(payload, out),
        }
    }

    /// Fills `out`; what a codec cannot make up stays silent.
    fn conceal(&mut self, next: Option<&[u8]>, out: &mut [i16]) {
        match self {
            Self::G711(_, concealment) | Self::G722(_, concealment) => concealment.make(out),
            Self::Opus(decoder) => {
                let recovered = next.and_then(|next| decoder.recover(next, out));
                if recovered.is_none() {
                    decoder.conceal(out);
                }
            }
            #[cfg(feature = "g729")]
            Self::G729(decoder) => {
                decoder.conceal(out);
            }
        }
    }
}

impl Fitting {
    fn fit(&mut self, pcm: &[i16], out: &mut [i16]) -> usize {
        match self {
            Self::None => {
                let len = pcm.len().min(out.len());
                out[..len].copy_from_slice(&pcm[..len]);
                len
            }
            Self::Up(up) => up.process(pcm, out),
            Self::Down(down) => down.process(pcm, out),
        }
    }

    /// How much goes in for so much to come out.
    fn needs(&self, len: usize) -> usize {
        match self {
            Self::None => len,
            Self::Up(_) => len / 2,
            Self::Down(_) => len * 2,
        }
    }
}
