//! G.711 by arithmetic, straight from its segments: a second opinion on the engine's tables.

/// The two laws, by their static RTP payload types (RFC 3551 table 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Codec {
    /// A-law, payload type 8: what Chinese carriers speak.
    Pcma,
    /// μ-law, payload type 0.
    Pcmu,
}

impl Codec {
    /// Its static payload type.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }

    /// Its name in an rtpmap.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// One linear sample to one byte.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcma => a_from_linear(sample),
            Self::Pcmu => mu_from_linear(sample),
        }
    }

    /// One byte to one linear sample.
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcma => linear_from_a(byte),
            Self::Pcmu => linear_from_mu(byte),
        }
    }
}

/// A-law: 13 bits, sign and magnitude; segments 0 and 1 have steps of 2, each further one doubles.
fn a_from_linear(sample: i16) -> u8 {
    // Eleven bits of magnitude, in steps of the smallest segment; a negative number's lower neighbour is its magnitude (one's complement).
    let magnitude = (if sample < 0 { !sample } else { sample } as u16) >> 4;
    let segment = (16 - magnitude.leading_zeros()).saturating_sub(4) as u16;
    let shift = segment.saturating_sub(1);
    let step = (magnitude >> shift) & 0x0f;
    let sign = if sample < 0 { 0 } else { 0x80 };
    // Every even bit is inverted on the line (G.711 §3.2).
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

fn linear_from_a(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let segment = u16::from((code >> 4) & 7);
    let step = u16::from(code & 0x0f);
    // The middle of the step, in half steps of the smallest segment.
    let middle = if segment == 0 { 2 * step + 1 } else { (2 * (step + 16) + 1) << (segment - 1) };
    let magnitude = (middle << 3) as i16;
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// μ-law: the magnitude plus a bias of 33 (in 14 bits) makes every segment a power of two.
fn mu_from_linear(sample: i16) -> u8 {
    let magnitude = (u32::from(sample.unsigned_abs()).min(32_635) + 132) >> 3;
    let segment = magnitude.ilog2().saturating_sub(4);
    let step = (magnitude >> segment) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    // All bits are inverted on the line (G.711 §3.3).
    !(sign | ((segment << 4) | step) as u8)
}

fn linear_from_mu(byte: u8) -> i16 {
    let code = !byte;
    let segment = u32::from((code >> 4) & 7);
    let step = u32::from(code & 0x0f);
    let magnitude = ((((2 * step + 33) << segment) - 33) << 2) as i16;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            assert_eq!(a_from_linear(linear_from_a(byte)), byte);
            // 0x7f is minus zero, which no sample becomes.
            if byte != 0x7f {
                assert_eq!(mu_from_linear(linear_from_mu(byte)), byte);
            }
        }
    }

    #[test]
    fn the_corners_are_those_of_the_recommendation() {
        assert_eq!(linear_from_a(0x55 ^ 0x80), 8);
        assert_eq!(linear_from_a(0xff ^ 0x55), 32_256);
        assert_eq!(linear_from_mu(0xff), 0);
        assert_eq!(linear_from_mu(0x80), 32_124);
        assert_eq!(a_from_linear(0), 0xd5);
        assert_eq!(mu_from_linear(0), 0xff);
    }

    #[test]
    fn no_sample_is_further_off_than_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            for codec in [Codec::Pcma, Codec::Pcmu] {
                let back = codec.decode(codec.encode(sample));
                let off = (i32::from(back) - i32::from(sample)).abs();
                let allowed = 16 + i32::from(sample.unsigned_abs() >> 5).max(0);
                assert!(off <= allowed.min(1024), "{codec:?} {sample} -> {back}");
            }
        }
    }
}
