//! The catalog: a row per recording, from before its first frame until after its deletion.
//!
//! Every function takes a connection, so that a caller may put several into one transaction: the end of a
//! call is one commit with the call's own rows. SQL is the part that SQLite and PostgreSQL share; times are
//! microseconds since the epoch in UTC.

mod list;
mod row;
mod schema;

#[cfg(test)]
mod tests;

use base::{Period, RecordingId, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::facts::{Consent, Facts};
use crate::retention::{self, Policy, Verdict};
use crate::seal::Sealed;
use crate::words::words;
pub(crate) use list::in_state;
pub use list::{Cursor, Filter, Lines, MOST_ROWS, NotACursor, Page, due, list};
pub use row::Row;
pub use schema::migrate;

words! {
    /// How far a recording has come.
    pub enum State {
        /// The call runs, or its end is not yet worked off.
        Recording = "recording",
        /// Sealed: there is a file.
        Saved = "saved",
        /// There is none, and the row says why.
        Absent = "absent",
        /// The ledger says that it goes; the file may still be there.
        Deleting = "deleting",
        /// The file is gone.
        Deleted = "deleted",
    }
}

/// What can go wrong with catalog and ledger.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or was out of reach.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// A row holds what this version cannot read.
    #[error("row {row}: {what}")]
    Unreadable {
        /// The row's key.
        row: String,
        /// What was wrong with it.
        what: String,
    },
    /// There is no such recording.
    #[error("no recording {0}")]
    NoSuch(RecordingId),
    /// The recording is in a state in which this cannot be done.
    #[error("recording {id} is {state}")]
    WrongState {
        /// Which one.
        id: RecordingId,
        /// What it is.
        state: State,
    },
    /// The database was made by a later version of this program.
    #[error("the recordings tables are of version {found}, this program knows {known}")]
    Later {
        /// What the database says.
        found: i64,
        /// What we know.
        known: i64,
    },
}

