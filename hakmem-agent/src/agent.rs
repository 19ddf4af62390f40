//! An agent from start to shutdown.

use std::net::SocketAddr;
use std::path::Path;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Server};

use crate::config::AgentConfig;
use crate::in_process::{InProcessConnector, in_process};

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The reflection service could not be built from the compiled contract.
    #[error("the gRPC contract in this build is damaged: {0}; build it again")]
    Contract(#[from] tonic_reflection::server::Error),
}

/// An agent that samples and serves until it is shut down or dropped.
#[derive(Debug)]
pub struct RunningAgent {
    connector: InProcessConnector,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    http_address: Option<SocketAddr>,
    tcp_address: Option<SocketAddr>,
    config: AgentConfig,
}

impl RunningAgent {
    /// Starts sampling, and serving where `config` says. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`] names the address or socket that could not be opened and what to do.
    pub async fn start(config: AgentConfig) -> Result<Self, StartError> {
        let (connector, incoming) = in_process();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (_, health) = tonic_health::server::health_reporter();
        let server = Server::builder().add_service(health);
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            if let Err(error) = server.serve_with_incoming_shutdown(incoming, stopped).await {
                tracing::error!(%error, "the embedded gRPC server ended");
            }
        });
        Ok(Self { connector, tasks, stop, http_address: None, tcp_address: None, config })
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
        self.config.unix_socket.as_deref()
    }

    /// Ends every stream, closes every listener and waits until all of it is done.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
