//! `bench_random_mixed`: blocks of random sizes in a working set of random places.

use crate::c_heap::{Block, FilledBlock};
use crate::contents::{Contents, EndedBlock, Held, PagedBlock, Request};
use crate::pace::{Limited, Pace, Unlimited};
use crate::report::Tally;
use crate::run_error::RunError;
use crate::sizes::Sizes;
use crate::stopwatch::Stopwatch;
use crate::xor_shift::XorShift;

/// What to run. Each iteration picks a place; it frees the block there or allocates one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomMixed<S> {
    /// Timed calls, each one `malloc` or one `free`. Blocks that are left are freed afterwards,
    /// untimed.
    pub iterations: u64,
    /// Places for blocks, at least 1 and below 2^32; about half of them are full at a time.
    pub working_set: usize,
    /// Seed of the random numbers; equal seeds make equal calls.
    pub seed: u64,
    /// How large the blocks are.
    pub sizes: S,
}

impl<S: Sizes> RandomMixed<S> {
    /// Runs the loop. `rate` is the limit in iterations a second; 0 means no limit.
    pub fn run(self, contents: Contents, rate: u64) -> Result<Tally, RunError> {
        match contents {
            Contents::Bare => self.paced::<Block>(rate),
            Contents::Pages => self.paced::<PagedBlock>(rate),
            Contents::Ends => self.paced::<EndedBlock>(rate),
            Contents::Verified => self.paced::<FilledBlock>(rate),
        }
    }

    /// Runs the loop without a limit, with blocks of type `B`.
    pub(crate) fn unlimited<B: Held>(self) -> Result<Tally, RunError> {
        self.calls::<B>(Unlimited)
    }

    fn paced<B: Held>(self, rate: u64) -> Result<Tally, RunError> {
        match rate {
            0 => self.unlimited::<B>(),
            _ => self.calls::<B>(Limited::new(rate)),
        }
    }

    fn calls<B: Held>(self, mut pace: impl Pace) -> Result<Tally, RunError> {
        let mut random = XorShift::new(self.seed);
        let mut slots: Vec<Option<B>> = Vec::new();
        slots.resize_with(self.working_set, || None);
        let watch = Stopwatch::start();
        let mut mallocs = 0;
        for _ in 0..self.iterations {
            pace.before_iteration();
            let number = random.draw();
            let slot = &mut slots[place(number, self.working_set)];
            match slot.take() {
                Some(block) => block.free()?,
                None => {
                    let size = self.sizes.draw(number);
                    let block = B::allocate(Request { size, number: mallocs, random: number });
                    *slot = Some(block.ok_or(RunError::OutOfMemory { size })?);
                    mallocs += 1;
                }
            }
        }
        let spent = watch.spent();
        for block in slots.into_iter().flatten() {
            block.free()?;
        }
        Ok(Tally { mallocs, frees: mallocs, timed_operations: self.iterations, spent })
    }
}

/// Index of a place in the working set, from the high half of `number`: a multiplication instead of
/// a division.
#[inline(always)]
fn place(number: u64, working_set: usize) -> usize {
    (((number >> 32) * working_set as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizes::{Skewed, Tiny};

    #[test]
    fn all_loops_make_the_same_calls() {
        check(Tiny);
        check(Skewed::below(1 << 16));
    }

    fn check(sizes: impl Sizes) {
        let run = RandomMixed { iterations: 10_000, working_set: 100, seed: 3, sizes };
        let bare = run.run(Contents::Bare, 0).expect("runs");
        assert!(bare.mallocs > 4_900 && bare.mallocs < 5_200, "{}", bare.mallocs);
        for contents in [Contents::Bare, Contents::Pages, Contents::Ends, Contents::Verified] {
            for rate in [0, 1_000_000] {
                let tally = run.run(contents, rate).expect("runs");
                assert_eq!((tally.mallocs, tally.frees), (bare.mallocs, bare.mallocs));
                assert_eq!(tally.timed_operations, 10_000, "{contents:?}");
            }
        }
    }

    #[test]
    fn any_last_byte_can_follow_any_size() {
        let mut random = XorShift::new(1);
        let mut drawn = vec![false; 256 * 4];
        for _ in 0..100_000 {
            let number = random.draw();
            let last = (number >> 20) as u8;
            drawn[usize::from(last) * 4 + (Tiny.draw(number) - 16) / 256] = true;
        }
        assert!(drawn.iter().all(|&drawn| drawn));
    }

    #[test]
    fn every_place_and_size_is_drawn() {
        let mut random = XorShift::new(0);
        let mut places = [0_u32; 128];
        let mut sizes = [0_u32; 1040];
        for _ in 0..200_000 {
            let number = random.draw();
            places[place(number, 128)] += 1;
            sizes[Tiny.draw(number)] += 1;
        }
        assert!(places.iter().all(|&drawn| drawn > 1_200));
        assert!(sizes[16..].iter().all(|&drawn| drawn > 100));
    }
}
