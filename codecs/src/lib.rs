//! Payloads to linear audio and back: G.711, G.722, Opus, G.729, comfort noise, concealment, resampling; how loud it is.
#![forbid(unsafe_code)]

mod coding;
mod conceal;
mod decoder;
mod encoder;
mod fence;
mod g722;
#[cfg(feature = "g729")]
mod g729;
pub mod level;
mod noise;
mod opus;
pub mod resample;
pub mod stretch;
mod transcoder;

pub use coding::{Coding, MOST_PAYLOAD, MOST_SAMPLES, Rate};
pub use conceal::Concealment;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use noise::Noise;
pub use transcoder::Transcoder;
