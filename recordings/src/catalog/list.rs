//! Lists: filtered, newest first, page by page.

use std::fmt::Write;
use std::str::FromStr;

use base::{CallId, Name, PhoneNumber, RecordingId, Timestamp};
use sqlx::any::AnyArguments;
use sqlx::{AnyConnection, Arguments, AssertSqlSafe};

use super::row::{COLUMNS, Row};
use super::{State, StoreError};

/// Which recordings are asked for; what is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Begun at this moment or later.
    pub from: Option<Timestamp>,
    /// Begun before this moment.
    pub to: Option<Timestamp>,
    /// The number that was called.
    pub number: Option<PhoneNumber>,
    /// Who called.
    pub caller: Option<PhoneNumber>,
    /// The seat that answered.
    pub seat: Option<Name>,
    /// The queue.
    pub queue: Option<Name>,
    /// One call.
    pub call: Option<CallId>,
    /// At least this many seconds long.
    pub min_secs: Option<u32>,
    /// One state; without it everything that is not deleted.
    pub state: Option<State>,
    /// The lines that may be seen.
    pub lines: Lines,
}

/// The lines that a list may show. An API token is bound to lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Every line.
    #[default]
    All,
    /// Only these; none when empty.
    Only(Vec<Name>),
}

impl Lines {
    /// Whether a recording of `line` may be seen.
    pub fn hold(&self, line: &Name) -> bool {
        match self {
            Self::All => true,
            Self::Only(lines) => lines.contains(line),
        }
    }
}

/// Where the next page begins. Opaque to clients; `Display` and `FromStr` are its form on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    started: i64,
    id: RecordingId,
}

/// Some rows, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where to go on; `None` on the last page.
    pub next: Option<Cursor>,
}

/// A page of the list, of at most `limit` rows (no more than [`MOST_ROWS`]), newest first.
pub async fn list(
    conn: &mut AnyConnection,
    filter: &Filter,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<Page, StoreError> {
    let limit = limit.clamp(1, MOST_ROWS);
    let mut conditions = Conditions::default();
    conditions.of(filter)?;
    if let Some(cursor) = cursor {
        // Two comparisons say the same as a row comparison, and let the index be used on both databases.
        conditions.add("started_at <= ", cursor.started)?;
        let started = conditions.bind(cursor.started)?;
        let id = conditions.bind(cursor.id.to_string())?;
        conditions.say(&format!("(started_at < {started} OR id < {id})"));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM recordings{} ORDER BY started_at DESC, id DESC LIMIT {}",
        conditions.text,
        limit + 1
    );
    // Only our own words are in `sql`; every value is bound.
    let found = sqlx::query_with(AssertSqlSafe(sql), conditions.values).fetch_all(conn).await?;
    let mut rows = found.iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = if more { rows.last() } else { None };
    let next = last.map(|row| Cursor { started: row.started.as_microsecond(), id: row.id });
    Ok(Page { rows, next })
}

/// The recordings whose time has come, the longest overdue first; at most [`MOST_ROWS`].
pub async fn due(conn: &mut AnyConnection, now: Timestamp, limit: u32) -> Result<Vec<Row>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM recordings WHERE state = 'saved' AND delete_after <= $1 \
         ORDER BY delete_after, id LIMIT {}",
        limit.clamp(1, MOST_ROWS)
    );
    let found = sqlx::query(AssertSqlSafe(sql)).bind(now.as_microsecond()).fetch_all(conn).await?;
    found.iter().map(Row::read).collect()
}

/// Rows in a state, oldest id first, after `after`; at most [`MOST_ROWS`].
pub(crate) async fn in_state(
    conn: &mut AnyConnection,
    state: State,
    line: Option<&Name>,
    after: Option<RecordingId>,
) -> Result<Vec<Row>, StoreError> {
    let mut conditions = Conditions::default();
    conditions.add("state = ", state.as_str().to_owned())?;
    if let Some(line) = line {
        conditions.add("line = ", line.as_str().to_owned())?;
    }
    if let Some(after) = after {
        conditions.add("id > ", after.to_string())?;
    }
    let sql = format!("SELECT {COLUMNS} FROM recordings{} ORDER BY id LIMIT {MOST_ROWS}", conditions.text);
    let found = sqlx::query_with(AssertSqlSafe(sql), conditions.values).fetch_all(conn).await?;
    found.iter().map(Row::read).collect()
}

#[derive(Default)]
struct Conditions {
    text: String,
    values: AnyArguments,
}

impl Conditions {
    fn of(&mut self, filter: &Filter) -> Result<(), StoreError> {
        let Filter { from, to, number, caller, seat, queue, call, min_secs, state, lines } = filter;
        if let Some(from) = from {
            self.add("started_at >= ", from.as_microsecond())?;
        }
        if let Some(to) = to {
            self.add("started_at < ", to.as_microsecond())?;
        }
        let words = [
            ("number = ", number.as_ref().map(PhoneNumber::as_str)),
            ("caller = ", caller.as_ref().map(PhoneNumber::as_str)),
            ("seat = ", seat.as_ref().map(Name::as_str)),
            ("queue = ", queue.as_ref().map(Name::as_str)),
        ];
        for (condition, value) in words {
            if let Some(value) = value {
                self.add(condition, value.to_owned())?;
            }
        }
        if let Some(call) = call {
            self.add("call_id = ", call.to_string())?;
        }
        if let Some(secs) = min_secs {
            self.add("duration_ms >= ", i64::from(*secs) * 1000)?;
        }
        match state {
            Some(state) => self.add("state = ", state.as_str().to_owned())?,
            None => self.say("state <> 'deleted'"),
        }
        if let Lines::Only(lines) = lines {
            self.one_of("line", lines)?;
        }
        Ok(())
    }

    fn one_of(&mut self, column: &str, names: &[Name]) -> Result<(), StoreError> {
        let places =
            names.iter().map(|name| self.bind(name.as_str().to_owned())).collect::<Result<Vec<_>, _>>()?;
        // An empty set allows nothing.
        let condition = match places.len() {
            0 => "1 = 0".to_owned(),
            _ => format!("{column} IN ({})", places.join(", ")),
        };
        self.say(&condition);
        Ok(())
    }

    /// `condition` is our own text; the value is bound behind it.
    fn add<T>(&mut self, condition: &str, value: T) -> Result<(), StoreError>
    where
        T: for<'q> sqlx::Encode<'q, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        let place = self.bind(value)?;
        self.say(&format!("{condition}{place}"));
        Ok(())
    }

    fn bind<T>(&mut self, value: T) -> Result<String, StoreError>
    where
        T: for<'q> sqlx::Encode<'q, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        self.values.add(value).map_err(sqlx::Error::Encode)?;
        Ok(format!("${}", self.values.len()))
    }

    fn say(&mut self, condition: &str) {
        let joint = if self.text.is_empty() { " WHERE " } else { " AND " };
        let _ = write!(self.text, "{joint}{condition}");
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:032x}", self.started as u64, self.id.as_u128())
    }
}

/// A text that is no cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 48 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotACursor);
        }
        let (started, id) = text.split_at(16);
        let started = u64::from_str_radix(started, 16).map_err(|_| NotACursor)? as i64;
        let id = u128::from_str_radix(id, 16).map_err(|_| NotACursor)?;
        Ok(Self { started, id: RecordingId::from_u128(id) })
    }
}

/// The house limit for a page.
pub const MOST_ROWS: u32 = 500;
