//! Call records: listing, looking at one, taking in one that happened elsewhere (product.md A36).

use axum::extract::{OriginalUri, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base::{CallId, Cause, Entropy, Name, PhoneNumber, Timestamp};
use history::{CallRow, Cursor, Filter, LegRow, Origin, TransferRow};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Connection, Row};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::hearing::{LapseView, QualityView};
use super::input::{self, Asked, Body, Id};
use super::page::page;
use super::problem::{Problem, ProblemBody};
use super::recordings::shown;
use crate::store::Access;

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallsAsked {
    /// Begun at this moment or later, RFC 3339.
    #[param(example = "2026-10-12T00:00:00Z")]
    from: Option<String>,
    /// Begun before this moment, RFC 3339.
    to: Option<String>,
    /// The 400 number that was called, in any spelling.
    number: Option<String>,
    /// The caller's whole number, in any spelling.
    caller: Option<String>,
    /// The seat that talked.
    seat: Option<String>,
    /// The last queue entered.
    queue: Option<String>,
    /// Why it ended: `caller_hung_up`, `no_answer`, …
    cause: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows per page; 50 unless told.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Some calls, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallRecordsPage {
    /// The calls.
    call_records: Vec<CallRecordView>,
    /// Ask with it for the next page; null on the last.
    next_cursor: Option<String>,
}

/// One call. Durations are milliseconds from its INVITE.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallRecord)]
pub(crate) struct CallRecordView {
    /// Our own name for it.
    #[schema(example = "0199d5a3-7c00-7000-8000-000000000001")]
    id: String,
    /// `engine`, or `imported` when it was posted.
    #[schema(example = "engine")]
    origin: &'static str,
    /// The customer's id, of an imported record.
    customer_id: Option<String>,
    /// The line.
    #[schema(example = "huaning")]
    line: Option<String>,
    /// The number that was meant.
    #[schema(example = "4005550100")]
    number: Option<String>,
    /// As dialled or delivered.
    dialled: String,
    /// Who was called before the call came to us, most recent first: masked as the caller.
    diverted: Vec<String>,
    /// Who called: masked unless the token has `reveal_numbers`; null when withheld.
    #[schema(example = "138****8000")]
    caller: Option<String>,
    /// A seat called.
    internal: bool,
    /// RFC 3339, UTC.
    #[schema(example = "2026-10-12T02:00:00Z")]
    started_at: String,
    /// To our 200.
    answered_ms: Option<i64>,
    /// To the conversation with a seat.
    connected_ms: Option<i64>,
    /// To the end.
    duration_ms: i64,
    /// Conversation with a seat.
    talked_ms: i64,
    /// In queues and rings.
    waited_ms: i64,
    /// `completed`, `left_waiting`, `left_menu`, `refused`, `failed`; of an imported record its own word.
    #[schema(example = "completed")]
    status: String,
    /// Why it ended.
    #[schema(example = "caller_hung_up")]
    cause: Option<&'static str>,
    /// Whose doing the end was: `caller`, `seat`, `line`, `trunk`, `network`, `engine`.
    #[schema(example = "caller")]
    blame: Option<&'static str>,
    /// Keys taken by menus, in order.
    #[schema(example = "21")]
    keys: String,
    /// Menus entered, in order.
    menus: Vec<String>,
    /// The last queue entered.
    queue: Option<String>,
    /// The seat that talked; after a transfer the last one.
    seat: Option<String>,
    /// Transfers that seats asked for, in order.
    transfers: Vec<TransferView>,
    /// The recording; see `/v1/recordings/{id}`.
    recording_id: Option<String>,
    /// `none`, `notice_given`, `explicit`, `refused`, `withdrawn`.
    consent: String,
    /// Call-ID of the caller's INVITE.
    sip_call_id: String,
    /// The caller's leg first.
    legs: Vec<LegView>,
}

/// A transfer that a seat asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub(crate) struct TransferView {
    /// When, after the call's start.
    at_ms: i64,
    /// The seat that asked.
    #[schema(example = "zhao_min")]
    by: String,
    /// The seat that was meant; what was dialled when there is none such.
    #[schema(example = "chen_hao")]
    to: String,
    /// `blind`, or `attended` when the two seats had talked before.
    #[schema(example = "blind")]
    kind: String,
    /// `transferred`, or the cause of the failure; null when the call was lost meanwhile.
    #[schema(example = "transferred")]
    outcome: Option<String>,
}

