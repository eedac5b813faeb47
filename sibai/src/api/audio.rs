//! The audio of a recording: ranges, validators, both renditions, a piece at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base::RecordingId;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream;
use recordings::audio::MixedWav;
use recordings::catalog::{Row, State as Stage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::input::{Asked, Id};
use super::problem::{Problem, ProblemBody};
use super::range;
use super::recordings::visible;
use crate::store::Access;

/// Which rendition.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AudioAsked {
    /// 2, the default: the caller left, the seat right, as stored. 1: both mixed.
    #[param(minimum = 1, maximum = 2)]
    channels: Option<u32>,
}

/// The WAV of a recording. Takes one byte range, suffix ranges too; a request for several gets the whole
/// file. `If-Range` and `If-None-Match` compare the strong ETag.
#[utoipa::path(
    method(get, head), path = "/v1/recordings/{id}/audio", tag = "recordings",
    params(
        ("id" = String, Path, description = "The recording."),
        ("Range" = Option<String>, Header, description = "`bytes=0-1023`, `bytes=1024-`, `bytes=-1024`."),
        ("If-Range" = Option<String>, Header, description = "The ETag of the bytes that are there already."),
        AudioAsked,
    ),
    responses(
        (status = 200, description = "The whole file.", content_type = "audio/wav"),
        (status = 206, description = "The range.", content_type = "audio/wav"),
        (status = 304, description = "Still the same."),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "Not there, of another line, or there is nothing to hear."),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It is not sealed yet."),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "It was deleted."),
        (status = 416, body = ProblemBody, content_type = "application/problem+json", description = "The range lies behind the end."),
    ),
    security(("bearer" = ["read_recordings"]))
)]
pub(crate) async fn recording_audio(
    State(state): State<ApiState>,
    Extension(access): Extension<Access>,
    method: Method,
    headers: HeaderMap,
    Id(id): Id<RecordingId>,
    Asked(asked): Asked<AudioAsked>,
) -> Result<Response, Problem> {
    let channels = match asked.channels {
        None | Some(2) => Channels::Stereo,
        Some(1) => Channels::Mixed,
        Some(_) => return Err(Problem::bad_input("channels", "1 or 2")),
    };
    let row = visible(&state, &access, id).await?;
    let path = sealed_file(&state, &row)?;
    let opened = tokio::task::spawn_blocking(move || Source::open(path, channels)).await;
    let (source, length) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(fault)) => return Err(Problem::internal(&format!("recording {id}: {fault}"))),
        Err(fault) => return Err(Problem::internal(&fault)),
    };
    answer(&row, channels, &method, &headers, source, length)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channels {
    Mixed,
    Stereo,
}

/// The file, if the recording is in a state to be heard.
fn sealed_file(state: &ApiState, row: &Row) -> Result<PathBuf, Problem> {
    match (row.state, &row.file) {
        (Stage::Saved, Some(name)) => {
            recordings::audio::file(&state.recordings, name).map_err(|fault| Problem::internal(&fault))
        }
        (Stage::Recording, _) => Err(Problem::conflict("the recording is not sealed yet")),
        (Stage::Deleting | Stage::Deleted, _) => Err(Problem::gone("the recording was deleted")),
        (Stage::Absent | Stage::Saved, _) => Err(Problem::not_found("audio")),
    }
}

