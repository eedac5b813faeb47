//! The deletion ledger: what was deleted, when, by which rule, why and by whom; each entry sealed onto the
//! one before by its hash.
//!
//! A deletion leaves two entries: `decided` before the file is touched, and `deleted` or `missing` after.
//! Neither holds voice or a caller's number, so the ledger may outlive what it speaks of.

use base::{CallId, Name, RecordingId, Timestamp};
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use crate::catalog::{MOST_ROWS, Row, StoreError};
use crate::words::words;

words! {
    /// How far a deletion has come.
    pub enum Step {
        /// It is to go.
        Decided = "decided",
        /// The file was there and is gone.
        Deleted = "deleted",
        /// The file was not there: somebody else's doing, or a wrong path.
        Missing = "missing",
    }
}

/// Why, by whom and by which rule something is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The retention rule, or `manual`.
    pub rule: String,
    /// The reason in words.
    pub reason: String,
    /// `sweeper`, or the name of the token that asked.
    pub actor: String,
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its place in the chain, from 1.
    pub seq: u64,
    /// The recording.
    pub recording: RecordingId,
    /// Its call.
    pub call: CallId,
    /// Its line.
    pub line: Name,
    /// What happened.
    pub step: Step,
    /// When the recording had begun.
    pub started: Timestamp,
    /// When this was written.
    pub at: Timestamp,
    /// Why and by whom.
    pub ground: Ground,
    /// The file, relative to the recordings folder; empty when there was none.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the file; empty when there was none.
    pub sha256: String,
    /// The hash of the entry before; empty for the first.
    pub prev: String,
    /// SHA-256 over `prev` and all the above.
    pub hash: String,
}

/// Where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the deletion ledger is broken at entry {seq}: {what}")]
pub struct Break {
    /// The entry.
    pub seq: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// Appends an entry about `row`. Must be called inside a transaction, whose end puts writers in order.
/// Writing the same step of the same recording again changes nothing.
pub(crate) async fn append(
    conn: &mut AnyConnection,
    row: &Row,
    step: Step,
    at: Timestamp,
    ground: &Ground,
) -> Result<(), StoreError> {
    // Taking the head's row lock first makes the next writer wait until this chain link is committed.
    let head = sqlx::query("UPDATE tombstones_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
        .fetch_one(&mut *conn)
        .await?;
    let (seq, prev): (i64, String) = (head.try_get(0)?, head.try_get(1)?);
    let mut entry = Tombstone {
        seq: u64::try_from(seq).unwrap_or(0),
        recording: row.id,
        call: row.call,
        line: row.line.clone(),
        step,
        started: micros(row.started),
        at: micros(at),
        ground: ground.clone(),
        file: row.file.clone().unwrap_or_default(),
        bytes: row.bytes.unwrap_or(0),
        sha256: row.sha256.clone().unwrap_or_default(),
        prev,
        hash: String::new(),
    };
    entry.hash = entry.computed();
    if already(conn, row.id, step).await? {
        sqlx::query("UPDATE tombstones_head SET seq = seq - 1 WHERE id = 1").execute(conn).await?;
        return Ok(());
    }
    insert(conn, &entry).await?;
    sqlx::query("UPDATE tombstones_head SET hash = $1 WHERE id = 1").bind(entry.hash).execute(conn).await?;
    Ok(())
}

async fn already(conn: &mut AnyConnection, id: RecordingId, step: Step) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT seq FROM tombstones WHERE recording = $1 AND step = $2")
        .bind(id.to_string())
        .bind(step.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

async fn insert(conn: &mut AnyConnection, entry: &Tombstone) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tombstones (seq, recording, step, call_id, line, started_at, at, rule, reason, actor, \
         file, bytes, sha256, prev, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(entry.seq as i64)
    .bind(entry.recording.to_string())
    .bind(entry.step.as_str())
    .bind(entry.call.to_string())
    .bind(entry.line.as_str().to_owned())
    .bind(entry.started.as_microsecond())
    .bind(entry.at.as_microsecond())
    .bind(entry.ground.rule.clone())
    .bind(entry.ground.reason.clone())
    .bind(entry.ground.actor.clone())
    .bind(entry.file.clone())
    .bind(entry.bytes as i64)
    .bind(entry.sha256.clone())
    .bind(entry.prev.clone())
    .bind(entry.hash.clone())
    .execute(conn)
    .await?;
    Ok(())
}

/// The entries of one recording, oldest first.
pub async fn of(conn: &mut AnyConnection, id: RecordingId) -> Result<Vec<Tombstone>, StoreError> {
    let found = sqlx::query(AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM tombstones WHERE recording = $1 ORDER BY seq LIMIT {MOST_ROWS}"
    )))
    .bind(id.to_string())
    .fetch_all(conn)
    .await?;
    found.iter().map(read).collect()
}

/// The entries behind `after` in order, at most [`MOST_ROWS`].
pub async fn page(conn: &mut AnyConnection, after: u64) -> Result<Vec<Tombstone>, StoreError> {
    let found = sqlx::query(AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM tombstones WHERE seq > $1 ORDER BY seq LIMIT {MOST_ROWS}"
    )))
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    found.iter().map(read).collect()
}

