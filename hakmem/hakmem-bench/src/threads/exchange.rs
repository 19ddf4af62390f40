//! `bench_exchange`: threads exchange blocks of mixed sizes at random.
//!
//! The places are shared. A thread allocates a parcel of blocks, swaps it for what lies in a random
//! place, and frees what came out, so a block that lay in a place is freed by a thread that its
//! allocator cannot foresee. Every place holds one parcel at most and every thread one hand full,
//! so memory is bounded.
//!
//! Each parcel bears its maker's number, so the load knows how many frees were of blocks that
//! another thread allocated, and says so: the race counts no lap in which they were few. On a busy
//! machine threads run one after the other, and one that ran for a whole time slice would exchange
//! blocks with itself: so no thread is further ahead of the slowest than there are blocks in all
//! places.
//!
//! A place is a mutex that nobody waits for. A thread that finds one taken turns to the next place:
//! a swap costs one more atomic instruction than a swap of pointers would, under all allocators
//! alike, and any kind of block can lie in a place without unsafe code.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::thread;

use crate::c_heap::FilledBlock;
use crate::contents::{EndedBlock, Held, Request};
use crate::fixed_size::RunError;
use crate::random_mixed::XorShift;
use crate::report::Tally;
use crate::sizes::Sizes;
use crate::stopwatch::Stopwatch;
use crate::threads::side_by_side;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange<S> {
    /// Threads, at least 1.
    pub threads: usize,
    /// Blocks that each thread allocates.
    pub blocks: u64,
    /// Places that all threads share, at least 1 and below 2^32.
    pub places: usize,
    /// Blocks that are swapped at a time, as an array; 1 swaps the blocks themselves.
    pub objects: usize,
    /// Swaps that a thread makes before it frees what they brought, at least 1.
    pub burst: usize,
    /// Start of the random numbers; equal seeds make equal calls of `malloc`.
    pub seed: u64,
    /// How large the blocks are.
    pub sizes: S,
}

/// What an exchange has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchanged {
    /// Blocks that were allocated, and freed.
    pub blocks: u64,
    /// Those of them that another thread freed than the one that had allocated them.
    pub freed_elsewhere: u64,
}

/// What lies in a place.
struct Parcel<T> {
    maker: usize,
    content: T,
}

/// How blocks lie in a place: one alone, or an array of them.
trait Content<B>: Send + Sized {
    /// A thread's own, empty, with room for so many blocks.
    fn empty(objects: usize) -> Self;
    /// Adds a block; there is room for it.
    fn add(&mut self, block: B);
    /// Frees all blocks; how many those were.
    fn free_all(&mut self) -> Result<u64, RunError>;
}

impl<B: Held + Send> Content<B> for Option<B> {
    fn empty(_objects: usize) -> Self {
        None
    }

    #[inline(always)]
    fn add(&mut self, block: B) {
        *self = Some(block);
    }

    #[inline(always)]
    fn free_all(&mut self) -> Result<u64, RunError> {
        let Some(block) = self.take() else { return Ok(0) };
        block.free()?;
        Ok(1)
    }
}

impl<B: Held + Send> Content<B> for Vec<B> {
    fn empty(objects: usize) -> Self {
        Self::with_capacity(objects)
    }

    #[inline(always)]
    fn add(&mut self, block: B) {
        self.push(block);
    }

    fn free_all(&mut self) -> Result<u64, RunError> {
        let blocks = self.len() as u64;
        self.drain(..).try_for_each(Held::free)?;
        Ok(blocks)
    }
}

type Places<T> = [Mutex<Parcel<T>>];

/// A thread may be so many blocks ahead in any case: to look at the others more often would cost
/// more than the blocks.
const LEAD_MIN: u64 = 256;

/// How far each thread is, each on cache lines of its own, so that only a look costs a cache miss.
struct Progress(Vec<Made>);

#[repr(align(128))]
struct Made(AtomicU64);

impl Progress {
    fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Made(AtomicU64::new(0))).collect())
    }

    /// One thread has made so many blocks; it waits while that is too far ahead of another one.
    fn wait(&self, index: usize, made: u64, lead: u64) {
        // The numbers order nothing but themselves.
        self.0[index].0.store(made, Ordering::Relaxed);
        let is_behind = |one: &Made| one.0.load(Ordering::Relaxed) < made.saturating_sub(lead);
        while self.0.iter().any(is_behind) {
            thread::yield_now();
        }
    }

    /// Nobody waits for this thread any more.
    fn leave(&self, index: usize) {
        self.0[index].0.store(u64::MAX, Ordering::Relaxed);
    }
}

impl<S: Sizes> Exchange<S> {
    /// The same load with blocks of other sizes.
    pub fn with_sizes<T>(self, sizes: T) -> Exchange<T> {
        let Self { threads, blocks, places, objects, burst, seed, .. } = self;
        Exchange { threads, blocks, places, objects, burst, seed, sizes }
    }

