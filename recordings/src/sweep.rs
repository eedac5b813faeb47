//! The sweeper: deletes what is due, and proves it.
//!
//! A deletion has two phases. First one transaction says that the recording goes (tombstone `decided`, row
//! `deleting`); then the file is removed; then a second transaction says so (`deleted` or `missing`, row
//! `deleted`). Whatever interrupts it, the next pass finds the row `deleting` and goes on from there.

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::time::Duration;

use base::{Name, Now, RecordingId, Timestamp};
use sqlx::{AnyConnection, AnyPool};

use crate::catalog::{self, MOST_ROWS, Row, State, StoreError};
use crate::fuse::Fuse;
use crate::ledger::{self, Ground, Step};
use crate::place;
use crate::retention::Policy;

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Deleted: the files were there and are gone.
    pub deleted: Vec<RecordingId>,
    /// Deleted from the catalog, but there was no file: worth an alarm.
    pub missing: Vec<RecordingId>,
    /// Not deleted now, with the reason; tried again at the next pass.
    pub failed: Vec<(RecordingId, String)>,
    /// Whether there may be more that is due.
    pub more: bool,
}

/// Why a pass was not made or not finished.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The wall clock and the monotonic clock tell different stories: nothing is deleted on the word of a
    /// clock that jumped. The next pass starts from the new reading.
    #[error("the wall clock jumped by {seconds} s since the last sweep; nothing was deleted")]
    ClockJumped {
        /// How far the wall clock moved beyond (or behind) the monotonic one.
        seconds: i64,
    },
    /// The folder is not there, so that every file would look missing.
    #[error("no recordings folder at {0}")]
    NoFolder(String),
    /// Catalog or ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process was cut off.
    #[error("sweep: {0}")]
    Io(#[from] io::Error),
}

impl From<sqlx::Error> for SweepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// One pass: finishes what an earlier one began, then deletes up to `limit` recordings that are due.
/// `last` is the reading of the pass before, `None` for the first after a start.
pub async fn sweep(
    pool: &AnyPool,
    folder: &Path,
    last: Option<Now>,
    now: Now,
    limit: u32,
) -> Result<Report, SweepError> {
    steady_clock(last, now)?;
    sweep_with(pool, folder, now.wall, limit, &mut Fuse::never()).await
}

