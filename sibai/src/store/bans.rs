//! Sources that guessed passwords: a ban outlives the process that decided it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use base::Timestamp;
use sip::seam::Ban;
use sqlx::{AnyConnection, Row};

use super::Store;

impl Store {
    /// The bans that were in force when this node's last process ended; those that were lifted since are
    /// forgotten.
    pub async fn bans(&self) -> Result<Vec<Ban>> {
        self.lifted_bans().await?;
        let rows = sqlx::query(
            "SELECT source, until_us, length_ms, offences FROM bans WHERE node = $1 ORDER BY until_us, source",
        )
        .bind(self.node())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(ban).collect()
    }

    /// What somebody lifted since this was last asked.
    pub async fn lifted_bans(&self) -> Result<Vec<IpAddr>> {
        let rows = sqlx::query("SELECT source FROM bans WHERE node = $1 AND lifted = 1 ORDER BY source")
            .bind(self.node())
            .fetch_all(&self.readers)
            .await?;
        let mut lifted = Vec::with_capacity(rows.len());
        for row in &rows {
            let source: String = row.try_get("source")?;
            sqlx::query("DELETE FROM bans WHERE node = $1 AND source = $2 AND lifted = 1")
                .bind(self.node())
                .bind(&source)
                .execute(&self.writer)
                .await?;
            lifted.push(source.parse()?);
        }
        Ok(lifted)
    }

    /// Lifts the ban of a source on every node; `false` when there was none. A running server takes it within
    /// seconds.
    pub async fn lift_ban(&self, source: IpAddr) -> Result<bool> {
        let done = sqlx::query("UPDATE bans SET lifted = 1 WHERE source = $1 AND lifted = 0")
            .bind(source.to_string())
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The bans of all nodes that nobody lifted, the last to end first.
    pub async fn banned(&self) -> Result<Vec<Ban>> {
        let rows = sqlx::query(
            "SELECT source, until_us, length_ms, offences FROM bans WHERE lifted = 0
             ORDER BY until_us DESC, source",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(ban).collect()
    }
}

fn ban(row: &sqlx::any::AnyRow) -> Result<Ban> {
    let source: String = row.try_get("source")?;
    let length: i64 = row.try_get("length_ms")?;
    let offences: i64 = row.try_get("offences")?;
    Ok(Ban {
        source: source.parse()?,
        until: Timestamp::from_microsecond(row.try_get("until_us")?)?,
        length: Duration::from_millis(length.unsigned_abs()),
        offences: u32::try_from(offences).unwrap_or(u32::MAX),
    })
}

/// A source is banned; a ban that it had is replaced.
pub(super) async fn note(conn: &mut AnyConnection, node: &str, ban: &Ban) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO bans (node, source, until_us, length_ms, offences, lifted)
         VALUES ($1, $2, $3, $4, $5, 0)
         ON CONFLICT (node, source) DO UPDATE SET until_us = excluded.until_us,
             length_ms = excluded.length_ms, offences = excluded.offences, lifted = 0",
    )
    .bind(node)
    .bind(ban.source.to_string())
    .bind(ban.until.as_microsecond())
    .bind(i64::try_from(ban.length.as_millis()).unwrap_or(i64::MAX))
    .bind(i64::from(ban.offences))
    .execute(conn)
    .await?;
    Ok(())
}

/// A ban is over.
pub(super) async fn forget(conn: &mut AnyConnection, node: &str, source: IpAddr) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM bans WHERE node = $1 AND source = $2")
        .bind(node)
        .bind(source.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
