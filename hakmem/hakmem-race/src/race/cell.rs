//! The cells of the race: one program with one load.

mod arguments;

use std::fmt;

use hakmem_bench::batches::Order;
use hakmem_bench::growth::Step;
use hakmem_bench::release::Survivors;
use serde::Serialize;

pub use crate::race::cell::arguments::Length;

/// One row of the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `bench_fixed_size` with a working set of [`FIXED_WORKING_SET`].
    Fixed {
        /// Bytes of a block.
        size: usize,
    },
    /// `bench_fixed_size` with a small working set.
    Pairs {
        /// Bytes of a block.
        size: usize,
        /// Blocks held at a time.
        working_set: usize,
    },
    /// `bench_fixed_size --calloc`.
    Zeroed {
        /// Size of a block in bytes.
        size: usize,
        /// Blocks held at a time.
        working_set: usize,
    },
    /// `bench_fixed_size --aligned` with a working set of [`FIXED_WORKING_SET`].
    Aligned {
        /// Bytes of a block.
        size: usize,
        /// Alignment in bytes.
        alignment: usize,
    },
    /// `bench_random_mixed`.
    Mixed {
        /// Places for blocks.
        working_set: usize,
    },
    /// `bench_random_mixed --largest`.
    Skewed {
        /// Sizes stay below this.
        largest: usize,
        /// Places for blocks.
        working_set: usize,
    },
    /// `bench_drift`.
    Drift {
        /// Live memory in KiB.
        live_kib: u64,
    },
    /// `bench_handover`.
    Handover {
        /// Threads that allocate.
        producers: u64,
        /// Threads that free.
        consumers: u64,
    },
    /// `bench_handover --seconds`.
    Sustained {
        /// Threads that allocate.
        producers: u64,
        /// Threads that free.
        consumers: u64,
    },
    /// `bench_ring`.
    Ring {
        /// Threads.
        threads: u64,
    },
    /// `bench_successors` with [`GENERATIONS`] threads one after the other.
    Successors {
        /// Threads that run at once.
        threads: u64,
    },
    /// `bench_short_threads` with [`SHORT_LIFE_BLOCKS`] blocks per thread.
    ShortThreads {
        /// Threads that run at once.
        at_once: u64,
    },
    /// `bench_mixed_threads`.
    MixedThreads {
        /// Threads.
        threads: u64,
        /// Places for blocks, per thread.
        working_set: usize,
    },
    /// `bench_exchange` with [`Cell::exchange_places`].
    Exchange {
        /// Threads.
        threads: u64,
        /// Blocks that are swapped at a time, as an array.
        objects: u64,
        /// Swaps that a thread makes before it frees the blocks that they brought.
        burst: u64,
        /// Sizes are skewed and stay below this.
        largest: Option<usize>,
    },
    /// `bench_batches`.
    Batches {
        /// Bytes of a block.
        size: usize,
        /// Blocks of a batch.
        blocks: u64,
        /// Order in which they are freed.
        order: Order,
    },
    /// `bench_growth`, from [`GROWTH_FIRST`] bytes.
    Growth {
        /// Largest size in bytes of a block.
        last: usize,
        /// How much a block grows at a time.
        step: Step,
    },
    /// `bench_release`.
    Release {
        /// Threads.
        threads: u64,
        /// Which blocks are not freed.
        survivors: Survivors,
        /// Whether light work goes on afterwards.
        busy: bool,
    },
}

/// The clock by which a cell's throughput is measured.
///
/// On a machine of two cores on which some thirty processes ran, the middle half of 25 ratios of
/// laps under hakmem and jemalloc spread over 18 to 25 % of their median by wall-clock time, and
/// over 3 to 9 % by processor time; the medians agreed within 8 % (`bench_fixed_size` with working
/// sets of 1 and 128, `bench_random_mixed`, `bench_batches`). With several threads, the time that
/// they wait for each other belongs to the load, and processor time does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Wall-clock time: loads of several threads, and loads that wait.
    Wall,
    /// Processor time of the process: loads of one thread.
    Processor,
}

