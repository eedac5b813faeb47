//! Calls that are up: written when a call is answered, so that a killed process still owes each one its CDR.

use base::{CallId, Cause, Name, PhoneNumber, RecordingId, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::call::{CallRow, Origin};
use crate::columns::Columns;
use crate::error::HistoryError;
use crate::write::{without_nul, write};

/// What is known of a call while it is up.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenCall {
    /// The call.
    pub id: CallId,
    /// The line.
    pub line: Option<Name>,
    /// The number that was meant.
    pub number: Option<PhoneNumber>,
    /// As dialled or delivered.
    pub dialled: String,
    /// Who called.
    pub caller: Option<PhoneNumber>,
    /// A seat called the line or another seat.
    pub internal: bool,
    /// INVITE.
    pub started: Timestamp,
    /// To our 200, milliseconds after the INVITE.
    pub answered_ms: Option<i64>,
    /// To the conversation, milliseconds after the INVITE.
    pub connected_ms: Option<i64>,
    /// The queue it is or was in.
    pub queue: Option<Name>,
    /// The seat that talks.
    pub seat: Option<Name>,
    /// The recording that was begun.
    pub recording: Option<RecordingId>,
    /// What the caller agreed to so far.
    pub consent: String,
    /// Call-ID of the caller's INVITE.
    pub sip_call_id: String,
}

/// Notes that the call is up on this node; a second note replaces the first. A call that is written
/// already stays written: a replayed note cannot bring it back.
pub async fn open(
    conn: &mut AnyConnection,
    node: &str,
    call: &OpenCall,
    now: Timestamp,
) -> Result<(), HistoryError> {
    let id = call.id.to_string();
    if sqlx::query("SELECT id FROM calls WHERE id = $1").bind(&id).fetch_optional(&mut *conn).await?.is_some()
    {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO calls_open (id, node, seen_at, line, number, dialled, caller, internal, started_at,
            answered_ms, connected_ms, queue, seat, recording, consent, sip_call_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, answered_ms = excluded.answered_ms,
            connected_ms = excluded.connected_ms, queue = excluded.queue, seat = excluded.seat,
            recording = excluded.recording, consent = excluded.consent",
    )
    .bind(&id)
    .bind(node)
    .bind(now.as_microsecond())
    .bind(call.line.as_deref())
    .bind(call.number.as_ref().map(PhoneNumber::as_str))
    .bind(without_nul(&call.dialled))
    .bind(call.caller.as_ref().map(PhoneNumber::as_str))
    .bind(i64::from(call.internal))
    .bind(call.started.as_microsecond())
    .bind(call.answered_ms)
    .bind(call.connected_ms)
    .bind(call.queue.as_deref())
    .bind(call.seat.as_deref())
    .bind(call.recording.map(|recording| recording.to_string()))
    .bind(call.consent.as_str())
    .bind(without_nul(&call.sip_call_id))
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// Says that the calls of this node are still up. The driver does so every few seconds; how long a lost
/// call lasted is known that exactly.
pub async fn touch(conn: &mut AnyConnection, node: &str, now: Timestamp) -> Result<(), HistoryError> {
    sqlx::query("UPDATE calls_open SET seen_at = $1 WHERE node = $2")
        .bind(now.as_microsecond())
        .bind(node)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Turns the calls that this node left open into CDRs with the cause `node_lost`; at start-up, before the
/// first new call. Returns them. Every call gets exactly one CDR, however often this is interrupted.
///
/// The caller holds the transaction.
pub async fn close_lost(
    conn: &mut AnyConnection,
    node: &str,
    now: Timestamp,
) -> Result<Vec<CallRow>, HistoryError> {
    let rows = sqlx::query("SELECT * FROM calls_open WHERE node = $1 ORDER BY started_at, id")
        .bind(node)
        .fetch_all(&mut *conn)
        .await?;
    let mut lost = Vec::with_capacity(rows.len());
    for row in &rows {
        let call = lost_call(row)?;
        if write(conn, &call, now).await? {
            lost.push(call);
        }
    }
    Ok(lost)
}

fn lost_call(row: &AnyRow) -> Result<CallRow, HistoryError> {
    let columns = Columns::new(row, "id")?;
    let started = columns.moment("started_at")?;
    let seen = columns.moment("seen_at")?;
    let lasted_ms = seen.as_millisecond().saturating_sub(started.as_millisecond()).max(0);
    let connected_ms = columns.maybe_int("connected_ms")?;
    Ok(CallRow {
        id: columns.read("id", |text| text.parse().ok())?,
        origin: Origin::Engine,
        line: columns.maybe_name("line")?,
        number: columns.maybe_number("number")?,
        dialled: columns.text("dialled")?,
        // What the database knows of a call that is up does not go that far.
        diverted: Vec::new(),
        caller: columns.maybe_number("caller")?,
        internal: columns.int("internal")? != 0,
        started,
        answered_ms: columns.maybe_int("answered_ms")?,
        connected_ms,
        lasted_ms,
        talked_ms: connected_ms.map_or(0, |at| lasted_ms.saturating_sub(at).max(0)),
        waited_ms: 0,
        cause: Some(Cause::NodeLost),
        keys: String::new(),
        menus: Vec::new(),
        queue: columns.maybe_name("queue")?,
        seat: columns.maybe_name("seat")?,
        recording: columns.maybe_read("recording", |text| text.parse().ok())?,
        consent: columns.text("consent")?,
        sip_call_id: columns.text("sip_call_id")?,
        legs: Vec::new(),
    })
}
