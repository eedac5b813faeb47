//! What a payload may be coded as, and what SDP and RTP call it.

use base::g711::Law;

/// A way to code audio in RTP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Coding {
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
    /// G.722 at 64 kbit/s.
    G722,
    /// RFC 6716.
    Opus,
    /// G.729 with annexes A and B.
    #[cfg(feature = "g729")]
    G729,
}

/// The rate of linear audio, always mono, 16 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rate {
    /// 8000 samples a second: a telephone line.
    Narrow,
    /// 16000 samples a second: "HD voice".
    Wide,
}

impl Coding {
    /// Every one that this build speaks.
    pub const ALL: &[Self] = &[
        Self::Pcma,
        Self::Pcmu,
        Self::G722,
        Self::Opus,
        #[cfg(feature = "g729")]
        Self::G729,
    ];

    /// The encoding name in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::G722 => "G722",
            Self::Opus => "opus",
            #[cfg(feature = "g729")]
            Self::G729 => "G729",
        }
    }

    /// What follows the payload type in `a=rtpmap`.
    pub const fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA/8000",
            Self::Pcmu => "PCMU/8000",
            Self::G722 => "G722/8000",
            Self::Opus => "opus/48000/2",
            #[cfg(feature = "g729")]
            Self::G729 => "G729/8000",
        }
    }

    /// Ticks of the RTP clock in a second. G.722 says 8000 although it samples at 16000 (RFC 3551
    /// §4.5.2); Opus says 48000 whatever it carries (RFC 7587 §4.1).
    pub const fn clock(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            _ => 8000,
        }
    }

    /// The static payload type (RFC 3551 table 4); `None` when it must be negotiated.
    pub const fn payload_type(self) -> Option<u8> {
        match self {
            Self::Pcma => Some(8),
            Self::Pcmu => Some(0),
            Self::G722 => Some(9),
            Self::Opus => None,
            #[cfg(feature = "g729")]
            Self::G729 => Some(18),
        }
    }

    /// What we say in `a=fmtp`: of Opus that we hear no more than 16 kHz, so that nobody spends bits
    /// and a transform codec on what would be thrown away, and that we use forward error correction
    /// (RFC 7587 §6.1).
    pub const fn fmtp(self) -> Option<&'static str> {
        match self {
            Self::Opus => Some("maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1"),
            _ => None,
        }
    }

    /// The rate of the audio in it. Opus can be had at both; this is the better one.
    pub const fn rate(self) -> Rate {
        match self {
            Self::G722 | Self::Opus => Rate::Wide,
            _ => Rate::Narrow,
        }
    }

    /// The one that a static payload type means.
    pub fn from_payload_type(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|coding| coding.payload_type() == Some(number))
    }

    /// The one that an `a=rtpmap` names, in any case; G.711's and G.722's channel count may be said.
    pub fn from_rtpmap(map: &str) -> Option<Self> {
        let map = map.trim();
        Self::ALL.iter().copied().find(|coding| {
            let one_channel =
                || map.strip_suffix("/1").is_some_and(|m| m.eq_ignore_ascii_case(coding.rtpmap()));
            map.eq_ignore_ascii_case(coding.rtpmap()) || *coding != Self::Opus && one_channel()
        })
    }

    /// How long a payload lasts, in ticks of the RTP clock; `None` when it is none of this coding.
    pub fn ticks(self, payload: &[u8]) -> Option<u32> {
        let len = payload.len() as u32;
        match self {
            _ if payload.is_empty() => None,
            Self::Pcma | Self::Pcmu | Self::G722 => Some(len),
            Self::Opus => opus_ticks(payload),
            // Ten bytes a frame; a silence descriptor of two bytes may end the packet (RFC 3551 §4.5.6).
            #[cfg(feature = "g729")]
            Self::G729 => match payload.len() % 10 {
                0 => Some(len / 10 * 80),
                2 => Some((len / 10 + 1) * 80),
                _ => None,
            },
        }
    }

    /// The law, when it is G.711.
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::Pcma => Some(Law::A),
            Self::Pcmu => Some(Law::Mu),
            _ => None,
        }
    }
}