impl Clock {
    /// Name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Processor => "processor",
        }
    }
}

/// Blocks that cells of one size hold.
pub const FIXED_WORKING_SET: usize = 128;

/// Threads that leave their blocks to each other, one after the other.
pub const GENERATIONS: u64 = 100;

/// Blocks that a short-lived thread allocates.
pub const SHORT_LIFE_BLOCKS: u64 = 1_000;

/// Bytes of a block before it grows.
pub const GROWTH_FIRST: usize = 16;

impl Cell {
    /// Name of the program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Fixed { .. }
            | Self::Pairs { .. }
            | Self::Zeroed { .. }
            | Self::Aligned { .. } => "bench_fixed_size",
            Self::Mixed { .. } | Self::Skewed { .. } => "bench_random_mixed",
            Self::Drift { .. } => "bench_drift",
            Self::Handover { .. } | Self::Sustained { .. } => "bench_handover",
            Self::Ring { .. } => "bench_ring",
            Self::Successors { .. } => "bench_successors",
            Self::ShortThreads { .. } => "bench_short_threads",
            Self::MixedThreads { .. } => "bench_mixed_threads",
            Self::Exchange { .. } => "bench_exchange",
            Self::Batches { .. } => "bench_batches",
            Self::Growth { .. } => "bench_growth",
            Self::Release { .. } => "bench_release",
        }
    }

    /// The clock by which the cell's throughput is measured.
    pub fn clock(self) -> Clock {
        match self {
            Self::Handover { .. }
            | Self::Sustained { .. }
            | Self::Ring { .. }
            | Self::Successors { .. }
            | Self::ShortThreads { .. }
            | Self::MixedThreads { .. }
            | Self::Exchange { .. }
            | Self::Release { .. } => Clock::Wall,
            Self::Fixed { .. }
            | Self::Pairs { .. }
            | Self::Zeroed { .. }
            | Self::Aligned { .. }
            | Self::Mixed { .. }
            | Self::Skewed { .. }
            | Self::Drift { .. }
            | Self::Batches { .. }
            | Self::Growth { .. } => Clock::Processor,
        }
    }

    /// Places of an exchange: together they hold a thousand blocks, or sixteen arrays if that is
    /// more.
    pub fn exchange_places(objects: u64) -> u64 {
        (1_000 / objects).max(16)
    }

    /// Least share of frees that must be of blocks which another thread allocated, so that the cell
    /// measures what its name says; `None` if the program does not report it.
    ///
    /// Two threads that run at the same time reach a half, two threads on one core a third.
    pub fn frees_elsewhere_least(self) -> Option<f64> {
        matches!(self, Self::Exchange { .. }).then_some(0.2)
    }

    /// The behaviour of real programs that this cell resembles.
    pub fn stands_for(self) -> &'static str {
        match self {
            Self::Fixed { .. } => {
                "objects of one type, the oldest replaced: queues, windows, pools"
            }
            Self::Pairs { working_set: 1, .. } => {
                "a temporary that is gone before the next: strings, iterators"
            }
            Self::Pairs { .. } => "a few temporaries, the oldest replaced",
            Self::Zeroed { size, .. } if size >= 1 << 20 => "tables and images that begin as zeros",
            Self::Zeroed { .. } => "objects and buffers that begin as zeros",
            Self::Aligned { .. } => "data with a cache line, vector register or page of their own",
            Self::Mixed { .. } => "small objects of all sizes that live for random times",
            Self::Skewed { .. } => "many small objects among few large buffers; page faults count",
            Self::Drift { .. } => "a long run whose data change their shape: caches, databases",
            Self::Handover { .. } => "pipelines: no block is freed by the thread that allocated it",
            Self::Sustained { .. } => "a pipeline that runs on: does its memory stay constant?",
            Self::Ring { .. } => "actors: each thread allocates, and frees what others allocated",
            Self::Successors { .. } => "a server whose sessions outlive its threads (after Larson)",
            Self::ShortThreads { .. } => "a thread for each request or task",
            Self::MixedThreads { .. } => "workers that share nothing but the allocator",
            Self::Exchange { objects: 1, burst: 1, .. } => {
                "caches and tables that all threads change"
            }
            Self::Exchange { objects: 1, .. } => {
                "caches and tables that all threads change in bursts"
            }
            Self::Exchange { .. } => "results of many objects that threads hand to each other",
            Self::Batches { order: Order::Same, .. } => "a request's objects, freed as they came",
            Self::Batches { order: Order::Reverse, .. } => "scopes that end: the newest goes first",
            Self::Batches { order: Order::Random, .. } => "a tree or hash table that is torn down",
            Self::Growth { step: Step::Double, .. } => "vectors that double as they fill",
            Self::Growth { step: Step::Add(_), .. } => "strings that are appended to",
            Self::Release { survivors: Survivors::Generations, .. } => {
                "a server after its peak, whole pages free: does memory go back?"
            }
            Self::Release { survivors: Survivors::Random, .. } => {
                "a server after its peak, a survivor in almost every page"
            }
        }
    }
}

