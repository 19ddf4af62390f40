//! An agent from start to shutdown.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hakmem_recording::OpenError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::access::Gate;
use crate::admission::Admission;
use crate::config::AgentConfig;
use crate::connections::{Connections, accept};
use crate::detection::{Detector, Recorded};
use crate::failure::Failure;
use crate::findings::Findings;
#[cfg(any(test, feature = "fuzz"))]
use crate::grpc::TelemetryService;
use crate::grpc::server;
use crate::history::History;
use crate::http;
use crate::in_process::{InProcessConnector, in_process};
use crate::loopback::{self, ListenError};
use crate::recorder::{Recorder, RecordingCounts, Sources};
use crate::refusals::Refusals;
use crate::sampler::Sampler;
use crate::shared::Shared;
use crate::state::interest::Interests;
use crate::status::StatusReporter;
use crate::unix_socket::{self, SocketError, SocketFile};
use crate::users::Users;

/// Time that a shutdown waits for clients to close their connections.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// Time between two checks that sampling goes on.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Number of successive checks that must find sampling stalled before it counts as dead. Checks are
/// counted instead of time, because a machine or an agent that was stopped as a whole recovers by
/// itself.
const STALLED_LOOKS_MAX: u32 = 50;

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
    /// Starts sampling, and serving as `config` says. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] names the address or socket that could not be opened, and the remedy.
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
        let config = Arc::new(config);
        let interests = Arc::new(Interests::default());
        let history = Arc::new(History::new(config.history));
        let refusals = Arc::new(Refusals::default());
        let failure = Arc::new(Failure::default());
        let sampler = Sampler::start(
            &config,
            Arc::clone(&interests),
            Arc::clone(&history),
            Arc::clone(&refusals),
            &failure,
        )
        .map_err(StartError::Sampler)?;
        let admission = Admission::new(&config.per_owner, Arc::clone(&refusals));
        let unix_connections = Connections::new("grpc_unix", server::UNIX_LIMITS);
        let tcp_connections = Connections::new("grpc_tcp", server::TCP_LIMITS);
        let http_connections = Connections::new("http", http::server::LIMITS);
        let listening = [
            unix.is_some().then(|| Arc::clone(&unix_connections)),
            tcp.is_some().then(|| Arc::clone(&tcp_connections)),
            web.is_some().then(|| Arc::clone(&http_connections)),
        ];
        let findings = Arc::new(Findings::default());
        let counts = Arc::new(RecordingCounts::default());
        let status = Arc::new(StatusReporter::new(Arc::clone(&config), Arc::clone(&history)));
        let shared = Arc::new(Shared {
            config,
            view: sampler.view(),
            sampler: sampler.handle(),
            interests,
            history,
            findings: Arc::clone(&findings),
            refusals,
            users: Users::default(),
            admission,
            recording: Arc::clone(&counts),
            stop: CancellationToken::new(),
            scrapes: AtomicU64::new(0),
            failure,
            status: Arc::clone(&status),
            connections: listening.into_iter().flatten().collect(),
        });
        let recorder = shared.config.recording.clone();
        let recorder = recorder.map(|config| {
            let sources = Sources {
                view: shared.view.clone(),
                sampler: shared.sampler.clone(),
                status,
                refusals: Arc::clone(&shared.refusals),
                counts,
            };
            Recorder::start(config, sources, &shared.failure)
        });
        let recorder = recorder.transpose().map_err(StartError::Sampler)?;
        let detection = shared.config.detection.clone();
        let detector = detection.map(|config| {
            let (agent, view) = (&shared.config, shared.view.clone());
            Detector::start(&config, agent, recorded, view, findings, &shared.failure)
        });
        let detector = detector.transpose().map_err(StartError::Sampler)?;

        let mut servers = JoinSet::new();
        supervise(&mut servers, &shared, "the sampler", end_of_stall(Arc::clone(&shared)));
        let (connector, incoming) = in_process();
        let server = server::server(&shared, Gate::Open, incoming)?;
        supervise(&mut servers, &shared, "the gRPC server in memory", server);
        let incoming = |connections| (connections, &shared.failure, shared.stop.clone());
        let mut socket_file = None;
        if let Some((listener, file)) = unix {
            let (connections, failure, stop) = incoming(&unix_connections);
            let incoming = accept(listener, connections, failure, stop);
            let server = server::server(&shared, Gate::PeerCredentials, incoming)?;
            supervise(&mut servers, &shared, "the gRPC server on the unix socket", server);
            socket_file = Some(file);
        }
        let tcp_address = tcp.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = tcp {
            let (connections, failure, stop) = incoming(&tcp_connections);
            let incoming = accept(listener, connections, failure, stop);
            let server = server::server(&shared, Gate::Open, incoming)?;
            supervise(&mut servers, &shared, "the gRPC server on TCP", server);
        }
        let http_address = web.as_ref().map(|(_, address)| *address);
        if let Some((listener, _)) = web {
            let (connections, failure, stop) = incoming(&http_connections);
            let incoming = accept(listener, connections, failure, stop.clone());
            let router = http::router(Arc::clone(&shared));
            let server = http::server::serve(incoming, router, Arc::clone(failure), stop);
            supervise(&mut servers, &shared, "the HTTP server", server);
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

    /// Waits until a part of the agent breaks, and returns its name. After that the agent may serve
    /// old data, so the program should end.
    pub fn failed(&self) -> impl Future<Output = &'static str> + Send + 'static {
        let failure = Arc::clone(&self.shared.failure);
        async move { failure.occurred().await }
    }

    /// Whether a part of the agent broke.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.failure.has_occurred()
    }

    /// The service without a connection; it sees every process that the agent sees.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn service(&self) -> TelemetryService {
        TelemetryService::new(Arc::clone(&self.shared), Gate::Open)
    }

    /// A gRPC channel to this agent through memory; it sees every process that the agent sees.
    pub async fn connect(&self) -> Channel {
        self.connector.channel()
    }

    /// The address of the HTTP server, with the port that the system chose.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// The address of the gRPC server on TCP, with the port that the system chose.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp_address
    }

    /// The unix socket on which gRPC is served.
    pub fn unix_socket(&self) -> Option<&Path> {
        self.shared.config.unix_socket.as_deref()
    }

    /// Ends every stream, closes every listener, removes the socket file and waits until all this
    /// is done; clients that keep their connections open are cut off after two seconds.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        let ended = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_PATIENCE, ended).await.is_err() {
            tracing::warn!("closing connections that clients did not close");
            self.servers.shutdown().await;
        }
        // A socket file that outlives its server would lead clients to a socket without a listener.
        drop(self.socket_file.take());
        // Joining a thread blocks, but only until the current round is over.
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

/// Waits until the agent stops, or until sampling has stalled for so long that it will not recover.
async fn end_of_stall(shared: Arc<Shared>) {
    let mut looks = 0;
    while looks < STALLED_LOOKS_MAX {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        let is_healthy = shared.status.condition(&shared.current()).is_healthy();
        looks = if is_healthy { 0 } else { looks + 1 };
    }
}

/// Runs a task that may end only when the agent does; an earlier end is reported as a failure.
fn supervise(
    servers: &mut JoinSet<()>,
    shared: &Arc<Shared>,
    name: &'static str,
    server: impl Future<Output = ()> + Send + 'static,
) {
    let shared = Arc::clone(shared);
    servers.spawn(async move {
        let ended = tokio::spawn(server).await;
        if ended.is_err_and(|error| error.is_panic()) || !shared.stop.is_cancelled() {
            shared.failure.report(name);
        }
    });
}
