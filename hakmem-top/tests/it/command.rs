//! The command under test, and folders to write to.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// The command.
pub(crate) const TOP: &str = env!("CARGO_BIN_EXE_hakmem-top");

/// A folder for segments in shared memory; it is removed at the end.
pub(crate) fn segments() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("hakmem-top-test-")
        .tempdir_in("/dev/shm")
        .expect("/dev/shm takes a folder")
}

/// The command with its own folder for segments, the library, and no agent to attach to. `env`
/// resets ignored signals: a test run in the background ignores some, and the command inherits
/// that.
pub(crate) fn top(segments: &Path) -> Command {
    let mut command = Command::new("env");
    command
        .args(["--default-signal", TOP])
        .env("HAKMEM_DIR", segments)
        .env("HAKMEM_LIBRARY", hakmem_built::preload_library())
        .env_remove("LD_PRELOAD")
        .env_remove("NO_COLOR");
    command
}

/// Runs the command to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().expect("hakmem-top starts")
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A name that is unique among the tests of this run.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
