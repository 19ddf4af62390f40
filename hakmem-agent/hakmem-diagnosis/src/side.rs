//! What is compared.

use hakmem_proto::v1::{Identity, Machine, Process};

/// Cumulative samples of one process in one window.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Who it is.
    pub identity: Identity,
    /// Where it ran, if known.
    pub machine: Option<Machine>,
    /// Oldest first, each whole (classes and, if they were kept, threads); `sampled_at` rises.
    pub samples: Vec<Process>,
    /// Events that the window has lost, and updates that were never received.
    pub lost_events: u64,
    /// Samples that are missing within the window.
    pub lost_samples: u64,
}

/// One side of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// As the person named it, e.g. `yesterday.hakrec@10:00..10:05`.
    pub name: String,
    /// One per process; several are runs of one program, or the processes that it consists of.
    pub series: Vec<Series>,
}
