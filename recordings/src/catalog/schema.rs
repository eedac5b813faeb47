//! The tables, version by version.

use sqlx::{AnyPool, Row as _};

use super::StoreError;

/// Brings the tables to this version: creates what is missing, applies what later versions add. May be run
/// any number of times; each version is one transaction.
pub async fn migrate(pool: &AnyPool) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS recordings_version (id BIGINT PRIMARY KEY, version BIGINT NOT NULL)",
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query("INSERT INTO recordings_version (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING")
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;

    loop {
        let mut tx = pool.begin().await?;
        // Writing first takes the row's lock: of two programs that start at once the second waits here.
        sqlx::query("UPDATE recordings_version SET version = version WHERE id = 1").execute(&mut *tx).await?;
        let row =
            sqlx::query("SELECT version FROM recordings_version WHERE id = 1").fetch_one(&mut *tx).await?;
        let version: i64 = row.try_get(0)?;
        let known = VERSIONS.len() as i64;
        if version > known {
            return Err(StoreError::Later { found: version, known });
        }
        let Some(statements) = usize::try_from(version).ok().and_then(|version| VERSIONS.get(version)) else {
            return Ok(tx.commit().await?);
        };
        for statement in *statements {
            sqlx::query(*statement).execute(&mut *tx).await?;
        }
        sqlx::query("UPDATE recordings_version SET version = version + 1 WHERE id = 1")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
}

/// What leads from each version to the next. Only ever appended to.
pub(super) const VERSIONS: &[&[&str]] = &[
    &[
        RECORDINGS,
        BY_TIME,
        BY_LINE,
        BY_CALL,
        BY_CALLER,
        BY_SEAT,
        BY_QUEUE,
        BY_NUMBER,
        DUE,
        LEDGER,
        LEDGER_STEP,
        HEAD,
        FIRST_HEAD,
    ],
    &[SEGMENTS],
    LEVELS,
];

/// JSON; NULL until the recording is sealed.
const SEGMENTS: &str = "ALTER TABLE recordings ADD COLUMN segments TEXT";

/// How loud both channels are; NULL until the recording is sealed, and in what was sealed before this version.
const LEVELS: &[&str] = &[
    "ALTER TABLE recordings ADD COLUMN caller_level_dbov DOUBLE PRECISION",
    "ALTER TABLE recordings ADD COLUMN caller_peak_dbov DOUBLE PRECISION",
    "ALTER TABLE recordings ADD COLUMN caller_clipped DOUBLE PRECISION",
    "ALTER TABLE recordings ADD COLUMN caller_silence DOUBLE PRECISION",
    "ALTER TABLE recordings ADD COLUMN seat_level_dbov DOUBLE PRECISION",
    "ALTER TABLE recordings ADD COLUMN seat_peak_dbov DOUBLE PRECISION",
    "ALTER TABLE recordings ADD COLUMN seat_clipped DOUBLE PRECISION",
    "ALTER TABLE recordings ADD COLUMN seat_silence DOUBLE PRECISION",
];

const RECORDINGS: &str = "CREATE TABLE IF NOT EXISTS recordings (
    id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL,
    line TEXT NOT NULL,
    number TEXT NOT NULL,
    caller TEXT,
    queue TEXT,
    seat TEXT,
    kind TEXT NOT NULL,
    consent TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    duration_ms BIGINT,
    bytes BIGINT,
    sha256 TEXT,
    file TEXT,
    channels BIGINT NOT NULL,
    codec TEXT NOT NULL,
    rule TEXT,
    keep TEXT,
    delete_after BIGINT,
    interrupted BIGINT NOT NULL DEFAULT 0,
    partial_reason TEXT,
    absent_reason TEXT,
    caller_lost BIGINT NOT NULL DEFAULT 0,
    seat_lost BIGINT NOT NULL DEFAULT 0,
    caller_gap_ms BIGINT NOT NULL DEFAULT 0,
    seat_gap_ms BIGINT NOT NULL DEFAULT 0,
    deleted_at BIGINT,
    deleted_by TEXT,
    delete_reason TEXT
)";

const BY_TIME: &str = "CREATE INDEX IF NOT EXISTS recordings_by_time ON recordings (started_at, id)";
const BY_LINE: &str = "CREATE INDEX IF NOT EXISTS recordings_by_line ON recordings (line, started_at, id)";
const BY_CALL: &str = "CREATE INDEX IF NOT EXISTS recordings_by_call ON recordings (call_id)";
const BY_CALLER: &str =
    "CREATE INDEX IF NOT EXISTS recordings_by_caller ON recordings (caller, started_at, id)";
const BY_SEAT: &str = "CREATE INDEX IF NOT EXISTS recordings_by_seat ON recordings (seat, started_at, id)";
const BY_QUEUE: &str = "CREATE INDEX IF NOT EXISTS recordings_by_queue ON recordings (queue, started_at, id)";
const BY_NUMBER: &str =
    "CREATE INDEX IF NOT EXISTS recordings_by_number ON recordings (number, started_at, id)";
const DUE: &str = "CREATE INDEX IF NOT EXISTS recordings_due ON recordings (state, delete_after)";

/// The deletion ledger is only ever appended to. It holds no voice and no caller's number.
const LEDGER: &str = "CREATE TABLE IF NOT EXISTS tombstones (
    seq BIGINT PRIMARY KEY,
    recording TEXT NOT NULL,
    step TEXT NOT NULL,
    call_id TEXT NOT NULL,
    line TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    file TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL
)";

/// A step of a recording is written once, however often a sweep is cut off and repeated.
const LEDGER_STEP: &str = "CREATE UNIQUE INDEX IF NOT EXISTS tombstones_step ON tombstones (recording, step)";

/// The end of the chain; its row lock puts writers in order.
const HEAD: &str = "CREATE TABLE IF NOT EXISTS tombstones_head (
    id BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
)";
const FIRST_HEAD: &str =
    "INSERT INTO tombstones_head (id, seq, hash) VALUES (1, 0, '') ON CONFLICT (id) DO NOTHING";
