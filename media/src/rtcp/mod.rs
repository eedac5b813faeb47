//! RTCP: reports written and read (RFC 3550 §6, RFC 3611 §4.7), in buffers of fixed size.

mod xr;

pub use xr::Voip;

use crate::reception::Reported;

/// One compound packet to send.
#[derive(Clone, Copy)]
pub struct Compound {
    bytes: [u8; Self::LONGEST],
    len: usize,
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// NTP timestamp, 32.32 bits.
    pub ntp: u64,
    /// The same moment in RTP time.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// A report block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// What was received.
    pub reported: Reported,
    /// Middle 32 bits of the NTP timestamp of the last sender report; 0 when there was none.
    pub last_report: u32,
    /// Time since then in 65536ths of a second.
    pub delay: u32,
}

/// What the peer's compound packet said that we use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Who sent it.
    pub ssrc: u32,
    /// Its sender's part.
    pub sent: Option<Sent>,
    /// Its report on the stream that was asked for.
    pub block: Option<Block>,
    /// How it heard the stream that was asked for.
    pub voip: Option<Voip>,
    /// It leaves.
    pub bye: bool,
}

/// Why bytes are no RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpFault {
    /// Not a compound of whole packets of version 2 that starts with a report (RFC 3550 §A.2).
    #[error("not a compound of reports")]
    Form,
}

impl Compound {
    /// A report of 52 bytes, a CNAME of up to 32 in 44, an extended report of 44 and a BYE of 8 fit.
    const LONGEST: usize = 160;

    /// A sender report when something was sent since the last one, else a receiver report; with CNAME.
    pub fn report(ssrc: u32, cname: &str, sent: Option<Sent>, block: Option<Block>) -> Self {
        let mut compound = Self { bytes: [0; Self::LONGEST], len: 0 };
        let blocks = u8::from(block.is_some());
        let start = compound.begin(blocks, if sent.is_some() { SENDER } else { RECEIVER }, ssrc);
        if let Some(sent) = sent {
            compound.put(&sent.ntp.to_be_bytes());
            compound.put(&sent.timestamp.to_be_bytes());
            compound.put(&sent.packets.to_be_bytes());
            compound.put(&sent.octets.to_be_bytes());
        }
        if let Some(block) = block {
            let reported = block.reported;
            compound.put(&reported.ssrc.to_be_bytes());
            let lost = reported.lost.to_be_bytes();
            compound.put(&[reported.fraction, lost[1], lost[2], lost[3]]);
            for word in [reported.highest, reported.jitter, block.last_report, block.delay] {
                compound.put(&word.to_be_bytes());
            }
        }
        compound.end(start);
        let start = compound.begin(1, DESCRIPTION, ssrc);
        let cname = &cname.as_bytes()[..cname.len().min(LONGEST_CNAME)];
        compound.put(&[CNAME, cname.len() as u8]);
        compound.put(cname);
        // A chunk ends with one to four zero bytes on a word's edge (RFC 3550 §6.5).
        compound.put(&[0; 4][..4 - compound.len % 4]);
        compound.end(start);
        compound
    }

    /// The same with an extended report behind it: how `ssrc`, who sends it, hears a stream.
    #[must_use]
    pub fn measured(mut self, ssrc: u32, voip: &Voip) -> Self {
        let start = self.begin(0, EXTENDED, ssrc);
        self.put(&voip.to_bytes());
        self.end(start);
        self
    }

    /// The same with a BYE behind it.
    #[must_use]
    pub fn leaving(mut self, ssrc: u32) -> Self {
        let start = self.begin(1, BYE, ssrc);
        self.end(start);
        self
    }

