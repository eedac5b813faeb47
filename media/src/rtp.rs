//! RTP packets viewed and rewritten in place (RFC 3550 §5.1): nothing is copied, nothing allocated.

use std::ops::Range;

/// Bytes of the fixed header.
pub const HEADER: usize = 12;

/// The longest packet that we take: what an Ethernet frame carries; G.711 needs 492 bytes.
pub const LONGEST: usize = 1500;

/// The fixed header of a packet that passed every check of form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talk spurt or of an event.
    pub marker: bool,
    /// Payload type, 0-127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in samples of 8000 Hz.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpFault {
    /// Fewer bytes than a header, or more than a packet has.
    #[error("length")]
    Length,
    /// Not version 2.
    #[error("version")]
    Version,
    /// Its second byte says RTCP (RFC 5761 §4).
    #[error("rtcp")]
    Rtcp,
    /// Contributing sources or an extension reach beyond the packet.
    #[error("header")]
    Header,
    /// Padding of no bytes or of more than there are.
    #[error("padding")]
    Padding,
    /// No payload.
    #[error("empty")]
    Empty,
}

/// Checks a packet's form; gives its header and where its payload lies, without padding.
pub fn read(bytes: &[u8]) -> Result<(Header, Range<usize>), RtpFault> {
    let Some(fixed) = bytes.first_chunk::<HEADER>() else { return Err(RtpFault::Length) };
    if bytes.len() > LONGEST {
        return Err(RtpFault::Length);
    }
    if fixed[0] >> 6 != 2 {
        return Err(RtpFault::Version);
    }
    if is_rtcp(bytes) {
        return Err(RtpFault::Rtcp);
    }
    let start = payload_start(bytes, fixed[0])?;
    let mut end = bytes.len();
    if fixed[0] & PADDING != 0 {
        let padding = usize::from(bytes[end - 1]);
        if padding == 0 || padding > end - start {
            return Err(RtpFault::Padding);
        }
        end -= padding;
    }
    if start == end {
        return Err(RtpFault::Empty);
    }
    let header = Header {
        marker: fixed[1] & MARKER != 0,
        payload_type: fixed[1] & !MARKER,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
    };
    Ok((header, start..end))
}

/// Whether the second byte is an RTCP packet type rather than marker and payload type (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// Writes a plain header (no padding, extension or contributing source).
pub fn write(header: Header, into: &mut [u8; HEADER]) {
    into[0] = 2 << 6;
    into[1] = header.payload_type & !MARKER | if header.marker { MARKER } else { 0 };
    into[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    into[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    into[8..12].copy_from_slice(&header.ssrc.to_be_bytes());
}

/// Puts a plain header right before the payload, over whatever header stood there, and gives the
/// packet that results. `payload` must come from [`read`] of the same bytes.
pub fn rewrite<'a>(bytes: &'a mut [u8], payload: &Range<usize>, header: Header) -> Option<&'a [u8]> {
    let packet = bytes.get_mut(payload.start.checked_sub(HEADER)?..payload.end)?;
    write(header, packet.first_chunk_mut::<HEADER>()?);
    Some(packet)
}

/// Where the payload starts behind a fixed header whose first byte is `first`.
pub(crate) fn payload_start(bytes: &[u8], first: u8) -> Result<usize, RtpFault> {
    let mut start = HEADER + 4 * usize::from(first & SOURCES);
    if first & EXTENSION != 0 {
        let Some(&[_, _, high, low]) = bytes.get(start..start + 4) else { return Err(RtpFault::Header) };
        start += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    if start > bytes.len() { Err(RtpFault::Header) } else { Ok(start) }
}

const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const SOURCES: u8 = 0x0f;
const MARKER: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Header =
        Header { marker: true, payload_type: 8, sequence: 65_535, timestamp: 0xdead_beef, ssrc: 7 };

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        write(PLAIN, bytes.first_chunk_mut().unwrap());
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn what_we_write_an_independent_reader_reads() {
        let bytes = packet(&[1, 2, 3]);
        let judge = rtp_rs::RtpReader::new(&bytes).unwrap();
        assert!(judge.mark());
        assert_eq!(judge.payload_type(), 8);
        assert_eq!(u16::from(judge.sequence_number()), 65_535);
        assert_eq!(judge.timestamp(), 0xdead_beef);
        assert_eq!(judge.ssrc(), 7);
        assert_eq!(judge.payload(), [1, 2, 3]);
    }

    #[test]
    fn a_header_with_sources_and_extension_is_cut_to_a_plain_one() {
        let mut bytes = vec![0xb1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend([9; 4]); // one contributing source
        bytes.extend([0xbe, 0xde, 0, 1, 5, 5, 5, 5]); // an extension of one word
        bytes.extend([10, 11, 12, 0, 2]); // payload and two bytes of padding
        let (header, payload) = read(&bytes).unwrap();
        assert_eq!(bytes[payload.clone()], [10, 11, 12]);
        assert_eq!((header.sequence, header.timestamp, header.ssrc), (1, 2, 3));
        assert_eq!(rewrite(&mut bytes, &payload, PLAIN).unwrap(), packet(&[10, 11, 12]));
    }

    #[test]
    fn every_lie_about_length_is_seen() {
        assert_eq!(read(&[0x80; 11]), Err(RtpFault::Length));
        assert_eq!(read(&packet(&[0; LONGEST])), Err(RtpFault::Length));
        assert_eq!(read(&packet(&[])), Err(RtpFault::Empty));
        let with = |first: u8, last: u8| {
            let mut bytes = packet(&[0, last]);
            bytes[0] = first;
            read(&bytes).err()
        };
        assert_eq!(with(0x40, 0), Some(RtpFault::Version));
        assert_eq!(with(0x8f, 0), Some(RtpFault::Header));
        assert_eq!(with(0x90, 0), Some(RtpFault::Header));
        assert_eq!(with(0xa0, 0), Some(RtpFault::Padding));
        assert_eq!(with(0xa0, 3), Some(RtpFault::Padding));
        assert_eq!(with(0xa0, 2), Some(RtpFault::Empty));
        let mut report = packet(&[0; 20]);
        report[1] = 200;
        assert_eq!(read(&report), Err(RtpFault::Rtcp));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..80), first in 0x80u8..) {
            let mut bytes = bytes;
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            if let Ok((header, payload)) = read(&bytes) {
                prop_assert!(payload.start >= HEADER && payload.end <= bytes.len() && !payload.is_empty());
                let copy = bytes[payload.clone()].to_vec();
                let packet = rewrite(&mut bytes, &payload, header).unwrap();
                let (again, place) = read(packet).unwrap();
                prop_assert_eq!(again, header);
                prop_assert_eq!(&packet[place], &copy[..]);
            }
        }
    }
}
