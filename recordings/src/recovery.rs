//! Recovery at start-up: every interrupted recording is finished, every orphan gets its row, every row that
//! has nothing says why. Runs before the first call; running it again changes nothing.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::Path;

use base::{CallId, Name, RecordingId, Timestamp};
use sqlx::AnyPool;

use crate::catalog::{self, Row, State, StoreError, settle};
use crate::facts::{Consent, Facts};
use crate::fuse::Fuse;
use crate::place;
use crate::retention::Policy;
use crate::seal::{self, SealError};
use crate::spool::{self, SpoolError, SpoolReader};

/// A recording that recovery had to touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The recording.
    pub recording: RecordingId,
    /// Its call: to be closed with the blame on the node, if it has no end yet.
    pub call: CallId,
    /// When it ended, as far as its packets tell.
    pub ended: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an interrupted recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sealed from its spool.
    Saved,
    /// There is nothing to hear, for this reason.
    Absent(&'static str),
}

/// Why recovery stopped.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The catalog.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A spool could not be sealed for a reason that may pass, as a full disk.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The folder.
    #[error("recovery: {0}")]
    Io(#[from] io::Error),
}

impl From<sqlx::Error> for RecoveryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Finishes everything below `folder`. `policy_of` gives the policy of a line (or, for one that is no longer
/// configured, the one that the engine falls back to). Does file work between its awaits: it belongs before
/// the listeners open.
pub async fn recover(
    pool: &AnyPool,
    folder: &Path,
    policy_of: impl Fn(&Name) -> Policy,
) -> Result<Vec<Recovered>, RecoveryError> {
    recover_with(pool, folder, policy_of, &mut Fuse::never()).await
}

async fn recover_with(
    pool: &AnyPool,
    folder: &Path,
    policy_of: impl Fn(&Name) -> Policy,
    fuse: &mut Fuse,
) -> Result<Vec<Recovered>, RecoveryError> {
    place::make_folder(&place::spool_folder(folder))?;
    let mut recovered = Vec::new();
    for id in spools(folder)? {
        recovered.extend(finish(pool, folder, id, &policy_of, fuse).await?);
    }
    let mut after = None;
    loop {
        let open = catalog::in_state(&mut *pool.acquire().await?, State::Recording, None, after).await?;
        let Some(last) = open.last() else { return Ok(recovered) };
        after = Some(last.id);
        for row in open {
            recovered.push(give_up(pool, &row, "spool_missing", fuse).await?);
        }
    }
}

/// The spools by id, and away with half-sealed leftovers. Foreign files are left alone.
fn spools(folder: &Path) -> io::Result<Vec<RecordingId>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(place::spool_folder(folder))? {
        let path = entry?.path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        if kind == Some(place::PART) {
            place::remove_if_there(&path)?;
        } else if kind == Some(place::SPOOL) {
            let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(id) = id {
                ids.push(id);
            } else {
                tracing::warn!(file = %path.display(), "not a spool of ours, left alone");
            }
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Brings one spool to its end; `None` when only a leftover had to go.
async fn finish(
    pool: &AnyPool,
    folder: &Path,
    id: RecordingId,
    policy_of: &impl Fn(&Name) -> Policy,
    fuse: &mut Fuse,
) -> Result<Option<Recovered>, RecoveryError> {
    let row = catalog::find(&mut *pool.acquire().await?, id).await?;
    let facts = match SpoolReader::open(&place::spool_file(folder, id)) {
        Ok(reader) => reader.facts().clone(),
        // Without its header the file was never more than an empty beginning.
        Err(SpoolError::NoHeader) => return headless(pool, folder, row, id, fuse).await,
        Err(error) => return Err(SealError::from(error).into()),
    };
    let row = match row {
        Some(row) => row,
        None => catalogue(pool, &facts, fuse).await?,
    };
    match row.state {
        State::Recording | State::Absent => {}
        State::Saved if !whole(folder, &row) => {}
        State::Saved | State::Deleting | State::Deleted => {
            fuse.step()?;
            spool::remove(folder, id)?;
            return Ok(None);
        }
    }
    let sealed = match seal::seal_with(folder, id, fuse) {
        Ok(sealed) => sealed,
        Err(SealError::NoAudio) => return nothing_heard(pool, folder, &row, "no_audio", fuse).await,
        Err(SealError::TooLong) => return nothing_heard(pool, folder, &row, "spool_senseless", fuse).await,
        Err(error) => return Err(error.into()),
    };
    fuse.step()?;
    let row = settle(&mut *pool.acquire().await?, &sealed, &policy_of(&row.line)).await?;
    fuse.step()?;
    spool::remove(folder, id)?;
    let ended = row.ended.unwrap_or(sealed.ended);
    Ok(Some(Recovered { recording: id, call: row.call, ended, outcome: Outcome::Saved }))
}

/// A spool that the catalog has never heard of gets the row that its header describes.
async fn catalogue(pool: &AnyPool, facts: &Facts, fuse: &mut Fuse) -> Result<Row, RecoveryError> {
    fuse.step()?;
    let mut conn = pool.acquire().await?;
    catalog::open(&mut conn, facts).await?;
    Ok(catalog::find(&mut conn, facts.recording).await?.ok_or(StoreError::NoSuch(facts.recording))?)
}

async fn headless(
    pool: &AnyPool,
    folder: &Path,
    row: Option<Row>,
    id: RecordingId,
    fuse: &mut Fuse,
) -> Result<Option<Recovered>, RecoveryError> {
    tracing::warn!(recording = %id, "a spool without a header holds nothing; removed");
    if let Some(row) = row {
        return nothing_heard(pool, folder, &row, "spool_unreadable", fuse).await;
    }
    fuse.step()?;
    spool::remove(folder, id)?;
    Ok(None)
}

async fn nothing_heard(
    pool: &AnyPool,
    folder: &Path,
    row: &Row,
    why: &'static str,
    fuse: &mut Fuse,
) -> Result<Option<Recovered>, RecoveryError> {
    let outcome = match row.state {
        State::Recording | State::Absent => Some(give_up(pool, row, why, fuse).await?),
        State::Saved | State::Deleting | State::Deleted => None,
    };
    fuse.step()?;
    spool::remove(folder, row.id)?;
    Ok(outcome)
}

async fn give_up(
    pool: &AnyPool,
    row: &Row,
    why: &'static str,
    fuse: &mut Fuse,
) -> Result<Recovered, RecoveryError> {
    fuse.step()?;
    let ended = row.ended.unwrap_or(row.started);
    let mut tx = pool.begin().await?;
    if row.state == State::Recording && row.ended.is_none() {
        catalog::end(&mut tx, row.id, ended, Consent::None).await?;
    }
    catalog::absent(&mut tx, row.id, why).await?;
    tx.commit().await?;
    fuse.step()?;
    Ok(Recovered { recording: row.id, call: row.call, ended, outcome: Outcome::Absent(why) })
}

/// Whether the sealed file of a saved row is there in its full length.
fn whole(folder: &Path, row: &Row) -> bool {
    let Some(name) = &row.file else { return false };
    let Ok(file) = place::inside(folder, name) else { return false };
    fs::metadata(file).is_ok_and(|found| Some(found.len()) == row.bytes)
}
