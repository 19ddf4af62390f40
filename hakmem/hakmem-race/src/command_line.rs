//! The command lines of the programs that measure.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hakmem_bench::usage::{EXIT_FAILED, EXIT_USAGE};

/// Reads the options of a program. On failure, the help or the error has been
/// printed, and the exit code is returned.
pub fn options<Options: clap::Parser>() -> Result<Options, ExitCode> {
    Options::try_parse().map_err(|error| {
        // Nothing is left to do if even this cannot be printed.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
    })
}

/// Body of a program's `main`: reads the options, runs, and prints what went wrong.
pub fn main<Options: clap::Parser>(
    program: &str,
    run: impl FnOnce(&Options) -> Result<ExitCode, Box<dyn std::error::Error>>,
) -> ExitCode {
    let options: Options = match options() {
        Ok(options) => options,
        Err(code) => return code,
    };
    run(&options).unwrap_or_else(|error| {
        eprintln!("{program}: {error}");
        ExitCode::from(EXIT_FAILED)
    })
}

/// Options that say where the allocators are; without them, beside the program that runs.
#[derive(Debug, clap::Args)]
pub struct Allocators {
    /// The preload library; otherwise the one beside this program
    #[arg(long, value_name = "PATH")]
    hakmem: Option<PathBuf>,
    /// The list that `.ci/peers --all` made; otherwise peers/list beside this program
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
}

impl Allocators {
    /// The preload library and the list of peers, given the program's `folder`.
    pub fn in_folder(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let or = |path: &Option<PathBuf>, name| path.clone().unwrap_or_else(|| folder.join(name));
        (or(&self.hakmem, "libhakmem_preload.so"), or(&self.peers, "peers/list"))
    }
}

/// The folder of the running program.
pub fn own_folder() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    program.parent().map(Path::to_path_buf).ok_or_else(|| {
        std::io::Error::new(std::io::ErrorKind::NotFound, "this program has no folder")
    })
}
