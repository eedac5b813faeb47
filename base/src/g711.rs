//! ITU-T G.711: the tables that the media engine, the recorder's sealing and the prompts share.

/// The two G.711 laws.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Law {
    /// A-law, PCMA, static payload type 8 (RFC 3551).
    A,
    /// µ-law, PCMU, static payload type 0 (RFC 3551).
    Mu,
}

impl Law {
    /// The byte that decodes to the smallest amplitude: what silence is made of.
    pub const fn silence(self) -> u8 {
        match self {
            Self::A => 0xd5,
            Self::Mu => 0xff,
        }
    }

    /// Decodes one byte to 16-bit linear.
    pub const fn decode(self, byte: u8) -> i16 {
        match self {
            Self::A => A_TO_LINEAR[byte as usize],
            Self::Mu => MU_TO_LINEAR[byte as usize],
        }
    }

    /// Encodes one 16-bit linear sample.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::A => encode_a(sample),
            Self::Mu => encode_mu(sample),
        }
    }

    /// Re-codes one byte of this law into the other one, by table.
    pub const fn to_other(self, byte: u8) -> u8 {
        match self {
            Self::A => A_TO_MU[byte as usize],
            Self::Mu => MU_TO_A[byte as usize],
        }
    }
}

static A_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = decode_a(i as u8);
        i += 1;
    }
    table
};

static MU_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = decode_mu(i as u8);
        i += 1;
    }
    table
};

static A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = encode_mu(decode_a(i as u8));
        i += 1;
    }
    table
};

static MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = encode_a(decode_mu(i as u8));
        i += 1;
    }
    table
};

/// A-law byte to linear: even bits inverted, 13-bit value scaled to 16 bits (G.711 table 1a).
const fn decode_a(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let mantissa = ((code & 0x0f) as i16) << 4;
    let segment = (code >> 4) & 0x07;
    let magnitude = match segment {
        0 => mantissa + 8,
        _ => (mantissa + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

const fn encode_a(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 { (0x80, sample as i32) } else { (0, !(sample as i32)) };
    let magnitude = if magnitude > 0x7fff { 0x7fff } else { magnitude };
    // Half of 16-bit linear is segment 7, a quarter 6, and so on; the last two share segment 0's step.
    let segment = 24 - (magnitude | 0xff).leading_zeros();
    let mantissa = if segment == 0 { magnitude >> 4 } else { magnitude >> (segment + 3) } & 0x0f;
    (sign | (segment << 4) as u8 | mantissa as u8) ^ 0x55
}

/// µ-law byte to linear: all bits inverted, bias 132 (G.711 table 2a).
const fn decode_mu(byte: u8) -> i16 {
    let code = !byte;
    let magnitude = ((((code & 0x0f) as i16) << 3) + 0x84) << ((code >> 4) & 0x07);
    if code & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

const fn encode_mu(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80, -(sample as i32)) } else { (0, sample as i32) };
    let magnitude = if magnitude > 32_635 { 32_635 } else { magnitude } + 0x84;
    let segment = 24 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_through_linear() {
        for byte in 0..=255 {
            assert_eq!(Law::A.encode(Law::A.decode(byte)), byte, "A-law {byte:#x}");
            let again = Law::Mu.encode(Law::Mu.decode(byte));
            // µ-law has two zeros: 0x7f (negative) comes back as 0xff.
            assert_eq!(again, if byte == 0x7f { 0xff } else { byte }, "µ-law {byte:#x}");
        }
    }

    #[test]
    fn the_ends_and_silence_are_where_the_standard_puts_them() {
        assert_eq!(Law::A.decode(0xd5), 8);
        assert_eq!(Law::A.decode(0xaa), 32_256);
        assert_eq!(Law::A.decode(0x2a), -32_256);
        assert_eq!(Law::Mu.decode(0xff), 0);
        assert_eq!(Law::Mu.decode(0x80), 32_124);
        assert_eq!(Law::Mu.decode(0x00), -32_124);
        assert_eq!(Law::A.encode(i16::MIN), 0x2a);
        assert_eq!(Law::Mu.encode(i16::MAX), 0x80);
    }

    #[test]
    fn encoding_picks_a_near_neighbour() {
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            for law in [Law::A, Law::Mu] {
                let back = i32::from(law.decode(law.encode(sample)));
                let allowed = (i32::from(sample).abs() >> 4).max(16) + if law == Law::Mu { 140 } else { 0 };
                assert!((back - i32::from(sample)).abs() <= allowed.max(600), "{law:?} {sample} -> {back}");
            }
        }
    }
}
