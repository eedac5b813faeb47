//! Who may do what. The rules are read from the OpenAPI document, so that what it says is what holds; a route
//! about which it says nothing is refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base::CallId;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;

use super::ApiState;
use super::problem::{PROBLEM, Problem};
use crate::store::{Access, Scope, words};

/// What every route asks for, by path and method.
#[derive(Debug)]
pub(crate) struct Rules(HashMap<String, HashMap<Method, Rule>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Open,
    Needs(Vec<Scope>),
    /// The document says something that we do not understand.
    Closed,
}

impl Rules {
    /// From the document's `security` of each operation.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).unwrap_or_default();
        let mut rules: HashMap<String, HashMap<Method, Rule>> = HashMap::new();
        for (path, operations) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else { continue };
                rules.entry(path.clone()).or_default().insert(method, rule(&operation["security"]));
            }
        }
        Self(rules)
    }

    fn rule(&self, path: &str, method: &Method) -> Result<&Rule, Problem> {
        let methods = self.0.get(path).ok_or_else(|| Problem::not_found("path"))?;
        // A HEAD is a GET without its body (RFC 9110 §9.3.2).
        let rule =
            methods.get(method).or_else(|| (method == Method::HEAD).then(|| methods.get(&Method::GET))?);
        rule.ok_or_else(|| {
            let mut allowed: Vec<&str> = methods.keys().map(Method::as_str).collect();
            if methods.contains_key(&Method::GET) && !methods.contains_key(&Method::HEAD) {
                allowed.push("HEAD");
            }
            allowed.sort_unstable();
            Problem::method_not_allowed(&allowed.join(", "))
        })
    }
}

/// `[]` is open, `[{"bearer": ["read_calls"]}]` asks for a scope; anything else is closed.
fn rule(security: &serde_json::Value) -> Rule {
    let Some(alternatives) = security.as_array() else { return Rule::Closed };
    match alternatives.as_slice() {
        [] => Rule::Open,
        // An empty requirement is how the document writes "none".
        [only] if only.as_object().is_some_and(serde_json::Map::is_empty) => Rule::Open,
        [only] => {
            let words = only["bearer"].as_array().map(Vec::as_slice).unwrap_or_default();
            let scopes: Option<Vec<Scope>> =
                words.iter().map(|word| word.as_str().and_then(Scope::from_text)).collect();
            match scopes {
                Some(scopes) if !scopes.is_empty() => Rule::Needs(scopes),
                _ => Rule::Closed,
            }
        }
        _ => Rule::Closed,
    }
}

