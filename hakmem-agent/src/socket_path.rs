//! Where agents listen and their clients look for them, unless they are told.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Where root's agent listens. Every user may ask it, and is told of their own processes.
pub const SYSTEM_SOCKET: &str = "/run/hakmem-agent/agent.sock";

/// Where an agent of this user listens: [`SYSTEM_SOCKET`] for root, otherwise
/// `$XDG_RUNTIME_DIR/hakmem-agent.sock`, or the same in `/run/user/<uid>`. Who has neither
/// directory, as after `su`, in a container or without systemd, has
/// `/tmp/hakmem-agent-<uid>/agent.sock`.
pub fn default_socket() -> PathBuf {
    if geteuid().is_root() {
        return SYSTEM_SOCKET.into();
    }
    let runtime = runtime_directories().into_iter().find(|it| is_own(it));
    runtime.map_or_else(temporary_socket, |it| it.join("hakmem-agent.sock"))
}

/// Where a client of this user looks for an agent, in this order: where the user's own may listen,
/// started from this environment or from another, and then the system's.
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

/// Makes sure that nobody else can put a socket in the place of ours in the directory for temporary
/// files, where anyone may make the user's directory first.
pub(crate) fn check_directory(socket: &Path) -> io::Result<()> {
    let Some(directory) = socket.parent().filter(|_| socket == temporary_socket()) else {
        return Ok(());
    };
    let metadata = std::fs::symlink_metadata(directory)?;
    if metadata.is_dir() && is_of_us(&metadata) && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    let text = format!("somebody else can write to {}", directory.display());
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

/// Whether a directory exists and is this user's: after `su` the variable may name another's.
fn is_own(directory: &Path) -> bool {
    std::fs::metadata(directory).is_ok_and(|it| it.is_dir() && is_of_us(&it))
}

fn is_of_us(metadata: &Metadata) -> bool {
    metadata.uid() == geteuid().as_raw()
}
