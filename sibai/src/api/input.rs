//! Reading what a request brings, with a problem that names the input at fault.

use std::str::FromStr;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::{Json, RequestExt};
use base::{Name, PhoneNumber, Timestamp};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A query string whose parameters are all known.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(QueryRejection::FailedToDeserializeQueryString(fault)) => {
                Err(Problem::bad_input("query", fault.body_text()))
            }
            Err(other) => Err(Problem::bad_input("query", other.body_text())),
        }
    }
}

/// The id in a path. What is no id names nothing: 404, like an id that nothing has.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let what = if parts.uri.path().starts_with("/v1/recordings") { "recording" } else { "call record" };
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found(what))?;
        text.parse().map(Self).map_err(|_| Problem::not_found(what))
    }
}

/// A JSON body, or none at all.
pub(crate) struct Body<T>(pub(crate) Option<T>, pub(crate) Vec<u8>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get("content-type").cloned();
        let bytes: axum::body::Bytes = request.with_limited_body().extract_with_state(state).await.map_err(
            |_: axum::extract::rejection::BytesRejection| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE),
        )?;
        if bytes.is_empty() {
            return Ok(Self(None, Vec::new()));
        }
        let mut again = Request::new(axum::body::Body::from(bytes.clone()));
        if let Some(kind) = kind {
            again.headers_mut().insert("content-type", kind);
        }
        match Json::<T>::from_request(again, state).await {
            Ok(Json(body)) => Ok(Self(Some(body), bytes.to_vec())),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
            }
            Err(JsonRejection::JsonDataError(fault)) => {
                Err(Problem::unprocessable("body", fault.body_text()))
            }
            Err(other) => Err(Problem::bad_input("body", other.body_text())),
        }
    }
}

/// A moment as RFC 3339 writes it.
pub(crate) fn moment(input: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    text.map(|text| {
        text.parse().map_err(|_| {
            Problem::bad_input(
                input,
                "not an RFC 3339 time like 2026-10-12T02:00:00Z (a + in a query is %2B)",
            )
        })
    })
    .transpose()
}

/// A telephone number in any spelling.
pub(crate) fn number(input: &str, text: Option<&str>) -> Result<Option<PhoneNumber>, Problem> {
    text.map(|text| {
        PhoneNumber::normalise(text).ok_or_else(|| Problem::bad_input(input, "not a telephone number"))
    })
    .transpose()
}

/// A seat's or queue's name.
pub(crate) fn name(text: Option<String>) -> Option<Name> {
    text.map(Name::from)
}

/// A page's length.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(PAGE),
        Some(limit @ 1..=LONGEST_PAGE) => Ok(limit),
        Some(_) => Err(Problem::bad_input("limit", format!("from 1 to {LONGEST_PAGE}"))),
    }
}

const PAGE: u32 = 50;
/// The house limit for a page.
const LONGEST_PAGE: u32 = 500;
