//! The unix socket: opened so that no running agent is displaced and no stale file is in the way,
//! and removed at the end.
//!
//! A lock file beside the socket keeps two agents apart that start at the same moment, because
//! testing whether a socket file is stale and replacing it is not atomic.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tokio::net::{UnixListener, UnixStream};

use crate::socket_path::check_directory;

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another agent answers on it.
    #[error("an agent is already listening on {0}; stop it or choose another path with --socket")]
    Live(PathBuf),
    /// A file that is not a socket has its name.
    #[error("{0} exists and is not a socket; remove it or choose another path with --socket")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {path}: {source}; choose another path with --socket")]
    Io {
        /// The socket or its directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The file of a listening socket, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode of our socket, so that another agent's socket is not removed.
    identity: (u64, u64),
    _lock: File,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.identity)
        {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens on `path`, creating its directory (0700) if it is missing.
///
/// A user's socket is for that user alone (0600). Root's is open to everyone (0666), because every
/// client sees only their own processes.
pub(crate) async fn listen(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    let for_everyone = rustix::process::geteuid().is_root();
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty() && !d.exists()) {
        let mode = if for_everyone { 0o755 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(directory).map_err(failed)?;
    }
    check_directory(path).map_err(failed)?;
    let lock = lock_beside(path)?;
    remove_stale(path).await?;
    let listener = UnixListener::bind(path).map_err(failed)?;
    let mode = if for_everyone { 0o666 } else { 0o600 };
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    let identity = (metadata.dev(), metadata.ino());
    Ok((listener, SocketFile { path: path.to_owned(), identity, _lock: lock }))
}

/// Takes the lock that an agent holds for as long as it listens. The file stays: removing it would
/// let two agents hold locks on two files of that name.
fn lock_beside(path: &Path) -> Result<File, SocketError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let failed = |source| SocketError::Io { path: lock_path.clone(), source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(&lock_path)
        .map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(SocketError::Live(path.to_owned())),
        Err(error) => Err(failed(error.into())),
    }
}

async fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketError::Live(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
