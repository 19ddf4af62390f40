//! The cells of the race: one program with one load.

use std::fmt;

use clap::ValueEnum;

use crate::batches::Order;
use crate::growth::{Growth, Step};

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
    /// `bench_handover`.
    Handover {
        /// Threads that allocate.
        producers: u64,
        /// Threads that free.
        consumers: u64,
    },
    /// `bench_successors` with [`GENERATIONS`] threads after each other.
    Successors {
        /// Threads at a time.
        threads: u64,
    },
    /// `bench_short_threads` with [`SHORT_LIFE_BLOCKS`] each.
    ShortThreads {
        /// Threads at a time.
        at_once: u64,
    },
    /// `bench_mixed_threads`.
    MixedThreads {
        /// Threads.
        threads: u64,
        /// Places for blocks of each thread.
        working_set: usize,
    },
    /// `bench_batches`.
    Batches {
        /// Bytes of a block.
        size: usize,
        /// Blocks of a batch.
        blocks: u64,
        /// How they are freed.
        order: Order,
    },
    /// `bench_growth`, from [`GROWTH_FIRST`] bytes.
    Growth {
        /// Bytes that a block reaches.
        last: usize,
        /// How it gets there.
        step: Step,
    },
}

/// Which cells run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cells {
    /// The seven cells of the verification matrix
    Seven,
    /// Loads of several threads
    Threads,
    /// Blocks that are allocated and freed many at a time
    Batches,
    /// Blocks that realloc makes longer
    Growth,
    /// All of these
    All,
}

/// Blocks that the cells of one size hold.
pub const FIXED_WORKING_SET: usize = 128;

/// Threads that leave their blocks to each other.
pub const GENERATIONS: u64 = 100;

/// Blocks in a short thread's life.
pub const SHORT_LIFE_BLOCKS: u64 = 1_000;

/// Bytes of a block before it grows.
pub const GROWTH_FIRST: usize = 16;

/// Beyond this a block's bytes cost more than its calls, and so there are fewer blocks.
const GROWTH_CHEAP: usize = 8 * 1024;

/// The seven cells of the verification matrix.
pub const CELLS: &[Cell] = &[
    Cell::Fixed { size: 128 },
    Cell::Fixed { size: 256 },
    Cell::Fixed { size: 512 },
    Cell::Fixed { size: 1024 },
    Cell::Mixed { working_set: 128 },
    Cell::Mixed { working_set: 512 },
    Cell::Mixed { working_set: 8192 },
];

/// The cells of several threads.
pub const THREADED_CELLS: &[Cell] = &[
    Cell::Handover { producers: 1, consumers: 1 },
    Cell::Handover { producers: 2, consumers: 2 },
    Cell::Handover { producers: 4, consumers: 2 },
    Cell::Successors { threads: 2 },
    Cell::ShortThreads { at_once: 8 },
    Cell::MixedThreads { threads: 2, working_set: 512 },
    Cell::MixedThreads { threads: 2, working_set: 8192 },
];

/// The cells of batches: one that fits into a cache, and one of megabytes.
pub const BATCH_CELLS: &[Cell] = &[
    Cell::Batches { size: 64, blocks: 1_000, order: Order::Same },
    Cell::Batches { size: 64, blocks: 1_000, order: Order::Reverse },
    Cell::Batches { size: 64, blocks: 1_000, order: Order::Random },
    Cell::Batches { size: 64, blocks: 100_000, order: Order::Same },
    Cell::Batches { size: 64, blocks: 100_000, order: Order::Reverse },
    Cell::Batches { size: 64, blocks: 100_000, order: Order::Random },
];

/// The cells of growth: small vectors, large ones, and strings.
pub const GROWTH_CELLS: &[Cell] = &[
    Cell::Growth { last: 4 << 10, step: Step::Double },
    Cell::Growth { last: 1 << 20, step: Step::Double },
    Cell::Growth { last: 2 << 10, step: Step::Add(16) },
];

impl Cells {
    /// The cells, in the order of the table.
    pub fn list(self) -> Vec<Cell> {
        match self {
            Self::Seven => CELLS.to_vec(),
            Self::Threads => THREADED_CELLS.to_vec(),
            Self::Batches => BATCH_CELLS.to_vec(),
            Self::Growth => GROWTH_CELLS.to_vec(),
            Self::All => [CELLS, THREADED_CELLS, BATCH_CELLS, GROWTH_CELLS].concat(),
        }
    }
}

