//! The tables, and the steps that made them.

use sqlx::{AnyConnection, Row};

use crate::error::HistoryError;

/// Brings the tables up to this version. Safe to run at every start; steps already made are left out.
pub async fn migrate(conn: &mut AnyConnection) -> Result<(), HistoryError> {
    sqlx::query("CREATE TABLE IF NOT EXISTS history_schema (version BIGINT NOT NULL)")
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM history_schema")
        .fetch_one(&mut *conn)
        .await?;
    let found: i64 = row.try_get("version")?;
    let known = STEPS.len() as i64;
    if found > known {
        return Err(HistoryError::TooNew { found, known });
    }
    for (version, statements) in (1..).zip(STEPS).filter(|(version, _)| *version > found) {
        for statement in *statements {
            sqlx::query(*statement).execute(&mut *conn).await?;
        }
        sqlx::query("INSERT INTO history_schema (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// One entry per version; an entry that was released is never changed, only followed by another.
/// Only types that SQLite and PostgreSQL read alike: TEXT, BIGINT, DOUBLE PRECISION. Moments are
/// microseconds since 1970.
const STEPS: &[&[&str]] = &[FIRST, DIVERTED, TRANSFERS, REASONS, OPINIONS, HEARING];

const FIRST: &[&str] = &[
    "CREATE TABLE calls (
        id TEXT NOT NULL PRIMARY KEY,
        origin TEXT NOT NULL,
        customer TEXT,
        status TEXT,
        line TEXT,
        number TEXT,
        dialled TEXT NOT NULL,
        caller TEXT,
        internal BIGINT NOT NULL,
        started_at BIGINT NOT NULL,
        answered_ms BIGINT,
        connected_ms BIGINT,
        lasted_ms BIGINT NOT NULL,
        talked_ms BIGINT NOT NULL,
        waited_ms BIGINT NOT NULL,
        cause TEXT,
        blame TEXT,
        keys_pressed TEXT NOT NULL,
        menus TEXT NOT NULL,
        queue TEXT,
        seat TEXT,
        recording TEXT,
        consent TEXT NOT NULL,
        sip_call_id TEXT NOT NULL)",
    "CREATE INDEX calls_by_start ON calls (started_at, id)",
    "CREATE INDEX calls_by_line ON calls (line, started_at, id)",
    "CREATE INDEX calls_by_caller ON calls (caller, started_at)",
    "CREATE TABLE legs (
        call TEXT NOT NULL,
        n BIGINT NOT NULL,
        seat TEXT,
        trunk TEXT,
        began_ms BIGINT NOT NULL,
        rang_ms BIGINT,
        answered_ms BIGINT,
        ended_ms BIGINT NOT NULL,
        cause TEXT NOT NULL,
        blame TEXT NOT NULL,
        received BIGINT,
        lost BIGINT,
        jitter_ms DOUBLE PRECISION,
        sent BIGINT,
        peer_loss DOUBLE PRECISION,
        round_trip_ms DOUBLE PRECISION,
        PRIMARY KEY (call, n))",
    "CREATE TABLE calls_open (
        id TEXT NOT NULL PRIMARY KEY,
        node TEXT NOT NULL,
        seen_at BIGINT NOT NULL,
        line TEXT,
        number TEXT,
        dialled TEXT NOT NULL,
        caller TEXT,
        internal BIGINT NOT NULL,
        started_at BIGINT NOT NULL,
        answered_ms BIGINT,
        connected_ms BIGINT,
        queue TEXT,
        seat TEXT,
        recording TEXT,
        consent TEXT NOT NULL,
        sip_call_id TEXT NOT NULL)",
    "CREATE TABLE outbox (
        id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        payload TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        delivered_at BIGINT)",
    "CREATE INDEX outbox_by_age ON outbox (created_at, id)",
];

/// The numbers that were called before, most recent first, as JSON.
const DIVERTED: &[&str] = &["ALTER TABLE calls ADD COLUMN diverted TEXT NOT NULL DEFAULT '[]'"];

/// Transfers, as JSON: they are read with their call and never searched.
const TRANSFERS: &[&str] = &[
    "ALTER TABLE calls ADD COLUMN transfers TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE calls_open ADD COLUMN transfers TEXT NOT NULL DEFAULT '[]'",
];

/// What the network said of the end of a leg.
const REASONS: &[&str] = &["ALTER TABLE legs ADD COLUMN q850 BIGINT"];

/// How both directions of a leg sounded, by the E-model.
const OPINIONS: &[&str] = &[
    "ALTER TABLE legs ADD COLUMN mos DOUBLE PRECISION",
    "ALTER TABLE legs ADD COLUMN peer_mos DOUBLE PRECISION",
];

/// What else is known of how legs were heard. Reports and lapses are JSON: they are read with their leg.
const HEARING: &[&str] = &[
    "ALTER TABLE legs ADD COLUMN discarded BIGINT",
    "ALTER TABLE legs ADD COLUMN peer_jitter_ms DOUBLE PRECISION",
    "ALTER TABLE legs ADD COLUMN speech_dbm0 DOUBLE PRECISION",
    "ALTER TABLE legs ADD COLUMN peer_report TEXT",
    "ALTER TABLE legs ADD COLUMN lapses TEXT NOT NULL DEFAULT '[]'",
];