/// One party of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leg)]
pub(crate) struct LegView {
    /// The seat; null for the caller.
    seat: Option<String>,
    /// The trunk it used.
    trunk: Option<String>,
    /// INVITE, after the call's start.
    began_ms: i64,
    /// First 18x.
    rang_ms: Option<i64>,
    /// 200.
    answered_ms: Option<i64>,
    /// End.
    ended_ms: i64,
    /// Why it ended.
    cause: &'static str,
    /// Whose doing the end was.
    blame: &'static str,
    /// What the network said of the end (ITU-T Q.850): 16 normal, 17 busy, 19 no answer, 34 congestion; null when
    /// it said nothing.
    q850: Option<u8>,
    /// How its media was; null when it had none.
    quality: Option<QualityView>,
    /// When it was not heard, in order.
    lapses: Vec<LapseView>,
}

/// A call that happened elsewhere.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCallRecord {
    /// Your own id of the customer; a number is taken as its digits.
    #[schema(value_type = String, example = "C10086")]
    customer_id: Word,
    /// The customer's number, in any spelling.
    #[schema(example = "13800138000")]
    phone_number: String,
    /// Seconds; at most a day.
    #[schema(value_type = u32, example = 180)]
    call_duration: Word,
    /// One word of small letters: `completed`.
    #[schema(example = "completed")]
    status: String,
    /// When it began, RFC 3339; without it: so long ago that it ends now.
    started_at: Option<String>,
    /// The line that it belongs to; needed when the token is bound to several.
    line: Option<String>,
}

/// A text, or a number standing for one: clients write ids and durations either way.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Word {
    Text(String),
    Number(u64),
}

impl Word {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.trim().to_owned(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Calls of the token's lines, newest first.
#[utoipa::path(
    get, path = "/v1/call_records", tag = "call records",
    params(CallsAsked),
    responses(
        (status = 200, body = CallRecordsPage, description = "A page; `Link: rel=\"next\"` leads to the next."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "A parameter cannot be read."),
    ),
    security(("bearer" = ["read_calls"]))
)]
pub(crate) async fn list_call_records(
    State(state): State<ApiState>,
    Extension(access): Extension<Access>,
    OriginalUri(uri): OriginalUri,
    Asked(asked): Asked<CallsAsked>,
) -> Result<Response, Problem> {
    let cause = match asked.cause {
        Some(word) => {
            Some(Cause::from_text(&word).ok_or_else(|| Problem::bad_input("cause", "no cause of ours"))?)
        }
        None => None,
    };
    let filter = Filter {
        lines: access.lines.clone(),
        from: input::moment("from", asked.from.as_deref())?,
        to: input::moment("to", asked.to.as_deref())?,
        number: input::number("number", asked.number.as_deref())?,
        caller: input::number("caller", asked.caller.as_deref())?,
        seat: input::name(asked.seat),
        queue: input::name(asked.queue),
        cause,
    };
    let cursor = match asked.cursor {
        Some(text) => {
            Some(text.parse::<Cursor>().map_err(|_| Problem::bad_input("cursor", "not a cursor of ours"))?)
        }
        None => None,
    };
    let limit = input::limit(asked.limit)?;
    let mut conn = state.store.readers().acquire().await?;
    let found = history::list(&mut conn, &filter, cursor, limit).await?;
    let next_cursor = found.next.map(|next| next.to_string());
    let call_records = found.calls.iter().map(|row| view(row, &access)).collect();
    let next = next_cursor.clone();
    Ok(page(&uri, CallRecordsPage { call_records, next_cursor }, next.as_deref()))
}

/// One call.
#[utoipa::path(
    get, path = "/v1/call_records/{id}", tag = "call records",
    params(("id" = String, Path, description = "The call.")),
    responses(
        (status = 200, body = CallRecordView, description = "The call with its legs."),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "Not there, or of another line."),
    ),
    security(("bearer" = ["read_calls"]))
)]
pub(crate) async fn show_call_record(
    State(state): State<ApiState>,
    Extension(access): Extension<Access>,
    Id(id): Id<CallId>,
) -> Result<Json<CallRecordView>, Problem> {
    let mut conn = state.store.readers().acquire().await?;
    let row = history::find(&mut conn, id, access.lines.as_deref()).await?;
    row.map(|row| Json(view(&row, &access))).ok_or_else(|| Problem::not_found("call record"))
}