fn answer(
    row: &Row,
    channels: Channels,
    method: &Method,
    headers: &HeaderMap,
    source: Source,
    length: u64,
) -> Result<Response, Problem> {
    let tag = etag(row, channels);
    if headers.get(IF_NONE_MATCH).is_some_and(|value| names(value, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, value(&tag)?)]).into_response());
    }
    let (status, first, length, range) = match asked(method, headers, &tag, length) {
        range::Asked::Whole => (StatusCode::OK, 0, length, None),
        range::Asked::Part { first, last } => (
            StatusCode::PARTIAL_CONTENT,
            first,
            last - first + 1,
            Some(format!("bytes {first}-{last}/{length}")),
        ),
        range::Asked::Beyond => return Err(Problem::beyond(length)),
    };
    let body = if method == Method::HEAD { Body::empty() } else { source.stream(first, length) };
    let mut response = (status, body).into_response();
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    out.insert(CONTENT_LENGTH, HeaderValue::from(length));
    out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Personal data: kept by the client alone, and asked for again before it is used.
    out.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    out.insert(CONTENT_DISPOSITION, value(&format!("attachment; filename=\"{}.wav\"", row.id))?);
    out.insert(ETAG, value(&tag)?);
    if let Some(range) = range {
        out.insert(CONTENT_RANGE, value(&range)?);
    }
    if channels == Channels::Stereo
        && let Some(digest) = row.sha256.as_deref().and_then(|hash| hex::decode(hash).ok())
    {
        // RFC 9530: of the whole representation, whatever range is sent.
        out.insert(REPR_DIGEST, value(&format!("sha-256=:{}:", BASE64_STANDARD.encode(digest)))?);
    }
    Ok(response)
}

/// The range, if it counts: only for GET (RFC 9110 §14.2), and only if If-Range names this very file (§13.1.5).
fn asked(method: &Method, headers: &HeaderMap, tag: &str, length: u64) -> range::Asked {
    if method != Method::GET || headers.get(IF_RANGE).is_some_and(|value| value.as_bytes() != tag.as_bytes())
    {
        return range::Asked::Whole;
    }
    let Some(Ok(range)) = headers.get(RANGE).map(HeaderValue::to_str) else { return range::Asked::Whole };
    range::asked(range, length)
}

/// Strong: the mixed rendition is computed of the same bytes in the same way each time.
fn etag(row: &Row, channels: Channels) -> String {
    let hash = row.sha256.clone().unwrap_or_else(|| row.id.to_string());
    match channels {
        Channels::Mixed => format!("\"{hash}-1\""),
        Channels::Stereo => format!("\"{hash}-2\""),
    }
}

/// Whether an If-None-Match names the tag; it compares weakly (RFC 9110 §13.1.2).
fn names(header: &HeaderValue, tag: &str) -> bool {
    let Ok(list) = header.to_str() else { return false };
    list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|fault| Problem::internal(&fault))
}

/// Something that can be read at any place.
#[derive(Debug)]
enum Source {
    Stereo(File),
    Mixed(MixedWav),
}

impl Source {
    fn open(path: PathBuf, channels: Channels) -> io::Result<(Self, u64)> {
        match channels {
            Channels::Stereo => {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                Ok((Self::Stereo(file), length))
            }
            Channels::Mixed => {
                let mixed = MixedWav::open(&path)?;
                let length = mixed.len();
                Ok((Self::Mixed(mixed), length))
            }
        }
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stereo(file) => file.read_at(out, offset),
            Self::Mixed(mixed) => mixed.read_at(offset, out),
        }
    }

    /// `length` bytes from `first` on, a piece at a time, read outside the runtime's threads.
    fn stream(self, first: u64, length: u64) -> Body {
        let source = Arc::new(self);
        Body::from_stream(stream::try_unfold((source, first, length), |(source, at, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let wanted = left.min(PIECE) as usize;
            let reader = Arc::clone(&source);
            let piece = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; wanted];
                let read = reader.read_at(at, &mut piece)?;
                piece.truncate(read);
                Ok::<_, io::Error>(piece)
            });
            let piece = piece.await.map_err(io::Error::other)??;
            if piece.is_empty() {
                // The promised length cannot be kept: the connection breaks rather than that silence is sold.
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let read = piece.len() as u64;
            Ok(Some((Bytes::from(piece), (source, at + read, left - read))))
        }))
    }
}

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// 64 KiB: two seconds of stereo; what a slow client costs us in memory.
const PIECE: u64 = 64 * 1024;
