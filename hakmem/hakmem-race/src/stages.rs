//! `bench_stages`: programs that go wrong in one way each, and the same programs before they do.
//!
//! All stages share one steady load: requests of a few hundred blocks of mixed sizes, which nearly
//! all stay on the threads' lists. What a stage adds to it is small, as in a real program, and
//! depends on `changed` alone. Seeds move sizes, phases and places, so that no two runs of a stage
//! are equal.

use std::thread;
use std::time::{Duration, Instant};

use hakmem_bench::c_heap::{Block, trim};
use hakmem_bench::pace::{Limited, Pace};
use hakmem_bench::run_error::RunError;
use hakmem_bench::threads::queue::Queue;
use hakmem_bench::xor_shift::XorShift;

/// Requests per second.
const REQUESTS_PER_SECOND: u64 = 200;
/// Blocks per ordinary request.
const BLOCKS: usize = 300;
/// Entries of a cache that does not grow, and new entries per request.
const CACHE: [usize; 2] = [20_000, 12];
/// A burst: its blocks, their size in bytes, requests from one to the next, and requests it lives
/// for.
const BURST_BLOCKS: usize = 10_000;
const BURST_BYTES: usize = 4_000;
const BURST_EVERY: u64 = 60;
const BURST_LASTS: u64 = 20;
/// One block in this number survives a burst.
const STAYS: usize = 16;
/// Blocks that are allocated in order to fragment memory, and their size in bytes.
const FRAGMENTS: usize = 60_000;
const FRAGMENT_BYTES: usize = 1_000;
/// Blocks per batch, before the change and after it.
const BATCH: [usize; 2] = [100, 10_000];
/// Sizes of large buffers in bytes, before the change and after it, and buffers per request.
const SPAN_BYTES: [usize; 2] = [200 << 10, 300 << 10];
const BUFFER_BYTES: [usize; 2] = [9 << 10, 70 << 10];
const BUFFERS: usize = 4;
/// Requests that may be in flight to the thread that frees them.
const WAITING: usize = 8;
/// Time in seconds for which a wandering load depends on its past.
const WANDER_SECONDS: f64 = 2.0;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// A cache grows slowly, instead of replacing an entry for each new one
    Cache,
    /// A cache fills up to its limit, which is no fault
    Filling,
    /// Blocks that live long are allocated during bursts, instead of before them
    Bursts,
    /// The few survivors of many blocks lie scattered, instead of together
    Fragmentation,
    /// Batches have 10000 blocks, instead of 100
    Batches,
    /// malloc_trim is called in a loop
    Trim,
    /// Large requests have 300 KiB, instead of 200 KiB
    Spans,
    /// Buffers have 70 KiB, instead of 9 KiB
    Buffers,
    /// Blocks are freed by another thread than the one that allocated them
    Handover,
    /// The load drifts at random, with --changed and without; nothing goes wrong
    Wander,
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Stages {
    /// What goes wrong.
    pub stage: Stage,
    /// Whether it goes wrong.
    pub changed: bool,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Length of the run.
    pub duration: Duration,
}

impl Stages {
    /// Runs until the time is over.
    pub fn run(self) -> Result<(), RunError> {
        let end = Instant::now() + self.duration;
        match self.stage {
            Stage::Handover if self.changed => self.hand_over(end),
            _ => self
                .paced(end, LoadedProgram::new(self)?, |program, number| program.request(number)),
        }
    }

    fn paced<T>(
        self,
        end: Instant,
        mut state: T,
        mut handle: impl FnMut(&mut T, u64) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let per_second = match self.stage {
            // Either batch size makes the same number of blocks per second.
            Stage::Batches if self.changed => REQUESTS_PER_SECOND * BLOCKS as u64 / BATCH[1] as u64,
            Stage::Batches => REQUESTS_PER_SECOND * BLOCKS as u64 / BATCH[0] as u64,
            _ => REQUESTS_PER_SECOND,
        };
        let mut pace = Limited::new(per_second);
        let mut number = 0;
        while Instant::now() < end {
            pace.before_iteration();
            handle(&mut state, number)?;
            number += 1;
        }
        Ok(())
    }

