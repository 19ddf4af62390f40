//! Files of the workspace that tests run, built on demand.
//!
//! `cargo test` does not build a `cdylib` or a program of another crate, so this crate asks cargo
//! for it. The preload library and the benchmarks are built in the release profile, which users
//! run; agent and TUI are built in the profile of the tests, because it only changes how long the
//! build takes. A test names in its arguments what cargo has built already for `cargo test` of the
//! whole workspace, so that dependencies keep their features and are not compiled again.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// `libhakmem_preload.so` as users run it.
pub fn preload_library() -> PathBuf {
    build(&["build", "--release", "-p", "hakmem-preload"]);
    existing(target_directory().join("release/libhakmem_preload.so"))
}

/// `libhakmem_preload.so` in the profile of the tests: `cargo test` checks its debug assertions,
/// `cargo test --release` tests it as users run it.
pub fn preload_library_of_tests() -> PathBuf {
    build(&in_profile_of_tests(&["build", "-p", "hakmem-preload"]));
    existing(profile_directory().join("libhakmem_preload.so"))
}

/// The prefix into which `libhakmem` is installed for C programs.
pub fn c_library() -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let prefix = INSTALLED.get_or_init(|| {
        let prefix = target_directory().join("tmp/hakmem-c");
        let mut install = Command::new(repository("hakmem/hakmem-c/install"));
        install.arg(&prefix).env("CARGO_TARGET_DIR", target_directory()).env_remove("DESTDIR");
        let output = install.output().expect("the script starts");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "hakmem/hakmem-c/install failed:\n{message}");
        prefix
    });
    prefix.clone()
}

/// A program of `hakmem-bench` or `hakmem-race`, by name.
pub fn benchmark(name: &str) -> PathBuf {
    build(&["build", "--release", "-p", "hakmem-bench", "-p", "hakmem-race", "--bins"]);
    existing(target_directory().join("release").join(name))
}

/// An example of a crate of the workspace, by name, as users run it.
pub fn release_example(name: &str) -> PathBuf {
    build(&["build", "--release", "--workspace", "--examples"]);
    existing(target_directory().join("release/examples").join(name))
}

/// An example of a crate of the workspace, by name, in the profile of the tests. `cargo test`
/// builds it, but `cargo test --test it` does not.
pub fn example(name: &str) -> PathBuf {
    build(&in_profile_of_tests(&["build", "--workspace", "--examples"]));
    existing(profile_directory().join("examples").join(name))
}

/// `hakmem-agent`.
pub fn agent() -> PathBuf {
    agent_and_top().join("hakmem-agent")
}

/// `hakmem-top`. It finds the preload library beside itself or where `HAKMEM_LIBRARY` says.
pub fn top() -> PathBuf {
    agent_and_top().join("hakmem-top")
}

/// Builds agent and TUI in one go and returns their folder: each by itself would have dependencies
/// with other features than `cargo test` has built them with, and take minutes.
fn agent_and_top() -> PathBuf {
    build(&in_profile_of_tests(&["build", "-p", "hakmem-agent", "-p", "hakmem-top", "--bins"]));
    profile_directory()
}

/// A file of this repository, by its path from the root.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The folder of all profiles, in which cargo builds.
pub fn target_directory() -> PathBuf {
    profile_directory().parent().expect("a profile's folder is in the target folder").to_path_buf()
}

/// Runs cargo in the repository's root, once for each list of arguments.
///
/// # Panics
///
/// If cargo fails, with what it printed.
pub fn build(arguments: &[&str]) {
    static BUILDS: Mutex<BTreeMap<String, Arc<OnceLock<()>>>> = Mutex::new(BTreeMap::new());
    let key = arguments.join(" ");
    let mut builds = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let build = Arc::clone(builds.entry(key).or_default());
    // A test that needs another build, which may be over, does not wait for this one.
    drop(builds);
    build.get_or_init(|| run_cargo(arguments));
}

fn run_cargo(arguments: &[&str]) {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .env("CARGO_TERM_QUIET", "true")
        .current_dir(repository("."))
        .env("CARGO_TARGET_DIR", target_directory())
        .output()
        .expect("cargo starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed:\n{message}");
}

fn in_profile_of_tests(arguments: &[&'static str]) -> Vec<&'static str> {
    let is_release = profile_directory().ends_with("release");
    let profile: &[&str] = if is_release { &["--release"] } else { &[] };
    [arguments, profile].concat()
}

/// A test is `<target>/<profile>/deps/it-<hash>`.
fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the system knows this program's path");
    test.ancestors().nth(2).expect("cargo puts tests two folders deep").to_path_buf()
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "cargo built no {}", path.display());
    path
}
