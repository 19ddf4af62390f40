//! The default paths on which agents listen and clients look for them.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// The socket of root's agent. Every user may ask it, and sees only their own processes.
pub const SYSTEM_SOCKET: &str = "/run/hakmem-agent/agent.sock";

/// The socket of this user's agent: [`SYSTEM_SOCKET`] for root, otherwise
/// `$XDG_RUNTIME_DIR/hakmem-agent.sock`, or that file in `/run/user/<uid>`. If neither directory
/// exists, as after `su`, in a container or without systemd, it is
/// `/tmp/hakmem-agent-<uid>/agent.sock`.
pub fn default_socket() -> PathBuf {
    if geteuid().is_root() {
        return SYSTEM_SOCKET.into();
    }
    let runtime = runtime_directories().into_iter().find(|it| is_own(it));
    runtime.map_or_else(temporary_socket, |it| it.join("hakmem-agent.sock"))
}

/// The sockets where a client of this user looks for an agent, in order: those of the user's own
/// agent, started from this environment or another, and then the system's.
pub fn socket_candidates() -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if !geteuid().is_root() {
        let runtime = runtime_directories().into_iter();
        candidates.extend(runtime.map(|it| it.join("hakmem-agent.sock")));
        candidates.push(temporary_socket());
    }
    candidates.push(SYSTEM_SOCKET.into());
    candidates.dedup();
    candidates
}

/// Makes sure that nobody else can replace our socket in the directory for temporary files, where
/// any user may create this user's directory first.
pub(crate) fn check_directory(socket: &Path) -> io::Result<()> {
    let Some(directory) = socket.parent().filter(|_| socket == temporary_socket()) else {
        return Ok(());
    };
    let metadata = std::fs::symlink_metadata(directory)?;
    if metadata.is_dir() && is_of_us(&metadata) && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    let text = format!("another user owns {} or can write to it", directory.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn temporary_socket() -> PathBuf {
    PathBuf::from(format!("/tmp/hakmem-agent-{}/agent.sock", geteuid().as_raw()))
}

fn runtime_directories() -> Vec<PathBuf> {
    let told = std::env::var_os("XDG_RUNTIME_DIR").filter(|it| !it.is_empty());
    let mut directories: Vec<PathBuf> = told.map(PathBuf::from).into_iter().collect();
    directories.push(PathBuf::from(format!("/run/user/{}", geteuid().as_raw())));
    directories.dedup();
    directories
}

/// Whether a directory exists and belongs to this user: after `su` the variable may name another
/// user's.
fn is_own(directory: &Path) -> bool {
    std::fs::metadata(directory).is_ok_and(|it| it.is_dir() && is_of_us(&it))
}

fn is_of_us(metadata: &Metadata) -> bool {
    metadata.uid() == geteuid().as_raw()
}