    /// One thread allocates the blocks of a request, and another one frees them.
    fn hand_over(self, end: Instant) -> Result<(), RunError> {
        let full: Queue<Vec<Block>> = Queue::new(WAITING, 1);
        let empty: Queue<Vec<Block>> = Queue::new(WAITING, 1);
        (0..WAITING).for_each(|_| empty.put(Vec::with_capacity(BLOCKS)));
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Some(mut held) = full.take() {
                    held.drain(..).for_each(Block::free);
                    empty.put(held);
                }
            });
            let result = self.paced(end, XorShift::new(self.seed), |random, _| {
                let mut held = empty.take().unwrap_or_default();
                let result = allocate_usual(random, BLOCKS, &mut held);
                full.put(held);
                result
            });
            full.leave();
            result
        })
    }
}

/// A program and the memory that it holds.
struct LoadedProgram {
    load: Stages,
    random: XorShift,
    held: Vec<Block>,
    cache: Vec<Block>,
    /// Largest number of entries in the cache.
    room: usize,
    burst: Vec<Block>,
    /// Logarithm of the size of a wandering load.
    wander: f64,
}

impl LoadedProgram {
    fn new(load: Stages) -> Result<Self, RunError> {
        let mut program = Self {
            load,
            random: XorShift::new(load.seed),
            held: Vec::with_capacity(BATCH[1]),
            cache: Vec::with_capacity(1 << 20),
            room: 0,
            burst: Vec::with_capacity(BURST_BLOCKS),
            wander: 0.0,
        };
        match load.stage {
            Stage::Cache | Stage::Filling => program.fill_cache()?,
            Stage::Bursts if !load.changed => {
                program.keep(BURST_BLOCKS / STAYS, BURST_BYTES)?;
            }
            Stage::Fragmentation => program.fragment()?,
            _ => {}
        }
        Ok(program)
    }

    fn fill_cache(&mut self) -> Result<(), RunError> {
        let [entries, new] = CACHE;
        for _ in 0..entries {
            let entry = self.entry()?;
            self.cache.push(entry);
        }
        // A filling cache is full after 40 to 60 % of the time.
        let requests = self.load.duration.as_secs_f64() * REQUESTS_PER_SECOND as f64;
        let part = 0.4 + 0.2 * share(self.random.draw());
        self.room = match (self.load.stage, self.load.changed) {
            (Stage::Filling, true) => entries + (requests * part) as usize * new,
            (_, true) => usize::MAX,
            (_, false) => entries,
        };
        Ok(())
    }

    fn entry(&mut self) -> Result<Block, RunError> {
        let size = 100 + (self.random.draw() >> 20) as usize % 300;
        allocate(size)
    }

    fn keep(&mut self, blocks: usize, size: usize) -> Result<(), RunError> {
        for _ in 0..blocks {
            self.cache.push(allocate(size)?);
        }
        Ok(())
    }

    /// Allocates many blocks and keeps one in 64. The survivors lie scattered if `changed`;
    /// otherwise all blocks are freed, and the survivors are allocated anew.
    fn fragment(&mut self) -> Result<(), RunError> {
        let mut all = Vec::with_capacity(FRAGMENTS);
        for _ in 0..FRAGMENTS {
            all.push(allocate(FRAGMENT_BYTES)?);
        }
        for block in all {
            match self.load.changed && self.random.draw() >> 32 & 127 < 2 {
                true => self.cache.push(block),
                false => block.free(),
            }
        }
        if !self.load.changed {
            self.keep(FRAGMENTS / 64, FRAGMENT_BYTES)?;
        }
        Ok(())
    }

