//! `bench_drift`: a constant number of live bytes, in blocks whose sizes drift.
//!
//! A phase allocates blocks of sizes around one mean, each in place of random older blocks, so that
//! the number of live bytes stays constant. From phase to phase the mean doubles up to the largest,
//! and then halves again. The survivors of a phase are single blocks in pages that no block of the
//! next size fits into: memory that an allocator cannot reuse until the last of them is freed.

use crate::c_heap::FilledBlock;
use crate::contents::{Held, PagedBlock, Request};
use crate::report::{Holding, Tally};
use crate::run_error::RunError;
use crate::stopwatch::Stopwatch;
use crate::xor_shift::XorShift;

/// Mean size in the first and in the last phase.
const SMALLEST_MEAN: usize = 64;
/// Mean size in the phase in the middle.
const LARGEST_MEAN: usize = 16 * 1024;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Bytes to keep live.
    pub live: usize,
    /// Blocks that all phases together allocate, approximately. All phases allocate equally many
    /// bytes.
    pub blocks: u64,
}

/// Mean size of each phase, in order.
fn means() -> impl Iterator<Item = usize> {
    let doublings = (LARGEST_MEAN / SMALLEST_MEAN).ilog2();
    (0..=doublings).chain((0..doublings).rev()).map(|doubling| SMALLEST_MEAN << doubling)
}

/// The blocks that are live.
struct Crowd<B> {
    blocks: Vec<(B, u32)>,
    bytes: usize,
    most: usize,
    mallocs: u64,
    frees: u64,
}

impl Drift {
    /// Runs all phases. With `verify`, every block is filled, and its contents are checked before
    /// it is freed; otherwise one byte is written in each page. Blocks that are left at the end are
    /// freed untimed.
    pub fn run(self, verify: bool) -> Result<(Tally, Vec<Holding>), RunError> {
        if verify { self.phases::<FilledBlock>() } else { self.phases::<PagedBlock>() }
    }

    /// Number of blocks in the phase whose mean size is `mean`.
    fn blocks_about(self, mean: usize) -> u64 {
        let per_byte: f64 = means().map(|mean| 1.0 / mean as f64).sum();
        (self.blocks as f64 / mean as f64 / per_byte) as u64
    }

    fn phases<B: Held>(self) -> Result<(Tally, Vec<Holding>), RunError> {
        let most = self.live / (SMALLEST_MEAN / 2) + 1;
        let blocks = Vec::with_capacity(most);
        let mut crowd = Crowd::<B> { blocks, bytes: 0, most: 0, mallocs: 0, frees: 0 };
        let mut random = XorShift::new(1);
        let mut holdings: Vec<Holding> = Vec::new();
        let watch = Stopwatch::start();
        for mean in means() {
            for _ in 0..self.blocks_about(mean) {
                crowd.replace(self.live, mean, random.draw())?;
            }
            holdings.push(Holding::now("at its worst", crowd.held()));
        }
        let spent = watch.spent();
        let timed_operations = crowd.mallocs + crowd.frees;
        let end = holdings.last().map(|end| Holding { moment: "in the end".into(), ..end.clone() });
        let worst = holdings.into_iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        for (block, _) in crowd.blocks {
            block.free()?;
        }
        let tally = Tally { mallocs: crowd.mallocs, frees: crowd.mallocs, timed_operations, spent };
        Ok((tally, worst.into_iter().chain(end).collect()))
    }
}

impl<B: Held> Crowd<B> {
    /// Frees random blocks until a new one fits into `live` bytes, and adds it.
    fn replace(&mut self, live: usize, mean: usize, number: u64) -> Result<(), RunError> {
        // Uniform from half of the mean to three halves of it.
        let size = mean / 2 + (((number & 0xffff) as usize * mean) >> 16);
        let mut victims = number;
        while self.bytes + size > live && !self.blocks.is_empty() {
            let victim = ((victims >> 32) * self.blocks.len() as u64) >> 32;
            // One large block may replace several small ones, each chosen at random.
            victims = victims.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let (block, size) = self.blocks.swap_remove(victim as usize);
            block.free()?;
            self.bytes -= size as usize;
            self.frees += 1;
        }
        let block = B::allocate(Request { size, number: self.mallocs, random: number });
        self.blocks.push((block.ok_or(RunError::OutOfMemory { size })?, size as u32));
        self.bytes += size;
        self.most = self.most.max(self.blocks.len());
        self.mallocs += 1;
        Ok(())
    }

    /// Bytes of the live blocks, and of the part of the list `blocks` that was ever in use.
    fn held(&self) -> usize {
        self.bytes + self.most * size_of::<(B, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_and_shrink_again() {
        let means: Vec<usize> = means().collect();
        assert_eq!((means.len(), means[0], means[8], means[16]), (17, 64, 16 << 10, 64));
        assert_eq!(means.iter().max(), Some(&LARGEST_MEAN));
    }

    #[test]
    fn all_phases_together_make_the_blocks_asked_for_and_equally_many_bytes() {
        let run = Drift { live: 1 << 20, blocks: 1_000_000 };
        let blocks: u64 = means().map(|mean| run.blocks_about(mean)).sum();
        assert!((999_900..=1_000_000).contains(&blocks), "{blocks}");
        let bytes = |mean: usize| run.blocks_about(mean) as f64 * mean as f64;
        assert!((0.99..1.01).contains(&(bytes(64) / bytes(LARGEST_MEAN))));
    }

    #[test]
    fn the_live_bytes_stay_what_they_are() {
        let mut crowd =
            Crowd::<PagedBlock> { blocks: Vec::new(), bytes: 0, most: 0, mallocs: 0, frees: 0 };
        let mut random = XorShift::new(3);
        for mean in means() {
            for _ in 0..20_000 {
                crowd.replace(1 << 20, mean, random.draw()).expect("there is memory");
            }
            let bytes = crowd.bytes;
            assert!(bytes <= 1 << 20 && bytes > (1 << 20) - 2 * LARGEST_MEAN, "{mean}: {bytes}");
        }
        crowd.blocks.into_iter().for_each(|(block, _)| block.free().expect("nothing is checked"));
    }

    #[test]
    fn a_run_frees_what_it_allocates_and_says_what_was_live() {
        for verify in [false, true] {
            let run = Drift { live: 1 << 20, blocks: 100_000 };
            let (tally, holdings) = run.run(verify).expect("runs");
            assert_eq!(tally.mallocs, tally.frees);
            assert!(tally.mallocs > 99_000 && tally.timed_operations < 2 * tally.mallocs);
            let [worst, end] = &holdings[..] else { panic!("{holdings:?}") };
            assert!(worst.ratio() >= end.ratio() && end.live_kib > 900, "{worst}, {end}");
        }
    }
}
