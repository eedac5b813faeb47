//! Lists page by page: the link to the next one.

use axum::Json;
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A page and the `Link` to the next one (RFC 8288): the same question with another cursor.
pub(crate) fn page(uri: &Uri, body: impl Serialize, next: Option<&str>) -> Response {
    let mut response = Json(body).into_response();
    if let Some(cursor) = next {
        let kept = uri
            .query()
            .unwrap_or("")
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
        let query: Vec<&str> = kept.collect();
        let joint = if query.is_empty() { "" } else { "&" };
        let link = format!("<{}?{}{joint}cursor={cursor}>; rel=\"next\"", uri.path(), query.join("&"));
        if let Ok(link) = HeaderValue::try_from(link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    response
}
