//! Media as machines: SDP, RTP, RTCP, G.711, DTMF, prompts, tones, bridges, taps. No sockets.
#![forbid(unsafe_code)]

pub mod prompts;
pub mod seam;
