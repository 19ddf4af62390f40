//! The figures of one cell, once all its laps are over.

use hakmem_bench::report::Holding;
use serde::Serialize;

use crate::race::cell::Clock;
use crate::race::contender::HAKMEM;
use crate::race::interval::{CONFIDENCE, Interval};

/// One cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// Name of the row's group.
    pub group: String,
    /// Name of the cell.
    pub cell: String,
    /// Laps behind each median.
    pub rounds: usize,
    /// The clock by which throughput is measured.
    pub clock: Clock,
    /// One entry per contender, hakmem first.
    pub figures: Vec<Figure>,
    /// The peer with the highest median over all rounds.
    pub best_peer: String,
    /// hakmem if the ratio is above 1, otherwise the best peer.
    pub winner: String,
    /// Median, over the rounds, of hakmem's throughput divided by the best peer's.
    pub ratio: f64,
    /// The interval in which the median of these ratios lies.
    pub interval: Interval,
    /// The conclusion from the interval.
    pub outcome: Outcome,
    /// Smallest of these ratios.
    pub ratio_min: f64,
    /// Largest of these ratios.
    pub ratio_max: f64,
    /// hakmem's peak resident memory divided by the median of the peers'.
    pub peak_resident_ratio: f64,
    /// hakmem's resident memory after everything is freed, divided by the median of the peers'.
    pub final_resident_ratio: f64,
    /// Median share of hakmem's calls that took a slow path, by its own counters.
    pub slow_share: f64,
}

/// What can be concluded of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The interval lies above 1.
    Ahead,
    /// It contains 1.
    Level,
    /// It lies below 1.
    Behind,
    /// There are too few rounds for an interval with the required confidence.
    Undecided,
}

/// One contender in one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Name of the allocator.
    pub allocator: String,
    /// Median of millions of calls a second by the row's clock, a call being one `malloc` or one
    /// `free`.
    pub million_operations_per_second: f64,
    /// Median of millions of calls a second by wall-clock time, whatever the row's clock is.
    pub million_operations_per_wall_second: f64,
    /// The slowest lap.
    pub million_operations_per_second_min: f64,
    /// The fastest lap.
    pub million_operations_per_second_max: f64,
    /// Median of the processes' peak resident memory.
    pub peak_resident_kib: f64,
    /// Median of the resident memory after the program has freed everything.
    pub final_resident_kib: f64,
    /// Medians of resident and live memory, at the moments that the load reports.
    pub holdings: Vec<Holding>,
}

impl Standing {
    /// Whether hakmem's throughput is above the best peer's.
    pub fn is_won(&self) -> bool {
        self.winner == HAKMEM
    }
}

impl Outcome {
    pub(super) fn of(interval: Interval) -> Self {
        match interval {
            Interval { confidence, .. } if confidence < CONFIDENCE => Self::Undecided,
            Interval { low, .. } if low > 1.0 => Self::Ahead,
            Interval { high, .. } if high < 1.0 => Self::Behind,
            Interval { .. } => Self::Level,
        }
    }

    /// The words that stand before the peer's name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ahead => "ahead of",
            Self::Level => "level with",
            Self::Behind => "behind",
            Self::Undecided => "undecided against",
        }
    }
}
