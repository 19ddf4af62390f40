//! The central store: the blocks of each bin from which threads refill and to which they flush.
//!
//! In front lies a lock-free [`BatchStack`] of batches, which holds at most [`STACK_BYTES_MAX`] for
//! a bin, or more for a one-way flow; behind it, under the bin's lock, lie the slabs that have
//! blocks to give. Blocks for which the stack has no room, or that lie scattered over many slabs,
//! go back to their slabs. A slab that becomes empty goes back to the arenas, except for the last
//! one of its bin.
//!
//! # Orderings
//! `stacked` bounds the stack by an estimate and orders nothing; the blocks are published by the
//! orderings of the stack and of the lock.
//!
//! # Safety
//! Slabs in a bin's list belong to the bin and are touched under its lock only.
#![allow(unsafe_code)]

mod decay;
mod repair;
mod slabs;
mod spread;
pub(crate) mod stray;

use hakmem_segment::{AllocReason, BINS};

use crate::arena;
use crate::batch_stack::{Batch, BatchStack};
use crate::batches::{self, RecordLinks};
use crate::bins;
use crate::block::Block;
use crate::lock::{Lock, Locked};
use crate::slab::Taken;
use crate::steps;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(crate) use decay::{decay, drain, return_all_pages, return_idle_pages};
#[cfg(test)]
pub(crate) use repair::verify;
pub(crate) use repair::{recount_stacks, repair, repair_registry};
use slabs::Slabs;
pub(crate) use spread::give_to_slabs;
use spread::{Spread, give_spread_to_slabs, spread};

/// Maximum bytes of blocks in one bin's stack: if the thread that flushes also takes blocks, and if
/// it does not; and in all stacks together.
const STACK_BYTES_MAX: usize = 512 << 10;
const ONE_WAY_STACK_BYTES_MAX: usize = 4 << 20;
const STACKS_BYTES_MAX: usize = 8 << 20;
/// Bytes of a bin that stay in a core's cache beside everything else: a quarter of the second-level
/// cache of current server cores, which has 1 or 2 MiB.
const CACHE_BYTES: usize = 256 << 10;
/// Number of blocks that go back to their slabs under one hold of the lock: some microseconds.
const AT_ONCE: usize = 256;
/// Bytes of blocks in all stacks, counted in whole [`STACKED_STEP`]s of each: threads of all bins
/// write this word, so it must not change with every batch. It wraps below 0 while one thread has
/// subtracted steps that another is about to add; [`bytes_in_stacks`] reads it.
static STACKED_BYTES: AtomicUsize = AtomicUsize::new(0);
const STACKED_STEP: usize = 128 << 10;
/// The store of one bin, on cache lines of its own, so that threads of different bins do not meet
/// (false sharing).
#[repr(align(128))]
struct Bin {
    stack: BatchStack,
    /// Number of blocks in the stack; an estimate while batches move.
    stacked: AtomicU32,
    /// Low watermark: the least number of blocks in the stack since the last [`decay()`]. No thread
    /// needed those.
    unused: AtomicU32,
    /// Bytes of all slabs of the bin. Written under the lock, read without it.
    slab_bytes: AtomicUsize,
    slabs: Locked<Slabs>,
}

static STORE: [Bin; BINS] = [const {
    Bin {
        stack: BatchStack(AtomicU64::new(0)),
        stacked: AtomicU32::new(0),
        unused: AtomicU32::new(0),
        slab_bytes: AtomicUsize::new(0),
        slabs: Locked::new(Slabs::NONE),
    }
}; BINS];

/// Number of blocks that a refill brought, and where they came from.
#[derive(Clone, Copy)]
pub(crate) struct Refill {
    pub(crate) count: usize,
    pub(crate) reason: AllocReason,
}

/// The lock of a bin, which fork needs.
pub(crate) fn lock(bin: usize) -> &'static Lock {
    &STORE[bin].slabs.lock
}

/// Number of blocks in a bin's stack.
pub(crate) fn stacked(bin: usize) -> u32 {
    STORE[bin].stacked.load(Ordering::Relaxed)
}