    /// Runs the load and tells how many frees were of other threads' blocks. `verify` fills each
    /// block and checks its contents before it is freed; otherwise only its first and last byte are
    /// written.
    pub fn run(self, verify: bool) -> Result<(Tally, u64), RunError> {
        let watch = Stopwatch::start();
        let done = match verify {
            true => self.calls::<FilledBlock>(),
            false => self.calls::<EndedBlock>(),
        }?;
        let Exchanged { blocks, freed_elsewhere } = done;
        let spent = watch.spent();
        let tally = Tally { mallocs: blocks, frees: blocks, timed_operations: 2 * blocks, spent };
        Ok((tally, freed_elsewhere))
    }

    /// The calls of the load, with blocks of this kind.
    pub(super) fn calls<B: Held + Send>(self) -> Result<Exchanged, RunError> {
        if self.objects == 1 { self.among::<B, Option<B>>() } else { self.among::<B, Vec<B>>() }
    }

    fn among<B: Held, T: Content<B>>(self) -> Result<Exchanged, RunError> {
        let empty = || Parcel { maker: usize::MAX, content: T::empty(self.objects) };
        let places: Vec<_> = (0..self.places).map(|_| Mutex::new(empty())).collect();
        let (elsewhere, progress) = (AtomicU64::new(0), Progress::new(self.threads));
        let freed = side_by_side(0..self.threads, |index| {
            let hand = (0..self.burst).map(|_| empty()).collect();
            let mut one = Trader { index, hand, done: Exchanged::default() };
            let traded = one.trade(self, &places, &progress);
            progress.leave(index);
            traded?;
            // The counts are read after all threads have been waited for.
            elsewhere.fetch_add(one.done.freed_elsewhere, Ordering::Relaxed);
            Ok(one.done.blocks)
        })?;
        let mut left = 0;
        for place in places {
            let parcel = place.into_inner();
            left += parcel.expect("no trader panics").content.free_all()?;
        }
        // What is left is freed by the thread that started the others, and is no trader's work.
        Ok(Exchanged { blocks: freed + left, freed_elsewhere: elsewhere.into_inner() })
    }
}

/// One thread.
struct Trader<T> {
    index: usize,
    /// Parcels of one burst: made, and after the swaps what came in their place.
    hand: Vec<Parcel<T>>,
    /// Blocks that this thread freed.
    done: Exchanged,
}

impl<T> Trader<T> {
    fn trade<B: Held, S: Sizes>(
        &mut self,
        load: Exchange<S>,
        places: &Places<T>,
        progress: &Progress,
    ) -> Result<(), RunError>
    where
        T: Content<B>,
    {
        let mut random = XorShift::new(load.seed.wrapping_mul(1 << 16) + self.index as u64);
        let first = self.index as u64 * load.blocks;
        let lead = LEAD_MIN.max((load.places * load.objects) as u64);
        let (mut made, mut next_look) = (0, 0);
        while made < load.blocks {
            if made >= next_look {
                progress.wait(self.index, made, lead);
                next_look = made + lead / 4;
            }
            let mut filled = 0;
            while filled < load.burst && made < load.blocks {
                let parcel = &mut self.hand[filled];
                parcel.maker = self.index;
                let objects = (load.objects as u64).min(load.blocks - made);
                let mut number = 0;
                for _ in 0..objects {
                    number = random.next();
                    let size = load.sizes.draw(number);
                    let request = Request { size, number: first + made, random: number };
                    let block = B::allocate(request).ok_or(RunError::OutOfMemory { size })?;
                    parcel.content.add(block);
                    made += 1;
                }
                swap(parcel, places, number);
                filled += 1;
            }
            for parcel in &mut self.hand[..filled] {
                let blocks = parcel.content.free_all()?;
                self.done.blocks += blocks;
                self.done.freed_elsewhere += if parcel.maker == self.index { 0 } else { blocks };
            }
        }
        Ok(())
    }
}

/// Swaps the parcel for what lies in a place that the random number names, or in the next one that
/// no other thread is at.
#[inline(always)]
fn swap<T>(parcel: &mut Parcel<T>, places: &Places<T>, random: u64) {
    let mut at = (((random >> 32) * places.len() as u64) >> 32) as usize;
    loop {
        match places[at].try_lock() {
            Ok(mut place) => break std::mem::swap(&mut *place, parcel),
            // A swap cannot panic in between.
            Err(TryLockError::Poisoned(place)) => {
                break std::mem::swap(&mut *place.into_inner(), parcel);
            }
            Err(TryLockError::WouldBlock) if at + 1 < places.len() => at += 1,
            Err(TryLockError::WouldBlock) => {
                at = 0;
                // With few places, the one that holds them may wait for this very core.
                thread::yield_now();
            }
        }
    }
}
