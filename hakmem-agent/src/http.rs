//! HTTP: metrics, health, the JSON snapshot and a page that lists them.
//!
//! Every user of the machine can ask, so the data that only the owner of a process may see (its
//! arguments, labels and key) is left out unless the configuration says otherwise.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;

use crate::condition::Condition;
use crate::document::snapshot_document;
use crate::metrics;
use crate::metrics::exposition::Format;
use crate::shared::Shared;

mod host;
mod landing;
pub(crate) mod server;

/// The routes of everything that is served over HTTP.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(landing_page))
        .route("/metrics", get(metrics_page))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/api/v1/snapshot", get(snapshot))
        .layer(from_fn_with_state(Arc::clone(&shared), only_our_names))
        .with_state(shared)
}

/// Refuses requests that were meant for another host.
async fn only_our_names(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if host::is_ours(request.uri(), request.headers(), &shared.config.http_hosts) {
        return next.run(request).await;
    }
    let why = "this name is not served; use localhost or an address, or start the agent with \
               --http-host NAME\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

async fn landing_page(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(landing::page(&shared))
}

async fn metrics_page(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::negotiate(accept);
    shared.scrapes.fetch_add(1, Ordering::Relaxed);
    let view = Arc::clone(&shared);
    let work = shared.failure.blocking("/metrics", move || metrics::render(&view, format));
    match work.await {
        Some(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn healthy(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let condition = shared.status.condition(&shared.current());
    answer(condition.is_healthy(), "healthy", &condition)
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    let condition = shared.status.condition(&shared.current());
    answer(condition.is_ready(), "ready", &condition)
}

fn answer(is_well: bool, word: &str, condition: &Condition) -> (StatusCode, String) {
    match is_well {
        true => (StatusCode::OK, format!("{word}\n")),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("{condition}\n")),
    }
}

async fn snapshot(State(shared): State<Arc<Shared>>) -> Response {
    let view = shared.current();
    let is_private = !shared.config.http_shows_arguments;
    let work = shared.failure.blocking("/api/v1/snapshot", move || {
        let messages: Vec<_> = view.processes.values().map(|record| record.message()).collect();
        let document = snapshot_document(messages.iter().map(|message| &**message));
        if is_private { document.without_private_members() } else { document }
    });
    match work.await {
        Some(document) => Json(document).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::config::AgentConfig;
    use crate::history::History;
    use crate::sampler::Sampler;
    use crate::state::FleetView;
    use crate::state::interest::Interests;
    use crate::status::StatusReporter;

    #[tokio::test]
    async fn it_is_not_ready_before_the_first_scan_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let config = Arc::new(AgentConfig::for_directory(directory.path()));
        let interests = Arc::new(Interests::default());
        let history = Arc::new(History::new(config.history));
        let failure = Arc::default();
        let sampler = Sampler::start(
            &config,
            Arc::clone(&interests),
            Arc::clone(&history),
            Arc::default(),
            &failure,
        )
        .unwrap();
        let refusals = Arc::default();
        let admission = crate::admission::Admission::new(&config.per_owner, Arc::clone(&refusals));
        let status = StatusReporter::new(Arc::clone(&config), Arc::clone(&history)).into();
        let (publisher, view) = watch::channel(Arc::new(FleetView::default()));
        let shared = Arc::new(Shared {
            config,
            view,
            sampler: sampler.handle(),
            interests,
            history,
            findings: Arc::default(),
            refusals,
            users: crate::users::Users::default(),
            admission,
            recording: Arc::default(),
            stop: CancellationToken::new(),
            scrapes: AtomicU64::new(0),
            failure,
            status,
            connections: Vec::new(),
        });
        let status = ready(State(Arc::clone(&shared))).await.0;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let mut scanned = FleetView::default();
        scanned.health.first_scan_done = true;
        publisher.send_replace(Arc::new(scanned));
        assert_eq!(ready(State(shared)).await.0, StatusCode::OK);
    }
}
