//! One run of a program under one allocator.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::peak;
use crate::programs_race::bindings::{self, Bound};
use crate::programs_race::outcome::ProgramOutcome;
use crate::programs_race::prepared::Prepared;
use crate::programs_race::program::Program;
use crate::programs_race::redis::{self, RedisError};
use crate::race::contender::Contender;
use crate::race::lap::Track;
use crate::race::segment_counts::SegmentCounts;

/// Why a run does not count.
#[derive(Debug, thiserror::Error)]
pub enum ProgramRunError {
    /// A process does not start, or a file cannot be used.
    #[error("{program} under {contender}: {error}")]
    System {
        /// The program that ran.
        program: Program,
        /// Its allocator.
        contender: String,
        /// The system's error.
        error: std::io::Error,
    },
    /// The program failed, gave another answer, or was served by another allocator.
    #[error("{program} under {contender}: {message}")]
    Wrong {
        /// The program that ran.
        program: Program,
        /// Its allocator.
        contender: String,
        /// What is wrong.
        message: String,
    },
}

/// A program, an allocator, and where the run takes place.
#[derive(Clone, Copy, Debug)]
pub struct ProgramRun<'a> {
    /// The program.
    pub prepared: &'a Prepared,
    /// The allocator.
    pub contender: &'a Contender,
    /// The place.
    pub track: &'a Track,
}

impl ProgramRun<'_> {
    /// Runs without being timed; the linker reports whose `malloc` was called.
    pub fn prove(&self) -> Result<ProgramOutcome, ProgramRunError> {
        let folder = tempfile::tempdir().map_err(|error| self.system(error))?;
        let outcome = self.run(Some(folder.path()))?;
        let bound = bindings::take(folder.path()).map_err(|error| self.system(error))?;
        self.check_bound(&bound)?;
        Ok(outcome)
    }

    /// Runs and takes the time; hakmem's counters prove once more that it served.
    pub fn time(&self) -> Result<ProgramOutcome, ProgramRunError> {
        self.run(None)
    }

    fn run(&self, linker: Option<&Path>) -> Result<ProgramOutcome, ProgramRunError> {
        let outcome = match self.prepared.program {
            Program::Redis => self.run_redis(linker)?,
            _ => self.run_to_end(linker)?,
        };
        if self.contender.publishes {
            self.check_counts()?;
        }
        Ok(outcome)
    }

    fn run_redis(&self, linker: Option<&Path>) -> Result<ProgramOutcome, ProgramRunError> {
        let Prepared { folder, load, .. } = self.prepared;
        redis::run(self.command(linker)?, folder, *load).map_err(|error| match error {
            RedisError::System(error) => self.system(error),
            RedisError::ServerEnded(exit_code) => self.failed(exit_code),
            RedisError::Failed(message) => self.wrong(message),
        })
    }

    fn run_to_end(&self, linker: Option<&Path>) -> Result<ProgramOutcome, ProgramRunError> {
        if let Some(product) = self.product() {
            // The product exists from the second run on.
            let _ = std::fs::remove_file(product);
        }
        let mut command = self.command(linker)?;
        let start = Instant::now();
        let mut child = command.spawn().map_err(|error| self.system(error))?;
        let account = peak::wait_for(&mut child).map_err(|error| self.system(error))?;
        let wall = start.elapsed();
        if account.exit_code != Some(0) {
            return Err(self.failed(account.exit_code));
        }
        let mut answer = self.read(&self.output())?;
        if let Some(product) = self.product() {
            answer.extend(self.read(&product)?);
        }
        let resident_peak_kib = account.resident_kib;
        Ok(ProgramOutcome { wall, cpu: account.cpu, resident_peak_kib, answer })
    }

    /// The command that runs the program under the allocator, with its output in files.
    fn command(&self, linker: Option<&Path>) -> Result<Command, ProgramRunError> {
        let Prepared { words, environment, folder, .. } = self.prepared;
        let file = |path: PathBuf| File::create(path).map_err(|error| self.system(error));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(folder).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(file(self.output())?).stderr(file(self.errors())?);
        self.track.put_under(&mut command, self.contender);
        if self.prepared.program == Program::Redis {
            // Debian's redis-server is linked to jemalloc: without this, glibc's figures would be
            // jemalloc's.
            command.env("LD_PRELOAD", &self.contender.library);
        }
        if let Some(folder) = linker {
            bindings::ask(&mut command, folder);
        }
        Ok(command)
    }

    fn check_bound(&self, bound: &[Bound]) -> Result<(), ProgramRunError> {
        // The linker knows a program by the name that it was called by.
        let called = self.prepared.words[0].to_string_lossy();
        let called = called.rsplit('/').next().unwrap_or_default();
        let name = match self.prepared.program {
            Program::Gcc => &self.prepared.process,
            _ => called,
        };
        let objection = bindings::objection(bound, name, &self.contender.library);
        objection.map_or(Ok(()), |message| Err(self.wrong(message)))
    }

    fn check_counts(&self) -> Result<(), ProgramRunError> {
        let Prepared { process, allocations_min, .. } = self.prepared;
        let counts = SegmentCounts::take_of(process, self.track.segments())
            .map_err(|error| self.wrong(format!("it cannot be proven: {error}")))?;
        let counted = counts.allocations();
        if counted < *allocations_min {
            let message =
                format!("its segment shows {counted} allocations, not {allocations_min} or more");
            return Err(self.wrong(message));
        }
        Ok(())
    }

    fn output(&self) -> PathBuf {
        self.prepared.folder.join("output")
    }

    fn errors(&self) -> PathBuf {
        self.prepared.folder.join("errors")
    }

    fn product(&self) -> Option<PathBuf> {
        self.prepared.product.map(|name| self.prepared.folder.join(name))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ProgramRunError> {
        std::fs::read(path).map_err(|error| self.system(error))
    }

    /// The error of a program that ended with `exit_code`, or by a signal.
    fn failed(&self, exit_code: Option<i32>) -> ProgramRunError {
        let errors = std::fs::read(self.errors()).unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors);
        let end = exit_code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
        self.wrong(format!("it ended with {end}: {}", errors.trim()))
    }

    fn system(&self, error: std::io::Error) -> ProgramRunError {
        let contender = self.contender.name.clone();
        ProgramRunError::System { program: self.prepared.program, contender, error }
    }

    pub(super) fn wrong(&self, message: String) -> ProgramRunError {
        let contender = self.contender.name.clone();
        ProgramRunError::Wrong { program: self.prepared.program, contender, message }
    }
}
