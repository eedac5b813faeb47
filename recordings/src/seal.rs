//! Sealing: a spool becomes a stereo WAV, caller left and seat right, placed by RTP timestamp.
//!
//! The same spool gives the same bytes, however often it is sealed. Memory stays bounded whatever the
//! length: records stream through a lookahead of one second and a window of a few seconds of samples.

mod lane;
mod levels;
mod render;
mod voice;
mod window;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use base::{RecordingId, Timestamp};
use sha2::{Digest, Sha256};

use crate::facts::Kind;
use crate::fuse::Fuse;
use crate::place;
use crate::segment::Segment;
use crate::spool::{SpoolError, SpoolReader};
pub use lane::Tally;
pub use levels::Levels;

/// A finished recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// Which one.
    pub recording: RecordingId,
    /// The file, relative to the recordings folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its length in time.
    pub duration: Duration,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// What became of the caller's packets.
    pub caller: Tally,
    /// What became of the seat's packets.
    pub seat: Tally,
    /// How loud the caller's channel is.
    pub caller_levels: Levels,
    /// How loud the seat's channel is.
    pub seat_levels: Levels,
    /// Packets that the recorder's ring dropped before the spool.
    pub dropped: u64,
    /// Bytes of the spool behind its last whole record.
    pub torn: u64,
    /// The seats that are heard, in order.
    pub segments: Vec<Segment>,
    /// Whether the spool was ended in order.
    pub ended_in_order: bool,
    /// The wall clock at the end: from the end record, else from the last packet.
    pub ended: Timestamp,
}

/// Why a spool could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The spool is not readable.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The disk refused.
    #[error("sealing: {0}")]
    Io(#[from] io::Error),
    /// The WAV could not be written.
    #[error("sealing: {0}")]
    Wav(#[from] hound::Error),
    /// There is no packet in it, so there is nothing to keep: the row becomes absent.
    #[error("the spool holds no audio")]
    NoAudio,
    /// The spool says that it is longer than any call.
    #[error("the spool is longer than {} h", render::LONGEST.as_secs() / 3600)]
    TooLong,
}

/// Seals the spool of recording `id` below `folder`. The spool stays: remove it once the row says `saved`.
pub fn seal(folder: &Path, id: RecordingId) -> Result<Sealed, SealError> {
    seal_with(folder, id, &mut Fuse::never())
}

/// Write to the side, header sizes, fsync, rename, fsync both folders: at no moment does the final name show
/// anything but the whole file.
pub(crate) fn seal_with(folder: &Path, id: RecordingId, fuse: &mut Fuse) -> Result<Sealed, SealError> {
    let mut reader = SpoolReader::open(&place::spool_file(folder, id)).map_err(SealError::Spool)?;
    let facts = reader.facts().clone();
    let name = place::sealed_name(id, facts.started);
    let (target, part) = (folder.join(&name), place::part_file(folder, id));

    fuse.step()?;
    let file = place::fresh_file(&part)?;
    let rendered = match render::render(&mut reader, &file) {
        Ok(rendered) => rendered,
        Err(error) => {
            place::remove_if_there(&part)?;
            return Err(error);
        }
    };
    fuse.step()?;
    let ended = ended_at(facts.started, &rendered);
    file.set_modified(SystemTime::from(ended))?;
    file.sync_all()?;
    drop(file);
    let (bytes, sha256) = fingerprint(&part)?;

    fuse.step()?;
    let day = target.parent().unwrap_or(folder);
    place::make_folder(day)?;
    fuse.step()?;
    fs::rename(&part, &target)?;
    fuse.step()?;
    sync_up(folder, day)?;
    place::sync_folder(&place::spool_folder(folder))?;
    let [caller_levels, seat_levels] = rendered.levels;
    let sides = [("caller", caller_levels), ("seat", seat_levels)];
    let heard = if facts.kind == Kind::Voicemail { &sides[..1] } else { &sides[..] };
    for (side, levels) in heard {
        if let Some(fault) = levels.fault(rendered.duration()) {
            tracing::warn!(recording = %id, call = %facts.call, side, fault, ?levels, "how it is recorded");
        }
    }
    Ok(Sealed {
        recording: id,
        path: name,
        bytes,
        duration: rendered.duration(),
        sha256,
        caller: rendered.caller,
        seat: rendered.seat,
        caller_levels,
        seat_levels,
        dropped: rendered.dropped,
        segments: rendered.segments,
        torn: reader.torn(),
        ended_in_order: rendered.end.is_some(),
        ended,
    })
}

fn ended_at(started: Timestamp, rendered: &render::Rendered) -> Timestamp {
    match rendered.end {
        Some(end) => end,
        None => started.saturating_add(rendered.duration()).unwrap_or(started),
    }
}

/// Size and SHA-256 of a file, read in pieces.
pub(crate) fn fingerprint(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut piece)?;
        if n == 0 {
            return Ok((bytes, hex::encode(hash.finalize())));
        }
        hash.update(&piece[..n]);
        bytes += n as u64;
    }
}

/// Syncs the day's folder and those above it, which may be as new, up to the recordings folder.
fn sync_up(folder: &Path, day: &Path) -> io::Result<()> {
    for place in day.ancestors().take(DATE_DEPTH) {
        place::sync_folder(place)?;
        if place == folder {
            break;
        }
    }
    Ok(())
}

/// Day, month, year and the recordings folder itself.
const DATE_DEPTH: usize = 4;

/// Large enough that hashing, not reading, takes the time.
const PIECE: usize = 128 * 1024;
