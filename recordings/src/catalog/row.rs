//! A row of the catalog as data.

use std::str::FromStr;

use base::{CallId, Name, PhoneNumber, RecordingId, Timestamp};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{State, StoreError};
use crate::facts::{Consent, Kind};
use crate::retention::Subject;
use crate::seal::Levels;
use crate::segment::Segment;

/// What the catalog knows of one recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: RecordingId,
    /// The call.
    pub call: CallId,
    /// The line.
    pub line: Name,
    /// The number that was called.
    pub number: PhoneNumber,
    /// Who called; `None` when withheld, and after deletion.
    pub caller: Option<PhoneNumber>,
    /// The queue, if any.
    pub queue: Option<Name>,
    /// The seat, if any.
    pub seat: Option<Name>,
    /// What was recorded.
    pub kind: Kind,
    /// The strongest answer of the caller.
    pub consent: Consent,
    /// How far it has come.
    pub state: State,
    /// The wall clock at its first sample.
    pub started: Timestamp,
    /// The end of the call, once known.
    pub ended: Option<Timestamp>,
    /// Length of the file, milliseconds.
    pub duration_ms: Option<u64>,
    /// Size of the file.
    pub bytes: Option<u64>,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: Option<String>,
    /// The file, relative to the recordings folder.
    pub file: Option<String>,
    /// Channels of the file: 2.
    pub channels: u32,
    /// How the sides were coded on the wire, caller first.
    pub codec: String,
    /// The rule that keeps it.
    pub rule: Option<Name>,
    /// For how long, as configuration writes it (`90d`, `6mo`).
    pub keep: Option<String>,
    /// When it is due for deletion.
    pub delete_after: Option<Timestamp>,
    /// Whether the process died while it was recorded.
    pub interrupted: bool,
    /// Why part of it is missing, if so.
    pub partial_reason: Option<String>,
    /// Why there is no file, if so.
    pub absent_reason: Option<String>,
    /// Packets of the caller that never arrived.
    pub caller_lost: u64,
    /// Packets of the seat that never arrived.
    pub seat_lost: u64,
    /// Silence for want of the caller's packets, milliseconds.
    pub caller_gap_ms: u64,
    /// Silence for want of the seat's packets, milliseconds.
    pub seat_gap_ms: u64,
    /// How loud the caller's channel is; `None` until it is sealed.
    pub caller_levels: Option<Levels>,
    /// How loud the seat's channel is.
    pub seat_levels: Option<Levels>,
    /// The seats that are heard, in order; empty until it is sealed.
    pub segments: Vec<Segment>,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
    /// Who deleted it.
    pub deleted_by: Option<String>,
    /// Why.
    pub delete_reason: Option<String>,
}

impl Row {
    /// What a policy looks at; `ended` where the end of the call was never noted.
    pub fn subject(&self, ended: Timestamp) -> Subject {
        Subject {
            number: self.number.clone(),
            queue: self.queue.clone(),
            seats: self.seat.iter().cloned().collect(),
            kind: self.kind,
            consent: self.consent,
            ended: self.ended.unwrap_or(ended),
        }
        .with_segments(&self.segments)
    }