/// Bytes of the blocks in all stacks.
pub(crate) fn stacked_bytes() -> usize {
    bins::in_use().map(|bin| stacked(bin) as usize * bins::stride(bin)).sum()
}

/// Fills `into`, which is not empty, from its front with blocks: from batches, or else from the
/// slabs. A list is popped from its end, so the block to be used first comes last: from batches,
/// the block that was freed last; from slabs, the one with the lowest address. `None` if there is
/// no memory.
pub(crate) fn take(bin: usize, into: &mut [*mut Block]) -> Option<Refill> {
    let count = take_batches(bin, into);
    if count > 0 {
        return Some(Refill { count, reason: AllocReason::RefillCentral });
    }
    let mut slabs = STORE[bin].slabs.lock();
    let mut reason = AllocReason::RefillSlab;
    if slabs.are_used_up() {
        slabs.open(bin)?;
        reason = AllocReason::NewSlab;
    }
    let count = slabs.give(into);
    move_to_front(into, count);
    Some(Refill { count, reason })
}

/// Moves the last `count` entries of `blocks` to its front.
fn move_to_front(blocks: &mut [*mut Block], count: usize) {
    /// Number of entries that are moved at a time. For longer moves `memmove` uses a single
    /// instruction, which is a great deal slower where source and target lie a few bytes off a
    /// multiple of a page apart, as they often do here.
    const STEP: usize = 64;
    let distance = blocks.len() - count;
    // The distance is mostly 0, and a move onto itself would still copy.
    if distance == 0 {
        return;
    }
    for to in (0..count).step_by(STEP) {
        let from = distance + to;
        blocks.copy_within(from..blocks.len().min(from + STEP), to);
    }
}

/// Fills `into` from its front with blocks of the batches on top of the stack, as far as there are
/// any. Returns their number.
fn take_batches(bin: usize, into: &mut [*mut Block]) -> usize {
    let mut room = into.len();
    while room > 0
        && let Some(batch) = pop(bin)
    {
        // SAFETY: the batch was popped, so this thread owns it.
        let (moved, rest) = unsafe { batches::empty(bin, batch, &mut into[..room]) };
        room -= moved;
        if let Some(rest) = rest {
            push(bin, rest);
        }
    }
    let count = into.len() - room;
    move_to_front(into, count);
    let (left, store) = (stacked(bin), &STORE[bin]);
    if left < store.unused.load(Ordering::Relaxed) {
        store.unused.store(left, Ordering::Relaxed);
    }
    count
}

/// Pops a batch from a bin's stack.
fn pop(bin: usize) -> Option<Batch> {
    let batch = STORE[bin].stack.pop(&RecordLinks)?;
    let count = u32::from(batch.count);
    steps::any();
    let before = STORE[bin].stacked.fetch_sub(count, Ordering::Relaxed);
    note_stacked(bin, before, before - count);
    Some(batch)
}

/// Pushes a batch of blocks of `bin`, which the caller owns, on the bin's stack.
fn push(bin: usize, batch: Batch) {
    let count = u32::from(batch.count);
    let before = STORE[bin].stacked.fetch_add(count, Ordering::Relaxed);
    note_stacked(bin, before, before + count);
    steps::any();
    // SAFETY: the caller owns the batch, which is aligned to 512 bytes.
    unsafe { STORE[bin].stack.push(&RecordLinks, batch) };
}

/// Updates [`STACKED_BYTES`] if the number of whole steps that the bin's blocks fill has changed.
fn note_stacked(bin: usize, before: u32, now: u32) {
    let (before, now) = (whole_steps(bin, before), whole_steps(bin, now));
    steps::any();
    if now != before {
        // The addition wraps around, so it also subtracts.
        STACKED_BYTES.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }
}

/// [`STACKED_BYTES`], or 0 while one thread has subtracted steps that another is about to add.
fn bytes_in_stacks() -> usize {
    (STACKED_BYTES.load(Ordering::Relaxed) as isize).max(0) as usize
}

/// Bytes of the whole steps that `blocks` blocks of `bin` fill.
fn whole_steps(bin: usize, blocks: u32) -> usize {
    blocks as usize * bins::stride(bin) / STACKED_STEP * STACKED_STEP
}

