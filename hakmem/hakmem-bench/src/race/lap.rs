//! One lap: one program under one contender, with proof that the contender served the calls.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::race::cell::Cell;
use crate::race::contender::{Contender, HAKMEM};
use crate::race::segment_counts::{self, CountError};
use crate::report::Report;

/// Where laps run: the programs, and a folder of their own for telemetry segments.
#[derive(Debug)]
pub struct Track {
    programs: PathBuf,
    segments: tempfile::TempDir,
}

/// Why a lap does not count.
#[derive(Debug, thiserror::Error)]
pub enum LapError {
    /// The benchmark program is not there, or does not start.
    #[error("cannot run {program}: {error}; cargo build --release -p hakmem-bench")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is no place for telemetry segments.
    #[error("cannot make a folder in /dev/shm for telemetry: {0}")]
    Segments(std::io::Error),
    /// The program failed.
    #[error("{cell} under {contender} ended with {status}: {message}")]
    Failed {
        /// What ran.
        cell: Cell,
        /// Under which allocator.
        contender: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it printed to standard error, or what is missing from its output.
        message: String,
    },
    /// Another library's `malloc` was called.
    #[error("{cell} should run under {contender}, but malloc came from {found:?}")]
    NotServed {
        /// What ran.
        cell: Cell,
        /// Under which allocator.
        contender: &'static str,
        /// The library that answered.
        found: Option<PathBuf>,
    },
    /// hakmem's own counters do not show the program's calls.
    #[error("{cell} made {mallocs} calls of malloc, but hakmem's segment shows {counted}")]
    NotCounted {
        /// What ran.
        cell: Cell,
        /// Calls the program made.
        mallocs: u64,
        /// Allocations in the segment.
        counted: u64,
    },
    /// hakmem's own counters cannot be read.
    #[error("{cell} under hakmem cannot be proven: {error}")]
    Unproven {
        /// What ran.
        cell: Cell,
        /// What is wrong.
        error: CountError,
    },
}

impl Track {
    /// A track that finds the programs in this folder.
    pub fn new(programs: &Path) -> Result<Self, LapError> {
        let segments = tempfile::Builder::new()
            .prefix("hakmem-race-")
            .tempdir_in("/dev/shm")
            .map_err(LapError::Segments)?;
        Ok(Self { programs: programs.to_path_buf(), segments })
    }

    /// Runs the program and checks that the contender, and nobody else, served its calls.
    pub fn run(
        &self,
        cell: Cell,
        operations: u64,
        contender: &Contender,
    ) -> Result<Report, LapError> {
        let program = self.programs.join(cell.program());
        let mut command = Command::new(&program);
        command.args(cell.arguments(operations)).env_remove("LD_PRELOAD");
        command.env("HAKMEM_DIR", self.segments.path());
        if contender.preload {
            command.env("LD_PRELOAD", &contender.library);
        }
        let output = command.output().map_err(|error| LapError::Start { program, error })?;
        let failed = |message: String| LapError::Failed {
            cell,
            contender: contender.name,
            status: output.status,
            message,
        };
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let report =
            Report::parse(&text).ok_or_else(|| failed("its output lacks a figure".to_owned()))?;
        let found = report.malloc_file.as_deref().and_then(|file| file.canonicalize().ok());
        if found.as_ref() != Some(&contender.library) {
            return Err(LapError::NotServed { cell, contender: contender.name, found });
        }
        if contender.name == HAKMEM {
            self.prove_counted(cell, &report)?;
        }
        Ok(report)
    }

    /// The segment of the process must show all its allocations; it is removed afterwards, so
    /// that each lap finds only its own.
    fn prove_counted(&self, cell: Cell, report: &Report) -> Result<(), LapError> {
        let mallocs = report.mallocs;
        let counted = segment_counts::take_allocations(self.segments.path())
            .map_err(|error| LapError::Unproven { cell, error })?;
        if counted < mallocs {
            return Err(LapError::NotCounted { cell, mallocs, counted });
        }
        Ok(())
    }
}
