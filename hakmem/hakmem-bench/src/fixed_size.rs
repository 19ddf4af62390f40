//! `bench_fixed_size`: blocks of one size, freed in the order in which they were allocated.

use std::time::Instant;

use crate::c_heap::{Block, FilledBlock};
use crate::pattern::{Damage, Pattern};
use crate::report::Tally;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedSize {
    /// Blocks to allocate; as many are freed, so that this is the exact number of each call.
    pub iterations: u64,
    /// Bytes of a block, at least 1.
    pub size: usize,
    /// Blocks held at a time, at least 1.
    pub working_set: usize,
}

/// Why a run ended early.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// `malloc` returned null.
    #[error("malloc({size}) returned null; is there a limit on memory (ulimit -v)?")]
    OutOfMemory {
        /// Bytes asked for.
        size: usize,
    },
    /// A block was not what it was when it was written.
    #[error(transparent)]
    Damage(#[from] Damage),
}

impl FixedSize {
    /// Allocates, and frees the oldest block of a full working set first; then frees the rest.
    ///
    /// The loop does as little else as it can: callgrind counts it.
    pub fn run(self) -> Result<Tally, RunError> {
        let out_of_memory = RunError::OutOfMemory { size: self.size };
        let filling = self.iterations.min(self.working_set as u64);
        let mut slots = Vec::with_capacity(self.working_set);
        let start = Instant::now();
        for _ in 0..filling {
            let Some(block) = Block::allocate(self.size) else { return Err(out_of_memory) };
            slots.push(block);
        }
        let mut remaining = self.iterations - filling;
        while remaining > 0 {
            let turn = remaining.min(slots.len() as u64);
            for slot in &mut slots[..turn as usize] {
                slot.replace(self.size);
            }
            remaining -= turn;
        }
        slots.into_iter().for_each(Block::free);
        Ok(self.tally(start))
    }

    /// The same calls, with contents written and checked before each free.
    pub fn verify(self) -> Result<Tally, RunError> {
        let start = Instant::now();
        let mut slots: Vec<Option<FilledBlock>> = Vec::new();
        slots.resize_with(self.working_set, || None);
        for number in 0..self.iterations {
            let slot = &mut slots[(number % self.working_set as u64) as usize];
            if let Some(block) = slot.take() {
                block.check()?;
                block.free();
            }
            let block = FilledBlock::allocate(self.size, Pattern::of_allocation(number));
            *slot = Some(block.ok_or(RunError::OutOfMemory { size: self.size })?);
        }
        for block in slots.into_iter().flatten() {
            block.check()?;
            block.free();
        }
        Ok(self.tally(start))
    }

    fn tally(self, start: Instant) -> Tally {
        Tally {
            mallocs: self.iterations,
            frees: self.iterations,
            timed_operations: 2 * self.iterations,
            elapsed: start.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_iterations_runs() {
        for iterations in [0, 1, 7, 8, 9, 100] {
            let run = FixedSize { iterations, size: 24, working_set: 8 };
            for tally in [run.run(), run.verify()] {
                let tally = tally.expect("runs");
                assert_eq!((tally.mallocs, tally.frees), (iterations, iterations));
            }
        }
    }
}
