//! gRPC connections between two halves of one process: pipes in memory instead of sockets.

use std::io;

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// Bytes that a pipe buffers in each direction, as much as a socket does.
const PIPE_BYTES: usize = 256 * 1024;
/// Number of connections that may wait to be accepted.
const BACKLOG: usize = 16;

/// The connections that a server accepts.
pub(crate) type Incoming = ReceiverStream<io::Result<DuplexStream>>;

/// Opens connections to the server that holds the matching [`Incoming`].
#[derive(Clone, Debug)]
pub(crate) struct InProcessConnector {
    server_ends: mpsc::Sender<io::Result<DuplexStream>>,
}

/// A connector, and the connections that it opens.
pub(crate) fn in_process() -> (InProcessConnector, Incoming) {
    let (server_ends, incoming) = mpsc::channel(BACKLOG);
    (InProcessConnector { server_ends }, ReceiverStream::new(incoming))
}

impl InProcessConnector {
    /// A channel that connects on first use, and again if the connection is lost.
    pub(crate) fn channel(&self) -> Channel {
        let server_ends = self.server_ends.clone();
        Endpoint::from_static("http://agent.local").connect_with_connector_lazy(service_fn(
            move |_: Uri| {
                let server_ends = server_ends.clone();
                async move {
                    let (client, server) = tokio::io::duplex(PIPE_BYTES);
                    server_ends
                        .send(Ok(server))
                        .await
                        .map_err(|_| io::Error::other("the embedded agent has been shut down"))?;
                    Ok::<_, io::Error>(TokioIo::new(client))
                }
            },
        ))
    }
}
