//! The extended report about voice (RFC 3611 §4.7): one block of 36 bytes, written and read.

use super::RtcpFault;

/// How a receiver heard a stream. Where `None` stands, the receiver did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voip {
    /// Whose stream.
    pub ssrc: u32,
    /// Packets lost, in 256ths.
    pub loss_rate: u8,
    /// Packets that came too late, in 256ths.
    pub discard_rate: u8,
    /// Packets missing in bursts, in 256ths.
    pub burst_density: u8,
    /// Packets missing in gaps, in 256ths.
    pub gap_density: u8,
    /// Mean length of a burst.
    pub burst_ms: u16,
    /// Mean length of a gap.
    pub gap_ms: u16,
    /// There and back on the network; 0 is not known.
    pub round_trip_ms: u16,
    /// In the receiver's end, both ways.
    pub end_system_ms: u16,
    /// Level of speech.
    pub signal_dbm0: Option<i8>,
    /// Level of pauses.
    pub noise_dbm0: Option<i8>,
    /// Gmin: good packets in a row that end a burst.
    pub gap_least: u8,
    /// The E-model's R, 0-100.
    pub r: Option<u8>,
    /// MOS of listening, in tenths: 10-50.
    pub mos_listening: Option<u8>,
    /// MOS of conversation, delay included, in tenths: 10-50.
    pub mos_conversation: Option<u8>,
    /// Whether lost packets are concealed.
    pub concealed: Option<bool>,
    /// Whether the jitter buffer adapts.
    pub adaptive: Option<bool>,
    /// Delay of the jitter buffer now.
    pub buffer_ms: u16,
    /// The most that it has been.
    pub buffer_most_ms: u16,
    /// The most that it can be.
    pub buffer_limit_ms: u16,
}

impl Voip {
    /// The block as it is sent.
    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&[KIND, 0, 0, (Self::LEN / 4 - 1) as u8]);
        bytes[4..8].copy_from_slice(&self.ssrc.to_be_bytes());
        let rates = [self.loss_rate, self.discard_rate, self.burst_density, self.gap_density];
        bytes[8..12].copy_from_slice(&rates);
        let spans = [self.burst_ms, self.gap_ms, self.round_trip_ms, self.end_system_ms];
        for (place, span) in bytes[12..20].chunks_exact_mut(2).zip(spans) {
            place.copy_from_slice(&span.to_be_bytes());
        }
        let level = |level: Option<i8>| level.unwrap_or(NOT_SAID.cast_signed()).cast_unsigned();
        // We cancel no echo, so that there is no residual echo return loss to tell.
        let levels = [level(self.signal_dbm0), level(self.noise_dbm0), NOT_SAID, self.gap_least];
        bytes[20..24].copy_from_slice(&levels);
        let said = |score: Option<u8>| score.unwrap_or(NOT_SAID);
        // Nor a network behind us whose R could be told.
        let scores = [said(self.r), NOT_SAID, said(self.mos_listening), said(self.mos_conversation)];
        bytes[24..28].copy_from_slice(&scores);
        let concealed = self.concealed.map_or(0, |yes| if yes { 3 } else { 1 });
        let adaptive = self.adaptive.map_or(0, |yes| if yes { 3 } else { 2 });
        bytes[28] = concealed << 6 | adaptive << 4;
        for (place, span) in
            bytes[30..].chunks_exact_mut(2).zip([self.buffer_ms, self.buffer_most_ms, self.buffer_limit_ms])
        {
            place.copy_from_slice(&span.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let short = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let said = |byte: u8| (byte != NOT_SAID).then_some(byte);
        let level = |byte: u8| said(byte).map(u8::cast_signed);
        Self {
            ssrc: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            loss_rate: bytes[8],
            discard_rate: bytes[9],
            burst_density: bytes[10],
            gap_density: bytes[11],
            burst_ms: short(12),
            gap_ms: short(14),
            round_trip_ms: short(16),
            end_system_ms: short(18),
            signal_dbm0: level(bytes[20]),
            noise_dbm0: level(bytes[21]),
            gap_least: bytes[23],
            // What is out of its range was not said either.
            r: said(bytes[24]).filter(|r| *r <= 100),
            mos_listening: said(bytes[26]).filter(|mos| MOS.contains(mos)),
            mos_conversation: said(bytes[27]).filter(|mos| MOS.contains(mos)),
            concealed: match bytes[28] >> 6 {
                0 => None,
                kind => Some(kind > 1),
            },
            adaptive: match bytes[28] >> 4 & 3 {
                3 => Some(true),
                2 => Some(false),
                _ => None,
            },
            buffer_ms: short(30),
            buffer_most_ms: short(32),
            buffer_limit_ms: short(34),
        }
    }

    /// Bytes of the block.
    pub(super) const LEN: usize = 36;
}

