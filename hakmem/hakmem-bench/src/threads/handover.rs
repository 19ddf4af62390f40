//! `bench_handover`: producers allocate, consumers free.
//!
//! Blocks travel in batches. A producer takes an empty batch from the yard, fills it and puts it
//! into the queue; a consumer empties it and puts it back into the yard. The number of batches is
//! fixed, so memory is bounded however much faster one side is.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::contents::Held;
use crate::run_error::RunError;
use crate::threads::queue::Queue;
use crate::threads::{Load, allocate, side_by_side};
use crate::xor_shift::XorShift;

/// Blocks in a batch, which take some 34 KB.
pub const BATCH: usize = 64;
/// Batches for each producer, which therefore may be two megabytes ahead.
const BATCHES_PER_PRODUCER: usize = 64;
/// Divisor of the number of batches: a quarter of them must be ready before a sleeping thread is
/// woken. With fewer batches and a wake-up for each, half of the time went into the kernel's
/// context switches instead of the allocator. The share must be less than half, so that not all
/// threads can sleep at once.
pub(super) const WAKING_PART: usize = 4;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Threads that allocate, at least 1.
    pub producers: usize,
    /// Threads that free, at least 1.
    pub consumers: usize,
    /// Blocks that each producer allocates.
    pub blocks: u64,
}

enum Side {
    Producer(usize),
    Consumer,
}

/// The way of batches between the two sides, empty in the yard and full in the queue.
struct Road<B> {
    yard: Queue<Vec<B>>,
    queue: Queue<Vec<B>>,
}

impl Load for Handover {
    fn calls<B: Held + Send>(self) -> Result<u64, RunError> {
        self.calls_until::<B>(&AtomicBool::new(false))
    }
}

impl Handover {
    /// Makes the calls, but starts no new batch once `stop` is set.
    pub(super) fn calls_until<B: Held + Send>(self, stop: &AtomicBool) -> Result<u64, RunError> {
        let batches = self.producers * BATCHES_PER_PRODUCER;
        let wake_at = batches / WAKING_PART;
        let road = Road::<B> {
            yard: Queue::new(batches, self.consumers).waking_at(wake_at),
            queue: Queue::new(batches, self.producers).waking_at(wake_at),
        };
        (0..batches).for_each(|_| road.yard.put(Vec::with_capacity(BATCH)));
        let producers = (0..self.producers).map(Side::Producer);
        let consumers = (0..self.consumers).map(|_| Side::Consumer);
        side_by_side(producers.chain(consumers), |side| {
            let result = match side {
                Side::Producer(index) => self.produce(index, &road, stop).map(|()| 0),
                Side::Consumer => consume(&road),
            };
            if result.is_err() {
                // No thread may wait for one that has given up.
                road.yard.close();
                road.queue.close();
            }
            result
        })
    }

    fn produce<B: Held>(
        self,
        index: usize,
        road: &Road<B>,
        stop: &AtomicBool,
    ) -> Result<(), RunError> {
        let mut random = XorShift::new(index as u64);
        let first = index as u64 * self.blocks;
        let mut made = 0;
        // Relaxed suffices: the flag publishes no other memory.
        while made < self.blocks && !stop.load(Ordering::Relaxed) {
            let Some(mut batch) = road.yard.take() else { break };
            while batch.len() < BATCH && made < self.blocks {
                batch.push(allocate(first + made, random.draw())?);
                made += 1;
            }
            road.queue.put(batch);
        }
        road.queue.leave();
        Ok(())
    }
}

/// Frees blocks until the queue ends, and returns their number.
fn consume<B: Held>(road: &Road<B>) -> Result<u64, RunError> {
    let mut freed = 0;
    while let Some(mut batch) = road.queue.take() {
        freed += batch.len() as u64;
        for block in batch.drain(..) {
            block.free()?;
        }
        road.yard.put(batch);
    }
    road.yard.leave();
    Ok(freed)
}
