//! Media as machines: SDP, RTP, SRTP, RTCP, G.711, DTMF, prompts, tones, bridges, taps. No sockets.
#![forbid(unsafe_code)]

pub mod dtls;
pub mod dtmf;
pub mod engine;
pub mod ice;
pub mod jitter;
pub mod prompts;
pub mod property;
pub mod quality;
pub mod reception;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod seam;
pub mod srtp;
pub mod tone;

pub use engine::Engine;
pub use prompts::Prompts;
pub use sdp::{Negotiation, SdpFault};
pub use seam::{Command, Direction, Event, Lack, Port, Quality, Side, Sink, Stream, Tapped};
