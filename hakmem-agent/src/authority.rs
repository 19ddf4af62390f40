//! Admits clients whose `:authority` is the path of a unix socket.
//!
//! gRPC's C core, and with it Python, Ruby, PHP and C++, sends the percent-encoded path
//! (`tmp%2Fagent.sock`); older versions of Go send the path itself. Neither is an authority by RFC
//! 3986, and the HTTP/2 library resets every such stream with PROTOCOL_ERROR before our code sees
//! it. Nothing here needs the authority, so it is rewritten to a valid one on its way in: in each
//! frame of headers, `%` and `/` in its value become `-`.
//!
//! This needs no decoding and changes no length, neither in HPACK (RFC 7541) nor in its tables: as
//! plain bytes each of the three characters takes one byte, and in Huffman's code each takes six
//! bits. Input that this filter does not understand (a frame of more than 16 KiB, a value that
//! continues in the next frame) passes unchanged.

mod headers;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use headers::HeaderBlock;

/// Length of `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`.
const PREFACE_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 9;
/// The longest frame that a server accepts unless it announces another limit, which ours does not.
const PAYLOAD_BYTES_MAX: usize = 16 * 1024;
/// Length of one read.
const READ_BYTES: usize = 8 * 1024;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A connection whose requests have valid authorities.
#[derive(Debug)]
pub(crate) struct PlainAuthority<Io> {
    io: Io,
    frames: Frames,
    /// Bytes for the server to read, from `at` on.
    ready: Vec<u8>,
    at: usize,
}

impl<Io> PlainAuthority<Io> {
    pub(crate) fn new(io: Io) -> Self {
        Self { io, frames: Frames::default(), ready: Vec::new(), at: 0 }
    }
}

/// Cuts a client's bytes into frames.
#[derive(Debug)]
struct Frames {
    /// Number of bytes that pass unchanged before the next frame begins.
    passing: usize,
    /// An incomplete frame: its header, and for a frame of headers, its payload.
    held: Vec<u8>,
    block: HeaderBlock,
}

impl Default for Frames {
    fn default() -> Self {
        Self { passing: PREFACE_BYTES, held: Vec::new(), block: HeaderBlock::default() }
    }
}

impl Frames {
    /// Takes received bytes, and appends to `out` those that may pass on.
    fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.passing > 0 {
                let (passing, rest) = bytes.split_at(self.passing.min(bytes.len()));
                out.extend_from_slice(passing);
                self.passing -= passing.len();
                bytes = rest;
                continue;
            }
            let wanted = self.wanted() - self.held.len();
            let (own, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.held.extend_from_slice(own);
            bytes = rest;
            self.release(out);
        }
    }

    /// Number of bytes of the frame that must be received before any of it passes on.
    fn wanted(&self) -> usize {
        match self.held.first_chunk() {
            Some(header) if holds_headers(header) => FRAME_HEADER_BYTES + payload_bytes(header),
            _ => FRAME_HEADER_BYTES,
        }
    }

    /// Passes the frame on if enough of it was received.
    fn release(&mut self, out: &mut Vec<u8>) {
        if self.held.len() < self.wanted() {
            return;
        }
        let Some((header, payload)) = self.held.split_first_chunk_mut() else { return };
        if holds_headers(header) {
            rewrite(&mut self.block, header, payload);
        } else {
            self.passing = payload_bytes(header);
        }
        out.append(&mut self.held);
    }
}

fn payload_bytes(header: &[u8; FRAME_HEADER_BYTES]) -> usize {
    usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])
}

fn holds_headers(header: &[u8; FRAME_HEADER_BYTES]) -> bool {
    matches!(header[3], HEADERS | CONTINUATION) && payload_bytes(header) <= PAYLOAD_BYTES_MAX
}

fn rewrite(block: &mut HeaderBlock, header: &[u8; FRAME_HEADER_BYTES], payload: &mut [u8]) {
    let (kind, flags) = (header[3], header[4]);
    let mut part = 0..payload.len();
    if kind == HEADERS {
        *block = HeaderBlock::default();
        if flags & PADDED != 0 {
            let padding = payload.first().map_or(0, |&bytes| usize::from(bytes));
            part = 1..payload.len().saturating_sub(padding);
        }
        if flags & PRIORITY != 0 {
            part.start += 5;
        }
    }
    if let Some(part) = payload.get_mut(part) {
        block.make_authority_plain(part);
    }
    if flags & END_HEADERS != 0 {
        *block = HeaderBlock::default();
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for PlainAuthority<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.at == this.ready.len() {
            let mut bytes = [0; READ_BYTES];
            let mut came = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.io).poll_read(context, &mut came))?;
            this.ready.clear();
            this.at = 0;
            if came.filled().is_empty() {
                // A frame that is cut off here is invalid anyway.
                return Poll::Ready(Ok(()));
            }
            this.frames.take(came.filled(), &mut this.ready);
        }
        let waiting = &this.ready[this.at..];
        let now = waiting.len().min(buffer.remaining());
        buffer.put_slice(&waiting[..now]);
        this.at += now;
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for PlainAuthority<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

impl<Io: Connected> Connected for PlainAuthority<Io> {
    type ConnectInfo = Io::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

#[cfg(test)]
mod tests;
