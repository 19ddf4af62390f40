//! An agent from start to shutdown.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hakmem_proto::v1::telemetry_server::TelemetryServer;
use hakmem_recording::OpenError;
use tokio::task::JoinSet;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Channel, Server};

use crate::access::Gate;
use crate::config::AgentConfig;
use crate::detection::{Detector, Recorded};
use crate::findings::Findings;
use crate::grpc::TelemetryService;
use crate::grpc::admission::Admission;
use crate::history::History;
use crate::http;
use crate::in_process::{InProcessConnector, in_process};
use crate::loopback::{self, ListenError};
use crate::recorder::Recorder;
use crate::refusals::Refusals;
use crate::sampler::Sampler;
use crate::shared::Shared;
use crate::state::interest::Interests;
use crate::unix_socket::{self, SocketError, SocketFile};
use crate::users::Users;

/// How long a shutdown waits for clients that do not let go of their connections.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The unix socket could not be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A TCP address could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}; free some threads or file descriptors")]
    Sampler(#[source] std::io::Error),
    /// The recording to compare with cannot be read.
    #[error("--baseline: {0}")]
    Baseline(#[from] OpenError),
    /// The reflection service could not be built from the compiled contract.
    #[error("the gRPC contract in this build is damaged: {0}; build it again")]
    Contract(#[from] tonic_reflection::server::Error),
}

/// An agent that samples and serves until it is shut down or dropped.
#[derive(Debug)]
pub struct RunningAgent {
    connector: InProcessConnector,
    servers: JoinSet<()>,
    sampler: Sampler,
    recorder: Option<Recorder>,
    detector: Option<Detector>,
    shared: Arc<Shared>,
    socket_file: Option<SocketFile>,
    http_address: Option<SocketAddr>,
    tcp_address: Option<SocketAddr>,
}

impl RunningAgent {
    /// Starts sampling, and serving where `config` says. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] names the address or socket that could not be opened and what to do.
    pub async fn start(config: AgentConfig) -> Result<Self, StartError> {
        let recorded = Recorded::read(&config)?;
        // All addresses are opened before anything runs, so that a failure leaves nothing behind.
        let unix = match &config.unix_socket {
            Some(path) => Some(unix_socket::listen(path).await?),
            None => None,
        };
        let tcp = match config.tcp {
            Some(address) => Some(loopback::listen(address, "--listen").await?),
            None => None,
        };
        let web = match config.http {
            Some(address) => Some(loopback::listen(address, "--http").await?),
            None => None,
        };
        let interests = Arc::new(Interests::default());
        let history = Arc::new(History::new(config.history));
        let refusals = Arc::new(Refusals::default());
        let sampler = Sampler::start(
            &config,
            Arc::clone(&interests),
            Arc::clone(&history),
            Arc::clone(&refusals),
        )
        .map_err(StartError::Sampler)?;
        let admission = Admission::new(&config.per_owner, Arc::clone(&refusals));
        let shared = Arc::new(Shared {
            config,
            view: sampler.view(),
            sampler: sampler.handle(),
            interests,
            history,
            findings: Findings::default(),
            refusals,
            users: Users::default(),
            admission,
            recording: Arc::default(),
            stop: CancellationToken::new(),
            scrapes: AtomicU64::new(0),
        });
        let recorder = shared.config.recording.clone();
        let recorder = recorder.map(|config| Recorder::start(config, &shared)).transpose();
        let recorder = recorder.map_err(StartError::Sampler)?;
        let detection = shared.config.detection.clone();
        let detector = detection.map(|config| Detector::start(&config, recorded, &shared));
        let detector = detector.transpose().map_err(StartError::Sampler)?;

        let mut servers = JoinSet::new();
        let (connector, incoming) = in_process();
        serve_grpc(&mut servers, &shared, Gate::Open, incoming).await?;
        let mut socket_file = None;
        if let Some((listener, file)) = unix {
            let incoming = UnixListenerStream::new(listener);
            serve_grpc(&mut servers, &shared, Gate::PeerCredentials, incoming).await?;
            socket_file = Some(file);
        }
        let tcp_address = tcp.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = tcp {
            let incoming = TcpListenerStream::new(listener);
            serve_grpc(&mut servers, &shared, Gate::Open, incoming).await?;
        }
        let http_address = web.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = web {
            serve_http(&mut servers, &shared, listener);
        }
        Ok(Self {
            connector,
            servers,
            sampler,
            recorder,
            detector,
            shared,
            socket_file,
            http_address,
            tcp_address,
        })
    }

    /// A gRPC channel to this agent through memory; it sees every process the agent sees.
    pub async fn connect(&self) -> Channel {
        self.connector.channel()
    }

    /// Where HTTP is served, with the port that the system chose.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// Where gRPC is served over TCP, with the port that the system chose.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp_address
    }

    /// The unix socket on which gRPC is served.
    pub fn unix_socket(&self) -> Option<&Path> {
        self.shared.config.unix_socket.as_deref()
    }

    /// Ends every stream, closes every listener, removes the socket file and waits until all of
    /// it is done; clients that hold on to their connections are cut off after two seconds.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        let ended = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_PATIENCE, ended).await.is_err() {
            tracing::warn!("cutting off clients that did not let go of their connections");
            self.servers.shutdown().await;
        }
        drop(self.socket_file.take());
        // Joining a thread blocks, but only until the round under way is over.
        let (sampler, recorder, detector) = (self.sampler, self.recorder, self.detector);
        let stop = move || {
            if let Some(detector) = detector {
                detector.stop();
            }
            if let Some(recorder) = recorder {
                recorder.stop();
            }
            sampler.stop();
        };
        let _ = tokio::task::spawn_blocking(stop).await;
    }
}

/// Serves gRPC to what comes in, in a task of its own.
async fn serve_grpc<C, S>(
    servers: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    gate: Gate,
    incoming: S,
) -> Result<(), StartError>
where
    C: tokio::io::AsyncRead
        + tokio::io::AsyncWrite
        + tonic::transport::server::Connected
        + Unpin
        + Send
        + 'static,
    S: tokio_stream::Stream<Item = std::io::Result<C>> + Send + 'static,
{
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<TelemetryServer<TelemetryService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(hakmem_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let service = TelemetryService::new(Arc::clone(shared), gate);
    let mut routes = Routes::builder();
    routes.add_service(TelemetryServer::new(service)).add_service(health).add_service(reflection);
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_routes(routes.routes());
    let stopped = shared.stop.clone().cancelled_owned();
    servers.spawn(async move {
        if let Err(error) = server.serve_with_incoming_shutdown(incoming, stopped).await {
            tracing::error!("a gRPC server ended: {error}");
        }
    });
    Ok(())
}

fn serve_http(servers: &mut JoinSet<()>, shared: &Arc<Shared>, listener: tokio::net::TcpListener) {
    let router = http::router(Arc::clone(shared));
    let stopped = shared.stop.clone().cancelled_owned();
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::error!("the HTTP server ended: {error}");
        }
    });
}
