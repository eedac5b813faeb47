//! Tables of the process itself: passwords, tokens, settings, replies that may be asked for twice.

use anyhow::{Result, bail};
use sqlx::{AnyConnection, Row};

/// Brings the tables up to this version.
pub(crate) async fn migrate(conn: &mut AnyConnection) -> Result<()> {
    sqlx::query("CREATE TABLE IF NOT EXISTS sibai_schema (version BIGINT NOT NULL)")
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM sibai_schema")
        .fetch_one(&mut *conn)
        .await?;
    let found: i64 = row.try_get("version")?;
    let known = STEPS.len() as i64;
    if found > known {
        bail!("the database was written by a newer sibai (version {found}, this one knows {known})");
    }
    for (version, statements) in (1..).zip(STEPS).filter(|(version, _)| *version > found) {
        for statement in *statements {
            sqlx::query(*statement).execute(&mut *conn).await?;
        }
        sqlx::query("INSERT INTO sibai_schema (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// One entry per version; a released entry is never changed.
const STEPS: &[&[&str]] = &[FIRST, BANS];

const FIRST: &[&str] = &[
    "CREATE TABLE seat_secrets (
        user_name TEXT NOT NULL,
        algorithm TEXT NOT NULL,
        line TEXT NOT NULL,
        seat TEXT NOT NULL,
        ha1 TEXT NOT NULL,
        PRIMARY KEY (user_name, algorithm))",
    "CREATE TABLE tokens (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        hash TEXT NOT NULL,
        scopes TEXT NOT NULL,
        lines TEXT,
        created_at BIGINT NOT NULL,
        revoked_at BIGINT)",
    "CREATE TABLE settings (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE idempotency (
        token TEXT NOT NULL,
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        call TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (token, key))",
];

/// Times in microseconds since 1970, lengths in milliseconds; `lifted` is 1 once somebody lifted it.
const BANS: &[&str] = &["CREATE TABLE bans (
        node TEXT NOT NULL,
        source TEXT NOT NULL,
        until_us BIGINT NOT NULL,
        length_ms BIGINT NOT NULL,
        offences BIGINT NOT NULL,
        lifted BIGINT NOT NULL,
        PRIMARY KEY (node, source))"];
