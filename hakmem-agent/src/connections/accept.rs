//! Accepts incoming connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{Connections, Link, Peer};
use crate::authority::PlainAuthority;
use crate::failure::Failure;

/// Time until the next attempt after the system refused.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that accepts connections.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Io: Send + 'static;

    /// The next connection, and its peer.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

impl Listener for UnixListener {
    type Io = PlainAuthority<UnixStream>;

    async fn next(&self) -> io::Result<(Self::Io, Peer)> {
        let (stream, _) = self.accept().await?;
        let peer = stream.peer_cred().map_or(Peer::Unknown, |user| Peer::User(user.uid()));
        Ok((PlainAuthority::new(stream), peer))
    }
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn next(&self) -> io::Result<(Self::Io, Peer)> {
        let (stream, address) = self.accept().await?;
        // Failure is harmless: the option only reduces the latency of answers.
        let _ = stream.set_nodelay(true);
        Ok((stream, Peer::Address(address.ip())))
    }
}

/// Accepts connections, in a task of its own, until `stop`.
pub(crate) fn accept<L: Listener>(
    listener: L,
    connections: &Arc<Connections>,
    failure: &Arc<Failure>,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<Link<L::Io>>> {
    let connections = Arc::clone(connections);
    let (accepted, incoming) = mpsc::channel(1);
    failure.task("accepting connections", async move {
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = listener.next() => next,
            };
            match next {
                Ok((io, peer)) => {
                    if accepted.send(Ok(Link::new(io, &connections, peer))).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    if is_shortage(&error) {
                        connections.make_room();
                    }
                    tracing::debug!("cannot accept a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    ReceiverStream::new(incoming)
}

/// Whether closing a connection would help.
fn is_shortage(error: &io::Error) -> bool {
    let short = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|error| short.contains(&error))
}
