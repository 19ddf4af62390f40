//! Measures what an allocator adds to the start and the end of a program that does nothing.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;

use crate::peak;
use crate::programs_race::bindings;
use crate::race::contender::{Absent, Contender, Field, FieldError};
use crate::race::lap::{LapError, Track};
use crate::race::segment_counts::{CountError, SegmentCounts};
use crate::statistics::quantile;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// Number of times that the program runs under each allocator.
    pub runs: usize,
    /// `libhakmem_preload.so`.
    pub hakmem: PathBuf,
    /// The list of peers that were built from crates; it need not exist.
    pub peers: PathBuf,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// A contender is missing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// No folder can be made for telemetry segments.
    #[error(transparent)]
    Track(#[from] LapError),
    /// A process does not start, or a file cannot be used.
    #[error("cannot run {PROGRAM}: {0}")]
    System(#[from] std::io::Error),
    /// The program failed, or another allocator served it.
    #[error("{PROGRAM} under {contender}: {message}")]
    Wrong {
        /// Its allocator.
        contender: String,
        /// What is wrong.
        message: String,
    },
    /// hakmem left no segment.
    #[error("{PROGRAM} under {contender} cannot be proven: {error}")]
    Unproven {
        /// Its allocator.
        contender: String,
        /// What is wrong.
        error: CountError,
    },
}

/// The smallest program there is: most of its work is the allocator's start.
const PROGRAM: &str = "/bin/true";
const PROCESS: &str = "true";

/// All figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Starts {
    /// Runs behind each median.
    pub runs: usize,
    /// One entry per contender, hakmem first, the C library last.
    pub figures: Vec<Start>,
    /// Peers that are not here.
    pub absent: Vec<Absent>,
}

/// One contender.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Start {
    /// Name of the allocator.
    pub allocator: String,
    /// Median of the milliseconds from the start to the end of the program.
    pub wall_ms: f64,
    /// A quarter of the runs took less.
    pub wall_quartile_low_ms: f64,
    /// A quarter of the runs took more.
    pub wall_quartile_high_ms: f64,
}

impl Startup {
    /// Runs everything, one contender directly after the other.
    pub fn run(&self) -> Result<Starts, StartupError> {
        let Field { contenders: field, absent } = Field::new(&self.hakmem, &self.peers)?;
        // The folder of our own programs does not matter, because none of them runs.
        let track = Track::new(&PathBuf::new())?;
        for contender in &field {
            prove(&track, contender)?;
        }
        let mut times_ms = vec![Vec::with_capacity(self.runs); field.len()];
        for run in 0..self.runs {
            for turn in 0..field.len() {
                let index = (run + turn) % field.len();
                times_ms[index].push(time_ms(&track, &field[index])?);
            }
        }
        let start = |(contender, times): (&Contender, &Vec<f64>)| Start {
            allocator: contender.name.clone(),
            wall_ms: quantile(times, 0.5),
            wall_quartile_low_ms: quantile(times, 0.25),
            wall_quartile_high_ms: quantile(times, 0.75),
        };
        let figures = field.iter().zip(&times_ms).map(start).collect();
        Ok(Starts { runs: self.runs, figures, absent })
    }
}

fn command(track: &Track, contender: &Contender) -> Command {
    let mut command = Command::new(PROGRAM);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    track.put_under(&mut command, contender);
    command
}

/// Checks that the linker binds the program to the contender.
fn prove(track: &Track, contender: &Contender) -> Result<(), StartupError> {
    let folder = tempfile::tempdir()?;
    let mut command = command(track, contender);
    bindings::ask(&mut command, folder.path());
    finish(track, contender, &mut command)?;
    let bound = bindings::take(folder.path())?;
    let objection = bindings::objection(&bound, PROCESS, &contender.library);
    objection.map_or(Ok(()), |message| {
        Err(StartupError::Wrong { contender: contender.name.clone(), message })
    })
}

fn time_ms(track: &Track, contender: &Contender) -> Result<f64, StartupError> {
    finish(track, contender, &mut command(track, contender))
}

/// Runs `command` to its end and returns the milliseconds. hakmem's segment is removed afterwards.
fn finish(
    track: &Track,
    contender: &Contender,
    command: &mut Command,
) -> Result<f64, StartupError> {
    let start = Instant::now();
    let mut child = command.spawn()?;
    let account = peak::wait_for(&mut child)?;
    let elapsed = start.elapsed();
    let name = || contender.name.clone();
    if account.exit_code != Some(0) {
        let message = format!("it ended with {:?}", account.exit_code);
        return Err(StartupError::Wrong { contender: name(), message });
    }
    if contender.publishes {
        SegmentCounts::take_of(PROCESS, track.segments())
            .map_err(|error| StartupError::Unproven { contender: name(), error })?;
    }
    Ok(elapsed.as_secs_f64() * 1e3)
}

impl Starts {
    /// Milliseconds by which hakmem's median exceeds the C library's.
    pub fn added_ms(&self) -> f64 {
        let of = |figure: Option<&Start>| figure.map_or(0.0, |figure| figure.wall_ms);
        of(self.figures.first()) - of(self.figures.last())
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c_library_ms = self.figures.last().map_or(0.0, |figure| figure.wall_ms);
        writeln!(out, "ms from start to end of {PROGRAM}, median of {} runs", self.runs)?;
        for figure in &self.figures {
            let Start { allocator, wall_ms, wall_quartile_low_ms, wall_quartile_high_ms } = figure;
            write!(out, "{allocator:<12}{wall_ms:>8.3}  ")?;
            write!(out, "({wall_quartile_low_ms:.3}..{wall_quartile_high_ms:.3})  ")?;
            writeln!(out, "{:+.3} against the C library", wall_ms - c_library_ms)?;
        }
        for Absent { allocator, reason } in &self.absent {
            writeln!(out, "{allocator} does not race: {reason}")?;
        }
        Ok(())
    }
}
