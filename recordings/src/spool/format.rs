//! The bytes of a spool: frames and the bodies inside them.

use base::{Name, Timestamp};
use codecs::Coding;

use super::{PacketRecord, Record, SpoolError};
use crate::facts::{Facts, Side};

/// Appends a frame with `body` written by `fill`.
pub(super) fn frame(buffer: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), SpoolError> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; FRAME_HEADER]);
    fill(buffer);
    let length = buffer.len() - start - FRAME_HEADER;
    if length > LONGEST_BODY {
        buffer.truncate(start);
        return Err(SpoolError::TooLong(length));
    }
    let length = length as u32;
    let body = &buffer[start + FRAME_HEADER..];
    let sum = checksum(length, body);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + FRAME_HEADER].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// The checksum of a frame: over its length and its body.
pub(super) fn checksum(length: u32, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), body)
}

pub(super) fn put_facts(buffer: &mut Vec<u8>, facts: &Facts) -> Result<(), SpoolError> {
    let json = serde_json::to_vec(facts)?;
    frame(buffer, |body| {
        body.push(FACTS);
        body.push(VERSION);
        body.extend_from_slice(&json);
    })
}

pub(super) fn put_packet<P: AsRef<[u8]>>(
    buffer: &mut Vec<u8>,
    packet: &PacketRecord<P>,
) -> Result<(), SpoolError> {
    frame(buffer, |body| {
        body.push(PACKET);
        body.push(match packet.side {
            Side::Caller => 0,
            Side::Seat => 1,
        });
        body.push(number_of(packet.coding));
        body.extend_from_slice(&packet.arrival_us.to_le_bytes());
        body.extend_from_slice(&packet.seq.to_le_bytes());
        body.extend_from_slice(&packet.rtp_ts.to_le_bytes());
        body.extend_from_slice(&packet.ssrc.to_le_bytes());
        body.extend_from_slice(packet.payload.as_ref());
    })
}

pub(super) fn put_gap(buffer: &mut Vec<u8>, at_us: u64, dropped: u32) -> Result<(), SpoolError> {
    frame(buffer, |body| {
        body.push(GAP);
        body.extend_from_slice(&at_us.to_le_bytes());
        body.extend_from_slice(&dropped.to_le_bytes());
    })
}

fn number_of(coding: Coding) -> u8 {
    coding.payload_type().unwrap_or(OPUS)
}

pub(super) fn put_pause(buffer: &mut Vec<u8>, at_us: u64, paused: bool) -> Result<(), SpoolError> {
    frame(buffer, |body| {
        body.push(if paused { PAUSE } else { RESUME });
        body.extend_from_slice(&at_us.to_le_bytes());
    })
}

pub(super) fn put_seat(buffer: &mut Vec<u8>, at_us: u64, seat: Option<&Name>) -> Result<(), SpoolError> {
    frame(buffer, |body| {
        body.push(SEAT);
        body.extend_from_slice(&at_us.to_le_bytes());
        body.extend_from_slice(seat.map_or("", Name::as_str).as_bytes());
    })
}

pub(super) fn put_end(buffer: &mut Vec<u8>, at_us: u64, wall: Timestamp) -> Result<(), SpoolError> {
    frame(buffer, |body| {
        body.push(END);
        body.extend_from_slice(&at_us.to_le_bytes());
        body.extend_from_slice(&wall.as_microsecond().to_le_bytes());
    })
}

/// The facts in a header's body.
pub(super) fn read_facts(body: &[u8]) -> Result<Facts, SpoolError> {
    match body {
        [FACTS, VERSION, json @ ..] => serde_json::from_slice(json).map_err(|_| SpoolError::NoHeader),
        [FACTS, version, ..] => Err(SpoolError::Version(*version)),
        _ => Err(SpoolError::NoHeader),
    }
}

/// What a body with a right checksum says.
pub(super) enum Body {
    Known(Record),
    /// A kind of record that a later version wrote; it is stepped over.
    Later,
    /// A known kind with impossible content.
    Senseless,
}

pub(super) fn read_body(body: &[u8]) -> Body {
    let Some((&kind, rest)) = body.split_first() else { return Body::Senseless };
    let mut fields = Fields(rest);
    let record = match kind {
        PACKET => fields.packet(),
        GAP => fields.gap(),
        PAUSE => fields.u64().map(|at_us| Record::Pause { at_us }),
        RESUME => fields.u64().map(|at_us| Record::Resume { at_us }),
        END => fields.end(),
        SEAT => fields.seat(),
        FACTS => None,
        _ => return Body::Later,
    };
    record.map_or(Body::Senseless, Body::Known)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn packet(&mut self) -> Option<Record> {
        let side = match self.u8()? {
            0 => Side::Caller,
            1 => Side::Seat,
            _ => return None,
        };
        let number = self.u8()?;
        let coding = Coding::ALL.iter().copied().find(|coding| number_of(*coding) == number)?;
        Some(Record::Packet(PacketRecord {
            side,
            coding,
            arrival_us: self.u64()?,
            seq: self.take().map(u16::from_le_bytes)?,
            rtp_ts: self.u32()?,
            ssrc: self.u32()?,
            payload: self.0.to_vec(),
        }))
    }

    fn gap(&mut self) -> Option<Record> {
        Some(Record::Gap { at_us: self.u64()?, dropped: self.u32()? })
    }

    fn seat(&mut self) -> Option<Record> {
        let at_us = self.u64()?;
        let name = std::str::from_utf8(self.0).ok()?;
        Some(Record::Seat { at_us, seat: (!name.is_empty()).then(|| name.into()) })
    }

    fn end(&mut self) -> Option<Record> {
        let at_us = self.u64()?;
        let wall = self.take().map(i64::from_le_bytes)?;
        Some(Record::End { at_us, wall: Timestamp::from_microsecond(wall).ok()? })
    }
}

/// Length and checksum.
pub(super) const FRAME_HEADER: usize = 8;
/// A UDP datagram holds less than 64 KiB; the facts are a few hundred bytes.
pub(super) const LONGEST_BODY: usize = 128 * 1024;

const VERSION: u8 = 1;

const FACTS: u8 = 0;
const PACKET: u8 = 1;
const GAP: u8 = 2;
const PAUSE: u8 = 3;
const RESUME: u8 = 4;
const END: u8 = 5;
const SEAT: u8 = 6;

/// The static payload types of RFC 3551 name the law in the file.
/// The number of Opus in a spool; the other codecs go by their static payload types (RFC 3551 table 4).
const OPUS: u8 = 111;
