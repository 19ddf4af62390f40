//! The cells of the race: one program with one load.

mod arguments;

use std::fmt;

use serde::Serialize;

pub use crate::race::cell::arguments::Length;

use crate::batches::Order;
use crate::growth::Step;
use crate::release::Survivors;

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
        /// Bytes of a block.
        size: usize,
        /// Blocks held at a time.
        working_set: usize,
    },
    /// `bench_fixed_size --aligned` with a working set of [`FIXED_WORKING_SET`].
    Aligned {
        /// Bytes of a block.
        size: usize,
        /// What its address is a multiple of.
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
        /// Bytes that are live, in KiB.
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
    /// `bench_exchange` with [`Cell::exchange_places`].
    Exchange {
        /// Threads.
        threads: u64,
        /// Blocks that are swapped at a time, as an array.
        objects: u64,
        /// Swaps before what they brought is freed.
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
    /// `bench_release`.
    Release {
        /// Threads.
        threads: u64,
        /// What is not freed.
        survivors: Survivors,
        /// Whether light work goes on.
        busy: bool,
    },
}

/// What a cell's throughput is measured by.
///
/// On a machine of two cores on which some thirty processes ran, the middle half of 25 ratios of
/// laps under hakmem and jemalloc reached over 18 to 25 % of their median by the wall's clock, and
/// over 3 to 9 % by processor time; the medians were the same within 8 % (`bench_fixed_size` with
/// working sets of 1 and 128, `bench_random_mixed`, `bench_batches`). Where several threads run,
/// time that they wait for each other belongs to the load, and processor time does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Time that passes: loads of several threads, and loads that wait.
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

/// Blocks that the cells of one size hold.
pub const FIXED_WORKING_SET: usize = 128;

/// Threads that leave their blocks to each other.
pub const GENERATIONS: u64 = 100;

/// Blocks in a short thread's life.
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

    /// What its throughput is measured by.
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

    /// Which part of the frees must be of blocks that other threads allocated, so that the cell
    /// measures what it says; `None` if the program does not tell.
    ///
    /// Two threads that run at once come to a half, two that share a core to a third.
    pub fn frees_elsewhere_least(self) -> Option<f64> {
        matches!(self, Self::Exchange { .. }).then_some(0.2)
    }

    /// What real programs do that this resembles.
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
            Self::Aligned { .. } => "what belongs into a cache line, vector register or page alone",
            Self::Mixed { .. } => "small objects of all sizes that live for random times",
            Self::Skewed { .. } => "many small objects among few large buffers; page faults count",
            Self::Drift { .. } => "a long run whose data change their shape: caches, databases",
            Self::Handover { .. } => "pipelines: no block is freed by the thread that allocated it",
            Self::Sustained { .. } => "a pipeline that runs on: does its memory stay what it is?",
            Self::Ring { .. } => "actors: each thread allocates, and frees what others allocated",
            Self::Successors { .. } => "a server whose sessions outlive its threads (after Larson)",
            Self::ShortThreads { .. } => "a thread for each request or task",
            Self::MixedThreads { .. } => "workers that share nothing but the allocator",
            Self::Exchange { objects: 1, burst: 1, .. } => {
                "caches and tables that all threads change"
            }
            Self::Exchange { objects: 1, .. } => "the same, when work comes in bursts",
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

/// A size with the largest unit that fits.
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
