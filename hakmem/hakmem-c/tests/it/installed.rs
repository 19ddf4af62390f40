//! The library as it is installed, and programs linked with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Folder of the package.
pub(crate) const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a command in the folder with the installed library in sight, and fails if it does. If the
/// tool is missing, the failure names the Debian package that has it.
pub(crate) fn run(command: &mut Command, package: &str) -> String {
    let output = output(command, package);
    let message = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {}\n{text}{message}", output.status);
    text.into_owned()
}

/// [`run`] for a command that may fail.
pub(crate) fn output(command: &mut Command, package: &str) -> Output {
    let prefix = hakmem_built::c_library();
    command
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .env("CMAKE_PREFIX_PATH", &prefix)
        .env_remove("LD_PRELOAD");
    command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; install the Debian package {package}")
    })
}

/// A source of `tests/programs`, compiled and linked with the shared library.
pub(crate) fn program(folder: &Path, source: &str) -> PathBuf {
    let program = folder.join(source.trim_end_matches(".c"));
    let library = hakmem_built::c_library().join("lib");
    let mut command = Command::new("sh");
    command
        .args(["-ec", "cc -Wall -Wextra -Werror -o $0 $1 $2 $(pkg-config --cflags --libs hakmem)"])
        .arg(&program)
        .arg(Path::new(PACKAGE).join("tests/programs").join(source))
        .arg(format!("-Wl,-rpath,{}", library.display()));
    run(&mut command, "gcc");
    program
}
