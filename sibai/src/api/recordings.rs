//! Recordings: listing, looking at one, deleting one.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use axum::{Extension, Json};
use base::{PhoneNumber, Pii, RecordingId, Timestamp};
use recordings::Segment;
use recordings::catalog::{self, Cursor, Filter, Lines, Row, State as Stage};
use recordings::seal::Levels;
use recordings::sweep::{self, SweepError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::input::{self, Asked, Body, Id};
use super::page::page;
use super::problem::{Problem, ProblemBody};
use crate::store::{Access, Scope};

/// Which recordings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordingsAsked {
    /// Begun at this moment or later, RFC 3339.
    #[param(example = "2026-10-12T00:00:00Z")]
    from: Option<String>,
    /// Begun before this moment, RFC 3339.
    to: Option<String>,
    /// The 400 number that was called, in any spelling.
    #[param(example = "400-555-0100")]
    number: Option<String>,
    /// The caller's whole number, in any spelling.
    #[param(example = "13800138000")]
    caller: Option<String>,
    /// The seat that talked.
    seat: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// At least this many seconds long.
    min_secs: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows per page; 50 unless told.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Some recordings, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordingsPage {
    /// The recordings; deleted ones are left out.
    recordings: Vec<RecordingView>,
    /// Ask with it for the next page; null on the last.
    next_cursor: Option<String>,
}

/// One recording.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recording)]
pub(crate) struct RecordingView {
    /// Our own name for it.
    #[schema(example = "0199d5a3-7c00-7000-8000-000000000001")]
    id: String,
    /// The call that it is of.
    call_id: String,
    /// The line.
    #[schema(example = "huaning")]
    line: String,
    /// The number that was called.
    #[schema(example = "4005550100")]
    number: String,
    /// Who called: masked unless the token has `reveal_numbers`; null when withheld or deleted.
    #[schema(example = "138****8000")]
    caller: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// The seat that talked first.
    seat: Option<String>,
    /// The seats that are heard, in order; more than one after a transfer. Empty until it is sealed.
    segments: Vec<SegmentView>,
    /// `call` or `voicemail`.
    #[schema(example = "call")]
    kind: String,
    /// `none`, `notice_given`, `explicit`, `refused`, `withdrawn`.
    #[schema(example = "notice_given")]
    consent: String,
    /// `recording`, `saved`, `absent`, `deleting`, `deleted`.
    #[schema(example = "saved")]
    state: String,
    /// RFC 3339, UTC.
    #[schema(example = "2026-10-12T02:00:09Z")]
    started_at: String,
    /// The end of the call.
    ended_at: Option<String>,
    /// Milliseconds.
    duration_ms: Option<u64>,
    /// Size of the file.
    bytes: Option<u64>,
    /// SHA-256 of the stereo file, hex; stays after deletion.
    sha256: Option<String>,
    /// Of the stored file: the caller is left, the seat right.
    #[schema(example = 2)]
    channels: u32,
    /// How the two sides came over the wire.
    #[schema(example = "pcma")]
    codec: String,
    /// Where to hear it; null while there is nothing to hear.
    audio: Option<String>,
    /// How long it is kept; null until it is sealed.
    retention: Option<RetentionView>,
    /// The process died while it was recorded; it was finished at the next start.
    interrupted: bool,
    /// Why part of it is missing.
    partial_reason: Option<String>,
    /// Why there is nothing to hear.
    absent_reason: Option<String>,
    /// What the network lost.
    loss: LossView,
    /// How loud the left channel is; null until it is sealed, and for what an earlier version sealed.
    caller_levels: Option<LevelsView>,
    /// How loud the right channel is.
    seat_levels: Option<LevelsView>,
    /// What remains after deletion.
    deleted: Option<DeletedView>,
}

/// How long a recording is kept, and by which rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Retention)]
pub(crate) struct RetentionView {
    /// The rule of the line's retention, or `default`.
    #[schema(example = "default")]
    rule: Option<String>,
    /// As the configuration writes it.
    #[schema(example = "90d")]
    keep: Option<String>,
    /// The day by which it is deleted.
    delete_after: String,
}

/// A stretch in which one seat talks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Segment)]
pub(crate) struct SegmentView {
    /// The seat.
    #[schema(example = "chen_hao")]
    seat: String,
    /// Milliseconds from the start of the recording.
    from_ms: u64,
    /// Its end.
    to_ms: u64,
}

/// Packets that never came, and the silence in their place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Loss)]
pub(crate) struct LossView {
    /// Packets of the caller.
    caller_packets: u64,
    /// Packets of the seat.
    seat_packets: u64,
    /// Silence on the left, milliseconds.
    caller_gap_ms: u64,
    /// Silence on the right, milliseconds.
    seat_gap_ms: u64,
}

/// How loud a channel is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Levels)]
pub(crate) struct LevelsView {
    /// Mean level of its speech, dBov; null when there is none. A good line has about -26.
    #[schema(example = -25.4)]
    level_dbov: Option<f64>,
    /// Its loudest sample, dBov.
    #[schema(example = -7.9)]
    peak_dbov: Option<f64>,
    /// Share of samples that are cut off, 0 to 1; more than 0.001 is heard.
    #[schema(example = 0.0)]
    clipped: f64,
    /// Share of its time without a voice, 0 to 1; what never arrived counts.
    #[schema(example = 0.58)]
    silence: f64,
}

/// A tombstone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deleted)]
pub(crate) struct DeletedView {
    /// When.
    at: String,
    /// The sweeper, or the token's name.
    #[schema(example = "sweeper")]
    by: Option<String>,
    /// Why.
    reason: Option<String>,
}

/// Why a recording is deleted; may stand in the query instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// Kept with the tombstone; at most 500 characters.
    #[schema(example = "the customer asked for it, ticket 4711")]
    reason: String,
}