impl Cell {
    /// Name of the program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Fixed { .. } => "bench_fixed_size",
            Self::Mixed { .. } => "bench_random_mixed",
            Self::Handover { .. } => "bench_handover",
            Self::Successors { .. } => "bench_successors",
            Self::ShortThreads { .. } => "bench_short_threads",
            Self::MixedThreads { .. } => "bench_mixed_threads",
            Self::Batches { .. } => "bench_batches",
            Self::Growth { .. } => "bench_growth",
        }
    }

    /// Arguments that make the program time about so many calls, never more, and leave the blocks
    /// alone.
    pub fn arguments(self, operations: u64) -> Vec<String> {
        let blocks = operations / 2;
        let numbers = match self {
            Self::Fixed { size } => vec![blocks, size as u64, FIXED_WORKING_SET as u64],
            Self::Mixed { working_set } => vec![operations, working_set as u64],
            Self::Handover { producers, consumers } => {
                vec![producers, consumers, blocks / producers]
            }
            Self::Successors { threads } => {
                vec![threads, GENERATIONS, blocks / (threads * GENERATIONS)]
            }
            Self::ShortThreads { at_once } => {
                vec![at_once, blocks / (at_once * SHORT_LIFE_BLOCKS), SHORT_LIFE_BLOCKS]
            }
            Self::MixedThreads { threads, working_set } => {
                vec![threads, operations / threads, working_set as u64]
            }
            Self::Batches { size, blocks: batch, .. } => vec![size as u64, batch, blocks / batch],
            Self::Growth { last, step } => {
                let one = Growth { blocks: 1, first: GROWTH_FIRST, last, step };
                let most = operations / (2 + one.reallocs());
                let blocks = most / (last / GROWTH_CHEAP).max(1) as u64;
                vec![blocks, GROWTH_FIRST as u64, last as u64]
            }
        };
        let flag = match self {
            Self::Mixed { .. } => Some("--bare"),
            Self::Batches { order: Order::Reverse, .. } => Some("--reverse"),
            Self::Batches { order: Order::Random, .. } => Some("--random"),
            _ => None,
        };
        let mut words: Vec<String> = match self {
            Self::Growth { step: Step::Add(bytes), .. } => vec!["--add".into(), bytes.to_string()],
            _ => Vec::new(),
        };
        words.extend(numbers.iter().map(u64::to_string));
        words.extend(flag.map(str::to_owned));
        words
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Fixed { size } => format!("fixed {size} B"),
            Self::Mixed { working_set } => format!("mixed ws {working_set}"),
            Self::Handover { producers, consumers } => format!("handover {producers}:{consumers}"),
            Self::Successors { threads } => format!("successors, {threads} threads"),
            Self::ShortThreads { at_once } => format!("short threads, {at_once} at once"),
            Self::MixedThreads { threads, working_set } => {
                format!("mixed ws {working_set}, {threads} threads")
            }
            Self::Batches { size, blocks, order } => {
                format!("batch {blocks} x {size} B, {}", order.name())
            }
            Self::Growth { last, step: Step::Double } => format!("vector to {} KiB", last >> 10),
            Self::Growth { last, step: Step::Add(bytes) } => {
                format!("string to {} KiB by {bytes}", last >> 10)
            }
        };
        out.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_called_with_numbers_that_make_the_operations() {
        let check = |cell: Cell, arguments: &str| {
            assert_eq!(cell.arguments(20_000_000).join(" "), arguments, "{cell}");
        };
        check(Cell::Fixed { size: 64 }, "10000000 64 128");
        check(Cell::Mixed { working_set: 512 }, "20000000 512 --bare");
        check(Cell::Handover { producers: 4, consumers: 2 }, "4 2 2500000");
        check(Cell::Successors { threads: 2 }, "2 100 50000");
        check(Cell::ShortThreads { at_once: 8 }, "8 1250 1000");
        check(Cell::MixedThreads { threads: 2, working_set: 512 }, "2 10000000 512");
        let batches = |order| Cell::Batches { size: 64, blocks: 1_000, order };
        check(batches(Order::Same), "64 1000 10000");
        check(batches(Order::Reverse), "64 1000 10000 --reverse");
        check(batches(Order::Random), "64 1000 10000 --random");
        check(Cell::Growth { last: 4096, step: Step::Double }, "2000000 16 4096");
        check(Cell::Growth { last: 1 << 20, step: Step::Double }, "8680 16 1048576");
        check(Cell::Growth { last: 2048, step: Step::Add(16) }, "--add 16 155038 16 2048");
    }

    #[test]
    fn no_two_cells_have_one_name() {
        let mut names: Vec<String> = Cells::All.list().iter().map(Cell::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Cells::All.list().len());
    }
}
