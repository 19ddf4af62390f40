//! `bench_exchange`: threads exchange blocks of mixed sizes at random.
//!
//! The places are shared. A thread allocates a parcel of blocks, swaps it for the parcel in a
//! random place, and frees the blocks that it gets, so the allocator cannot foresee which thread
//! frees a block. Every place holds one parcel at most and every thread one burst of parcels, so
//! memory is bounded.
//!
//! Each parcel bears its maker's number, so the load knows how many frees were of blocks that
//! another thread allocated, and reports it: the race counts no lap with few of them. On a busy
//! machine threads run one after the other, and a thread that ran for a whole time slice would
//! exchange blocks with itself. So no thread may be further ahead of the slowest than there are
//! blocks in all places.
//!
//! A place is a mutex that no thread waits for: a thread that finds one locked turns to the next
//! place. Thus a swap costs one more atomic instruction than a swap of pointers, under all
//! allocators alike, and any kind of block can lie in a place without unsafe code.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};
use std::thread;

use crate::c_heap::FilledBlock;
use crate::contents::{EndedBlock, Held, Request};
use crate::report::Tally;
use crate::run_error::RunError;
use crate::sizes::Sizes;
use crate::stopwatch::Stopwatch;
use crate::threads::side_by_side;
use crate::xor_shift::XorShift;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange<S> {
    /// Threads, at least 1.
    pub threads: usize,
    /// Blocks that each thread allocates.
    pub blocks: u64,
    /// Places that all threads share, at least 1 and below 2^32.
    pub places: usize,
    /// Blocks in a parcel: 1 swaps single blocks, more swap arrays of them.
    pub objects: usize,
    /// Swaps that a thread makes before it frees the blocks that they brought, at least 1.
    pub burst: usize,
    /// Seed of the random numbers; equal seeds make equal calls of `malloc`.
    pub seed: u64,
    /// How large the blocks are.
    pub sizes: S,
}

/// The result of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchanged {
    /// Blocks that were allocated and freed.
    pub blocks: u64,
    /// Number of those that were freed by another thread than had allocated them.
    pub freed_elsewhere: u64,
}

/// The content of a place.
struct Parcel<T> {
    maker: usize,
    content: T,
}

/// The blocks of a parcel: a single block, or an array.
trait Content<B>: Send + Sized {
    /// An empty content with room for `objects` blocks.
    fn empty(objects: usize) -> Self;
    /// Adds a block; there is room for it.
    fn add(&mut self, block: B);
    /// Frees all blocks and returns their number.
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

/// Least lead of a thread, in blocks: to look at the other threads more often would cost more than
/// the blocks do.
const LEAD_MIN: u64 = 256;

/// The progress of each thread, on cache lines of its own, so that only a look costs a cache miss.
struct Progress(Vec<Made>);

#[repr(align(128))]
struct Made(AtomicU64);

impl Progress {
    fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| Made(AtomicU64::new(0))).collect())
    }

    /// Notes that thread `index` has made `made` blocks, and waits until no thread is more than
    /// `lead` blocks behind it.
    fn wait(&self, index: usize, made: u64, lead: u64) {
        // Relaxed suffices: the numbers order no other memory.
        self.0[index].0.store(made, Ordering::Relaxed);
        let is_behind = |one: &Made| one.0.load(Ordering::Relaxed) < made.saturating_sub(lead);
        while self.0.iter().any(is_behind) {
            thread::yield_now();
        }
    }

    /// Thread `index` is done; no other thread waits for it any more.
    fn leave(&self, index: usize) {
        self.0[index].0.store(u64::MAX, Ordering::Relaxed);
    }
}

impl<S: Sizes> Exchange<S> {
    /// This load with blocks of the sizes `sizes`.
    pub fn with_sizes<T>(self, sizes: T) -> Exchange<T> {
        let Self { threads, blocks, places, objects, burst, seed, .. } = self;
        Exchange { threads, blocks, places, objects, burst, seed, sizes }
    }

    /// Runs the load, and also returns the number of frees of other threads' blocks. With `verify`,
    /// every block is filled, and its contents are checked before it is freed; otherwise only its
    /// first and last byte are written.
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

    /// Makes the calls of the load, with blocks of type `B`.
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
            // Relaxed suffices: the count is read after all threads have been joined.
            elsewhere.fetch_add(one.done.freed_elsewhere, Ordering::Relaxed);
            Ok(one.done.blocks)
        })?;
        let mut left = 0;
        for place in places {
            let parcel = place.into_inner();
            left += parcel.expect("no trader panics").content.free_all()?;
        }
        // The remaining blocks are freed by the thread that started the others, and are no trader's
        // work.
        Ok(Exchanged { blocks: freed + left, freed_elsewhere: elsewhere.into_inner() })
    }
}

/// One thread of the exchange.
struct Trader<T> {
    index: usize,
    /// Parcels of one burst: its own ones, and after the swaps those that came in their place.
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
                    number = random.draw();
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

/// Swaps `parcel` for the content of a place that `random` selects, or of the next place that no
/// other thread is at.
#[inline(always)]
fn swap<T>(parcel: &mut Parcel<T>, places: &Places<T>, random: u64) {
    let mut at = (((random >> 32) * places.len() as u64) >> 32) as usize;
    loop {
        match places[at].try_lock() {
            Ok(mut place) => break std::mem::swap(&mut *place, parcel),
            // A swap cannot panic while it holds the lock.
            Err(TryLockError::Poisoned(place)) => {
                break std::mem::swap(&mut *place.into_inner(), parcel);
            }
            Err(TryLockError::WouldBlock) if at + 1 < places.len() => at += 1,
            Err(TryLockError::WouldBlock) => {
                at = 0;
                // With few places, the thread that holds them may wait for this very core.
                thread::yield_now();
            }
        }
    }
}