/// Takes in a call that happened elsewhere. With an `Idempotency-Key` a repeated request is answered with
/// the first one's record for a day.
#[utoipa::path(
    post, path = "/v1/call_records", tag = "call records",
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters.")),
    request_body(content = NewCallRecord, description = "The call."),
    responses(
        (status = 201, body = CallRecordView, description = "Taken in; `Location` names it."),
        (status = 200, body = CallRecordView, description = "Taken in before, with the same key and body."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The body cannot be read."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "A field makes no sense, or the key was used for another body."),
    ),
    security(("bearer" = ["write_calls"]))
)]
pub(crate) async fn post_call_record(
    State(state): State<ApiState>,
    Extension(access): Extension<Access>,
    headers: HeaderMap,
    Body(body, bytes): Body<NewCallRecord>,
) -> Result<Response, Problem> {
    let body = body.ok_or_else(|| Problem::bad_input("body", "a JSON object is needed"))?;
    let key = idempotency_key(&headers)?;
    let row = imported(&body, &access, state.now())?;
    let mut conn = state.store.writer().acquire().await?;
    let mut transaction = conn.begin().await?;
    if let Some(key) = key {
        let before = claim(&mut transaction, &access, key, &bytes, row.id, state.now()).await?;
        if let Some(first) = before {
            let row = history::find(&mut transaction, first, access.lines.as_deref()).await?;
            let row = row.ok_or_else(|| Problem::not_found("call record"))?;
            return Ok((StatusCode::OK, [(REPLAYED, TRUE)], Json(view(&row, &access))).into_response());
        }
    }
    history::write(&mut transaction, &row, state.now()).await?;
    transaction.commit().await?;
    let location = HeaderValue::try_from(format!("/v1/call_records/{}", row.id));
    let location = location.map_err(|fault| Problem::internal(&fault))?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(view(&row, &access))).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=LONGEST_KEY).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Problem::bad_input("Idempotency-Key", format!("1 to {LONGEST_KEY} visible characters"))),
    }
}

/// Claims the key for this body. The call of an earlier claim, if there is one with the same body. Two at
/// once wait for each other here: the first one's row is the second one's conflict.
async fn claim(
    conn: &mut AnyConnection,
    access: &Access,
    key: &str,
    body: &[u8],
    call: CallId,
    now: Timestamp,
) -> Result<Option<CallId>, Problem> {
    let body = hex::encode(Sha256::digest(body));
    let done = sqlx::query(
        "INSERT INTO idempotency (token, key, body, call, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (token, key) DO NOTHING",
    )
    .bind(&access.id)
    .bind(key)
    .bind(&body)
    .bind(call.to_string())
    .bind(now.as_microsecond())
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(None);
    }
    let row = sqlx::query("SELECT body, call FROM idempotency WHERE token = $1 AND key = $2")
        .bind(&access.id)
        .bind(key)
        .fetch_one(&mut *conn)
        .await?;
    if row.try_get::<String, _>("body")? != body {
        return Err(Problem::unprocessable("Idempotency-Key", "it was used for another body"));
    }
    let call: String = row.try_get("call")?;
    call.parse().map(Some).map_err(|_| Problem::internal(&"idempotency: a row holds no call"))
}

fn imported(body: &NewCallRecord, access: &Access, now: Timestamp) -> Result<CallRow, Problem> {
    let customer = body.customer_id.text();
    if customer.is_empty() || customer.chars().count() > LONGEST_WORD || customer.contains(char::is_control) {
        return Err(Problem::unprocessable("/customer_id", format!("1 to {LONGEST_WORD} characters")));
    }
    let caller = PhoneNumber::normalise(&body.phone_number)
        .ok_or_else(|| Problem::unprocessable("/phone_number", "not a telephone number"))?;
    let seconds = body.call_duration.text().parse::<i64>().ok().filter(|seconds| (0..=DAY).contains(seconds));
    let seconds = seconds
        .ok_or_else(|| Problem::unprocessable("/call_duration", format!("whole seconds, at most {DAY}")))?;
    let word =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !word(&body.status) || body.status.len() > LONGEST_WORD {
        return Err(Problem::unprocessable("/status", "one word of small letters, like completed"));
    }
    let started = match input::moment("/started_at", body.started_at.as_deref())? {
        Some(started) => started,
        None => Timestamp::from_microsecond(now.as_microsecond() - seconds * 1_000_000).unwrap_or(now),
    };
    let lasted_ms = seconds * 1000;
    Ok(CallRow {
        id: new_id(now)?,
        origin: Origin::Imported { customer, status: body.status.clone() },
        line: line_of(body, access)?,
        number: None,
        dialled: String::new(),
        diverted: Vec::new(),
        caller: Some(caller),
        internal: false,
        started,
        answered_ms: None,
        connected_ms: None,
        lasted_ms,
        talked_ms: lasted_ms,
        waited_ms: 0,
        cause: None,
        keys: String::new(),
        menus: Vec::new(),
        queue: None,
        seat: None,
        transfers: Vec::new(),
        recording: None,
        consent: "none".into(),
        sip_call_id: String::new(),
        legs: Vec::new(),
    })
}

