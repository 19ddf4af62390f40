//! Real programs under hakmem and its peers: time, processor time and memory.
//!
//! As in [`crate::race`], a round runs each program under every allocator, one directly after the
//! other, and each round begins with another allocator; figures are medians over the rounds, and
//! ratios are taken within each round. Less is better here.
//!
//! Before the race, an untimed run proves which `malloc` each program calls: the dynamic linker
//! reports its bindings ([`bindings`]), and a program of ours finds the allocator's own symbol in
//! the bound file. hakmem's counters must move in every run. All runs must give the same answer as
//! under the C library.
//!
//! # Layers, bottom to top
//!
//! - `bindings`: whose `malloc` the linker bound
//! - `sources`: the files that programs work on
//! - `program`: the programs by name
//! - `prepared`: a program with its files
//! - `outcome`: the cost and the answer of a run
//! - `redis`: a server and its client
//! - `run`: one run of a program under one allocator
//! - `standings`: the figures of all programs
//! - `startup`: the start of a program that does nothing

pub mod bindings;
pub mod outcome;
pub mod prepared;
pub mod program;
mod redis;
pub mod run;
pub mod sources;
pub mod standings;
pub mod startup;

use std::path::PathBuf;

use hakmem_bench::report::Report;

use crate::programs_race::outcome::ProgramOutcome;
use crate::programs_race::prepared::Prepared;
use crate::programs_race::program::Program;
use crate::programs_race::run::{ProgramRun, ProgramRunError};
use crate::programs_race::standings::{Left, ProgramRow, ProgramStandings};
use crate::race::contender::{Contender, Field, FieldError, HAKMEM};
use crate::race::lap::{LapError, Track};

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramsRace {
    /// The rows.
    pub programs: Vec<Program>,
    /// Number of times that each program runs under each allocator.
    pub rounds: usize,
    /// Size of the loads, in percent of the usual.
    pub percent: u64,
    /// Folder of the benchmark programs.
    pub binaries: PathBuf,
    /// `libhakmem_preload.so`.
    pub hakmem: PathBuf,
    /// The list of peers that were built from crates; it need not exist.
    pub peers: PathBuf,
}

