//! `bench_mixed_threads`: the loop of `bench_random_mixed` in several threads at once.

use crate::contents::Held;
use crate::random_mixed::RandomMixed;
use crate::run_error::RunError;
use crate::sizes::Tiny;
use crate::threads::{Load, side_by_side};

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixedThreads {
    /// Threads, at least 1.
    pub threads: usize,
    /// Calls that each thread makes, besides the frees of the blocks that are left.
    pub iterations: u64,
    /// Places for blocks, per thread.
    pub working_set: usize,
}

impl Load for MixedThreads {
    fn calls<B: Held + Send>(self) -> Result<u64, RunError> {
        let Self { threads, iterations, working_set } = self;
        side_by_side(0..threads as u64, |seed| {
            RandomMixed { iterations, working_set, seed, sizes: Tiny }
                .unlimited::<B>()
                .map(|tally| tally.mallocs)
        })
    }
}