async fn sweep_with(
    pool: &AnyPool,
    folder: &Path,
    now: Timestamp,
    limit: u32,
    fuse: &mut Fuse,
) -> Result<Report, SweepError> {
    there(folder)?;
    let mut report = Report::default();
    finish_begun(pool, folder, now, &mut report, fuse).await?;
    let due = catalog::due(&mut *pool.acquire().await?, now, limit).await?;
    report.more = due.len() >= limit.clamp(1, MOST_ROWS) as usize;
    for row in due {
        let rule = row.rule.as_ref().map_or_else(|| "default".to_owned(), |rule| rule.as_str().to_owned());
        let reason = format!("kept {}", row.keep.as_deref().unwrap_or("as the rule says"));
        let ground = Ground { rule, reason, actor: SWEEPER.to_owned() };
        fuse.step()?;
        match decide(pool, &row, State::Saved, now, &ground).await {
            Ok(()) => carry_out(pool, folder, &row, now, &ground, &mut report, fuse).await?,
            // Deleted by hand since the list was made: one row must not stop the pass.
            Err(SweepError::Store(StoreError::WrongState { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

/// Deletes one recording by hand, on the same way as the sweeper. A recording that is still being made, or
/// is already gone, is refused; one without a file is deleted from the catalog.
pub async fn delete(
    pool: &AnyPool,
    folder: &Path,
    id: RecordingId,
    reason: &str,
    actor: &str,
    now: Timestamp,
) -> Result<Report, SweepError> {
    there(folder)?;
    let row = catalog::find(&mut *pool.acquire().await?, id).await?.ok_or(StoreError::NoSuch(id))?;
    let ground = Ground { rule: MANUAL.to_owned(), reason: reason.to_owned(), actor: actor.to_owned() };
    match row.state {
        State::Saved | State::Absent => decide(pool, &row, row.state, now, &ground).await?,
        State::Deleting => {}
        state @ (State::Recording | State::Deleted) => {
            return Err(StoreError::WrongState { id, state }.into());
        }
    }
    let mut report = Report::default();
    carry_out(pool, folder, &row, now, &ground, &mut report, &mut Fuse::never()).await?;
    Ok(report)
}

/// Applies a line's new policy to what exists: a shorter period counts from the next pass on, a longer one
/// never lengthens (line-language.md 5.7, rule 9). Returns how many became due earlier.
pub async fn reapply(pool: &AnyPool, line: &Name, policy: &Policy) -> Result<u64, StoreError> {
    let (mut after, mut changed) = (None, 0);
    loop {
        let rows = catalog::in_state(&mut *pool.acquire().await?, State::Saved, Some(line), after).await?;
        let Some(last) = rows.last() else { return Ok(changed) };
        after = Some(last.id);
        for row in &rows {
            let verdict = policy.verdict(&row.subject(row.started));
            changed += sqlx::query(
                "UPDATE recordings SET rule = $2, keep = $3, delete_after = $4 \
                 WHERE id = $1 AND state = 'saved' AND delete_after > $4",
            )
            .bind(row.id.to_string())
            .bind(verdict.rule.as_str().to_owned())
            .bind(verdict.keep.to_string())
            .bind(verdict.delete_after.as_microsecond())
            .execute(pool)
            .await?
            .rows_affected();
        }
    }
}

/// The brake: the wall clock must have moved as the monotonic one did.
fn steady_clock(last: Option<Now>, now: Now) -> Result<(), SweepError> {
    let Some(last) = last else { return Ok(()) };
    let passed = i64::try_from(now.mono.since(last.mono).as_secs()).unwrap_or(i64::MAX);
    let apart = now.wall.as_second() - last.wall.as_second() - passed;
    if apart.unsigned_abs() > LARGEST_JUMP.as_secs() || now.wall < last.wall {
        return Err(SweepError::ClockJumped { seconds: apart });
    }
    Ok(())
}

/// A folder that is not mounted would make every file look missing, and every row deleted.
fn there(folder: &Path) -> Result<(), SweepError> {
    if place::spool_folder(folder).is_dir() {
        Ok(())
    } else {
        Err(SweepError::NoFolder(folder.display().to_string()))
    }
}

async fn finish_begun(
    pool: &AnyPool,
    folder: &Path,
    now: Timestamp,
    report: &mut Report,
    fuse: &mut Fuse,
) -> Result<(), SweepError> {
    let mut after = None;
    loop {
        let begun = catalog::in_state(&mut *pool.acquire().await?, State::Deleting, None, after).await?;
        let Some(last) = begun.last() else { return Ok(()) };
        after = Some(last.id);
        for row in begun {
            let stones = ledger::of(&mut *pool.acquire().await?, row.id).await?;
            let Some(decided) = stones.into_iter().find(|stone| stone.step == Step::Decided) else {
                report.failed.push((row.id, "the ledger has no decision for it".to_owned()));
                continue;
            };
            carry_out(pool, folder, &row, now, &decided.ground, report, fuse).await?;
        }
    }
}

/// Phase one: the decision, in the ledger and in the row at once.
async fn decide(
    pool: &AnyPool,
    row: &Row,
    from: State,
    now: Timestamp,
    ground: &Ground,
) -> Result<(), SweepError> {
    let mut tx = pool.begin().await?;
    ledger::append(&mut tx, row, Step::Decided, now, ground).await?;
    change(&mut tx, row.id, from, now, ground).await?;
    Ok(tx.commit().await?)
}

async fn change(
    conn: &mut AnyConnection,
    id: RecordingId,
    from: State,
    now: Timestamp,
    ground: &Ground,
) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE recordings SET state = 'deleting', deleted_at = $3, deleted_by = $4, delete_reason = $5 \
         WHERE id = $1 AND state = $2",
    )
    .bind(id.to_string())
    .bind(from.as_str())
    .bind(now.as_microsecond())
    .bind(ground.actor.clone())
    .bind(ground.reason.clone())
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if changed == 1 { Ok(()) } else { Err(catalog::refusal(conn, id).await?) }
}

/// Phases two and three. A file that cannot be removed now stays `deleting` for the next pass.
async fn carry_out(
    pool: &AnyPool,
    folder: &Path,
    row: &Row,
    now: Timestamp,
    ground: &Ground,
    report: &mut Report,
    fuse: &mut Fuse,
) -> Result<(), SweepError> {
    fuse.step()?;
    let was_there = match remove_all(folder, row) {
        Ok(was_there) => was_there,
        Err(error) => {
            report.failed.push((row.id, error.to_string()));
            return Ok(());
        }
    };
    fuse.step()?;
    // Of a pass that died between the file and here, the file's absence is the trace.
    let step = if was_there || row.file.is_none() || row.state == State::Deleting {
        Step::Deleted
    } else {
        Step::Missing
    };
    let mut tx = pool.begin().await?;
    ledger::append(&mut tx, row, step, now, ground).await?;
    // What identified the caller goes with the voice.
    let changed = sqlx::query(
        "UPDATE recordings SET state = 'deleted', deleted_at = $2, caller = NULL WHERE id = $1 AND state = 'deleting'",
    )
    .bind(row.id.to_string())
    .bind(now.as_microsecond())
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if changed != 1 {
        // A deletion by hand was here first, and its entry stands.
        return Ok(tx.rollback().await?);
    }
    tx.commit().await?;
    fuse.step()?;
    match step {
        Step::Missing => report.missing.push(row.id),
        Step::Deleted | Step::Decided => report.deleted.push(row.id),
    }
    Ok(())
}

/// Removes every trace of the sound and looks again; whether the sealed file had been there.
fn remove_all(folder: &Path, row: &Row) -> io::Result<bool> {
    place::remove_if_there(&place::spool_file(folder, row.id))?;
    place::remove_if_there(&place::part_file(folder, row.id))?;
    place::sync_folder(&place::spool_folder(folder))?;
    let Some(name) = &row.file else { return Ok(false) };
    let file = place::inside(folder, name)?;
    let was_there = place::remove_if_there(&file)?;
    if let Some(day) = file.parent().filter(|day| day.is_dir()) {
        place::sync_folder(day)?;
    }
    if file.try_exists()? { Err(io::Error::other("the file is still there")) } else { Ok(was_there) }
}

/// A wall clock that gains or loses more than this against the monotonic one was set, not drifting.
const LARGEST_JUMP: Duration = Duration::from_mins(5);

const SWEEPER: &str = "sweeper";
/// The rule's name in the ledger for a deletion by hand.
pub const MANUAL: &str = "manual";
