//! Reading calls back, newest first, a page at a time.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use base::{CallId, Cause, Name, PhoneNumber, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::call::{CallRow, LegRow, Origin, Quality};
use crate::columns::Columns;
use crate::error::HistoryError;
use crate::write::IMPORTED;

/// Which calls; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only calls of these lines; `None` sees every line and the calls without one.
    pub lines: Option<Vec<Name>>,
    /// Begun at or after.
    pub from: Option<Timestamp>,
    /// Begun before.
    pub to: Option<Timestamp>,
    /// The number that was called.
    pub number: Option<PhoneNumber>,
    /// Who called.
    pub caller: Option<PhoneNumber>,
    /// The seat that talked.
    pub seat: Option<Name>,
    /// The last queue entered.
    pub queue: Option<Name>,
    /// Why it ended.
    pub cause: Option<Cause>,
}

/// A place between two calls in the order of a list: after the call with this start and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Microseconds since 1970.
    pub started_at: i64,
    /// Tells calls of the same microsecond apart.
    pub id: CallId,
}

impl fmt::Display for Cursor {
    /// Opaque to clients: its form on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:032x}", self.started_at as u64, self.id.as_u128())
    }
}

/// A text that is no cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        if text.len() != 48 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotACursor);
        }
        let (started_at, id) = text.split_at(16);
        let started_at = u64::from_str_radix(started_at, 16).map_err(|_| NotACursor)? as i64;
        let id = u128::from_str_radix(id, 16).map_err(|_| NotACursor)?;
        Ok(Self { started_at, id: CallId::from_u128(id) })
    }
}

/// Some calls, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The calls, with their legs.
    pub calls: Vec<CallRow>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

/// The calls that pass the filter, after `cursor`, at most `limit`.
pub async fn list(
    conn: &mut AnyConnection,
    filter: &Filter,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<Page, HistoryError> {
    let mut select = Select::new(filter);
    if let Some(cursor) = cursor {
        let (at, same, id) = (
            select.value(Value::Int(cursor.started_at)),
            select.value(Value::Int(cursor.started_at)),
            select.value(Value::Text(cursor.id.to_string())),
        );
        select.conditions.push(format!("(started_at < {at} OR (started_at = {same} AND id < {id}))"));
    }
    // One more than asked for tells whether there is a next page.
    let most = select.value(Value::Int(i64::from(limit) + 1));
    let sql = format!(
        "SELECT * FROM calls{} ORDER BY started_at DESC, id DESC LIMIT {most}",
        select.conditions_clause()
    );
    // Built of constant pieces and placeholders only; every value is bound.
    let rows = select.bind(&sql).fetch_all(&mut *conn).await?;
    let limit = limit as usize;
    let mut calls = rows.iter().take(limit).map(call_of).collect::<Result<Vec<_>, _>>()?;
    add_legs(conn, &mut calls).await?;
    let next = match calls.last() {
        Some(last) if rows.len() > limit => {
            Some(Cursor { started_at: last.started.as_microsecond(), id: last.id })
        }
        _ => None,
    };
    Ok(Page { calls, next })
}

/// One call, if the filter's lines may see it.
pub async fn find(
    conn: &mut AnyConnection,
    id: CallId,
    lines: Option<&[Name]>,
) -> Result<Option<CallRow>, HistoryError> {
    let mut select = Select::new(&Filter { lines: lines.map(<[Name]>::to_vec), ..Filter::default() });
    let id = select.value(Value::Text(id.to_string()));
    select.conditions.push(format!("id = {id}"));
    let sql = format!("SELECT * FROM calls{}", select.conditions_clause());
    let row = select.bind(&sql).fetch_optional(&mut *conn).await?;
    let mut calls = row.iter().map(call_of).collect::<Result<Vec<_>, _>>()?;
    add_legs(conn, &mut calls).await?;
    Ok(calls.pop())
}

/// A WHERE clause in the making: numbered placeholders, which both databases read.
struct Select {
    conditions: Vec<String>,
    values: Vec<Value>,
}

enum Value {
    Text(String),
    Int(i64),
}

impl Select {
    fn new(filter: &Filter) -> Self {
        let mut select = Self { conditions: Vec::new(), values: Vec::new() };
        if let Some(lines) = &filter.lines {
            let places: Vec<String> =
                lines.iter().map(|line| select.value(Value::Text(line.to_string()))).collect();
            // No line at all sees nothing; `IN ()` is no SQL.
            let any =
                if places.is_empty() { "1 = 0".into() } else { format!("line IN ({})", places.join(", ")) };
            select.conditions.push(any);
        }
        select.compare("started_at >=", filter.from.map(|at| Value::Int(at.as_microsecond())));
        select.compare("started_at <", filter.to.map(|at| Value::Int(at.as_microsecond())));
        select.compare("number =", filter.number.as_ref().map(|number| Value::Text(number.as_str().into())));
        select.compare("caller =", filter.caller.as_ref().map(|caller| Value::Text(caller.as_str().into())));
        select.compare("seat =", filter.seat.as_ref().map(|seat| Value::Text(seat.to_string())));
        select.compare("queue =", filter.queue.as_ref().map(|queue| Value::Text(queue.to_string())));
        select.compare("cause =", filter.cause.map(|cause| Value::Text(cause.as_str().into())));
        select
    }

    fn compare(&mut self, what: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            let place = self.value(value);
            self.conditions.push(format!("{what} {place}"));
        }
    }

    /// Keeps a value and returns its placeholder.
    fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    fn conditions_clause(&self) -> String {
        if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        }
    }

    fn bind(self, sql: &str) -> sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments> {
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        for value in self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Int(int) => query.bind(int),
            };
        }
        query
    }
}

