//! One lap: one program under one contender, with proof that the contender served the calls.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use hakmem_bench::report::Report;

use crate::race::cell::{Cell, Length};
use crate::race::contender::Contender;
use crate::race::segment_counts::{CountError, SegmentCounts};

/// The place where laps run: the programs, and a folder of its own for telemetry segments.
#[derive(Debug)]
pub struct Track {
    programs: PathBuf,
    segments: tempfile::TempDir,
}

/// Why a lap does not count.
#[derive(Debug, thiserror::Error)]
pub enum LapError {
    /// The benchmark program is missing or does not start.
    #[error("cannot run {program}: {error}; build it with cargo build --release -p hakmem-bench")]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// No folder can be made for telemetry segments.
    #[error("cannot make a folder in /dev/shm for telemetry: {0}")]
    Segments(std::io::Error),
    /// The program failed.
    #[error("{cell} under {contender} ended with {status}: {message}")]
    Failed {
        /// The cell that ran.
        cell: Cell,
        /// Its allocator.
        contender: String,
        /// The exit status of the program.
        status: ExitStatus,
        /// What it printed to standard error, or what its output lacks.
        message: String,
    },
    /// Another library's `malloc` was called.
    #[error("{cell} should run under {contender}, but malloc came from {found:?}")]
    NotServed {
        /// The cell that ran.
        cell: Cell,
        /// Its allocator.
        contender: String,
        /// The library whose `malloc` was called.
        found: Option<PathBuf>,
    },
    /// The library's file is right, but it does not contain the allocator.
    #[error("{cell} should run under {contender}, but {library} defines no {marker}")]
    NotLinked {
        /// The cell that ran.
        cell: Cell,
        /// Its allocator.
        contender: String,
        /// The library whose `malloc` was called.
        library: PathBuf,
        /// The symbol that the allocator defines.
        marker: &'static str,
    },
    /// hakmem's own counters do not show the program's calls.
    #[error(
        "{cell} under {contender} made {made} calls of {call}, but its segment shows {counted}"
    )]
    NotCounted {
        /// The cell that ran.
        cell: Cell,
        /// Its allocator.
        contender: String,
        /// `malloc` or `free`.
        call: &'static str,
        /// Calls that the program made.
        made: u64,
        /// Calls that the segment shows.
        counted: u64,
    },
    /// The load should have freed many blocks in another thread than had allocated them.
    #[error(
        "{cell} under {contender} freed only {found} of {frees} blocks in a thread other than the \
         allocating one; hakmem's counters show {counted}"
    )]
    NotExchanged {
        /// The cell that ran.
        cell: Cell,
        /// Its allocator.
        contender: String,
        /// Number of frees in a thread other than the allocating one, by the program's count.
        found: u64,
        /// Number of all frees.
        frees: u64,
        /// Lower bound of `found` by hakmem's own counters, if hakmem served.
        counted: String,
    },
    /// hakmem's own counters cannot be read.
    #[error("{cell} under {contender} cannot be proven: {error}")]
    Unproven {
        /// The cell that ran.
        cell: Cell,
        /// Its allocator.
        contender: String,
        /// What is wrong.
        error: CountError,
    },
}

/// Figures of a lap that counts.
#[derive(Clone, Debug)]
pub struct Lap {
    /// What the program printed.
    pub report: Report,
    /// What the allocator counted, if it counts calls.
    pub counts: Option<SegmentCounts>,
}

impl Track {
    /// A track that finds the programs in the folder `programs`.
    pub fn new(programs: &Path) -> Result<Self, LapError> {
        let segments = tempfile::Builder::new()
            .prefix("hakmem-race-")
            .tempdir_in("/dev/shm")
            .map_err(LapError::Segments)?;
        Ok(Self { programs: programs.to_path_buf(), segments })
    }

    /// Folder of the telemetry segments; empty between two laps.
    pub fn segments(&self) -> &Path {
        self.segments.path()
    }

    /// Path of one of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// A command that runs one of the programs under the contender.
    pub fn command(&self, program: &str, contender: &Contender) -> Command {
        let mut command = Command::new(self.program(program));
        self.put_under(&mut command, contender);
        command
    }

    /// Puts the contender under whatever the command runs.
    pub fn put_under(&self, command: &mut Command, contender: &Contender) {
        command.env_remove("LD_PRELOAD").env("HAKMEM_DIR", self.segments());
        command.envs(contender.environment.iter().copied());
        if contender.preload {
            command.env("LD_PRELOAD", &contender.library);
        }
    }

    /// Runs the program and checks that the contender, and no other allocator, served its calls.
    pub fn run(&self, cell: Cell, length: Length, contender: &Contender) -> Result<Lap, LapError> {
        let mut command = self.command(cell.program(), contender);
        command.args(cell.arguments(length));
        let program = PathBuf::from(command.get_program());
        let output = command.output().map_err(|error| LapError::Start { program, error })?;
        let failed = |message: String| LapError::Failed {
            cell,
            contender: contender.name.clone(),
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
            return Err(LapError::NotServed { cell, contender: contender.name.clone(), found });
        }
        if let Some(marker) = contender.marker
            && !report.malloc_markers.iter().any(|found| found == marker)
        {
            let (contender, library) = (contender.name.clone(), contender.library.clone());
            return Err(LapError::NotLinked { cell, contender, library, marker });
        }
        let counts = contender
            .publishes
            .then(|| self.proven_counts(cell, contender, &report))
            .transpose()?;
        let lap = Lap { report, counts };
        lap.prove_exchange(cell, contender)?;
        Ok(lap)
    }

    /// Checks that the segment of the process shows all its calls, and removes it, so that each lap
    /// finds only its own segment.
    fn proven_counts(
        &self,
        cell: Cell,
        contender: &Contender,
        report: &Report,
    ) -> Result<SegmentCounts, LapError> {
        let name = || contender.name.clone();
        let counts = SegmentCounts::take(self.segments()).map_err(|error| LapError::Unproven {
            cell,
            contender: name(),
            error,
        })?;
        let calls = [
            ("malloc", report.mallocs, counts.allocations()),
            ("free", report.frees, counts.frees()),
        ];
        for (call, made, counted) in calls {
            if counted < made {
                return Err(LapError::NotCounted { cell, contender: name(), call, made, counted });
            }
        }
        Ok(counts)
    }
}

impl Lap {
    /// Checks that a load that exchanges blocks did so: by its own account, and by hakmem's
    /// counters, which show threads that freed more blocks of a bin than they allocated.
    fn prove_exchange(&self, cell: Cell, contender: &Contender) -> Result<(), LapError> {
        let Some(least) = cell.frees_elsewhere_least() else { return Ok(()) };
        let frees = self.report.frees;
        let found = self.report.frees_elsewhere.unwrap_or(0);
        let counted = self.counts.as_ref().map(|counts| counts.frees_elsewhere_least);
        if found as f64 >= least * frees as f64 && counted.is_none_or(|counted| counted > 0) {
            return Ok(());
        }
        let counted = counted.map_or("nothing".to_owned(), |counted| counted.to_string());
        let contender = contender.name.clone();
        Err(LapError::NotExchanged { cell, contender, found, frees, counted })
    }
}
