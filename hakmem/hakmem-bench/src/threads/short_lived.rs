//! `bench_short_threads`: many threads that allocate little and end.

use crate::contents::Held;
use crate::run_error::RunError;
use crate::threads::{Load, allocate, one_thread, side_by_side};
use crate::xor_shift::XorShift;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortLived {
    /// Threads that run at once, at least 1.
    pub at_once: usize,
    /// Number of threads that follow each other in each of these places.
    pub threads: u64,
    /// Blocks that each thread allocates and then frees.
    pub blocks: u64,
}

impl Load for ShortLived {
    fn calls<B: Held + Send>(self) -> Result<u64, RunError> {
        side_by_side(0..self.at_once, |line| {
            // At least one, so that the number of other calls does not depend on the load's size.
            let mut held = Vec::with_capacity(self.blocks.max(1) as usize);
            let mut blocks = 0;
            for index in 0..self.threads {
                let seed = line as u64 * self.threads + index;
                blocks += one_thread(|| self.live::<B>(seed, &mut held))?;
            }
            Ok(blocks)
        })
    }
}

impl ShortLived {
    fn live<B: Held>(self, seed: u64, held: &mut Vec<B>) -> Result<u64, RunError> {
        let mut random = XorShift::new(seed);
        for index in 0..self.blocks {
            held.push(allocate(seed * self.blocks + index, random.draw())?);
        }
        held.drain(..).try_for_each(Held::free)?;
        Ok(self.blocks)
    }
}
