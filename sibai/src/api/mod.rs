//! The HTTP API: recordings, call records, probes. The OpenAPI document is made of the routes themselves.

#![allow(unused_qualifications, reason = "the path macro of utoipa writes names of its own")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use base::Timestamp;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::metrics::Metrics;
use crate::store::Store;

mod audio;
mod calls;
mod guard;
mod hearing;
mod input;
mod page;
mod probes;
mod problem;
mod range;
mod recordings;

/// What the API stands on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// The recordings folder.
    pub recordings: PathBuf,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether calls are taken; the drive sets it after start-up and clears it when it drains.
    pub ready: Arc<AtomicBool>,
    /// Added to the wall clock (`--at`).
    pub clock_offset: SignedDuration,
    /// Whether `/metrics` needs no token: only where the API listens on loopback.
    pub metrics_open: bool,
}

impl ApiState {
    /// The wall clock, shifted by `--at`.
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.clock_offset).unwrap_or(now)
    }
}

/// Every route, behind its guard.
pub fn router(state: ApiState) -> Router {
    let (router, document) = documented().split_for_parts();
    let rules = Arc::new(guard::Rules::of(&document));
    let room = Arc::new(Semaphore::new(guard::ROOM));
    router
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state((state.clone(), rules), guard::admit))
        .layer(middleware::from_fn_with_state((state.clone(), room), guard::receive))
        .with_state(state)
}

/// Serves until `shutdown` resolves; requests under way are finished.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(shutdown)
        .await?;
    Ok(())
}

/// The OpenAPI 3.1 document as it is committed in `docs/openapi.json`.
pub fn openapi_text() -> String {
    let (_, document) = documented().split_for_parts();
    let text = document.to_pretty_json().unwrap_or_default();
    format!("{text}\n")
}

fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Base::openapi())
        .routes(routes!(recordings::list_recordings))
        .routes(routes!(recordings::show_recording, recordings::delete_recording))
        .routes(routes!(audio::recording_audio))
        .routes(routes!(calls::list_call_records, calls::post_call_record))
        .routes(routes!(calls::show_call_record))
        .routes(routes!(probes::healthz))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::metrics))
        .routes(routes!(probes::openapi_json))
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Sibai",
        description = "Recordings and call records of 400 lines. Times are RFC 3339 in UTC, durations whole \
            milliseconds, errors `application/problem+json`. A token is bound to scopes and lines; what belongs to \
            another line is answered like what does not exist. Callers' numbers are masked unless the token has \
            `reveal_numbers`.",
        license(name = "MIT or Apache 2.0", identifier = "MIT OR Apache-2.0")
    ),
    modifiers(&Bearer),
    tags(
        (name = "recordings", description = "What was recorded."),
        (name = "call records", description = "What was called."),
        (name = "operations", description = "For supervisors and dashboards."),
    )
)]
struct Base;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("`sibai token new` makes one.".into());
        document
            .components
            .get_or_insert_default()
            .security_schemes
            .insert("bearer".into(), SecurityScheme::Http(scheme).into());
    }
}

/// The longest body is a call record with a few words in it.
const LONGEST_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests;