/// Writes the row of a recording that is about to begin. Once this is committed, frames may be spooled.
/// A second call for the same recording changes nothing.
pub async fn open(conn: &mut AnyConnection, facts: &Facts) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO recordings (id, call_id, line, number, caller, queue, seat, kind, consent, state, \
         started_at, channels, codec) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 2, $12) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(facts.recording.to_string())
    .bind(facts.call.to_string())
    .bind(facts.line.as_str().to_owned())
    .bind(facts.number.as_str().to_owned())
    .bind(facts.caller.as_ref().map(|caller| caller.as_str().to_owned()))
    .bind(facts.queue.as_ref().map(|queue| queue.as_str().to_owned()))
    .bind(facts.seat.as_ref().map(|seat| seat.as_str().to_owned()))
    .bind(facts.kind.as_str())
    .bind(facts.consent.as_str())
    .bind(State::Recording.as_str())
    .bind(facts.started.as_microsecond())
    .bind(facts.codec())
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the end of the call. Belongs into the transaction that writes the call's own rows. The consent
/// can only become stronger. A recording that was sealed before its call ended keeps its end; if the caller
/// refused or withdrew in the meantime, it is due at once.
pub async fn end(
    conn: &mut AnyConnection,
    id: RecordingId,
    ended: Timestamp,
    consent: Consent,
) -> Result<(), StoreError> {
    // A write first: it takes SQLite's lock before anything was read under an older view.
    let changed = sqlx::query("UPDATE recordings SET ended_at = $2 WHERE id = $1 AND state = 'recording'")
        .bind(id.to_string())
        .bind(ended.as_microsecond())
        .execute(&mut *conn)
        .await?
        .rows_affected();
    let row = find(conn, id).await?.ok_or(StoreError::NoSuch(id))?;
    if changed == 0 && row.state != State::Saved {
        return Err(StoreError::WrongState { id, state: row.state });
    }
    let consent = row.consent.stronger(consent);
    let built_in = if row.state == State::Saved { retention::built_in(consent) } else { None };
    sqlx::query(
        "UPDATE recordings SET consent = $2, rule = COALESCE($3, rule), \
         keep = CASE WHEN $3 IS NULL THEN keep ELSE $4 END, \
         delete_after = CASE WHEN $3 IS NULL THEN delete_after ELSE ended_at END WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(consent.as_str())
    .bind(built_in)
    .bind(Period::Days(0).to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that the file is there and how long it is kept. A row that was called absent comes back; doing it
/// twice changes nothing.
pub async fn saved(
    conn: &mut AnyConnection,
    id: RecordingId,
    sealed: &Sealed,
    verdict: &Verdict,
) -> Result<(), StoreError> {
    let changed = sqlx::query(SAVED)
        .bind(id.to_string())
        .bind(sealed.ended.as_microsecond())
        .bind(i64::try_from(sealed.duration.as_millis()).unwrap_or(i64::MAX))
        .bind(i64::try_from(sealed.bytes).unwrap_or(i64::MAX))
        .bind(sealed.sha256.clone())
        .bind(sealed.path.clone())
        .bind(verdict.rule.as_str().to_owned())
        .bind(verdict.keep.to_string())
        .bind(verdict.delete_after.as_microsecond())
        .bind(i64::from(sealed.ended_in_order))
        .bind((sealed.dropped > 0).then_some("recorder_overflow"))
        .bind(sealed.caller.lost as i64)
        .bind(sealed.seat.lost as i64)
        .bind(sealed.caller.gap_ms() as i64)
        .bind(sealed.seat.gap_ms() as i64)
        .bind(serde_json::json!(sealed.segments).to_string())
        .bind(sealed.caller_levels.speech_dbov)
        .bind(sealed.caller_levels.peak_dbov)
        .bind(sealed.caller_levels.clipped)
        .bind(sealed.caller_levels.silence)
        .bind(sealed.seat_levels.speech_dbov)
        .bind(sealed.seat_levels.peak_dbov)
        .bind(sealed.seat_levels.clipped)
        .bind(sealed.seat_levels.silence)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    if changed == 1 { Ok(()) } else { Err(refusal(conn, id).await?) }
}

/// What follows sealing: the policy's verdict on the row, then `saved`. Once this is committed the spool may
/// go ([`crate::spool::remove`]). Returns the row as it is now.
pub async fn settle(conn: &mut AnyConnection, sealed: &Sealed, policy: &Policy) -> Result<Row, StoreError> {
    let id = sealed.recording;
    let row = find(conn, id).await?.ok_or(StoreError::NoSuch(id))?;
    let verdict = policy.verdict(&row.subject(sealed.ended).with_segments(&sealed.segments));
    saved(conn, id, sealed, &verdict).await?;
    find(conn, id).await?.ok_or(StoreError::NoSuch(id))
}

/// A spool without an end record is an interrupted recording if the call's end was never noted either;
/// if it was, only the spool broke off. `ended_at` of the row outranks the file's own.
const SAVED: &str = "UPDATE recordings SET state = 'saved', ended_at = COALESCE(ended_at, $2), \
    duration_ms = $3, bytes = $4, sha256 = $5, file = $6, rule = $7, keep = $8, delete_after = $9, \
    interrupted = CASE WHEN $10 = 0 AND (ended_at IS NULL OR interrupted = 1) THEN 1 ELSE 0 END, \
    partial_reason = CASE WHEN partial_reason IS NOT NULL THEN partial_reason \
        WHEN $11 IS NOT NULL THEN $11 \
        WHEN $10 = 0 AND ended_at IS NOT NULL AND interrupted = 0 THEN 'spool_broken' END, \
    caller_lost = $12, seat_lost = $13, caller_gap_ms = $14, seat_gap_ms = $15, segments = $16, \
    caller_level_dbov = $17, caller_peak_dbov = $18, caller_clipped = $19, caller_silence = $20, \
    seat_level_dbov = $21, seat_peak_dbov = $22, seat_clipped = $23, seat_silence = $24, \
    absent_reason = NULL \
    WHERE id = $1 AND state IN ('recording', 'absent', 'saved')";

/// Marks a recording as incomplete, with the reason (the first one stays): the disk was full, the ring
/// overflowed.
pub async fn partial(conn: &mut AnyConnection, id: RecordingId, reason: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE recordings SET partial_reason = COALESCE(partial_reason, $2) WHERE id = $1")
        .bind(id.to_string())
        .bind(reason.to_owned())
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that there is nothing to hear, and why.
pub async fn absent(conn: &mut AnyConnection, id: RecordingId, why: &str) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE recordings SET state = 'absent', absent_reason = $2 \
         WHERE id = $1 AND state IN ('recording', 'absent')",
    )
    .bind(id.to_string())
    .bind(why.to_owned())
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if changed == 1 { Ok(()) } else { Err(refusal(conn, id).await?) }
}

/// The row of a recording, whatever its state.
pub async fn find(conn: &mut AnyConnection, id: RecordingId) -> Result<Option<Row>, StoreError> {
    let found = sqlx::query(AssertSqlSafe(format!("SELECT {} FROM recordings WHERE id = $1", row::COLUMNS)))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?;
    found.as_ref().map(Row::read).transpose()
}

/// Why a change of state touched no row.
pub(crate) async fn refusal(conn: &mut AnyConnection, id: RecordingId) -> Result<StoreError, StoreError> {
    Ok(match find(conn, id).await? {
        Some(row) => StoreError::WrongState { id, state: row.state },
        None => StoreError::NoSuch(id),
    })
}
