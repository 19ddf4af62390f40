//! One connection: its bytes, and the time since the last of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use super::{Activity, Connections, Limits, Peer};

/// A connection of a listener. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Link<Io> {
    io: Io,
    connections: Arc<Connections>,
    id: u64,
    activity: Arc<Activity>,
    opened: Instant,
    /// Number of received bytes.
    received: u64,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Time of the next check for silence.
    look: Pin<Box<Sleep>>,
}

impl<Io> Link<Io> {
    pub(super) fn new(io: Io, connections: &Arc<Connections>, peer: Peer) -> Self {
        let (id, activity) = connections.admit(peer);
        let opened = Instant::now();
        let closed = Box::pin(activity.close.clone().cancelled_owned());
        let Limits { begin_within, silence_max, .. } = connections.limits;
        let look = Box::pin(tokio::time::sleep_until(opened + begin_within.min(silence_max)));
        let connections = Arc::clone(connections);
        Self { io, connections, id, activity, opened, received: 0, closed, look }
    }

    fn heard(&self) {
        self.activity.at_ms.store(self.connections.now_ms(), Ordering::Relaxed);
    }

    /// The time at which the connection will have been silent for too long.
    fn deadline(&self) -> Instant {
        let limits = &self.connections.limits;
        if self.received < limits.first_bytes {
            return self.opened + limits.begin_within;
        }
        let at = Duration::from_millis(self.activity.at_ms.load(Ordering::Relaxed));
        self.connections.origin + at + limits.silence_max
    }

    /// Whether the connection must be closed.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.closed.as_mut().poll(context).is_ready() {
            let error = io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "closed to make room for another connection",
            );
            return Poll::Ready(error);
        }
        loop {
            ready!(self.look.as_mut().poll(context));
            let deadline = self.deadline();
            if deadline <= Instant::now() {
                self.connections.closed_for_silence.fetch_add(1, Ordering::Relaxed);
                let error = io::Error::new(io::ErrorKind::TimedOut, "idle for too long");
                return Poll::Ready(error);
            }
            self.look.as_mut().reset(deadline);
        }
    }

    /// The result of reading or writing, unless the connection must be closed while it waits.
    fn or_end<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        match done {
            Poll::Ready(done) => {
                self.heard();
                Poll::Ready(done)
            }
            Poll::Pending => self.poll_end(context).map(Err),
        }
    }
}

impl<Io> Drop for Link<Io> {
    fn drop(&mut self) {
        self.connections.leave(self.id);
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Link<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.io).poll_read(context, buffer);
        self.received += (buffer.filled().len() - before) as u64;
        self.or_end(done, context)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Link<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(context, bytes);
        self.or_end(done, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.or_end(done, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl<Io: Connected> Connected for Link<Io> {
    type ConnectInfo = Io::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}
