//! The programs under test, and folders for them to write to.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The command.
pub(crate) const TOP: &str = env!("CARGO_BIN_EXE_hakmem-top");

/// `libhakmem_preload.so`. Cargo does not build the `cdylib` of another crate for a test, so this
/// invokes it.
pub(crate) fn library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_library).clone()
}

fn build_library() -> PathBuf {
    cargo(&["build", "--release", "-p", "hakmem-preload"]);
    target_directory().join("release/libhakmem_preload.so")
}

/// An example of this crate, built like the tests. Cargo builds examples for `cargo test`, with the
/// features of the whole workspace, but not for `--test it`.
pub(crate) fn example(name: &str) -> PathBuf {
    let profile = profile_directory();
    let release = profile.ends_with("release").then_some("--release");
    let mut arguments = vec!["build", "--workspace", "--examples"];
    arguments.extend(release);
    cargo(&arguments);
    profile.join("examples").join(name)
}

fn profile_directory() -> &'static Path {
    Path::new(TOP).parent().expect("programs are in the profile's folder")
}

fn target_directory() -> PathBuf {
    let folder = profile_directory().parent();
    folder.expect("a profile's folder is in the target folder").to_path_buf()
}

fn cargo(arguments: &[&str]) {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .arg("--quiet")
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .env("CARGO_TARGET_DIR", target_directory())
        .output()
        .expect("cargo starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed:\n{message}");
}

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
        .env("HAKMEM_LIBRARY", library())
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
