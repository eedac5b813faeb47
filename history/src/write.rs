//! Writing a call that is over.

use base::{Blame, Cause, PhoneNumber, Timestamp};
use serde_json::json;
use sqlx::AnyConnection;

use crate::call::{CallRow, LegRow, Origin, TransferRow};
use crate::error::HistoryError;
use crate::outbox;

/// Writes the call, its legs and the event `call.ended`, and takes the call off the open ones. `false` when
/// the call was written before: then nothing is changed, so that a replay never duplicates.
///
/// The caller holds the transaction.
pub async fn write(conn: &mut AnyConnection, row: &CallRow, now: Timestamp) -> Result<bool, HistoryError> {
    let id = row.id.to_string();
    let fresh = insert_call(conn, &id, row).await?;
    if fresh {
        for (n, leg) in (0..).zip(&row.legs) {
            insert_leg(conn, &id, n, leg).await?;
        }
        // An imported call tells nobody: its customer knows.
        if row.origin == Origin::Engine {
            outbox::put(conn, &format!("{id}:{CALL_ENDED}"), CALL_ENDED, &event(&id, row), now).await?;
        }
    }
    sqlx::query("DELETE FROM calls_open WHERE id = $1").bind(&id).execute(&mut *conn).await?;
    Ok(fresh)
}

async fn insert_call(conn: &mut AnyConnection, id: &str, row: &CallRow) -> Result<bool, HistoryError> {
    let (origin, customer, status) = match &row.origin {
        Origin::Engine => (ENGINE, None, None),
        Origin::Imported { customer, status } => (IMPORTED, Some(customer.as_str()), Some(status.as_str())),
    };
    let done = sqlx::query(
        "INSERT INTO calls (id, origin, customer, status, line, number, dialled, caller, internal, started_at,
            answered_ms, connected_ms, lasted_ms, talked_ms, waited_ms, cause, blame, keys_pressed, menus,
            queue, seat, recording, consent, sip_call_id, diverted, transfers)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
            $21, $22, $23, $24, $25, $26)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(origin)
    .bind(customer)
    .bind(status)
    .bind(row.line.as_deref())
    .bind(row.number.as_ref().map(PhoneNumber::as_str))
    .bind(without_nul(&row.dialled))
    .bind(row.caller.as_ref().map(PhoneNumber::as_str))
    .bind(i64::from(row.internal))
    .bind(row.started.as_microsecond())
    .bind(row.answered_ms)
    .bind(row.connected_ms)
    .bind(row.lasted_ms)
    .bind(row.talked_ms)
    .bind(row.waited_ms)
    .bind(row.cause.map(Cause::as_str))
    .bind(row.blame().map(Blame::as_str))
    .bind(row.keys.as_str())
    .bind(json!(row.menus).to_string())
    .bind(row.queue.as_deref())
    .bind(row.seat.as_deref())
    .bind(row.recording.map(|recording| recording.to_string()))
    .bind(row.consent.as_str())
    .bind(without_nul(&row.sip_call_id))
    .bind(json!(row.diverted).to_string())
    .bind(transfers_text(&row.transfers))
    .execute(&mut *conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn insert_leg(conn: &mut AnyConnection, call: &str, n: i64, leg: &LegRow) -> Result<(), HistoryError> {
    let quality = leg.quality;
    sqlx::query(
        "INSERT INTO legs (call, n, seat, trunk, began_ms, rang_ms, answered_ms, ended_ms, cause, blame,
            received, lost, jitter_ms, sent, peer_loss, round_trip_ms, q850, mos, peer_mos,
            discarded, peer_jitter_ms, speech_dbm0, peer_report, lapses)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21, $22, $23, $24)
         ON CONFLICT (call, n) DO NOTHING",
    )
    .bind(call)
    .bind(n)
    .bind(leg.seat.as_deref())
    .bind(leg.trunk.as_deref())
    .bind(leg.began_ms)
    .bind(leg.rang_ms)
    .bind(leg.answered_ms)
    .bind(leg.ended_ms)
    .bind(leg.cause.as_str())
    .bind(leg.cause.blame().as_str())
    .bind(quality.map(|quality| quality.received))
    .bind(quality.map(|quality| quality.lost))
    .bind(quality.map(|quality| quality.jitter_ms))
    .bind(quality.map(|quality| quality.sent))
    .bind(quality.and_then(|quality| quality.peer_loss))
    .bind(quality.and_then(|quality| quality.round_trip_ms))
    .bind(leg.q850.map(i64::from))
    .bind(quality.and_then(|quality| quality.mos))
    .bind(quality.and_then(|quality| quality.peer_mos))
    .bind(quality.map(|quality| quality.discarded))
    .bind(quality.and_then(|quality| quality.peer_jitter_ms))
    .bind(quality.and_then(|quality| quality.speech_dbm0))
    .bind(quality.and_then(|quality| quality.peer_report).map(|report| json!(report).to_string()))
    .bind(json!(leg.lapses).to_string())
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// Ids and API addresses only: who may see the numbers is decided where they are fetched.
fn event(id: &str, row: &CallRow) -> String {
    json!({
        "call": id,
        "line": row.line,
        "status": row.status(),
        "cause": row.cause.map(Cause::as_str),
        "record": format!("/v1/call_records/{id}"),
        "recording": row.recording.map(|recording| format!("/v1/recordings/{recording}")),
    })
    .to_string()
}

/// As the column holds them; JSON writes a NUL of the wire as an escape.
pub(crate) fn transfers_text(transfers: &[TransferRow]) -> String {
    json!(transfers).to_string()
}

/// Text that came from the wire; PostgreSQL takes no NUL in a TEXT, and a row must not fail for one.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

const CALL_ENDED: &str = "call.ended";
pub(crate) const ENGINE: &str = "engine";
pub(crate) const IMPORTED: &str = "imported";
