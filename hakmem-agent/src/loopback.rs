//! TCP listeners, only on loopback: other addresses would need TLS and a token.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why an address was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address can be reached from other machines.
    #[error(
        "{0} is not a loopback address, and other addresses are not supported yet; use 127.0.0.1 \
         or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {address}: {source}; choose another address with {option}")]
    Io {
        /// The requested address.
        address: SocketAddr,
        /// The option that sets it.
        option: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// Listens on `address`, which the command line's `option` sets.
pub(crate) async fn listen(
    address: SocketAddr,
    option: &'static str,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    let failed = |source| ListenError::Io { address, option, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
