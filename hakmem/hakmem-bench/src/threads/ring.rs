//! `bench_ring`: every thread allocates blocks, and frees those of its predecessor.
//!
//! Batches go round: a thread empties one that its predecessor filled, fills it again with blocks
//! of its own and passes it to its successor. The number of batches is fixed, so memory is bounded.
//! As all threads allocate equally many blocks, each thread gets a batch to empty for each that it
//! has to fill, and no thread waits for ever.

use crate::contents::Held;
use crate::run_error::RunError;
use crate::threads::handover::{BATCH, WAKING_PART};
use crate::threads::queue::Queue;
use crate::threads::{Load, allocate, side_by_side};
use crate::xor_shift::XorShift;

/// Batches for each thread, which therefore may be a megabyte ahead. With more batches, the loads
/// wait for each other's caches and the allocators no longer differ.
const BATCHES_PER_THREAD: usize = 32;
/// Batches in an inbox that wake its thread if it sleeps, by the same share as in a handover.
const WAKE_AT: usize = BATCHES_PER_THREAD / WAKING_PART;

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Threads, at least 1; with 1, every block is freed by its own thread.
    pub threads: usize,
    /// Blocks that each thread allocates; it frees equally many.
    pub blocks: u64,
}

impl Load for Ring {
    fn calls<B: Held + Send>(self) -> Result<u64, RunError> {
        let batches = self.threads * BATCHES_PER_THREAD;
        let inboxes: Vec<Queue<Vec<B>>> =
            (0..self.threads).map(|_| Queue::new(batches, 1).waking_at(WAKE_AT)).collect();
        side_by_side(0..self.threads, |index| {
            let result = self.live(index, &inboxes);
            if result.is_err() {
                // No thread may wait for one that has given up.
                inboxes.iter().for_each(Queue::close);
            }
            result
        })
    }
}

impl Ring {
    /// Body of thread `index`; returns the number of blocks that it freed.
    fn live<B: Held>(self, index: usize, inboxes: &[Queue<Vec<B>>]) -> Result<u64, RunError> {
        let (own, next) = (&inboxes[index], &inboxes[(index + 1) % self.threads]);
        let mut random = XorShift::new(index as u64);
        let first = index as u64 * self.blocks;
        let (mut made, mut freed) = (0, 0);
        for turn in 0.. {
            if made == self.blocks {
                break;
            }
            let mut batch = if turn < BATCHES_PER_THREAD {
                Vec::with_capacity(BATCH)
            } else {
                let Some(batch) = own.take() else { break };
                batch
            };
            freed += empty(&mut batch)?;
            while batch.len() < BATCH && made < self.blocks {
                batch.push(allocate(first + made, random.draw())?);
                made += 1;
            }
            next.put(batch);
        }
        next.leave();
        while let Some(mut batch) = own.take() {
            freed += empty(&mut batch)?;
        }
        Ok(freed)
    }
}

fn empty<B: Held>(batch: &mut Vec<B>) -> Result<u64, RunError> {
    let blocks = batch.len() as u64;
    batch.drain(..).try_for_each(Held::free)?;
    Ok(blocks)
}
