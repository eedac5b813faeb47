//! Whether it lives, whether it takes calls, what it counts, and what can be asked.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::problem::{Problem, ProblemBody};

/// Alive.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process lives. A supervisor restarts it when this fails.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses((status = 200, body = Health, description = "It lives.")),
    security(())
)]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether it takes calls and its database answers. A load balancer asks this.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, body = Health, description = "It takes calls."),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "It starts, drains, or has no database."),
    ),
    security(())
)]
pub(crate) async fn readyz(State(state): State<ApiState>) -> Result<Json<Health>, Problem> {
    if !state.ready.load(Ordering::Relaxed) {
        return Err(Problem::away("it takes no calls now"));
    }
    if !state.store.answers().await {
        return Err(Problem::away("the database does not answer"));
    }
    Ok(Json(Health { status: "ok" }))
}

/// Counters for Prometheus. Open without a token where the API listens on loopback only.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4", description = "The text format.")),
    security(("bearer" = ["read_metrics"]))
)]
pub(crate) async fn metrics(State(state): State<ApiState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.text())
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses((status = 200, body = serde_json::Value, description = "OpenAPI 3.1.")),
    security(())
)]
pub(crate) async fn openapi_json() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], super::openapi_text())
}