/// Why there are no standings.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsRaceError {
    /// A contender is missing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// No folder can be made for telemetry segments.
    #[error(transparent)]
    Track(#[from] LapError),
    /// The program that looks for the allocator's symbol cannot be run.
    #[error("cannot run {PROOF_PROGRAM}: {0}; build it with cargo build --release -p hakmem-bench")]
    Start(std::io::Error),
    /// A contender's file does not contain the allocator.
    #[error("{library} should be {contender}, but defines no {marker}")]
    NotLinked {
        /// The expected allocator.
        contender: String,
        /// Its library.
        library: PathBuf,
        /// The symbol that the allocator defines.
        marker: &'static str,
    },
    /// No folder can be made for the programs' files.
    #[error("cannot make a folder in /dev/shm for the programs: {0}")]
    Folder(std::io::Error),
    /// A program fails under hakmem, or under a peer under which it ran before.
    #[error(transparent)]
    Run(#[from] ProgramRunError),
}

/// A program that takes part.
struct Entrant {
    prepared: Prepared,
    /// Its answer under the C library.
    expected: Vec<u8>,
    row: ProgramRow,
}

/// A program that prints a [`Report`], as any of them does, and a short load for it.
const PROOF_PROGRAM: &str = "bench_fixed_size";
const PROOF_LOAD: &[&str] = &["100", "64", "10"];

impl ProgramsRace {
    /// Runs all rounds; `progress` is told what is about to run.
    pub fn run(&self, progress: impl Fn(&str)) -> Result<ProgramStandings, ProgramsRaceError> {
        let Field { contenders: field, absent } = Field::new(&self.hakmem, &self.peers)?;
        let track = Track::new(&self.binaries)?;
        for contender in &field {
            check_marker(&track, contender)?;
        }
        let folder = tempfile::Builder::new()
            .prefix("hakmem-programs-")
            .tempdir_in("/dev/shm")
            .map_err(ProgramsRaceError::Folder)?;
        let (mut entrants, mut left) = (Vec::new(), Vec::new());
        for &program in &self.programs {
            progress(&format!("proof of {program}"));
            let prepared = Prepared::new(program, folder.path(), self.percent);
            match prepared.map(|prepared| enter(&track, &field, prepared)) {
                Ok(entrant) => match entrant? {
                    Ok(entrant) => entrants.push(entrant),
                    Err(reason) => left.push(Left { program: program.to_string(), reason }),
                },
                Err(reason) => left.push(Left { program: program.to_string(), reason }),
            }
        }
        for round in 0..self.rounds {
            for entrant in &mut entrants {
                let program = entrant.prepared.program;
                progress(&format!("round {} of {}: {program}", round + 1, self.rounds));
                entrant.round(&track, &field, round)?;
            }
        }
        let rows = entrants.into_iter().map(|entrant| entrant.row).collect();
        Ok(ProgramStandings::new(self.rounds, rows, left, absent))
    }
}

/// Checks that the contender's library defines the allocator's symbol: a file with the allocator's
/// name may contain another one. hakmem has no such symbol; its segments prove more, in every run.
fn check_marker(track: &Track, contender: &Contender) -> Result<(), ProgramsRaceError> {
    let Some(marker) = contender.marker else { return Ok(()) };
    let mut command = track.command(PROOF_PROGRAM, contender);
    let output = command.args(PROOF_LOAD).output().map_err(ProgramsRaceError::Start)?;
    let report = Report::parse(&String::from_utf8_lossy(&output.stdout));
    let is_there = |report: Report| report.malloc_markers.iter().any(|found| found == marker);
    if report.is_some_and(is_there) {
        return Ok(());
    }
    let (contender, library) = (contender.name.clone(), contender.library.clone());
    Err(ProgramsRaceError::NotLinked { contender, library, marker })
}

/// Proves that every contender serves the program. The C library comes first, because the other
/// answers are compared with its answer. A program that fails under it is left out, and so is a
/// peer that cannot run the program; hakmem must run it.
fn enter(
    track: &Track,
    field: &[Contender],
    prepared: Prepared,
) -> Result<Result<Entrant, String>, ProgramsRaceError> {
    let (c_library, others) = field.split_last().expect("the C library is in the field");
    let run = |contender| ProgramRun { prepared: &prepared, contender, track };
    let expected = match run(c_library).prove() {
        Ok(outcome) => outcome.answer,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut row = ProgramRow::new(prepared.program, field);
    for (index, contender) in others.iter().enumerate() {
        let run = run(contender);
        let proof = run.prove().and_then(|outcome| same_answer(&run, outcome, &expected));
        match proof {
            Ok(_) => {}
            Err(error) if contender.name == HAKMEM => return Err(error.into()),
            Err(error) => row.exclude(index, error.to_string()),
        }
    }
    Ok(Ok(Entrant { prepared, expected, row }))
}

impl Entrant {
    fn round(
        &mut self,
        track: &Track,
        field: &[Contender],
        round: usize,
    ) -> Result<(), ProgramsRaceError> {
        for turn in 0..field.len() {
            let index = (round + turn) % field.len();
            if self.row.is_excluded(index) {
                continue;
            }
            let run = ProgramRun { prepared: &self.prepared, contender: &field[index], track };
            let outcome = same_answer(&run, run.time()?, &self.expected)?;
            self.row.record(index, &outcome);
        }
        Ok(())
    }
}

fn same_answer(
    run: &ProgramRun<'_>,
    outcome: ProgramOutcome,
    expected: &[u8],
) -> Result<ProgramOutcome, ProgramRunError> {
    if outcome.answer == expected {
        Ok(outcome)
    } else {
        Err(run.wrong("its answer differs from the one under the C library".to_owned()))
    }
}
