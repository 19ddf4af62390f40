//! The programs under test: those of `tests/programs`, compiled, and two in Rust.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use hakmem_built::target_directory;

/// Folder of the programs' sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs");

/// A library in Rust, with hakmem as its own allocator.
pub(crate) fn rust_plugin() -> PathBuf {
    hakmem_built::build(&["build", "--release", "-p", "hakmem-alloc", "--example", "plugin"]);
    target_directory().join("release/examples/libplugin.so")
}

/// A program in Rust with hakmem as its allocator. GNU's linker links it statically, which omits
/// the program header that describes the program headers.
pub(crate) fn static_program() -> PathBuf {
    let build = ["rustc", "--release", "-p", "hakmem-alloc", "--example", "static_program"];
    let link = ["--", "-C", "target-feature=+crt-static", "-C", "link-arg=-fuse-ld=bfd"];
    hakmem_built::build(&[&build[..], &link].concat());
    target_directory().join("release/examples/static_program")
}

/// A program by the name of its source, such as `churn.c`, compiled once per run.
pub(crate) fn program(source: &str) -> PathBuf {
    compile(source, "", &[])
}

/// A source compiled as a program with more `options`, distinguished by `kind`.
pub(crate) fn program_with(source: &str, kind: &str, options: &[&str]) -> PathBuf {
    compile(source, kind, options)
}

/// A source compiled as a shared library.
pub(crate) fn plugin(source: &str) -> PathBuf {
    plugin_with(source, "", &[])
}

/// A source compiled as a shared library with more `options`, distinguished by `kind`.
pub(crate) fn plugin_with(source: &str, kind: &str, options: &[&str]) -> PathBuf {
    compile(source, kind, &[&["-shared", "-fPIC"], options].concat())
}

fn compile(source: &str, kind: &str, options: &[&str]) -> PathBuf {
    static COMPILED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let (stem, extension) = source.rsplit_once('.').expect("sources have an extension");
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{stem}{kind}"));
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let compiled = compiled.get_or_insert_default();
    if compiled.contains(&output) {
        return output;
    }
    let (compiler, package) = if extension == "cc" { ("c++", "g++") } else { ("cc", "gcc") };
    let mut command = Command::new(compiler);
    // Without optimisation the compiler removes no call; it may remove pairs of new and delete or
    // malloc and free.
    command.args(["-O0", "-g", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-pthread"]);
    // Many tests free a block twice or request more than can be had: that is their purpose.
    command.args(["-Wno-alloc-size-larger-than", "-Wno-use-after-free", "-Wno-unused-result"]);
    if extension == "cc" {
        command.args(["-std=c++17", "-fsized-deallocation", "-faligned-new"]);
    }
    command.arg("-o").arg(&output).arg(Path::new(SOURCES).join(source)).args(options).arg("-ldl");
    run(&mut command, compiler, package);
    compiled.insert(output.clone());
    output
}

/// Runs a tool to its end. If the tool is missing, the failure names the Debian package that has
/// it.
pub(crate) fn run(command: &mut Command, tool: &str, package: &str) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}; install the Debian package {package}"));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} failed:\n{message}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &message
}