fn call_of(row: &AnyRow) -> Result<CallRow, HistoryError> {
    let columns = Columns::new(row, "id")?;
    let origin = if columns.text("origin")? == IMPORTED {
        Origin::Imported {
            customer: columns.maybe_text("customer")?.unwrap_or_default(),
            status: columns.maybe_text("status")?.unwrap_or_default(),
        }
    } else {
        Origin::Engine
    };
    Ok(CallRow {
        id: columns.read("id", |text| text.parse().ok())?,
        origin,
        line: columns.maybe_name("line")?,
        number: columns.maybe_number("number")?,
        dialled: columns.text("dialled")?,
        diverted: columns.read("diverted", |text| serde_json::from_str(text).ok())?,
        caller: columns.maybe_number("caller")?,
        internal: columns.int("internal")? != 0,
        started: columns.moment("started_at")?,
        answered_ms: columns.maybe_int("answered_ms")?,
        connected_ms: columns.maybe_int("connected_ms")?,
        lasted_ms: columns.int("lasted_ms")?,
        talked_ms: columns.int("talked_ms")?,
        waited_ms: columns.int("waited_ms")?,
        cause: columns.maybe_read("cause", Cause::from_text)?,
        keys: columns.text("keys_pressed")?,
        menus: columns.read("menus", |text| serde_json::from_str(text).ok())?,
        queue: columns.maybe_name("queue")?,
        seat: columns.maybe_name("seat")?,
        transfers: columns.read("transfers", |text| serde_json::from_str(text).ok())?,
        recording: columns.maybe_read("recording", |text| text.parse().ok())?,
        consent: columns.text("consent")?,
        sip_call_id: columns.text("sip_call_id")?,
        legs: Vec::new(),
    })
}

/// The legs of all these calls in one question.
async fn add_legs(conn: &mut AnyConnection, calls: &mut [CallRow]) -> Result<(), HistoryError> {
    if calls.is_empty() {
        return Ok(());
    }
    let mut select = Select { conditions: Vec::new(), values: Vec::new() };
    let places: Vec<String> =
        calls.iter().map(|call| select.value(Value::Text(call.id.to_string()))).collect();
    let sql = format!("SELECT * FROM legs WHERE call IN ({}) ORDER BY call, n", places.join(", "));
    let mut legs: HashMap<CallId, Vec<LegRow>> = HashMap::with_capacity(calls.len());
    for row in &select.bind(&sql).fetch_all(&mut *conn).await? {
        let call = Columns::new(row, "call")?.read("call", |text| text.parse().ok())?;
        legs.entry(call).or_default().push(leg_of(row)?);
    }
    for call in calls {
        call.legs = legs.remove(&call.id).unwrap_or_default();
    }
    Ok(())
}

fn leg_of(row: &AnyRow) -> Result<LegRow, HistoryError> {
    let columns = Columns::new(row, "call")?;
    let quality = match columns.maybe_int("received")? {
        None => None,
        Some(received) => Some(Quality {
            received,
            lost: columns.maybe_int("lost")?.unwrap_or(0),
            jitter_ms: columns.maybe_float("jitter_ms")?.unwrap_or(0.0),
            sent: columns.maybe_int("sent")?.unwrap_or(0),
            peer_loss: columns.maybe_float("peer_loss")?,
            round_trip_ms: columns.maybe_float("round_trip_ms")?,
            mos: columns.maybe_float("mos")?,
            peer_mos: columns.maybe_float("peer_mos")?,
            discarded: columns.maybe_int("discarded")?.unwrap_or(0),
            peer_jitter_ms: columns.maybe_float("peer_jitter_ms")?,
            speech_dbm0: columns.maybe_float("speech_dbm0")?,
            peer_report: columns.maybe_read("peer_report", |text| serde_json::from_str(text).ok())?,
        }),
    };
    Ok(LegRow {
        seat: columns.maybe_name("seat")?,
        trunk: columns.maybe_name("trunk")?,
        began_ms: columns.int("began_ms")?,
        rang_ms: columns.maybe_int("rang_ms")?,
        answered_ms: columns.maybe_int("answered_ms")?,
        ended_ms: columns.int("ended_ms")?,
        cause: columns.read("cause", Cause::from_text)?,
        q850: columns.maybe_int("q850")?.and_then(|value| u8::try_from(value).ok()),
        quality,
        lapses: columns.read("lapses", |text| serde_json::from_str(text).ok())?,
    })
}
