//! How to reach an agent: inside this process, through a unix socket, or over TCP.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hakmem_agent::socket_path::SYSTEM_SOCKET;
use hakmem_agent::{AgentConfig, RunningAgent, StartError, socket_candidates};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Uri};

/// How long connecting may take, so that an unreachable host is reported and retried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the data comes from.
#[derive(Debug)]
pub enum Endpoint {
    /// An agent inside this process.
    Embedded {
        /// Runs as long as the endpoint lives.
        agent: Box<RunningAgent>,
        /// The directory that the agent reads.
        directory: PathBuf,
        /// Whether it stands in for an agent that is not running.
        stands_in: bool,
    },
    /// An agent that listens on this socket.
    Unix(PathBuf),
    /// An agent that listens at this address, e.g. `http://127.0.0.1:9848`.
    Tcp(String),
}

/// Why an agent cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The argument of `--connect` is neither a URL nor a path.
    #[error("cannot connect to `{0}`: give http://HOST:PORT, unix:PATH or a path with a slash")]
    BadAddress(String),
    /// Nothing listens on the socket, or permission is denied.
    #[error(
        "cannot connect to the agent's socket {}: {error}; is hakmem-agent running?", path.display()
    )]
    Unix {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nothing answers at the address.
    #[error("cannot connect to the agent at {address}: {error}; is hakmem-agent running there?")]
    Tcp {
        /// The address.
        address: String,
        /// What went wrong.
        error: String,
    },
    /// The agent inside this process did not start.
    #[error("the embedded agent did not start: {0}")]
    Embedded(#[from] StartError),
}

/// Why a segment directory cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryProblem {
    /// The directory does not exist.
    #[error("the directory {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The directory cannot be listed.
    #[error("cannot read the directory {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, String),
}

impl DirectoryProblem {
    /// The problem with `directory`, if there is one.
    pub fn of(directory: &Path) -> Option<Self> {
        match std::fs::read_dir(directory) {
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(Self::Missing(directory.to_owned()))
            }
            Err(error) => Some(Self::Unreadable(directory.to_owned(), error.to_string())),
        }
    }
}

impl Endpoint {
    /// The directory that an agent inside this process reads; `None` for any other agent.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Embedded { directory, .. } => Some(directory),
            Self::Unix(_) | Self::Tcp(_) => None,
        }
    }

    /// The endpoint that `--connect` names.
    ///
    /// # Errors
    ///
    /// [`ConnectError::BadAddress`] if it is neither a URL nor a path.
    pub fn parse(address: &str) -> Result<Self, ConnectError> {
        if let Some(path) = address.strip_prefix("unix:") {
            return Ok(Self::Unix(PathBuf::from(path.strip_prefix("//").unwrap_or(path))));
        }
        let is_url = address.starts_with("http://");
        if is_url && address.parse::<Uri>().is_ok_and(|uri| uri.host().is_some()) {
            return Ok(Self::Tcp(address.to_owned()));
        }
        if !is_url && !address.contains("://") && address.contains('/') {
            return Ok(Self::Unix(PathBuf::from(address)));
        }
        Err(ConnectError::BadAddress(address.to_owned()))
    }

    /// An agent inside this process that reads `directory`.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Embedded`] if the agent does not start.
    pub async fn embedded(directory: PathBuf, interval: Duration) -> Result<Self, ConnectError> {
        let config =
            AgentConfig { watched_interval: interval, ..AgentConfig::for_directory(&directory) };
        let agent = Box::new(RunningAgent::start(config).await?);
        Ok(Self::Embedded { agent, directory, stands_in: false })
    }

    /// The user's own agent, else the system's, else one inside this process that reads
    /// `directory`. If the user `told` the directory, the system's agent is skipped, because it may
    /// not be allowed to read that directory.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if no agent runs and none can be started.
    pub async fn attach(
        directory: PathBuf,
        told: bool,
        interval: Duration,
    ) -> Result<Self, ConnectError> {
        let user = rustix::process::geteuid();
        for path in socket_candidates() {
            if told && !user.is_root() && path == Path::new(SYSTEM_SOCKET) {
                continue;
            }
            let Ok(stream) = UnixStream::connect(&path).await else { continue };
            // Anyone can create a socket in a directory that is writable for everyone.
            match stream.peer_cred().map(|it| it.uid()) {
                Ok(uid) if uid == 0 || uid == user.as_raw() => return Ok(Self::Unix(path)),
                _ => continue,
            }
        }
        let mut endpoint = Self::embedded(directory, interval).await?;
        if let Self::Embedded { stands_in, .. } = &mut endpoint {
            *stands_in = true;
        }
        Ok(endpoint)
    }

    /// Describes the endpoint for the user.
    pub fn describe(&self) -> String {
        match self {
            Self::Embedded { directory, stands_in: true, .. } => {
                format!("no agent runs: reading {} directly", directory.display())
            }
            Self::Embedded { directory, .. } => directory.display().to_string(),
            Self::Unix(path) => path.display().to_string(),
            Self::Tcp(address) => address.clone(),
        }
    }

    /// Connects to the agent.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names the address and the cause.
    pub async fn channel(&self) -> Result<Channel, ConnectError> {
        match self {
            Self::Embedded { agent, .. } => Ok(agent.connect().await),
            Self::Unix(path) => unix_channel(path).await,
            Self::Tcp(address) => tcp_channel(address).await,
        }
    }
}

async fn unix_channel(path: &Path) -> Result<Channel, ConnectError> {
    // The transport's own error hides the cause, so a plain connection is tried first.
    let failed = |error| ConnectError::Unix { path: path.to_owned(), error };
    UnixStream::connect(path).await.map_err(failed)?;
    let socket = path.to_owned();
    let connect = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
    });
    tonic::transport::Endpoint::from_static("http://agent.local")
        .connect_timeout(CONNECT_TIMEOUT)
        .connect_with_connector(connect)
        .await
        .map_err(|error| failed(io::Error::other(error)))
}

async fn tcp_channel(address: &str) -> Result<Channel, ConnectError> {
    let failed = |error: tonic::transport::Error| {
        // The outermost message is only "transport error"; the innermost one names the cause.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ConnectError::Tcp { address: address.to_owned(), error: cause.to_string() }
    };
    tonic::transport::Endpoint::from_shared(address.to_owned())
        .map_err(failed)?
        .connect_timeout(CONNECT_TIMEOUT)
        .connect()
        .await
        .map_err(failed)
}

#[cfg(test)]
mod tests;