/// Directions in which the blocks of a bin flow between a thread and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The thread took blocks lately, and may need these again.
    Both,
    /// The thread only gives blocks back. Other threads wait for them, and should not have to
    /// compete with it for the slabs' lock.
    OneWay,
}

/// Takes back `blocks`, in the order in which they were freed.
///
/// # Safety
/// The caller owns the blocks, and all are of this bin.
pub(crate) unsafe fn give(bin: usize, blocks: &[*mut Block], flow: Flow, now_ms: u32) {
    let (stacked, stride) = (stacked(bin) as usize, bins::stride(bin));
    let bytes = blocks.len() * stride;
    let spread = spread(bin, blocks);
    let room = match spread {
        Spread::InOrder | Spread::Near if flow == Flow::OneWay => ONE_WAY_STACK_BYTES_MAX,
        Spread::Scattered => 0,
        Spread::Near | Spread::InOrder => STACK_BYTES_MAX,
    };
    let fits = stacked * stride + bytes <= room && bytes_in_stacks() + bytes <= STACKS_BYTES_MAX;
    if fits && repeated_at(blocks).is_some() {
        // SAFETY: the caller owns the blocks.
        return unsafe { give_once(bin, blocks, flow, now_ms) };
    }
    let mut rest = blocks;
    if fits {
        for part in blocks.chunks(batches::BLOCKS_MAX) {
            let Some(batch) = batches::fill(bin, part) else { break };
            push(bin, batch);
            rest = &rest[part.len()..];
        }
    }
    for part in rest.chunks(AT_ONCE) {
        // SAFETY: the caller owns the blocks.
        unsafe { give_spread_to_slabs(bin, part, spread, now_ms) };
    }
}

/// [`give`] for `blocks` in which some blocks occur more than once.
///
/// # Safety
/// As for [`give`].
#[cold]
unsafe fn give_once(bin: usize, blocks: &[*mut Block], flow: Flow, now_ms: u32) {
    let mut rest = blocks;
    while let Some(at) = repeated_at(rest) {
        stray::note(bin, rest[at] as usize, Taken::Twice);
        // SAFETY: the caller owns the blocks.
        unsafe { give(bin, &rest[..at], flow, now_ms) };
        rest = &rest[at + 1..];
    }
    // SAFETY: as above.
    unsafe { give(bin, rest, flow, now_ms) };
}

/// Index of a block that occurs again one or two places further on: most double frees follow the
/// first free closely. A slab knows all of its blocks, but a batch is not examined again before its
/// blocks are given out.
#[inline(never)]
pub(crate) fn repeated_at(blocks: &[*mut Block]) -> Option<usize> {
    let is_repeated = |three: &[*mut Block]| three[0] == three[1] || three[0] == three[2];
    let before_last = blocks.len().checked_sub(2)?;
    let (firsts, seconds, thirds) =
        (&blocks[..before_last], &blocks[1..=before_last], &blocks[2..]);
    // Slices of one length and a fold that does not stop early let the compiler compare several
    // entries at once.
    let any =
        firsts.iter().zip(seconds).zip(thirds).fold(false, |any, ((first, second), third)| {
            any | (first == second) | (first == third)
        });
    if any {
        return blocks.windows(3).position(is_repeated);
    }
    (blocks[before_last] == blocks[before_last + 1]).then_some(before_last)
}

/// What a bin's slabs know about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// No block of this bin that was ever given out starts there.
    NoBlock,
    /// Such a block starts there, and it is out.
    Away,
    /// Such a block starts there, and it came back.
    Here,
}

/// Looks an address up in the slabs of a bin.
pub(crate) fn look_up(bin: usize, address: usize) -> Known {
    let _slabs = STORE[bin].slabs.lock();
    let Some(run) = arena::run_of(address) else { return Known::NoBlock };
    // SAFETY: the class map or the registry names this bin for the address, so the run is a slab;
    // the bin's lock is held.
    let slab = unsafe { run.as_ref() };
    if slab.bin() != bin || !slab.has_block_at(address) {
        return Known::NoBlock;
    }
    if slab.is_free_at(address) { Known::Here } else { Known::Away }
}

#[cfg(test)]
mod tests;
