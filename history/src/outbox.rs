//! Events that must leave the house: committed with what they tell of, delivered later, at least once.

use base::Timestamp;
use sqlx::{AnyConnection, Row};

use crate::error::HistoryError;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same for every delivery: receivers use it to drop a second one.
    pub id: String,
    /// `call.ended`.
    pub kind: String,
    /// JSON.
    pub payload: String,
    /// When it was committed, microseconds since 1970.
    pub created_at: i64,
}

/// Puts an event in; a second one with the same id is dropped.
pub async fn put(
    conn: &mut AnyConnection,
    id: &str,
    kind: &str,
    payload: &str,
    now: Timestamp,
) -> Result<(), HistoryError> {
    sqlx::query(
        "INSERT INTO outbox (id, kind, payload, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(kind)
    .bind(payload)
    .bind(now.as_microsecond())
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// The oldest events that were not delivered yet, at most `limit`.
pub async fn pending(conn: &mut AnyConnection, limit: u32) -> Result<Vec<Event>, HistoryError> {
    let rows = sqlx::query(
        "SELECT id, kind, payload, created_at FROM outbox WHERE delivered_at IS NULL
         ORDER BY created_at, id LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(&mut *conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Event {
                id: row.try_get("id")?,
                kind: row.try_get("kind")?,
                payload: row.try_get("payload")?,
                created_at: row.try_get("created_at")?,
            })
        })
        .collect()
}

/// Notes that an event was taken by its receiver.
pub async fn delivered(conn: &mut AnyConnection, id: &str, now: Timestamp) -> Result<(), HistoryError> {
    sqlx::query("UPDATE outbox SET delivered_at = $1 WHERE id = $2 AND delivered_at IS NULL")
        .bind(now.as_microsecond())
        .bind(id)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Removes events older than `before`, delivered or not: the outbox is bounded by time.
pub async fn trim(conn: &mut AnyConnection, before: Timestamp) -> Result<u64, HistoryError> {
    let done = sqlx::query("DELETE FROM outbox WHERE created_at < $1")
        .bind(before.as_microsecond())
        .execute(&mut *conn)
        .await?;
    Ok(done.rows_affected())
}
