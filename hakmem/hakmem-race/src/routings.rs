//! Compares the costs of the routings, each an answer to the question of C7, side by side on one
//! machine.
//!
//! Laps run as in the [`race`](crate::race), with the routings as contenders: a round runs every
//! cell under every routing, one directly after the other, and each round begins with another
//! routing. A lap counts only if the program's segment shows its calls and the requested routing.
//! Instructions are counted by callgrind; the bytes of a block are measured in a program that holds
//! many blocks.

pub mod footprint;
pub mod instructions;
pub mod plot;
pub mod row;
pub mod table;
pub mod variant;

use std::path::PathBuf;

use hakmem_reader::{Check, Identity, Push, Routing};

use crate::core_clock::CoreClock;
use crate::race::cell::Cell;
use crate::race::contender::{Contender, FieldError};
use crate::race::group::SEVEN;
use crate::race::lap::{Lap, LapError, Track};
use crate::race::segment_counts::SegmentCounts;
use crate::routings::footprint::FootprintError;
use crate::routings::instructions::{Instructions, InstructionsError};
use crate::routings::row::RoutingRow;
use crate::routings::table::RoutingTable;
use crate::routings::variant::Variant;

/// The cell whose pairs show the cost of the registry's lookup: small blocks that stay in the
/// cache, and as little other work as possible.
pub const LOOKUP_CELL: Cell = Cell::Fixed { size: 64 };
/// Sizes whose instructions are counted: one that every routing frees on the fast path, and C7.
const COUNTED_SIZES: [usize; 2] = [64, 1024];

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Routings and forms of the push, one row each.
    pub variants: Vec<Variant>,
    /// Which frees are checked.
    pub check: Check,
    /// Number of times that each cell runs under each variant.
    pub rounds: usize,
    /// Timed calls of `malloc` and `free` in one lap.
    pub operations: u64,
    /// Pairs that callgrind counts.
    pub counted_pairs: u64,
    /// Folder of the benchmark programs.
    pub programs: PathBuf,
    /// `libhakmem_preload.so`.
    pub hakmem: PathBuf,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum RoutingsError {
    /// The preload library is missing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A lap failed.
    #[error(transparent)]
    Lap(#[from] LapError),
    /// The allocator did not use the requested settings.
    #[error("{what} was requested, but the segment says {found}")]
    NotAsAsked {
        /// The requested routing, push and check.
        what: String,
        /// The settings in force.
        found: String,
    },
    /// Callgrind failed.
    #[error(transparent)]
    Instructions(#[from] InstructionsError),
    /// The program that holds blocks failed.
    #[error(transparent)]
    Footprint(#[from] FootprintError),
}

/// The step that is about to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingStep {
    /// A round; the first is 1.
    Round(usize),
    /// The count of instructions and bytes for one row.
    Counting(Variant),
}

/// The cells of the table: one for the lookup, and the seven of the matrix.
pub fn cells() -> impl Iterator<Item = Cell> {
    std::iter::once(LOOKUP_CELL).chain(SEVEN.iter().copied())
}

impl Comparison {
    /// Runs everything; `progress` receives each step as it begins.
    pub fn run(&self, progress: impl Fn(RoutingStep)) -> Result<RoutingTable, RoutingsError> {
        let contenders = self.contenders()?;
        let track = Track::new(&self.programs)?;
        let mut rows: Vec<RoutingRow> =
            self.variants.iter().map(|&variant| RoutingRow::new(variant)).collect();
        for round in 0..self.rounds {
            progress(RoutingStep::Round(round + 1));
            for cell in cells() {
                for turn in 0..rows.len() {
                    let index = (round + turn) % rows.len();
                    let (contender, row) = (&contenders[index], &mut rows[index]);
                    let lap = self.lap(&track, cell, contender, row.variant())?;
                    row.record(cell, lap.0, &lap.1);
                }
            }
        }
        let valgrind = instructions::is_valgrind_there();
        for (row, contender) in rows.iter_mut().zip(&contenders) {
            progress(RoutingStep::Counting(row.variant()));
            if valgrind {
                for size in COUNTED_SIZES {
                    let counted = self.count(&track, size, contender, row.variant())?;
                    row.record_instructions(counted);
                }
            }
            row.record_footprint(footprint::of_block(&track, contender)?);
        }
        Ok(RoutingTable::new(self, CoreClock::measure(), &rows))
    }

    fn contenders(&self) -> Result<Vec<Contender>, FieldError> {
        let contender = |variant: &Variant| {
            Contender::hakmem(&variant.to_string(), &self.hakmem, variant.environment(self.check))
        };
        self.variants.iter().map(contender).collect()
    }

    fn lap(
        &self,
        track: &Track,
        cell: Cell,
        contender: &Contender,
        variant: Variant,
    ) -> Result<(f64, SegmentCounts), RoutingsError> {
        let Lap { report, counts } = track.run(cell, self.operations.into(), contender)?;
        let counts = counts.expect("hakmem publishes");
        self.prove_as_asked(variant, &counts.identity)?;
        Ok((report.million_operations_per_second, counts))
    }

    fn count(
        &self,
        track: &Track,
        size: usize,
        contender: &Contender,
        variant: Variant,
    ) -> Result<f64, RoutingsError> {
        let Instructions { per_pair, identity } =
            instructions::per_pair(track, size, self.counted_pairs, contender)?;
        self.prove_as_asked(variant, &identity)?;
        Ok(per_pair)
    }

    /// Checks that the settings of `variant` are in force: otherwise the allocator would be
    /// compared with itself.
    fn prove_as_asked(&self, variant: Variant, found: &Identity) -> Result<(), RoutingsError> {
        let push = found.effective_push();
        if (found.routing, push, found.check) == (variant.routing, variant.push, self.check) {
            return Ok(());
        }
        let found_variant = Variant { routing: found.routing, push };
        Err(RoutingsError::NotAsAsked {
            what: format!("{variant}, check {}", self.check.name()),
            found: format!("{found_variant}, check {}", found.check.name()),
        })
    }
}

/// The variants of `routings`, in the order of the table.
pub fn variants(routings: &[Routing]) -> Vec<Variant> {
    let both = [Some(Push::Boxed), Some(Push::Direct)];
    let forms = |&routing: &Routing| match routing {
        Routing::Direct | Routing::E3 => vec![Variant { routing, push: None }],
        _ => both.iter().map(|&push| Variant { routing, push }).collect(),
    };
    routings.iter().flat_map(forms).collect()
}

#[cfg(test)]
mod tests;
