//! The files under test, built on demand.
//!
//! `cargo test` does not build a `cdylib` of another crate, so this module asks cargo for it. The
//! preload library and the benchmarks are built in the release profile, which users run; agent and
//! TUI are built in the profile of the tests, because it only changes how long the build takes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `libhakmem_preload.so`.
pub(crate) fn preload_library() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| cargo(&["build", "--release", "-p", "hakmem-preload"]));
    target_directory().join("release/libhakmem_preload.so")
}

/// A program of `hakmem-bench` or `hakmem-race`, by name.
pub(crate) fn benchmark(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        cargo(&["build", "--release", "-p", "hakmem-bench", "-p", "hakmem-race", "--bins"]);
    });
    target_directory().join("release").join(name)
}

/// An example of a crate of the workspace, by name.
pub(crate) fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    // `cargo test` has built the examples of the whole workspace with the same features.
    BUILT.get_or_init(|| cargo(&["build", "--release", "--workspace", "--examples"]));
    target_directory().join("release/examples").join(name)
}

/// `hakmem-agent`.
pub(crate) fn agent() -> PathBuf {
    agent_and_top().join("hakmem-agent")
}

/// `hakmem-top`. It finds the preload library beside itself or where `HAKMEM_PRELOAD` says.
pub(crate) fn top() -> PathBuf {
    agent_and_top().join("hakmem-top")
}

/// A file of this repository, from its root.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Builds agent and TUI in one go and returns their folder: each by itself would have dependencies
/// with other features than `cargo test` has built them with, and take minutes.
fn agent_and_top() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let release = profile_directory().ends_with("release").then_some("--release");
        let mut arguments = vec!["build", "-p", "hakmem-agent", "-p", "hakmem-top", "--bins"];
        arguments.extend(release);
        cargo(&arguments);
    });
    profile_directory()
}

/// This test is `<target>/<profile>/deps/it-<hash>`.
fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the system knows this program's path");
    test.ancestors().nth(2).expect("cargo puts tests two folders deep").to_path_buf()
}

fn target_directory() -> PathBuf {
    profile_directory().parent().expect("a profile's folder is in the target folder").to_path_buf()
}

fn cargo(arguments: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .arg("--quiet")
        .arg("--manifest-path")
        .arg(repository("Cargo.toml"))
        .env("CARGO_TARGET_DIR", target_directory())
        .output()
        .expect("cargo starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed:\n{message}");
}