    pub(crate) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let id: String = row.try_get("id")?;
        let cells = Cells { row, id: &id };
        Ok(Self {
            id: cells.parsed("id")?,
            call: cells.parsed("call_id")?,
            line: cells.text("line")?.into(),
            number: cells.number("number")?.ok_or_else(|| cells.unreadable("number is empty"))?,
            caller: cells.number("caller")?,
            queue: cells.maybe_text("queue")?.map(Name::from),
            seat: cells.maybe_text("seat")?.map(Name::from),
            kind: cells.parsed("kind")?,
            consent: cells.parsed("consent")?,
            state: cells.parsed("state")?,
            started: cells.time("started_at")?.ok_or_else(|| cells.unreadable("started_at is empty"))?,
            ended: cells.time("ended_at")?,
            duration_ms: cells.count("duration_ms")?,
            bytes: cells.count("bytes")?,
            sha256: cells.maybe_text("sha256")?,
            file: cells.maybe_text("file")?,
            channels: u32::try_from(cells.count("channels")?.unwrap_or(0)).unwrap_or(0),
            codec: cells.text("codec")?,
            rule: cells.maybe_text("rule")?.map(Name::from),
            keep: cells.maybe_text("keep")?,
            delete_after: cells.time("delete_after")?,
            interrupted: cells.count("interrupted")?.unwrap_or(0) != 0,
            partial_reason: cells.maybe_text("partial_reason")?,
            absent_reason: cells.maybe_text("absent_reason")?,
            caller_lost: cells.count("caller_lost")?.unwrap_or(0),
            seat_lost: cells.count("seat_lost")?.unwrap_or(0),
            caller_gap_ms: cells.count("caller_gap_ms")?.unwrap_or(0),
            seat_gap_ms: cells.count("seat_gap_ms")?.unwrap_or(0),
            caller_levels: cells.levels([
                "caller_level_dbov",
                "caller_peak_dbov",
                "caller_clipped",
                "caller_silence",
            ])?,
            seat_levels: cells.levels([
                "seat_level_dbov",
                "seat_peak_dbov",
                "seat_clipped",
                "seat_silence",
            ])?,
            segments: cells.segments()?,
            deleted: cells.time("deleted_at")?,
            deleted_by: cells.maybe_text("deleted_by")?,
            delete_reason: cells.maybe_text("delete_reason")?,
        })
    }
}

struct Cells<'a> {
    row: &'a AnyRow,
    id: &'a str,
}

impl Cells<'_> {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn count(&self, column: &str) -> Result<Option<u64>, StoreError> {
        let value: Option<i64> = self.row.try_get(column)?;
        Ok(value.map(|value| u64::try_from(value).unwrap_or(0)))
    }

    fn parsed<T: FromStr>(&self, column: &str) -> Result<T, StoreError>
    where
        T::Err: std::fmt::Display,
    {
        self.text(column)?.parse().map_err(|error| self.unreadable(&format!("{column}: {error}")))
    }

    fn number(&self, column: &str) -> Result<Option<PhoneNumber>, StoreError> {
        let Some(text) = self.maybe_text(column)? else { return Ok(None) };
        // As it was written: a second normalisation may read a number that no carrier has differently, and
        // nothing that a caller sends may make a row unreadable.
        let read = serde_json::from_value(serde_json::Value::String(text));
        read.map(Some).map_err(|error| self.unreadable(&format!("{column}: {error}")))
    }

    fn time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        let value: Option<i64> = self.row.try_get(column)?;
        value
            .map(Timestamp::from_microsecond)
            .transpose()
            .map_err(|error| self.unreadable(&format!("{column}: {error}")))
    }

    /// NULL in the last of them says that nothing was measured.
    fn levels(&self, [speech, peak, clipped, silence]: [&str; 4]) -> Result<Option<Levels>, StoreError> {
        let number = |column: &str| -> Result<Option<f64>, StoreError> { Ok(self.row.try_get(column)?) };
        let Some(silence) = number(silence)? else { return Ok(None) };
        let clipped = number(clipped)?.unwrap_or(0.0);
        Ok(Some(Levels { speech_dbov: number(speech)?, peak_dbov: number(peak)?, clipped, silence }))
    }

    fn segments(&self) -> Result<Vec<Segment>, StoreError> {
        let Some(text) = self.maybe_text("segments")? else { return Ok(Vec::new()) };
        serde_json::from_str(&text).map_err(|error| self.unreadable(&format!("segments: {error}")))
    }

    fn unreadable(&self, what: &str) -> StoreError {
        StoreError::Unreadable { row: self.id.to_owned(), what: what.to_owned() }
    }
}

pub(crate) const COLUMNS: &str = "id, call_id, line, number, caller, queue, seat, kind, consent, state, \
    started_at, ended_at, duration_ms, bytes, sha256, file, channels, codec, rule, keep, delete_after, \
    interrupted, partial_reason, absent_reason, caller_lost, seat_lost, caller_gap_ms, seat_gap_ms, \
    deleted_at, deleted_by, delete_reason, segments, caller_level_dbov, caller_peak_dbov, caller_clipped, \
    caller_silence, seat_level_dbov, seat_peak_dbov, seat_clipped, seat_silence";
