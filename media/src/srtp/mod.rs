//! SRTP and SRTCP (RFC 3711, RFC 7714): packets sealed and opened in place, nothing allocated.
//!
//! A [`Keying`] is one direction's master key. What we send goes through a [`Sealer`] of our keying, what
//! comes through an [`Opener`] of the peer's. Both hold counters that must live as long as their keying is in
//! use: a second sealer of the same keying would spend the same keystream twice.

mod cipher;
mod cm;
mod gcm;
mod keying;
mod opener;
mod sealer;
mod suite;
#[cfg(test)]
mod tests;
mod window;

pub use keying::Keying;
pub use opener::Opener;
pub use sealer::Sealer;
pub use suite::Suite;

use crate::rtp::{self, HEADER};

/// Why a packet was neither sealed nor opened. Whatever the reason, the packet is dropped and no counter
/// moves; of a packet that was not opened the bytes behind the header say nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpFault {
    /// No RTP or RTCP header, or too few bytes for what its suite adds.
    #[error("form")]
    Form,
    /// The buffer has no room for what sealing adds ([`Suite::overhead`], [`Suite::control_overhead`]).
    #[error("room")]
    Room,
    /// The packet of this number was here before.
    #[error("replayed")]
    Replayed,
    /// So far behind the newest that nobody knows whether it was here before.
    #[error("too old")]
    Old,
    /// Its authentication tag is wrong: not from the peer, or changed on the way.
    #[error("forged")]
    Forged,
    /// We would send from more sources than [`MOST_STREAMS`] under one keying.
    #[error("too many sources")]
    Streams,
    /// The keying has protected as many packets as it may: it must be replaced (RFC 3711 §9.2).
    #[error("key used up")]
    Exhausted,
}

/// Where the payload of an RTP packet starts: what lies before is authenticated and not encrypted.
fn payload_start(packet: &[u8]) -> Result<usize, SrtpFault> {
    match packet.first_chunk::<HEADER>() {
        Some(fixed) if fixed[0] >> 6 == 2 => {
            rtp::payload_start(packet, fixed[0]).map_err(|_| SrtpFault::Form)
        }
        _ => Err(SrtpFault::Form),
    }
}

/// The source of an RTP packet that is at least a header.
fn source(packet: &[u8]) -> Result<(u32, u16), SrtpFault> {
    let Some(&[_, _, high, low, _, _, _, _, a, b, c, d]) = packet.first_chunk::<HEADER>() else {
        return Err(SrtpFault::Form);
    };
    Ok((u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low])))
}

/// The source of an RTCP packet of version 2.
fn control_source(packet: &[u8]) -> Result<u32, SrtpFault> {
    match packet.first_chunk::<CONTROL_HEADER>() {
        Some(&[first, _, _, _, a, b, c, d]) if first >> 6 == 2 => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(SrtpFault::Form),
    }
}

/// What of RTCP stays readable: the first packet's head and its sender (RFC 3711 §3.4).
const CONTROL_HEADER: usize = 8;

/// The word behind SRTCP: the E flag and 31 bits of index.
const CONTROL_WORD: usize = 4;

/// The E flag: the payload is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Sources under one keying. A leg has one; a peer that puts calls on hold and off may begin a new one each
/// time, so that its oldest is forgotten for a ninth.
pub const MOST_STREAMS: usize = 8;

/// RFC 3711 §9.2: packets under one master key.
const MOST_PACKETS: u64 = 1 << 48;

/// RFC 3711 §9.2: control packets under one master key.
const MOST_CONTROL: u64 = 1 << 31;
