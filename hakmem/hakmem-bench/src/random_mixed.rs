//! `bench_random_mixed`: sizes of 16 to 1039 bytes in a working set of random places.

use std::time::Instant;

use crate::c_heap::{Block, FilledBlock};
use crate::fixed_size::RunError;
use crate::pattern::Pattern;
use crate::report::Tally;

/// What to run. Each iteration picks a place; it frees the block there or allocates one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomMixed {
    /// Timed calls, each one `malloc` or one `free`. What is left is freed afterwards, untimed.
    pub iterations: u64,
    /// Places for blocks, at least 1 and below 2^32; about half of them are full at a time.
    pub working_set: usize,
    /// Start of the random numbers; equal seeds make equal calls.
    pub seed: u64,
}

/// Marsaglia's xorshift of 64 bits: three shifts, so that it costs the loop little.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XorShift(u64);

impl XorShift {
    pub(crate) fn new(seed: u64) -> Self {
        // State 0 would stay 0, and small seeds begin with small numbers: spread them first
        // (the constant is 2^64 divided by the golden ratio).
        let spread = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(spread.max(1))
    }

    #[inline(always)]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

impl RandomMixed {
    /// Runs the loop.
    pub fn run(self) -> Result<Tally, RunError> {
        let mut random = XorShift::new(self.seed);
        let mut slots: Vec<Option<Block>> = Vec::new();
        slots.resize_with(self.working_set, || None);
        let start = Instant::now();
        let mut mallocs = 0;
        for _ in 0..self.iterations {
            let number = random.next();
            let slot = &mut slots[place(number, self.working_set)];
            match slot.take() {
                Some(block) => block.free(),
                None => {
                    let size = size(number);
                    let block = Block::allocate(size);
                    *slot = Some(block.ok_or(RunError::OutOfMemory { size })?);
                    mallocs += 1;
                }
            }
        }
        let elapsed = start.elapsed();
        slots.into_iter().flatten().for_each(Block::free);
        Ok(self.tally(mallocs, elapsed))
    }

    /// The same calls, with contents written and checked before each free.
    pub fn verify(self) -> Result<Tally, RunError> {
        let mut random = XorShift::new(self.seed);
        let mut slots: Vec<Option<FilledBlock>> = Vec::new();
        slots.resize_with(self.working_set, || None);
        let start = Instant::now();
        let mut mallocs = 0;
        for _ in 0..self.iterations {
            let number = random.next();
            let slot = &mut slots[place(number, self.working_set)];
            match slot.take() {
                Some(block) => {
                    block.check()?;
                    block.free();
                }
                None => {
                    let size = size(number);
                    let block = FilledBlock::allocate(size, Pattern::of_allocation(mallocs));
                    *slot = Some(block.ok_or(RunError::OutOfMemory { size })?);
                    mallocs += 1;
                }
            }
        }
        for block in slots.into_iter().flatten() {
            block.check()?;
            block.free();
        }
        Ok(self.tally(mallocs, start.elapsed()))
    }

    fn tally(self, mallocs: u64, elapsed: std::time::Duration) -> Tally {
        Tally { mallocs, frees: mallocs, timed_operations: self.iterations, elapsed }
    }
}

/// A place of the working set, from the high half of the number: a multiplication instead of a
/// division.
#[inline(always)]
fn place(number: u64, working_set: usize) -> usize {
    (((number >> 32) * working_set as u64) >> 32) as usize
}

/// A size, from the low bits of the number.
#[inline(always)]
fn size(number: u64) -> usize {
    16 + (number & 0x3ff) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_loops_make_the_same_calls() {
        let run = RandomMixed { iterations: 10_000, working_set: 100, seed: 3 };
        let (fast, slow) = (run.run().expect("runs"), run.verify().expect("runs"));
        assert_eq!((fast.mallocs, fast.frees), (slow.mallocs, slow.frees));
        assert!(fast.mallocs > 4_900 && fast.mallocs < 5_200, "{}", fast.mallocs);
    }

    #[test]
    fn every_place_and_size_is_drawn() {
        let mut random = XorShift::new(0);
        let mut places = [0_u32; 128];
        let mut sizes = [0_u32; 1040];
        for _ in 0..200_000 {
            let number = random.next();
            places[place(number, 128)] += 1;
            sizes[size(number)] += 1;
        }
        assert!(places.iter().all(|&drawn| drawn > 1_200));
        assert!(sizes[16..].iter().all(|&drawn| drawn > 100));
    }
}
