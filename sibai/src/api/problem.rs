//! Every error that a client sees: `application/problem+json` (RFC 9457).

use axum::http::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::Scope;

/// What went wrong, before it has a request id. As a response it is empty and carries itself as an
/// extension; the outermost layer writes the body, so that every problem looks alike.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    faults: Vec<Fault>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// RFC 9457, with the faulty inputs by name and the id under which the log knows the request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// What kind of problem, stable: `urn:sibai:problem:not_found`.
    #[serde(rename = "type")]
    #[schema(example = "urn:sibai:problem:not_found")]
    pub kind: String,
    /// The HTTP status in words.
    #[schema(example = "Not Found")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// This occurrence, for a person.
    #[schema(example = "there is no such recording")]
    pub detail: String,
    /// The inputs at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// The request as the log knows it; also in the header `X-Request-Id`.
    #[schema(example = "w4k9m2c7xq")]
    pub request_id: String,
}

/// One input at fault.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// A query parameter, a header, or a JSON pointer into the body.
    #[schema(example = "limit")]
    pub input: String,
    /// What is wrong with it.
    #[schema(example = "at most 500")]
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), faults: Vec::new(), headers: Vec::new() }
    }

    /// No token, or one that is unknown or void.
    pub(crate) fn unauthorized(challenge: &'static str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "a valid token is needed: Authorization: Bearer …",
        )
        .with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// A token without the scope.
    pub(crate) fn forbidden(scope: Scope) -> Self {
        let challenge = format!("Bearer realm=\"sibai\", error=\"insufficient_scope\", scope=\"{scope}\"");
        let problem =
            Self::new(StatusCode::FORBIDDEN, "forbidden", format!("the token lacks the scope {scope}"));
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => problem.with(WWW_AUTHENTICATE, challenge),
            Err(_) => problem,
        }
    }

    /// Not there, or of a line that the token may not see: the answer is the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// The path exists, the method does not.
    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        let problem =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("only {allowed} here"));
        match HeaderValue::try_from(allowed) {
            Ok(allowed) => problem.with(ALLOW, allowed),
            Err(_) => problem,
        }
    }

    /// An input that cannot be read.
    pub(crate) fn bad_input(input: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "bad_input", "an input cannot be read");
        problem.faults.push(Fault { input: input.into(), detail: detail.into() });
        problem
    }

    /// An input that can be read and makes no sense.
    pub(crate) fn unprocessable(input: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut problem = Self::bad_input(input, detail);
        problem.status = StatusCode::UNPROCESSABLE_ENTITY;
        problem.kind = "unprocessable";
        problem.detail = "an input makes no sense".into();
        problem
    }

    /// The thing is in a state in which this cannot be done.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// It was there and is deleted.
    pub(crate) fn gone(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", detail)
    }

    /// A range behind the end of the file (RFC 9110 §15.5.17).
    pub(crate) fn beyond(length: u64) -> Self {
        let problem =
            Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", format!("there are {length} bytes"));
        match HeaderValue::try_from(format!("bytes */{length}")) {
            Ok(range) => problem.with(CONTENT_RANGE, range),
            Err(_) => problem,
        }
    }

    /// The database is away, or everybody is busy: try again.
    pub(crate) fn away(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            .with(RETRY_AFTER, HeaderValue::from_static(RETRY))
    }

    /// Ours. What happened goes into the log, not to the client.
    pub(crate) fn internal(fault: &dyn std::fmt::Display) -> Self {
        tracing::error!(%fault, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "a fault of ours; the log knows more")
    }

    /// For a response that some layer made without us.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let detail = status.canonical_reason().unwrap_or("refused");
        Self::new(status, "http", detail)
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The response with its body, for the request that the log knows as `request_id`.
    pub(crate) fn written(self, request_id: &str) -> Response {
        let body = ProblemBody {
            kind: format!("urn:sibai:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.faults,
            request_id: request_id.to_owned(),
        };
        // Strings and numbers only: it cannot fail to be written.
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, [(CONTENT_TYPE, PROBLEM)], text).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<sqlx::Error> for Problem {
    fn from(fault: sqlx::Error) -> Self {
        if crate::store::journal::is_away(&fault) {
            tracing::warn!(%fault, "the API has no database");
            return Self::away("the database does not answer");
        }
        Self::internal(&fault)
    }
}

impl From<history::HistoryError> for Problem {
    fn from(fault: history::HistoryError) -> Self {
        match fault {
            history::HistoryError::Database(fault) => fault.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<recordings::catalog::StoreError> for Problem {
    fn from(fault: recordings::catalog::StoreError) -> Self {
        use recordings::catalog::{State, StoreError};
        match fault {
            StoreError::Sql(fault) => fault.into(),
            StoreError::NoSuch(_) => Self::not_found("recording"),
            StoreError::WrongState { state: State::Deleted, .. } => {
                Self::gone("the recording is deleted already")
            }
            StoreError::WrongState { state, .. } => Self::conflict(format!("the recording is {state}")),
            other => Self::internal(&other),
        }
    }
}

/// RFC 9457 §3.
pub(crate) const PROBLEM: &str = "application/problem+json";
/// Seconds; about as long as the journal waits.
const RETRY: &str = "5";
