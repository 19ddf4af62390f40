//! `bench_successors`: threads end and leave their blocks to the next.
//!
//! The idea is that of Larson and Krishnan ("Memory allocation for long-running server
//! applications", 1998): a server whose threads come and go while its objects live on.

use crate::contents::Held;
use crate::run_error::RunError;
use crate::threads::{Load, allocate, one_thread, side_by_side};
use crate::xor_shift::XorShift;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successors {
    /// Threads that run at once, at least 1.
    pub threads: usize,
    /// Number of threads that follow each other in each of these places, at least 1.
    pub generations: u64,
    /// Blocks that each thread allocates.
    pub rounds: u64,
    /// Blocks that pass from a thread to its successor, at least 1.
    pub held: usize,
}

impl Load for Successors {
    fn calls<B: Held + Send>(self) -> Result<u64, RunError> {
        side_by_side(0..self.threads, |line| {
            let mut held: Vec<Option<B>> = Vec::new();
            held.resize_with(self.held, || None);
            let mut blocks = 0;
            for generation in 0..self.generations {
                let seed = line as u64 * self.generations + generation;
                blocks += one_thread(|| self.live(seed, &mut held))?;
            }
            for block in held.into_iter().flatten() {
                block.free()?;
            }
            Ok(blocks)
        })
    }
}

impl Successors {
    /// Body of one thread: most of the blocks that it frees at first are its predecessor's.
    fn live<B: Held>(self, seed: u64, held: &mut [Option<B>]) -> Result<u64, RunError> {
        let mut random = XorShift::new(seed);
        for round in 0..self.rounds {
            let number = random.draw();
            let place = &mut held[(((number >> 32) * self.held as u64) >> 32) as usize];
            if let Some(block) = place.take() {
                block.free()?;
            }
            *place = Some(allocate(seed * self.rounds + round, number)?);
        }
        Ok(self.rounds)
    }
}