impl From<Law> for Coding {
    fn from(law: Law) -> Self {
        match law {
            Law::A => Self::Pcma,
            Law::Mu => Self::Pcmu,
        }
    }
}

impl Rate {
    /// Samples a second.
    pub const fn hz(self) -> usize {
        match self {
            Self::Narrow => 8000,
            Self::Wide => 16_000,
        }
    }

    /// Samples in so many milliseconds.
    pub const fn samples(self, ms: usize) -> usize {
        self.hz() / 1000 * ms
    }
}

/// The length that the table of contents says (RFC 6716 §3.1, §3.2), at 48 kHz.
fn opus_ticks(payload: &[u8]) -> Option<u32> {
    let toc = *payload.first()?;
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(payload.get(1)? & 0x3f),
    };
    let ticks = frame * frames;
    (1..=OPUS_LONGEST).contains(&ticks).then_some(ticks)
}

/// A packet of Opus lasts 120 ms at most (RFC 6716 §3.2.5, R5).
const OPUS_LONGEST: u32 = 5760;

/// The most samples that one packet becomes: 120 ms at 16 kHz, Opus' longest.
pub const MOST_SAMPLES: usize = 1920;

/// Room for any payload that we make: 60 ms of G.711 or G.722, or Opus' longest frame.
pub const MOST_PAYLOAD: usize = 1275;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_found_by_what_sdp_calls_them() {
        for &coding in Coding::ALL {
            assert_eq!(Coding::from_rtpmap(coding.rtpmap()), Some(coding));
            assert_eq!(Coding::from_rtpmap(&coding.rtpmap().to_lowercase()), Some(coding));
            if let Some(number) = coding.payload_type() {
                assert_eq!(Coding::from_payload_type(number), Some(coding));
            }
            assert!(coding.rtpmap().starts_with(coding.name()));
        }
        assert_eq!(Coding::from_rtpmap("pcma/8000/1"), Some(Coding::Pcma));
        for other in ["opus/48000", "opus/48000/1", "G722/16000", "PCMA/8000/2", "speex/8000", "", "PCMA"] {
            assert_eq!(Coding::from_rtpmap(other), None, "{other}");
        }
        assert_eq!(Coding::from_payload_type(111), None);
    }

    #[test]
    fn a_payload_says_how_long_it_lasts() {
        assert_eq!(Coding::Pcma.ticks(&[0; 160]), Some(160));
        assert_eq!(Coding::G722.ticks(&[0; 160]), Some(160));
        assert_eq!(Coding::Pcmu.ticks(&[]), None);
        // SILK wideband 20 and 60 ms, two frames of 20 ms, three CELT frames of 10 ms.
        assert_eq!(Coding::Opus.ticks(&[9 << 3]), Some(960));
        assert_eq!(Coding::Opus.ticks(&[11 << 3]), Some(2880));
        assert_eq!(Coding::Opus.ticks(&[9 << 3 | 1]), Some(1920));
        assert_eq!(Coding::Opus.ticks(&[30 << 3 | 3, 3]), Some(1440));
        // Fourteen frames of 10 ms are more than 120 ms, none is nothing, and the count is missing.
        assert_eq!(Coding::Opus.ticks(&[30 << 3 | 3, 14]), None);
        assert_eq!(Coding::Opus.ticks(&[30 << 3 | 3, 0]), None);
        assert_eq!(Coding::Opus.ticks(&[30 << 3 | 3]), None);
    }

    #[cfg(feature = "g729")]
    #[test]
    fn frames_of_g729_may_end_in_a_silence_descriptor() {
        assert_eq!(Coding::G729.ticks(&[0; 20]), Some(160));
        assert_eq!(Coding::G729.ticks(&[0; 12]), Some(160));
        assert_eq!(Coding::G729.ticks(&[0; 2]), Some(80));
        assert_eq!(Coding::G729.ticks(&[0; 15]), None);
    }
}
