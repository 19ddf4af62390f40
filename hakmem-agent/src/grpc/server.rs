//! gRPC on one listener: the service, health and reflection, all of them with limits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Response};
use hakmem_proto::v1::telemetry_server::TelemetryServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::MapResponseLayer;

use super::TelemetryService;
use crate::access::Gate;
use crate::connections::Limits;
use crate::shared::Shared;

/// Time limit for receiving a request and beginning its answer.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// Maximum length of a request; filters may name thousands of keys.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Maximum number of concurrent requests and streams of one connection.
const STREAMS_MAX: u32 = 128;
/// Maximum length of a request's headers.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// Time between two pings of a silent connection.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time limit for the answer to a ping.
const PING_PATIENCE: Duration = Duration::from_secs(20);
/// Time between two checks of the agent's condition.
const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// Clients are pinged, so a client that is silent for the length of several pings is gone.
const LIMITS: Limits = Limits {
    in_all: 128,
    of_peer: 32,
    first_bytes: 24,
    begin_within: Duration::from_secs(10),
    silence_max: Duration::from_secs(120),
};

/// Limits of the connections of a unix socket; a peer is a user.
pub(crate) const UNIX_LIMITS: Limits = LIMITS;
/// Limits of the connections of a TCP port; all users of the machine share one address.
pub(crate) const TCP_LIMITS: Limits = Limits { in_all: 64, of_peer: 64, ..LIMITS };

/// Serves incoming connections until the agent stops.
pub(crate) fn server<C, S>(
    shared: &Arc<Shared>,
    gate: Gate,
    incoming: S,
) -> Result<impl Future<Output = ()> + Send + 'static, tonic_reflection::server::Error>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    S: Stream<Item = io::Result<C>> + Send + 'static,
{
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(hakmem_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let service = TelemetryServer::new(TelemetryService::new(Arc::clone(shared), gate))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let mut routes = Routes::builder();
    routes
        .add_service(service)
        .add_service(health)
        .add_service(reflection().build_v1()?)
        // Most of today's tools ask for this version first.
        .add_service(reflection().build_v1alpha()?);
    let server = Server::builder()
        .timeout(REQUEST_WITHIN)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_PATIENCE))
        .layer(MapResponseLayer::new(with_clients_mistakes))
        .add_routes(routes.routes());
    let shared = Arc::clone(shared);
    Ok(async move {
        let stopped = shared.stop.clone().cancelled_owned();
        // Set before the first connection, so that no client finds a service without a status.
        tell_health(&shared, &reporter).await;
        tokio::select! {
            ended = server.serve_with_incoming_shutdown(incoming, stopped) => {
                if let Err(error) = ended {
                    tracing::error!("a gRPC server ended: {error}");
                }
            }
            () = report_health(&shared, &reporter) => {}
        }
    })
}

/// Keeps the status in the health service up to date.
async fn report_health(shared: &Shared, reporter: &HealthReporter) {
    let mut ticks = tokio::time::interval(HEALTH_INTERVAL);
    loop {
        ticks.tick().await;
        tell_health(shared, reporter).await;
    }
}

async fn tell_health(shared: &Shared, reporter: &HealthReporter) {
    let status = match shared.status.condition(&shared.current()).is_healthy() {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    reporter.set_service_status("", status).await;
    let service = <TelemetryServer<TelemetryService> as tonic::server::NamedService>::NAME;
    reporter.set_service_status(service, status).await;
}

/// Corrects the status of a request that cannot be decoded: this is the client's mistake, but the
/// library calls it INTERNAL.
fn with_clients_mistakes<B>(mut response: Response<B>) -> Response<B> {
    let is_undecodable = Status::from_header_map(response.headers()).is_some_and(|status| {
        status.code() == Code::Internal && status.message().contains("decode Protobuf message")
    });
    if is_undecodable {
        let code = HeaderValue::from(Code::InvalidArgument as i32);
        response.headers_mut().insert("grpc-status", code);
    }
    response
}
