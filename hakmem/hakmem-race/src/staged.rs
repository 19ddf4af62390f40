//! `bench_staged`: a steady load in which one thing can be changed, to test whether a diagnosis
//! finds it.
//!
//! Each client handles requests at a steady pace: it allocates some blocks of mixed sizes, and
//! frees them. Requests of a few hundred blocks fit into the threads' lists, so that nearly every
//! call takes the fast path until something changes; requests of thousands do not.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use hakmem_bench::c_heap::Block;
use hakmem_bench::pace::{Limited, Pace};
use hakmem_bench::run_error::RunError;
use hakmem_bench::threads::queue::Queue;
use hakmem_bench::xor_shift::XorShift;

/// Blocks per second of one client.
const BLOCKS_PER_SECOND: usize = 120_000;
/// One request in this number is handled in the changed way, if that is expensive.
const SPARSE: u64 = 4;
/// New threads that share a request. They are more than the heaps of ended threads that hakmem
/// keeps for new ones, so some of them begin with empty lists.
const BURST: usize = 24;
/// One block in this number is leaked.
const LEAK_BLOCKS: usize = 300;
/// A large buffer: its first size and its growth at a time in bytes, and how often it grows.
const LARGE: [usize; 3] = [1 << 20, 64 << 10, 16];
/// Requests that may be in flight from a producer to its consumer.
const WAITING: usize = 8;

/// The one thing that is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Changed {
    /// Nothing
    #[default]
    Nothing,
    /// More blocks have 129 to 512 bytes, and fewer have less
    Sizes,
    /// Records of nearly 1 KiB grow beyond 1 KiB, from class C7 to mid
    Crossing,
    /// Each client hands its requests to another thread, which frees them
    Handover,
    /// One block in 300 is never freed
    Leak,
    /// One request in four is handled by 24 new threads at once
    NewThreads,
    /// One request in four grows a large buffer step by step
    Resize,
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Staged {
    /// Length of the run.
    pub duration: Duration,
    /// Clients, at least 1.
    pub clients: u64,
    /// Blocks per request, at least 1; the pace is a rate of blocks, not of requests.
    pub blocks: usize,
    /// The one thing that is changed.
    pub changed: Changed,
}

impl Staged {
    /// Runs until the time is over; returns the first error of any client.
    pub fn run(self) -> Result<(), RunError> {
        let end = Instant::now() + self.duration;
        thread::scope(|scope| {
            let clients: Vec<_> = (1..=self.clients)
                .map(|number| {
                    let client = Client { number, end, load: self };
                    named(format!("client-{number}"), scope, move || client.run())
                })
                .collect();
            clients.into_iter().try_for_each(|client| client.join().expect("no client panics"))
        })
    }
}