/// Walks the whole chain: how many entries hold, or where it breaks first.
pub async fn verify(conn: &mut AnyConnection) -> Result<Result<u64, Break>, StoreError> {
    let (mut seq, mut prev) = (0, String::new());
    loop {
        let entries = page(conn, seq).await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            let what = if entry.seq != seq + 1 {
                "an entry is missing before it"
            } else if entry.prev != prev {
                "it does not follow the entry before"
            } else if entry.hash != entry.computed() {
                "it was changed"
            } else {
                (seq, prev) = (entry.seq, entry.hash);
                continue;
            };
            return Ok(Err(Break { seq: entry.seq, what }));
        }
    }
    let head = sqlx::query("SELECT seq, hash FROM tombstones_head WHERE id = 1").fetch_one(conn).await?;
    let (last, hash): (i64, String) = (head.try_get(0)?, head.try_get(1)?);
    if last as u64 != seq || hash != prev {
        return Ok(Err(Break { seq, what: "its end was cut off" }));
    }
    Ok(Ok(seq))
}

impl Tombstone {
    /// The hash that belongs to its content. Every field is preceded by its length, so that no two contents
    /// read the same.
    fn computed(&self) -> String {
        let mut hash = Sha256::new();
        let numbers = [
            self.seq.to_string(),
            self.started.as_microsecond().to_string(),
            self.at.as_microsecond().to_string(),
            self.bytes.to_string(),
            self.recording.to_string(),
            self.call.to_string(),
        ];
        let texts = [
            self.prev.as_str(),
            self.line.as_str(),
            self.step.as_str(),
            &self.ground.rule,
            &self.ground.reason,
            &self.ground.actor,
            &self.file,
            &self.sha256,
        ];
        for field in numbers.iter().map(String::as_str).chain(texts) {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field.as_bytes());
        }
        hex::encode(hash.finalize())
    }
}

fn read(row: &AnyRow) -> Result<Tombstone, StoreError> {
    let seq: i64 = row.try_get("seq")?;
    let bytes: i64 = row.try_get("bytes")?;
    let unreadable = |what: String| StoreError::Unreadable { row: seq.to_string(), what };
    let text = |column: &str| row.try_get::<String, _>(column);
    let time = |column: &str| -> Result<Timestamp, StoreError> {
        let micros: i64 = row.try_get(column)?;
        Timestamp::from_microsecond(micros).map_err(|error| unreadable(error.to_string()))
    };
    Ok(Tombstone {
        seq: u64::try_from(seq).unwrap_or(0),
        recording: text("recording")?.parse().map_err(|error| unreadable(format!("recording: {error}")))?,
        call: text("call_id")?.parse().map_err(|error| unreadable(format!("call_id: {error}")))?,
        line: text("line")?.into(),
        step: text("step")?.parse().map_err(|error| unreadable(format!("step: {error}")))?,
        started: time("started_at")?,
        at: time("at")?,
        ground: Ground { rule: text("rule")?, reason: text("reason")?, actor: text("actor")? },
        file: text("file")?,
        bytes: u64::try_from(bytes).unwrap_or(0),
        sha256: text("sha256")?,
        prev: text("prev")?,
        hash: text("hash")?,
    })
}

/// A moment as the database keeps it.
fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

const COLUMNS: &str = "seq, recording, step, call_id, line, started_at, at, rule, reason, actor, file, bytes, \
    sha256, prev, hash";