/// A token writes only what it may read.
fn line_of(body: &NewCallRecord, access: &Access) -> Result<Option<Name>, Problem> {
    match (body.line.as_deref().map(Name::from), access.lines.as_deref()) {
        (Some(line), _) if access.sees(&line) => Ok(Some(line)),
        (Some(_), _) => Err(Problem::unprocessable("/line", "the token is not bound to this line")),
        (None, None) => Ok(None),
        (None, Some([only])) => Ok(Some(only.clone())),
        (None, Some(_)) => {
            Err(Problem::unprocessable("/line", "needed: the token is bound to several lines"))
        }
    }
}

fn new_id(now: Timestamp) -> Result<CallId, Problem> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|fault| Problem::internal(&fault))?;
    Ok(CallId::mint(now, &mut Entropy::from_seed(seed)))
}

fn view(row: &CallRow, access: &Access) -> CallRecordView {
    let (origin, customer_id) = match &row.origin {
        Origin::Engine => ("engine", None),
        Origin::Imported { customer, .. } => ("imported", Some(customer.clone())),
    };
    CallRecordView {
        id: row.id.to_string(),
        origin,
        customer_id,
        line: row.line.as_ref().map(ToString::to_string),
        number: row.number.as_ref().map(|number| number.as_str().to_owned()),
        dialled: row.dialled.clone(),
        diverted: row.diverted.iter().filter_map(|number| shown(Some(number), access)).collect(),
        caller: shown(row.caller.as_ref(), access),
        internal: row.internal,
        started_at: row.started.to_string(),
        answered_ms: row.answered_ms,
        connected_ms: row.connected_ms,
        duration_ms: row.lasted_ms,
        talked_ms: row.talked_ms,
        waited_ms: row.waited_ms,
        status: row.status().to_owned(),
        cause: row.cause.map(Cause::as_str),
        blame: row.blame().map(base::Blame::as_str),
        keys: row.keys.clone(),
        menus: row.menus.iter().map(ToString::to_string).collect(),
        queue: row.queue.as_ref().map(ToString::to_string),
        seat: row.seat.as_ref().map(ToString::to_string),
        transfers: row.transfers.iter().map(transfer_view).collect(),
        recording_id: row.recording.map(|recording| recording.to_string()),
        consent: row.consent.clone(),
        sip_call_id: row.sip_call_id.clone(),
        legs: row.legs.iter().map(leg_view).collect(),
    }
}

fn transfer_view(transfer: &TransferRow) -> TransferView {
    TransferView {
        at_ms: transfer.at_ms,
        by: transfer.by.to_string(),
        to: transfer.to.clone(),
        kind: transfer.kind.clone(),
        outcome: transfer.outcome.clone(),
    }
}

fn leg_view(leg: &LegRow) -> LegView {
    LegView {
        seat: leg.seat.as_ref().map(ToString::to_string),
        trunk: leg.trunk.as_ref().map(ToString::to_string),
        began_ms: leg.began_ms,
        rang_ms: leg.rang_ms,
        answered_ms: leg.answered_ms,
        ended_ms: leg.ended_ms,
        cause: leg.cause.as_str(),
        blame: leg.cause.blame().as_str(),
        q850: leg.q850,
        quality: leg.quality.as_ref().map(QualityView::of),
        lapses: leg.lapses.iter().map(LapseView::of).collect(),
    }
}

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const LONGEST_KEY: usize = 128;
/// An id or a word, not a text.
const LONGEST_WORD: usize = 64;
const DAY: i64 = 86_400;
