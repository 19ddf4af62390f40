//! `bench_release`: memory grows, most of it is freed, and then resident memory is measured.
//!
//! The threads stay alive all the time, as those of a server do, and so do their caches. Either
//! whole generations are freed, which are blocks that were allocated one after the other, so that
//! whole pages become free; or each block survives by chance, so that almost every page has a
//! survivor.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::c_heap::FilledBlock;
use crate::contents::{Held, PagedBlock, Request};
use crate::report::{Holding, Tally};
use crate::run_error::RunError;
use crate::sizes::{Sizes, Skewed, Tiny};
use crate::stopwatch::Stopwatch;
use crate::xor_shift::XorShift;

/// Which blocks survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// One of ten generations, neither the first nor the last.
    Generations,
    /// Each block with a probability of one in ten.
    Random,
}

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Bytes to grow to.
    pub bytes: usize,
    /// Threads that share them, at least 1.
    pub threads: usize,
    /// Which blocks are not freed.
    pub survivors: Survivors,
    /// Whether the threads go on with light work afterwards, instead of sleeping.
    pub busy: bool,
    /// Time from the measurement after the frees to the last one.
    pub wait: Duration,
}

/// One part in this number survives.
const ONE_IN: usize = 10;
/// The generation that survives, if one does.
const SURVIVOR: usize = ONE_IN / 2;
/// Upper limit of the usual block sizes, in bytes.
const USUAL: usize = 8 << 10;
/// One block in this number is larger: it has one to sixteen times [`LARGE_STEP`] bytes, which
/// makes the larger ones a quarter of all bytes.
const LARGE_ONE_IN: u64 = 4096;
const LARGE_STEP: usize = 64 << 10;

/// Light work: this number of blocks, each freed at once, and then a pause.
const BURST: u64 = 100;
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Clone, Copy)]
struct UsualAndLarge(Skewed);

impl Sizes for UsualAndLarge {
    fn draw(self, number: u64) -> usize {
        if (number >> 20).is_multiple_of(LARGE_ONE_IN) {
            (1 + (number & 15) as usize) * LARGE_STEP
        } else {
            self.0.draw(number)
        }
    }
}

/// The blocks that one thread allocated.
struct Share<B> {
    survivors: Vec<B>,
    others: Vec<B>,
}

/// What the threads share with the thread that measures memory.
struct SharedState {
    all: Barrier,
    grown_bytes: AtomicUsize,
    surviving_bytes: AtomicUsize,
    over: AtomicBool,
}

impl Release {
    /// Runs the load. The time counts while threads grow and free memory, not between measurements.
    /// With `verify`, every block is filled, and its contents are checked before it is freed;
    /// otherwise one byte is written in each page.
    pub fn run(self, verify: bool) -> Result<(Tally, Vec<Holding>), RunError> {
        if verify { self.threads::<FilledBlock>() } else { self.threads::<PagedBlock>() }
    }

    fn threads<B: Held + Send>(self) -> Result<(Tally, Vec<Holding>), RunError> {
        let shared = &SharedState {
            all: Barrier::new(self.threads + 1),
            grown_bytes: AtomicUsize::new(0),
            surviving_bytes: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        };
        let watch = Stopwatch::start();
        thread::scope(|scope| {
            let thread = |index| scope.spawn(move || self.live::<B>(index, shared));
            let running: Vec<_> = (0..self.threads as u64).map(thread).collect();
            shared.all.wait();
            let grown = watch.spent();
            // The barrier orders the threads' writes before these reads.
            let live = shared.grown_bytes.load(Ordering::Relaxed);
            let mut holdings = vec![Holding::now("when grown", live)];
            let watch = Stopwatch::start();
            shared.all.wait();
            shared.all.wait();
            let spent = grown + watch.spent();
            let live = shared.surviving_bytes.load(Ordering::Relaxed);
            holdings.push(Holding::now("once freed", live));
            thread::sleep(self.wait);
            let later = format!("{} s later", self.wait.as_secs_f64());
            holdings.push(Holding::now(later, live));
            shared.over.store(true, Ordering::Relaxed);
            let mut tally = Tally { spent, ..Tally::default() };
            for thread in running {
                let (mallocs, timed) = thread.join().expect("no thread panics")?;
                tally.mallocs += mallocs;
                tally.timed_operations += timed;
            }
            tally.frees = tally.mallocs;
            Ok((tally, holdings))
        })
    }