/// Where the reason may stand as well.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonAsked {
    /// Why; needed here or in the body.
    reason: Option<String>,
}

/// Recordings of the token's lines, newest first.
#[utoipa::path(
    get, path = "/v1/recordings", tag = "recordings",
    params(RecordingsAsked),
    responses(
        (status = 200, body = RecordingsPage, description = "A page; `Link: rel=\"next\"` leads to the next."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "A parameter cannot be read."),
    ),
    security(("bearer" = ["read_recordings"]))
)]
pub(crate) async fn list_recordings(
    State(state): State<ApiState>,
    Extension(access): Extension<Access>,
    OriginalUri(uri): OriginalUri,
    Asked(asked): Asked<RecordingsAsked>,
) -> Result<Response, Problem> {
    let filter = Filter {
        from: input::moment("from", asked.from.as_deref())?,
        to: input::moment("to", asked.to.as_deref())?,
        number: input::number("number", asked.number.as_deref())?,
        caller: input::number("caller", asked.caller.as_deref())?,
        seat: input::name(asked.seat),
        queue: input::name(asked.queue),
        call: None,
        min_secs: asked.min_secs,
        state: None,
        lines: access.lines.clone().map_or(Lines::All, Lines::Only),
    };
    let cursor = match asked.cursor {
        Some(text) => {
            Some(text.parse::<Cursor>().map_err(|_| Problem::bad_input("cursor", "not a cursor of ours"))?)
        }
        None => None,
    };
    let limit = input::limit(asked.limit)?;
    let mut conn = state.store.readers().acquire().await?;
    let found = catalog::list(&mut conn, &filter, cursor, limit).await?;
    let next_cursor = found.next.map(|next| next.to_string());
    let recordings = found.rows.iter().map(|row| view(row, &access)).collect();
    let next = next_cursor.clone();
    Ok(page(&uri, RecordingsPage { recordings, next_cursor }, next.as_deref()))
}

/// One recording, deleted ones too: their tombstone.
#[utoipa::path(
    get, path = "/v1/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "The recording.")),
    responses(
        (status = 200, body = RecordingView, description = "What is known of it."),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "Not there, or of another line."),
    ),
    security(("bearer" = ["read_recordings"]))
)]
pub(crate) async fn show_recording(
    State(state): State<ApiState>,
    Extension(access): Extension<Access>,
    Id(id): Id<RecordingId>,
) -> Result<Json<RecordingView>, Problem> {
    let row = visible(&state, &access, id).await?;
    Ok(Json(view(&row, &access)))
}

