//! The input of a comparison: sides and their series.

use hakmem_proto::v1::{Identity, Machine, Process};

/// Cumulative samples of one process in one window.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The process and its settings.
    pub identity: Identity,
    /// The machine it ran on, if known.
    pub machine: Option<Machine>,
    /// Oldest first, each whole (classes and, if they were kept, threads); `sampled_at` rises.
    pub samples: Vec<Process>,
    /// Events that were lost within the window, and updates that were never received.
    pub lost_events: u64,
    /// Samples that are missing within the window.
    pub lost_samples: u64,
}

/// One side of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// The name that the person gave it, e.g. `yesterday.hakrec@10:00..10:05`.
    pub name: String,
    /// One per process; several are runs of one program, or the processes of which it consists.
    pub series: Vec<Series>,
}
