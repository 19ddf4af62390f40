//! `bench_growth`: blocks that grow by `realloc`.

use crate::c_heap::{Block, FilledBlock};
use crate::contents::{Held, Request};
use crate::pattern::Damage;
use crate::report::Tally;
use crate::run_error::RunError;
use crate::stopwatch::Stopwatch;

/// Blocks that grow in turns, so that no block has all the free memory behind it.
const SIDE_BY_SIDE: u64 = 8;

/// How much a block grows at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To twice its size, as a vector does.
    Double,
    /// By this number of bytes, more than 0, as a string does that is appended to.
    Add(usize),
}

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Blocks that grow.
    pub blocks: u64,
    /// Size of a new block in bytes, at least 1.
    pub first: usize,
    /// Largest size in bytes that a block may reach.
    pub last: usize,
    /// How much a block grows at a time.
    pub step: Step,
}

/// A live block that can grow.
trait Growing: Held {
    /// Grows the block from `from` to `to` bytes; `false` if `realloc` returned null.
    fn grow(&mut self, from: usize, to: usize) -> Result<bool, Damage>;
}

impl Growing for Block {
    fn grow(&mut self, from: usize, to: usize) -> Result<bool, Damage> {
        let grown = self.resize(to);
        if grown {
            self.touch_pages(from, to);
        }
        Ok(grown)
    }
}

impl Growing for FilledBlock {
    fn grow(&mut self, _from: usize, to: usize) -> Result<bool, Damage> {
        FilledBlock::grow(self, to)
    }
}

impl Growth {
    /// The size that follows `size`; `None` after the last.
    fn next(self, size: usize) -> Option<usize> {
        let next = match self.step {
            Step::Double => size.checked_mul(2)?,
            Step::Add(bytes) => size.checked_add(bytes)?,
        };
        (next <= self.last).then_some(next)
    }

    /// Number of `realloc` calls for each block.
    pub fn reallocs(self) -> u64 {
        std::iter::successors(Some(self.first), |&size| self.next(size)).count() as u64 - 1
    }

    /// Runs all blocks. With `verify`, every block is filled, and its contents are checked before
    /// and after it grows; otherwise one byte is written in each new page to make it resident.
    pub fn run(self, verify: bool) -> Result<Tally, RunError> {
        if verify { self.calls::<FilledBlock>() } else { self.calls::<Block>() }
    }

    fn calls<B: Growing>(self) -> Result<Tally, RunError> {
        let mut held: Vec<B> = Vec::with_capacity(SIDE_BY_SIDE as usize);
        let watch = Stopwatch::start();
        let mut mallocs = 0;
        while mallocs < self.blocks {
            let mut size = self.first;
            for _ in 0..SIDE_BY_SIDE.min(self.blocks - mallocs) {
                let block = B::allocate(Request { size, number: mallocs, random: mallocs });
                held.push(block.ok_or(RunError::OutOfMemory { size })?);
                mallocs += 1;
            }
            while let Some(next) = self.next(size) {
                for block in &mut held {
                    if !block.grow(size, next)? {
                        return Err(RunError::OutOfMemory { size: next });
                    }
                }
                size = next;
            }
            held.drain(..).try_for_each(Held::free)?;
        }
        let timed_operations = mallocs * (2 + self.reallocs());
        Ok(Tally { mallocs, frees: mallocs, timed_operations, spent: watch.spent() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_grows_in_the_steps_it_was_told() {
        let check = |first, last, step, reallocs| {
            let run = Growth { blocks: 11, first, last, step };
            assert_eq!(run.reallocs(), reallocs, "{run:?}");
            for verify in [false, true] {
                let tally = run.run(verify).expect("runs");
                assert_eq!((tally.mallocs, tally.frees), (11, 11));
                assert_eq!(tally.timed_operations, 11 * (2 + reallocs), "{run:?}");
            }
        };
        check(16, 4096, Step::Double, 8);
        check(16, 4095, Step::Double, 7);
        check(16, 160, Step::Add(16), 9);
        check(100, 10, Step::Double, 0);
        check(1, 300_000, Step::Add(99_999), 3);
        check(5, usize::MAX, Step::Add(usize::MAX), 0);
    }
}