/// A size, printed with the largest unit that fits.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes.is_multiple_of(1 << 20) => write!(out, "{} MiB", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => write!(out, "{} KiB", bytes >> 10),
            bytes => write!(out, "{bytes} B"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::Fixed { size } => format!("fixed {size} B"),
            Self::Pairs { size, working_set: 1 } => format!("pairs {size} B"),
            Self::Pairs { size, working_set } => format!("pairs {size} B, ws {working_set}"),
            Self::Zeroed { size, .. } => format!("calloc {}", Bytes(size)),
            Self::Aligned { size, alignment } => format!("{size} B aligned to {alignment}"),
            Self::Mixed { working_set } => format!("mixed ws {working_set}"),
            Self::Skewed { largest, working_set } => {
                format!("skewed to {}, ws {working_set}", Bytes(largest))
            }
            Self::Drift { live_kib } => format!("drift, {} MiB live", live_kib >> 10),
            Self::Handover { producers, consumers } => format!("handover {producers}:{consumers}"),
            Self::Sustained { producers, consumers } => {
                format!("sustained {producers}:{consumers}")
            }
            Self::Ring { threads } => format!("ring, {threads} threads"),
            Self::Successors { threads } => format!("successors, {threads} threads"),
            Self::ShortThreads { at_once } => format!("short threads, {at_once} at once"),
            Self::MixedThreads { threads, working_set } => {
                format!("mixed ws {working_set}, {threads} threads")
            }
            Self::Exchange { threads, objects, burst, largest } => {
                let what = match (objects, burst, largest) {
                    (1, 1, None) => String::new(),
                    (1, 1, Some(largest)) => format!(" to {}", Bytes(largest)),
                    (1, burst, _) => format!(" in bursts of {burst}"),
                    (objects, ..) => format!(" of arrays of {objects}"),
                };
                format!("exchange{what}, {threads} threads")
            }
            Self::Batches { size, blocks, order } => {
                format!("batch {blocks} x {size} B, {}", order.name())
            }
            Self::Growth { last, step: Step::Double } => format!("vector to {} KiB", last >> 10),
            Self::Growth { last, step: Step::Add(bytes) } => {
                format!("string to {} KiB by {bytes}", last >> 10)
            }
            Self::Release { threads, survivors, busy } => {
                let survivors = match survivors {
                    Survivors::Generations => "release",
                    Survivors::Random => "scattered",
                };
                let after = if busy { "busy" } else { "idle" };
                let threads =
                    if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
                format!("{survivors}, {threads}, {after}")
            }
        };
        out.pad(&text)
    }
}