/// Deletes a recording now; what remains is its tombstone.
#[utoipa::path(
    delete, path = "/v1/recordings/{id}", tag = "recordings",
    params(("id" = String, Path, description = "The recording."), ReasonAsked),
    request_body(content = Reason, description = "Why; may stand in the query instead."),
    responses(
        (status = 200, body = RecordingView, description = "The tombstone."),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "Not there, or of another line."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It is still being recorded."),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "It was deleted before."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "No reason was given."),
    ),
    security(("bearer" = ["delete_recordings"]))
)]
pub(crate) async fn delete_recording(
    State(state): State<ApiState>,
    Extension(access): Extension<Access>,
    Id(id): Id<RecordingId>,
    Asked(asked): Asked<ReasonAsked>,
    Body(body, _): Body<Reason>,
) -> Result<Json<RecordingView>, Problem> {
    visible(&state, &access, id).await?;
    let reason = body.map(|body| body.reason).or(asked.reason).unwrap_or_default();
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(Problem::unprocessable(
            "/reason",
            format!("needed, at most {LONGEST_REASON} characters"),
        ));
    }
    let reason = reason.replace('\0', "");
    let report =
        sweep::delete(state.store.writer(), &state.recordings, id, &reason, &access.name, state.now())
            .await?;
    if let Some((_, fault)) = report.failed.first() {
        return Err(Problem::internal(fault));
    }
    state.metrics.recordings_deleted.add(1);
    let row = visible(&state, &access, id).await?;
    Ok(Json(view(&row, &access)))
}

impl From<SweepError> for Problem {
    fn from(fault: SweepError) -> Self {
        match fault {
            SweepError::Store(fault) => fault.into(),
            other => Self::internal(&other),
        }
    }
}

/// The row, if the token may see it.
pub(crate) async fn visible(state: &ApiState, access: &Access, id: RecordingId) -> Result<Row, Problem> {
    let mut conn = state.store.readers().acquire().await?;
    match catalog::find(&mut conn, id).await? {
        Some(row) if access.sees(&row.line) => Ok(row),
        _ => Err(Problem::not_found("recording")),
    }
}

fn view(row: &Row, access: &Access) -> RecordingView {
    RecordingView {
        id: row.id.to_string(),
        call_id: row.call.to_string(),
        line: row.line.to_string(),
        number: row.number.as_str().to_owned(),
        caller: shown(row.caller.as_ref(), access),
        queue: row.queue.as_ref().map(ToString::to_string),
        seat: row.seat.as_ref().map(ToString::to_string),
        segments: row.segments.iter().map(segment_view).collect(),
        kind: row.kind.to_string(),
        consent: row.consent.to_string(),
        state: row.state.to_string(),
        started_at: row.started.to_string(),
        ended_at: time(row.ended),
        duration_ms: row.duration_ms,
        bytes: row.bytes,
        sha256: row.sha256.clone(),
        channels: row.channels,
        codec: row.codec.clone(),
        audio: (row.state == Stage::Saved).then(|| format!("/v1/recordings/{}/audio", row.id)),
        retention: row.delete_after.map(|delete_after| RetentionView {
            rule: row.rule.as_ref().map(ToString::to_string),
            keep: row.keep.clone(),
            delete_after: delete_after.to_string(),
        }),
        interrupted: row.interrupted,
        partial_reason: row.partial_reason.clone(),
        absent_reason: row.absent_reason.clone(),
        loss: LossView {
            caller_packets: row.caller_lost,
            seat_packets: row.seat_lost,
            caller_gap_ms: row.caller_gap_ms,
            seat_gap_ms: row.seat_gap_ms,
        },
        caller_levels: row.caller_levels.map(levels_view),
        seat_levels: row.seat_levels.map(levels_view),
        deleted: row.deleted.map(|at| DeletedView {
            at: at.to_string(),
            by: row.deleted_by.clone(),
            reason: row.delete_reason.clone(),
        }),
    }
}

fn levels_view(levels: Levels) -> LevelsView {
    let tenths = |level: f64| (level * 10.0).round() / 10.0;
    let share = |share: f64| (share * 10_000.0).round() / 10_000.0;
    LevelsView {
        level_dbov: levels.speech_dbov.map(tenths),
        peak_dbov: levels.peak_dbov.map(tenths),
        clipped: share(levels.clipped),
        silence: share(levels.silence),
    }
}

fn segment_view(segment: &Segment) -> SegmentView {
    SegmentView { seat: segment.seat.to_string(), from_ms: segment.from_ms, to_ms: segment.to_ms }
}

/// A caller's number as this token may see it (reliability.md C11).
pub(crate) fn shown(number: Option<&PhoneNumber>, access: &Access) -> Option<String> {
    number.map(|number| {
        if access.allows(Scope::RevealNumbers) { number.as_str().to_owned() } else { Pii(number).to_string() }
    })
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// A sentence, not a letter: it stands in the ledger for years.
const LONGEST_REASON: usize = 500;
