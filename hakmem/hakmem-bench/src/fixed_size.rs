//! `bench_fixed_size`: blocks of one size, freed in the order in which they were allocated.

use crate::c_heap::{Block, FilledBlock, Source};
use crate::pattern::Pattern;
use crate::report::Tally;
use crate::run_error::RunError;
use crate::stopwatch::Stopwatch;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedSize {
    /// Blocks to allocate. All are freed, so this is the exact number of calls of `malloc` and of
    /// `free`.
    pub iterations: u64,
    /// Bytes of a block, at least 1.
    pub size: usize,
    /// Blocks held at a time, at least 1.
    pub working_set: usize,
}

impl FixedSize {
    /// Allocates block after block, after freeing the oldest one if the working set is full; then
    /// frees the rest.
    ///
    /// The loop does as little else as it can, because callgrind counts it.
    pub fn run(self, source: impl Source) -> Result<Tally, RunError> {
        let out_of_memory = RunError::OutOfMemory { size: self.size };
        let filling = self.iterations.min(self.working_set as u64);
        let mut slots = Vec::with_capacity(self.working_set);
        let watch = Stopwatch::start();
        for _ in 0..filling {
            let Some(block) = Block::allocate_from(source, self.size) else {
                return Err(out_of_memory);
            };
            slots.push(block);
        }
        let mut remaining = self.iterations - filling;
        while remaining > 0 {
            let turn = remaining.min(slots.len() as u64);
            for slot in &mut slots[..turn as usize] {
                slot.replace(source, self.size);
            }
            remaining -= turn;
        }
        slots.into_iter().for_each(Block::free);
        Ok(self.tally(watch))
    }

    /// Makes the calls of [`FixedSize::run`], but writes contents and checks them before each free,
    /// and checks for zeros if the source promises them.
    pub fn verify(self, source: impl Source) -> Result<Tally, RunError> {
        let watch = Stopwatch::start();
        let mut slots: Vec<Option<FilledBlock>> = Vec::new();
        slots.resize_with(self.working_set, || None);
        for number in 0..self.iterations {
            let slot = &mut slots[(number % self.working_set as u64) as usize];
            if let Some(block) = slot.take() {
                block.check()?;
                block.free();
            }
            let pattern = Pattern::of_allocation(number);
            let block = FilledBlock::allocate_from(source, self.size, pattern)?;
            *slot = Some(block.ok_or(RunError::OutOfMemory { size: self.size })?);
        }
        for block in slots.into_iter().flatten() {
            block.check()?;
            block.free();
        }
        Ok(self.tally(watch))
    }

    fn tally(self, watch: Stopwatch) -> Tally {
        Tally {
            mallocs: self.iterations,
            frees: self.iterations,
            timed_operations: 2 * self.iterations,
            spent: watch.spent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c_heap::{AlignedAlloc, Calloc, Malloc};
    use crate::pattern::Damage;

    fn check(source: impl Source, size: usize) {
        for iterations in [0, 1, 7, 8, 9, 100] {
            let run = FixedSize { iterations, size, working_set: 8 };
            for tally in [run.run(source), run.verify(source)] {
                let tally = tally.expect("runs");
                assert_eq!((tally.mallocs, tally.frees), (iterations, iterations));
            }
        }
    }

    #[test]
    fn any_number_of_iterations_runs_from_every_source() {
        check(Malloc, 24);
        // Freed blocks are reused, so leftover bytes would be found.
        check(Calloc, 24);
        check(Calloc, 300_000);
        check(AlignedAlloc(64), 192);
        check(AlignedAlloc(4096), 4096);
    }

    /// `malloc` that promises more than it delivers.
    #[derive(Clone, Copy)]
    struct Boaster<const ZEROS: bool>;

    impl<const ZEROS: bool> Source for Boaster<ZEROS> {
        const ZEROED: bool = ZEROS;

        fn ask(self, size: usize) -> Option<Block> {
            let mut block = if ZEROS { Calloc.ask(size) } else { Malloc.ask(size) }?;
            block.write_ends(size, 0, u8::from(ZEROS));
            Some(block)
        }

        fn alignment(self, _size: usize) -> usize {
            if ZEROS { 1 } else { 1 << 40 }
        }
    }

    #[test]
    fn a_source_that_breaks_its_promise_is_found_out() {
        let run = FixedSize { iterations: 3, size: 24, working_set: 1 };
        let dirty = run.verify(Boaster::<true>).expect_err("the last byte is not 0");
        assert!(dirty.to_string().ends_with("byte 23 of calloc is 0x01"), "{dirty}");
        let skewed = run.verify(Boaster::<false>).expect_err("no block is aligned so");
        assert!(matches!(skewed, RunError::Damage(Damage::Alignment { size: 24, .. })));
    }
}