    /// The packet.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.min(Self::LONGEST)]
    }

    fn begin(&mut self, count: u8, kind: u8, ssrc: u32) -> usize {
        let start = self.len;
        self.put(&[2 << 6 | count, kind, 0, 0]);
        self.put(&ssrc.to_be_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        let words = ((self.len - start) / 4).saturating_sub(1) as u16;
        if let Some(place) = self.bytes.get_mut(start + 2..start + 4) {
            place.copy_from_slice(&words.to_be_bytes());
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        // The parts are of known size: LONGEST holds them all.
        if let Some(place) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

/// Reads a compound packet; of its report blocks the one about `ours`.
pub fn read(bytes: &[u8], ours: u32) -> Result<Told, RtcpFault> {
    let mut told = Told::default();
    let mut rest = bytes;
    let mut first = true;
    while !rest.is_empty() {
        let (&[lead, kind, high, low], _) = rest.split_first_chunk::<4>().ok_or(RtcpFault::Form)?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let body = rest.get(4..length).ok_or(RtcpFault::Form)?;
        // The first packet must be a report without padding (RFC 3550 §A.2).
        let wrong_start = first && (!matches!(kind, SENDER | RECEIVER) || lead & PADDING != 0);
        if lead >> 6 != 2 || wrong_start {
            return Err(RtcpFault::Form);
        }
        match kind {
            SENDER | RECEIVER => report(&mut told, body, kind == SENDER, lead & COUNT, ours)?,
            EXTENDED => told.voip = extended(body, lead & PADDING != 0, ours)?.or(told.voip),
            BYE => told.bye = true,
            _ => {}
        }
        rest = &rest[length..];
        first = false;
    }
    if first { Err(RtcpFault::Form) } else { Ok(told) }
}

/// Reads an extended report; its padding, if any, is no block (RFC 3550 §6.4.1).
fn extended(body: &[u8], padded: bool, ours: u32) -> Result<Option<Voip>, RtcpFault> {
    let padding = if padded { body.last().map_or(0, |&bytes| usize::from(bytes)) } else { 0 };
    let end = body.len().checked_sub(padding).ok_or(RtcpFault::Form)?;
    xr::read(body.get(4..end).ok_or(RtcpFault::Form)?, ours)
}

fn report(told: &mut Told, body: &[u8], sender: bool, count: u8, ours: u32) -> Result<(), RtcpFault> {
    let word = |at: usize| -> Result<u32, RtcpFault> {
        let place = body.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>());
        place.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(RtcpFault::Form)
    };
    told.ssrc = word(0)?;
    let mut at = 4;
    if sender {
        told.sent = Some(Sent {
            ntp: u64::from(word(4)?) << 32 | u64::from(word(8)?),
            timestamp: word(12)?,
            packets: word(16)?,
            octets: word(20)?,
        });
        at = 24;
    }
    for _ in 0..count {
        let ssrc = word(at)?;
        let losses = word(at + 4)?;
        let block = Block {
            reported: Reported {
                ssrc,
                fraction: (losses >> 24) as u8,
                // 24 bits, signed.
                lost: (losses << 8).cast_signed() >> 8,
                highest: word(at + 8)?,
                jitter: word(at + 12)?,
            },
            last_report: word(at + 16)?,
            delay: word(at + 20)?,
        };
        if ssrc == ours {
            told.block = Some(block);
        }
        at += 24;
    }
    Ok(())
}

/// Round trip in milliseconds of a block that reached us at `ntp` (RFC 3550 §6.4.1); `None` when it
/// answers no report of ours or says something impossible.
pub fn round_trip_ms(block: &Block, ntp: u64) -> Option<f32> {
    if block.last_report == 0 {
        return None;
    }
    let trip = ((ntp >> 16) as u32).wrapping_sub(block.last_report).wrapping_sub(block.delay);
    (trip < LONGEST_TRIP).then(|| trip as f32 / 65.536)
}

const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const EXTENDED: u8 = 207;
const CNAME: u8 = 1;
const PADDING: u8 = 0x20;
const COUNT: u8 = 0x1f;

/// Ours have 16 characters.
const LONGEST_CNAME: usize = 32;

/// Ten seconds in 65536ths: nothing that talks takes longer, so a larger figure is a wrong clock.
const LONGEST_TRIP: u32 = 10 << 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SENT: Sent = Sent { ntp: 0x1122_3344_5566_7788, timestamp: 9, packets: 10, octets: 1600 };
    const BLOCK: Block = Block {
        reported: Reported { ssrc: 5, fraction: 128, lost: -3, highest: 70_000, jitter: 12 },
        last_report: 0x3344_5566,
        delay: 65_536,
    };

    #[test]
    fn what_is_written_is_read_again() {
        let compound = Compound::report(7, "0123456789abcdef", Some(SENT), Some(BLOCK)).leaving(7);
        let bytes = compound.as_bytes();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(bytes[..4], [0x81, 200, 0, 12]);
        assert_eq!(bytes[52..56], [0x81, 202, 0, 6]);
        let told = read(bytes, 5).unwrap();
        assert_eq!(told, Told { ssrc: 7, sent: Some(SENT), block: Some(BLOCK), voip: None, bye: true });
        assert_eq!(read(bytes, 6).unwrap().block, None);
        let silent = Compound::report(7, "x", None, None);
        assert_eq!(silent.as_bytes()[..4], [0x80, 201, 0, 1]);
        assert_eq!(read(silent.as_bytes(), 5).unwrap(), Told { ssrc: 7, ..Told::default() });
    }

    #[test]
    fn an_extended_report_goes_between_the_name_and_the_goodbye() {
        let voip = voip();
        let longest = "0123456789abcdef0123456789abcdef";
        let compound = Compound::report(7, longest, Some(SENT), Some(BLOCK)).measured(7, &voip).leaving(7);
        let bytes = compound.as_bytes();
        assert_eq!(bytes.len(), 148);
        assert_eq!(bytes[96..100], [0x80, 207, 0, 10]);
        let told = read(bytes, 5).unwrap();
        assert_eq!(told, Told { ssrc: 7, sent: Some(SENT), block: Some(BLOCK), voip: Some(voip), bye: true });
        // Padding of four bytes at its end.
        let mut padded = Compound::report(7, "x", None, None).measured(7, &voip).as_bytes().to_vec();
        let at = padded.len() - 44;
        padded[at] |= PADDING;
        padded[at + 3] += 1;
        padded.extend([0, 0, 0, 4]);
        assert_eq!(read(&padded, 5).unwrap().voip, Some(voip));
        *padded.last_mut().unwrap() = 200;
        assert!(read(&padded, 5).is_err());
    }

    fn voip() -> Voip {
        Voip {
            ssrc: 5,
            loss_rate: 1,
            discard_rate: 2,
            burst_density: 3,
            gap_density: 4,
            burst_ms: 5,
            gap_ms: 6,
            round_trip_ms: 7,
            end_system_ms: 8,
            signal_dbm0: Some(-9),
            noise_dbm0: Some(-60),
            gap_least: 16,
            r: Some(93),
            mos_listening: Some(44),
            mos_conversation: Some(43),
            concealed: Some(false),
            adaptive: None,
            buffer_ms: 1,
            buffer_most_ms: 2,
            buffer_limit_ms: 3,
        }
    }

    #[test]
    fn a_round_trip_is_arrival_less_report_less_delay() {
        let arrived = (0x3344_5566u64 + 65_536 + 6554) << 16;
        let trip = round_trip_ms(&BLOCK, arrived).unwrap();
        assert!((trip - 100.0).abs() < 0.1, "{trip}");
        assert_eq!(round_trip_ms(&BLOCK, 0x3344_5566 << 16), None);
    }

    #[test]
    fn lies_in_a_compound_are_refused() {
        let good = Compound::report(7, "x", Some(SENT), Some(BLOCK));
        let lie = |at: usize, value: u8| {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = value;
            read(&bytes, 5)
        };
        assert!(lie(0, 0x41).is_err(), "version");
        assert!(lie(0, 0xa1).is_err(), "padding on the first");
        assert!(lie(0, 0x9f).is_err(), "31 blocks");
        assert!(lie(1, 202).is_err(), "no report first");
        assert!(lie(3, 200).is_err(), "length");
        assert!(lie(3, 0).is_err(), "too short for what it says");
        assert!(read(&[], 5).is_err());
        assert!(read(&good.as_bytes()[..50], 5).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = read(&bytes, 5);
            if bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&[0x81, 200, 0, 12]);
                let _ = read(&bytes, 5);
            }
        }
    }
}