/// Reads the blocks of an extended report, behind its sender's identifier; of them the one about `ours`.
pub(super) fn read(blocks: &[u8], ours: u32) -> Result<Option<Voip>, RtcpFault> {
    let mut found = None;
    let mut rest = blocks;
    while !rest.is_empty() {
        let &[kind, _, high, low] = rest.first_chunk::<4>().ok_or(RtcpFault::Form)?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let (block, behind) = rest.split_at_checked(length).ok_or(RtcpFault::Form)?;
        if kind == KIND {
            // Its length is fixed (§4.7).
            let voip = Voip::from_bytes(block.try_into().map_err(|_| RtcpFault::Form)?);
            if voip.ssrc == ours {
                found = Some(voip);
            }
        }
        rest = behind;
    }
    Ok(found)
}

/// The block type of VoIP metrics.
const KIND: u8 = 7;

/// "Unavailable" in levels and scores.
const NOT_SAID: u8 = 127;

/// Tenths of a mean opinion score.
const MOS: std::ops::RangeInclusive<u8> = 10..=50;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VOIP: Voip = Voip {
        ssrc: 0x0102_0304,
        loss_rate: 12,
        discard_rate: 3,
        burst_density: 128,
        gap_density: 1,
        burst_ms: 120,
        gap_ms: 4000,
        round_trip_ms: 80,
        end_system_ms: 60,
        signal_dbm0: Some(-20),
        noise_dbm0: None,
        gap_least: 16,
        r: Some(84),
        mos_listening: Some(42),
        mos_conversation: Some(41),
        concealed: Some(true),
        adaptive: Some(true),
        buffer_ms: 40,
        buffer_most_ms: 80,
        buffer_limit_ms: 200,
    };

    #[test]
    fn each_field_lies_where_the_standard_has_it() {
        let expected = "07000008 01020304 0c038001 00780fa0 0050003c ec7f7f10 547f2a29 f0000028 005000c8";
        assert_eq!(hex::encode(VOIP.to_bytes()), expected.replace(' ', ""));
        assert_eq!(read(&VOIP.to_bytes(), 0x0102_0304), Ok(Some(VOIP)));
        assert_eq!(read(&VOIP.to_bytes(), 7), Ok(None));
    }

    #[test]
    fn blocks_of_other_kinds_are_passed_over_and_lies_refused() {
        let other = [4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        let both = [&other[..], &VOIP.to_bytes()].concat();
        assert_eq!(read(&both, VOIP.ssrc), Ok(Some(VOIP)));
        assert_eq!(read(&both[..both.len() - 4], VOIP.ssrc), Err(RtcpFault::Form));
        assert_eq!(read(&both[..14], VOIP.ssrc), Err(RtcpFault::Form));
        let mut short = VOIP.to_bytes();
        short[3] = 2;
        assert_eq!(read(&short, VOIP.ssrc), Err(RtcpFault::Form));
        assert_eq!(read(&[], VOIP.ssrc), Ok(None));
    }

    proptest! {
        #[test]
        fn no_block_breaks_it(mut bytes in proptest::collection::vec(any::<u8>(), 36..80)) {
            let _ = read(&bytes, 5);
            bytes[..4].copy_from_slice(&[7, 0, 0, 8]);
            bytes.truncate(36);
            let ssrc = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let voip = read(&bytes, ssrc).unwrap().unwrap();
            prop_assert_eq!(read(&voip.to_bytes(), ssrc), Ok(Some(voip)));
        }
    }
}