/// Lets a request through to its route, with the `Access` of its token beside it.
pub(crate) async fn admit(
    State((state, rules)): State<(ApiState, Arc<Rules>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let admitted = match &path {
        Some(path) => admitted(&state, &rules, path, request.method(), request.headers()).await,
        None => Err(Problem::not_found("path")),
    };
    match admitted {
        Ok(access) => {
            let who = access.as_ref().map(|access| Who {
                name: format!("{}/{}", access.name, access.id),
                reveals: access.allows(Scope::RevealNumbers),
            });
            if let Some(access) = access {
                request.extensions_mut().insert(access);
            }
            let mut response = next.run(request).await;
            if let Some(who) = who {
                response.extensions_mut().insert(who);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admitted(
    state: &ApiState,
    rules: &Rules,
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Access>, Problem> {
    let scopes = match rules.rule(path, method)? {
        Rule::Open => return Ok(None),
        Rule::Needs(scopes) if state.metrics_open && scopes.as_slice() == [Scope::ReadMetrics] => {
            return Ok(None);
        }
        Rule::Needs(scopes) => scopes,
        Rule::Closed => return Err(Problem::internal(&"a route without a rule")),
    };
    let token = bearer(headers).ok_or_else(|| Problem::unauthorized(NO_TOKEN))?;
    let access = state.store.access(token).await.map_err(|fault| match fault.downcast::<sqlx::Error>() {
        Ok(fault) => fault.into(),
        Err(other) => Problem::internal(&other),
    })?;
    let access = access.ok_or_else(|| Problem::unauthorized(WRONG_TOKEN))?;
    match scopes.iter().find(|scope| !access.allows(**scope)) {
        Some(missing) => Err(Problem::forbidden(*missing)),
        None => Ok(Some(access)),
    }
}

/// The token of the one place where it may stand: never the URL, which logs keep.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The outermost layer: gives the request its id, writes problems, bounds time and number, keeps the access
/// log. The log never holds a query, for it may hold a caller's number.
pub(crate) async fn receive(
    State((state, room)): State<(ApiState, Arc<Semaphore>)>,
    request: Request,
    next: Next,
) -> Response {
    let id = request_id();
    state.metrics.api_requests.add(1);
    let method = request.method().clone();
    let peer =
        request.extensions().get::<axum::extract::ConnectInfo<std::net::SocketAddr>>().map(|peer| peer.0);
    let path = request.uri().path().to_owned();
    let answered = match room.try_acquire() {
        Ok(_seat) => tokio::time::timeout(LONGEST, next.run(request))
            .await
            .unwrap_or_else(|_| Problem::away("the request took too long").into_response()),
        Err(_) => Problem::away("too many requests at once").into_response(),
    };
    let status = answered.status().as_u16();
    let (who, reveals) = match answered.extensions().get::<Who>() {
        Some(Who { name, reveals }) => (name.clone(), *reveals),
        None => ("-".to_owned(), false),
    };
    let what = loggable(&path);
    tracing::info!(target: "sibai::api::access", request = id, ?peer, who, reveals, %method, what, status);
    let mut response = dressed(answered, &id);
    if let Ok(value) = HeaderValue::try_from(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert(NO_SNIFF.0, NO_SNIFF.1);
    response
}

/// Whose token it was, and whether it sees numbers whole: for the access log.
#[derive(Clone)]
struct Who {
    name: String,
    reveals: bool,
}

/// A path as the log may hold it: words and ids of ours; whatever else stands in it may be a number.
fn loggable(path: &str) -> String {
    let ours = |part: &str| {
        part == "v1"
            || part.parse::<CallId>().is_ok()
            || part.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.'))
    };
    let parts =
        path.split('/').take(MOST_PARTS).map(|part| if ours(part) && part.len() <= 36 { part } else { "?" });
    parts.collect::<Vec<_>>().join("/")
}

fn dressed(mut response: Response, id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.written(id);
    }
    let status = response.status();
    let ours = response.headers().get("content-type").is_some_and(|kind| kind == PROBLEM);
    if (status.is_client_error() || status.is_server_error()) && !ours {
        return Problem::of_status(status).written(id);
    }
    response
}

/// Ours, never the client's: the log must not hold what a stranger wrote.
fn request_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    words::random(REQUEST).unwrap_or_else(|_| format!("n{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_SNIFF: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
const NO_TOKEN: &str = "Bearer realm=\"sibai\"";
const WRONG_TOKEN: &str = "Bearer realm=\"sibai\", error=\"invalid_token\"";
const REQUEST: usize = 12;
/// `/v1/recordings/ID/audio` has five.
const MOST_PARTS: usize = 6;
/// The slowest question is a page of 500 rows; a stream of audio begins far earlier.
const LONGEST: Duration = Duration::from_secs(30);
/// Requests that are worked on at once; a client with more to ask has to wait its turn.
pub(crate) const ROOM: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_a_path_does_not_reach_the_log() {
        let id = "0199d5a3-7c00-7000-8000-000000000001";
        let path = format!("/v1/recordings/{id}/audio");
        assert_eq!(loggable(&path), path);
        assert_eq!(loggable("/openapi.json"), "/openapi.json");
        assert_eq!(loggable("/v1/recordings/13800138000"), "/v1/recordings/?");
        assert_eq!(loggable("/%2e%2e/etc/passwd\n"), "/?/etc/?");
        assert_eq!(loggable(&"/a".repeat(50)), "/a/a/a/a/a");
    }

    #[test]
    fn a_rule_that_is_not_understood_closes() {
        let rule = |text: &str| rule(&serde_json::from_str(text).unwrap());
        assert_eq!(rule("[]"), Rule::Open);
        assert_eq!(rule("[{}]"), Rule::Open);
        assert_eq!(rule(r#"[{"bearer": ["read_calls"]}]"#), Rule::Needs(vec![Scope::ReadCalls]));
        for odd in [
            "null",
            r#"[{"bearer": []}]"#,
            r#"[{"bearer": ["all"]}]"#,
            r#"[{"oidc": ["read_calls"]}]"#,
            r#"[{"bearer": ["read_calls"]}, {}]"#,
        ] {
            assert_eq!(rule(odd), Rule::Closed, "{odd}");
        }
    }
}
