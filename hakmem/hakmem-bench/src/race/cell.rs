//! The cells of the verification matrix: one program with one load.

use std::fmt;

/// One row of the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `bench_fixed_size` with a working set of [`FIXED_WORKING_SET`].
    Fixed {
        /// Bytes of a block.
        size: usize,
    },
    /// `bench_random_mixed`.
    Mixed {
        /// Places for blocks.
        working_set: usize,
    },
}

/// Blocks that the cells of one size hold.
pub const FIXED_WORKING_SET: usize = 128;

/// The seven cells.
pub const CELLS: &[Cell] = &[
    Cell::Fixed { size: 128 },
    Cell::Fixed { size: 256 },
    Cell::Fixed { size: 512 },
    Cell::Fixed { size: 1024 },
    Cell::Mixed { working_set: 128 },
    Cell::Mixed { working_set: 512 },
    Cell::Mixed { working_set: 8192 },
];

impl Cell {
    /// Name of the program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Fixed { .. } => "bench_fixed_size",
            Self::Mixed { .. } => "bench_random_mixed",
        }
    }

    /// Arguments that make the program time so many calls of `malloc` and `free` and leave the
    /// blocks alone.
    pub fn arguments(self, operations: u64) -> Vec<String> {
        match self {
            Self::Fixed { size } => {
                vec![(operations / 2).to_string(), size.to_string(), FIXED_WORKING_SET.to_string()]
            }
            Self::Mixed { working_set } => {
                vec![operations.to_string(), working_set.to_string(), "--bare".to_owned()]
            }
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Fixed { size } => format!("fixed {size} B"),
            Self::Mixed { working_set } => format!("mixed ws {working_set}"),
        };
        out.pad(&text)
    }
}