fn named<'scope, T: Send + 'scope>(
    name: String,
    scope: &'scope thread::Scope<'scope, '_>,
    body: impl FnOnce() -> T + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, T> {
    let builder = thread::Builder::new().name(name);
    builder.spawn_scoped(scope, body).expect("the system has threads left")
}

/// One thread that handles requests.
#[derive(Clone, Copy, Debug)]
struct Client {
    number: u64,
    end: Instant,
    load: Staged,
}

impl Client {
    fn run(self) -> Result<(), RunError> {
        if self.load.changed == Changed::Handover {
            return self.hand_over();
        }
        let mut held = Vec::with_capacity(self.load.blocks);
        self.paced(|number, random| {
            let is_sparse = number.is_multiple_of(SPARSE);
            match self.load.changed {
                Changed::NewThreads if is_sparse => self.burst(random),
                Changed::Resize if is_sparse => {
                    grow_large()?;
                    self.request(random, &mut held)
                }
                _ => self.request(random, &mut held),
            }
        })
    }

    /// Handles requests until the time is over.
    fn paced(
        self,
        mut handle: impl FnMut(u64, &mut XorShift) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let mut random = XorShift::new(self.number);
        let mut pace = Limited::new((BLOCKS_PER_SECOND / self.load.blocks).max(1) as u64);
        let mut number = 0;
        while Instant::now() < self.end {
            pace.before_iteration();
            handle(number, &mut random)?;
            number += 1;
        }
        Ok(())
    }

    /// Handles a request in new threads that live at the same time, a part of it in each.
    fn burst(self, random: &mut XorShift) -> Result<(), RunError> {
        let blocks = self.load.blocks.div_ceil(BURST);
        let part = Self { load: Staged { blocks, ..self.load }, ..self };
        let together = Barrier::new(BURST);
        thread::scope(|scope| {
            let start = |mut random: XorShift| {
                let together = &together;
                named("short".to_owned(), scope, move || {
                    let mut held = Vec::with_capacity(blocks);
                    let allocated = part.allocate(&mut random, &mut held);
                    together.wait();
                    held.drain(..).for_each(Block::free);
                    allocated
                })
            };
            let threads: Vec<_> = (0..BURST).map(|_| start(XorShift::new(random.draw()))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no request panics"))
        })
    }

    fn request(self, random: &mut XorShift, held: &mut Vec<Block>) -> Result<(), RunError> {
        self.allocate(random, held)?;
        if self.load.changed == Changed::Leak {
            // Dropping a block does not free it.
            held.truncate(held.len() - held.len().div_ceil(LEAK_BLOCKS));
        }
        held.drain(..).for_each(Block::free);
        Ok(())
    }

    fn allocate(self, random: &mut XorShift, held: &mut Vec<Block>) -> Result<(), RunError> {
        for _ in 0..self.load.blocks {
            let size = self.size(random.draw());
            held.push(Block::allocate(size).ok_or(RunError::OutOfMemory { size })?);
        }
        Ok(())
    }

    /// Half of the blocks are small, three in ten medium, one in seven a record, the rest pages.
    fn size(self, number: u64) -> usize {
        let (kind, within) = (number >> 32 & 0xff, (number >> 8 & 0xffff) as usize);
        let small = if self.load.changed == Changed::Sizes { 52 } else { 128 };
        let grown = if self.load.changed == Changed::Crossing { 80 } else { 0 };
        match kind {
            kind if kind < small => 16 + within % 113,
            kind if kind < 205 => 129 + within % 384,
            kind if kind < 242 => 960 + within % 49 + grown,
            _ => 2048,
        }
    }

    /// Handles the same requests, but another thread frees the blocks and returns the empty list.
    fn hand_over(self) -> Result<(), RunError> {
        let full: Queue<Vec<Block>> = Queue::new(WAITING, 1);
        let empty: Queue<Vec<Block>> = Queue::new(WAITING, 1);
        (0..WAITING).for_each(|_| empty.put(Vec::with_capacity(self.load.blocks)));
        thread::scope(|scope| {
            named(format!("consumer-{}", self.number), scope, || {
                while let Some(mut held) = full.take() {
                    held.drain(..).for_each(Block::free);
                    empty.put(held);
                }
            });
            let result = self.paced(|_, random| {
                let mut held = empty.take().unwrap_or_default();
                let result = self.allocate(random, &mut held);
                full.put(held);
                result
            });
            full.leave();
            result
        })
    }
}

/// Grows a large buffer step by step, as a log or a response grows that is appended to.
fn grow_large() -> Result<(), RunError> {
    let [first, step, steps] = LARGE;
    let mut buffer = Block::allocate(first).ok_or(RunError::OutOfMemory { size: first })?;
    for number in 1..=steps {
        let size = first + number * step;
        if !buffer.resize(size) {
            return Err(RunError::OutOfMemory { size });
        }
    }
    buffer.free();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_change_runs_for_as_long_as_it_should() {
        for &changed in Changed::value_variants() {
            let start = Instant::now();
            let duration = Duration::from_millis(60);
            let load = Staged { duration, clients: 2, blocks: 300, changed };
            load.run().expect("runs");
            assert!(start.elapsed() >= load.duration, "{changed:?}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_change() {
        let mut random = XorShift::new(1);
        let mut shares = |changed, range: std::ops::Range<usize>| {
            let load = Staged { duration: Duration::ZERO, clients: 1, blocks: 1, changed };
            let client = Client { number: 1, end: Instant::now(), load };
            let sizes = (0..100_000).map(|_| client.size(random.draw()));
            sizes.filter(|size| range.contains(size)).count() / 1_000
        };
        assert_eq!(shares(Changed::Nothing, 513..1025), 14);
        assert_eq!(shares(Changed::Crossing, 513..1025), 0);
        assert!((18..22).contains(&shares(Changed::Sizes, 1..129)));
        assert!((48..52).contains(&shares(Changed::Nothing, 1..129)));
    }
}
