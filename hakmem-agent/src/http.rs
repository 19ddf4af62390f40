//! HTTP: metrics, health, the JSON snapshot and a page that says what is where.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;

use crate::document::snapshot_document;
use crate::metrics;
use crate::metrics::exposition::Format;
use crate::shared::Shared;

mod landing;

/// Everything served over HTTP.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(landing_page))
        .route("/metrics", get(metrics_page))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/api/v1/snapshot", get(snapshot))
        .with_state(shared)
}

async fn landing_page(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(landing::page(&shared))
}

async fn metrics_page(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::negotiate(accept);
    shared.scrapes.fetch_add(1, Ordering::Relaxed);
    let work = tokio::task::spawn_blocking(move || metrics::render(&shared, format));
    match work.await {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn healthy() -> &'static str {
    "healthy\n"
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.current().health.first_scan_done {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the first scan for segments is under way\n")
    }
}

async fn snapshot(State(shared): State<Arc<Shared>>) -> Response {
    let work = tokio::task::spawn_blocking(move || {
        let view = shared.current();
        let messages: Vec<_> = view.processes.values().map(|record| record.message()).collect();
        snapshot_document(messages.iter().map(|message| &**message))
    });
    match work.await {
        Ok(document) => Json(document).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
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

    #[tokio::test]
    async fn it_is_not_ready_before_the_first_scan_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let config = AgentConfig::for_directory(directory.path());
        let interests = Arc::new(Interests::default());
        let history = Arc::new(History::new(config.history));
        let sampler =
            Sampler::start(&config, Arc::clone(&interests), Arc::clone(&history), Arc::default())
                .unwrap();
        let refusals = Arc::default();
        let admission =
            crate::grpc::admission::Admission::new(&config.per_owner, Arc::clone(&refusals));
        let (publisher, view) = watch::channel(Arc::new(FleetView::default()));
        let shared = Arc::new(Shared {
            config,
            view,
            sampler: sampler.handle(),
            interests,
            history,
            findings: crate::findings::Findings::default(),
            refusals,
            users: crate::users::Users::default(),
            admission,
            recording: Arc::default(),
            stop: CancellationToken::new(),
            scrapes: AtomicU64::new(0),
        });
        let status = ready(State(Arc::clone(&shared))).await.0;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let mut scanned = FleetView::default();
        scanned.health.first_scan_done = true;
        publisher.send_replace(Arc::new(scanned));
        assert_eq!(ready(State(shared)).await.0, StatusCode::OK);
    }
}