    /// Body of one thread; returns the number of its blocks and of its timed calls. A thread that
    /// failed still waits at the barriers, because the others wait for it there.
    fn live<B: Held>(self, index: u64, shared: &SharedState) -> Result<(u64, u64), RunError> {
        let grown = self.grow::<B>(index, shared);
        shared.all.wait();
        shared.all.wait();
        let freed = grown.and_then(|share| {
            let (survivors, others) = (share.survivors.len(), share.others.len());
            share.others.into_iter().try_for_each(Held::free)?;
            Ok((share.survivors, (survivors + 2 * others) as u64, (survivors + others) as u64))
        });
        shared.all.wait();
        let (survivors, timed, mut mallocs) = freed?;
        let mut random = XorShift::new(index);
        while !shared.over.load(Ordering::Relaxed) {
            thread::sleep(PAUSE);
            if self.busy {
                for number in 0..BURST {
                    allocate::<B>(Tiny, number, random.draw())?.0.free()?;
                }
                mallocs += BURST;
            }
        }
        survivors.into_iter().try_for_each(Held::free)?;
        Ok((mallocs, timed))
    }

    fn grow<B: Held>(self, index: u64, shared: &SharedState) -> Result<Share<B>, RunError> {
        let share = self.bytes / self.threads;
        let sizes = UsualAndLarge(Skewed::below(USUAL));
        let mut random = XorShift::new(index);
        let (mut survivors, mut others) = (Vec::new(), Vec::new());
        let (mut bytes, mut surviving, mut number) = (0, 0, 0);
        while bytes < share {
            let draw = random.draw();
            let stays = match self.survivors {
                Survivors::Generations => bytes * ONE_IN / share == SURVIVOR,
                Survivors::Random => (draw >> 40).is_multiple_of(ONE_IN as u64),
            };
            let (block, size) = allocate::<B>(sizes, number, draw)?;
            if stays { &mut survivors } else { &mut others }.push(block);
            bytes += size;
            surviving += if stays { size } else { 0 };
            number += 1;
        }
        // The used parts of the lists are live memory too.
        let list = |blocks: &Vec<B>| blocks.len() * size_of::<B>();
        let grown = bytes + list(&survivors) + list(&others);
        shared.grown_bytes.fetch_add(grown, Ordering::Relaxed);
        shared.surviving_bytes.fetch_add(surviving + list(&survivors), Ordering::Relaxed);
        Ok(Share { survivors, others })
    }
}

fn allocate<B: Held>(sizes: impl Sizes, number: u64, random: u64) -> Result<(B, usize), RunError> {
    let size = sizes.draw(random);
    let block = B::allocate(Request { size, number, random });
    Ok((block.ok_or(RunError::OutOfMemory { size })?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Release = Release {
        bytes: 8 << 20,
        threads: 1,
        survivors: Survivors::Random,
        busy: false,
        wait: Duration::from_millis(20),
    };

    #[test]
    fn a_tenth_of_the_bytes_survives_either_way() {
        for survivors in [Survivors::Generations, Survivors::Random] {
            for (threads, verify) in [(1, false), (3, true)] {
                let (tally, holdings) =
                    Release { threads, survivors, ..RUN }.run(verify).expect("runs");
                assert_eq!(tally.mallocs, tally.frees);
                let timed = tally.timed_operations as f64 / tally.mallocs as f64;
                assert!((1.8..2.0).contains(&timed), "{timed}");
                let [grown, freed, later] = &holdings[..] else { panic!("{holdings:?}") };
                assert_eq!(later.moment, "0.02 s later");
                assert_eq!(freed.live_kib, later.live_kib);
                assert!((8 << 10..10 << 10).contains(&grown.live_kib), "{grown}");
                let part = freed.live_kib as f64 / grown.live_kib as f64;
                assert!((0.03..0.25).contains(&part), "{survivors:?}: {part}");
            }
        }
    }

    #[test]
    fn light_work_counts_as_calls_and_is_not_timed() {
        let (idle, _) = RUN.run(false).expect("runs");
        let (busy, _) = Release { busy: true, ..RUN }.run(false).expect("runs");
        assert!(busy.mallocs >= idle.mallocs + BURST && busy.mallocs == busy.frees);
        assert_eq!(busy.timed_operations, idle.timed_operations);
    }

    #[test]
    fn a_quarter_of_the_bytes_is_in_large_blocks() {
        let sizes = UsualAndLarge(Skewed::below(USUAL));
        let mut random = XorShift::new(5);
        let drawn: Vec<usize> = (0..1_000_000).map(|_| sizes.draw(random.draw())).collect();
        let all: usize = drawn.iter().sum();
        let large: usize = drawn.iter().filter(|&&size| size > USUAL).sum();
        let part = large as f64 / all as f64;
        assert!((0.15..0.4).contains(&part), "{part}");
    }
}
