//! HTTP/1.1 on one listener, with time limits for a request that does not arrive, an answer that
//! nobody takes, and a silent connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

use crate::connections::{Limits, Link};
use crate::failure::Failure;

/// Time limit for the head of a request, counted from the end of the previous request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Maximum length of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Limits of the connections of an HTTP listener. Answers are short, so a connection without a byte
/// in either direction for half a minute is not in use: a scraper opens another.
pub(crate) const LIMITS: Limits = Limits {
    in_all: 64,
    of_peer: 64,
    first_bytes: 1,
    begin_within: HEAD_WITHIN,
    silence_max: Duration::from_secs(30),
};

/// Serves until `stop`, and then finishes the answers in progress.
pub(crate) async fn serve<Io>(
    incoming: impl Stream<Item = io::Result<Link<Io>>>,
    router: Router,
    failure: Arc<Failure>,
    stop: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut incoming = std::pin::pin!(incoming);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => report(&ended, &failure),
            next = incoming.next() => match next {
                Some(Ok(link)) => {
                    connections.spawn(serve_one(link, router.clone(), stop.clone()));
                }
                Some(Err(error)) => tracing::debug!("cannot accept a connection: {error}"),
                None => break,
            },
        }
    }
    while let Some(ended) = connections.join_next().await {
        report(&ended, &failure);
    }
}

fn report(ended: &Result<(), tokio::task::JoinError>, failure: &Failure) {
    if ended.as_ref().is_err_and(|error| error.is_panic()) {
        failure.report("a connection");
    }
}

async fn serve_one<Io>(link: Link<Io>, router: Router, stop: CancellationToken)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(link), service);
    let mut connection = std::pin::pin!(connection);
    // An error here is the client's: it disconnected, was too slow, or does not speak HTTP.
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}
