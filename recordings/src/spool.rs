//! The spool: an append-only file per recording that holds the packets as they were received.
//!
//! Every record is framed as `length u32, crc32c u32, body`, little-endian; the checksum covers the length
//! too, so neither a torn tail nor a run of zeros after a power loss reads as a record.

mod format;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use base::{Name, RecordingId};
use codecs::Coding;

pub use crate::facts::Side;
use crate::place;
pub use reader::SpoolReader;
pub use writer::SpoolWriter;

/// One RTP packet of one side, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketRecord<P = Vec<u8>> {
    /// Who sent it.
    pub side: Side,
    /// Microseconds from the start of the recording to its arrival, by the monotonic clock.
    pub arrival_us: u64,
    /// RTP sequence number.
    pub seq: u16,
    /// RTP timestamp, in ticks of the coding's clock.
    pub rtp_ts: u32,
    /// RTP synchronisation source.
    pub ssrc: u32,
    /// How the payload is coded.
    pub coding: Coding,
    /// The payload as it came.
    pub payload: P,
}

/// What a spool holds after its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A packet.
    Packet(PacketRecord),
    /// The recorder's ring overflowed and packets were lost before they reached the spool.
    Gap {
        /// Microseconds from the start.
        at_us: u64,
        /// How many packets.
        dropped: u32,
    },
    /// From here on nothing is to be heard (until `Resume`).
    Pause {
        /// Microseconds from the start.
        at_us: u64,
    },
    /// The end of a pause.
    Resume {
        /// Microseconds from the start.
        at_us: u64,
    },
    /// From here on this seat is heard, or nobody while the caller is put through.
    Seat {
        /// Microseconds from the start.
        at_us: u64,
        /// The seat.
        seat: Option<Name>,
    },
    /// The recording ended in order.
    End {
        /// Microseconds from the start, by the monotonic clock.
        at_us: u64,
        /// The wall clock at the end.
        wall: base::Timestamp,
    },
}

/// What can go wrong with a spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error("spool: {0}")]
    Io(#[from] io::Error),
    /// The file does not begin with a whole header.
    #[error("spool has no readable header")]
    NoHeader,
    /// The header is of a version that this program does not know.
    #[error("spool version {0} is not known")]
    Version(u8),
    /// A record longer than any real packet.
    #[error("record of {0} bytes is longer than {longest}", longest = format::LONGEST_BODY)]
    TooLong(usize),
    /// The facts could not be written as JSON.
    #[error("spool header: {0}")]
    Header(#[from] serde_json::Error),
}

/// Removes the spool of a recording; `false` when there was none. Called after its row says `saved`.
pub fn remove(folder: &Path, id: RecordingId) -> io::Result<bool> {
    place::remove_if_there(&place::spool_file(folder, id))
}

/// Makes everything that was flushed to any spool below `folder` survive a power loss: one `syncfs` for all
/// open recordings, because syncing 200 files one by one takes most of a second.
pub fn sync_all(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(std::fs::File::open(folder)?)?)
}