    fn request(&mut self, number: u64) -> Result<(), RunError> {
        let blocks = self.blocks();
        allocate_usual(&mut self.random, blocks, &mut self.held)?;
        let changed = self.load.changed;
        match self.load.stage {
            Stage::Cache | Stage::Filling => self.use_cache()?,
            Stage::Bursts => self.burst(number)?,
            Stage::Spans => self.buffers(SPAN_BYTES[usize::from(changed)])?,
            Stage::Buffers => self.buffers(BUFFER_BYTES[usize::from(changed)])?,
            Stage::Trim if changed => trim(),
            _ => {}
        }
        self.held.drain(..).for_each(Block::free);
        Ok(())
    }

    /// Number of blocks in the next request.
    fn blocks(&mut self) -> usize {
        match self.load.stage {
            Stage::Batches => BATCH[usize::from(self.load.changed)],
            Stage::Wander => {
                let stays = (-1.0 / (WANDER_SECONDS * REQUESTS_PER_SECOND as f64)).exp();
                let sum: f64 = (0..12).map(|_| share(self.random.draw())).sum();
                self.wander = stays * self.wander + (1.0 - stays * stays).sqrt() * (sum - 6.0);
                // Around the capacity of the lists, where the share of slow calls depends on it
                // most.
                (2.0 * BLOCKS as f64 * (0.7 * self.wander).exp()).clamp(10.0, 20_000.0) as usize
            }
            _ => BLOCKS,
        }
    }

    /// Adds a few new entries, each in place of an old one if the cache is full.
    fn use_cache(&mut self) -> Result<(), RunError> {
        for _ in 0..CACHE[1] {
            let entry = self.entry()?;
            if self.cache.len() < self.room {
                self.cache.push(entry);
            } else {
                let place = (self.random.draw() >> 16) as usize % self.cache.len();
                std::mem::replace(&mut self.cache[place], entry).free();
            }
        }
        Ok(())
    }

    /// Allocates a burst now and then. The survivors of the first one lie scattered over its
    /// memory.
    fn burst(&mut self, number: u64) -> Result<(), RunError> {
        let phase = (number + self.load.seed * 7) % BURST_EVERY;
        if phase == 0 {
            for _ in 0..BURST_BLOCKS {
                self.burst.push(allocate(BURST_BYTES)?);
            }
        }
        if phase == BURST_LASTS {
            let keeps = self.load.changed && self.cache.is_empty();
            for (place, block) in std::mem::take(&mut self.burst).into_iter().enumerate() {
                match keeps && place.is_multiple_of(STAYS) {
                    true => self.cache.push(block),
                    false => block.free(),
                }
            }
            self.burst = Vec::with_capacity(BURST_BLOCKS);
        }
        Ok(())
    }

    fn buffers(&mut self, size: usize) -> Result<(), RunError> {
        for _ in 0..BUFFERS {
            let jitter = (self.random.draw() >> 24) as usize % (size / 32);
            let mut buffer = allocate(size + jitter)?;
            buffer.touch_pages(0, size);
            self.held.push(buffer);
        }
        Ok(())
    }
}

fn allocate(size: usize) -> Result<Block, RunError> {
    Block::allocate(size).ok_or(RunError::OutOfMemory { size })
}

/// Allocates `blocks` blocks: half of them small, the rest medium and records.
fn allocate_usual(
    random: &mut XorShift,
    blocks: usize,
    held: &mut Vec<Block>,
) -> Result<(), RunError> {
    for _ in 0..blocks {
        let number = random.draw();
        let within = (number >> 8 & 0xffff) as usize;
        let size = match number >> 32 & 0xff {
            kind if kind < 128 => 16 + within % 113,
            kind if kind < 220 => 129 + within % 384,
            _ => 900 + within % 100,
        };
        held.push(allocate(size)?);
    }
    Ok(())
}

/// Maps `number` to the range from 0 to 1.
fn share(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_stage_runs_before_and_after_for_as_long_as_it_should() {
        for &stage in Stage::value_variants() {
            for changed in [false, true] {
                let start = Instant::now();
                let duration = Duration::from_millis(50);
                Stages { stage, changed, seed: 3, duration }.run().expect("runs");
                assert!(start.elapsed() >= duration, "{stage:?}");
            }
        }
    }
}
