//! The central store: what threads refill from and flush to, per bin.
//!
//! In front, a lock-free [`BatchStack`] of whole batches, up to [`STACK_BYTES_MAX`] per bin; behind
//! it, under the bin's lock, the slabs that have blocks to give. A batch that the stack has no
//! room for is walked and its blocks go back to their slabs; a slab that is empty then goes back to
//! the arenas, except for the last one of its bin. Blocks of less than 16 usable bytes have
//! no room for the stack's link and always go to the slabs.
//!
//! # Orderings
//! `stacked` bounds the stack by an estimate and orders nothing; the stack's and the lock's own
//! orderings publish the blocks.
//!
//! # Safety
//! Slabs in a bin's list belong to the bin and are touched under its lock only.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use hakmem_segment::{AllocReason, BINS};

use crate::arena;
use crate::batch_stack::{Batch, BatchStack, Links};
use crate::bins;
use crate::block::{Block, Chain};
use crate::class_map;
use crate::lock::{Lock, Locked};
use crate::registry;
use crate::routing::Layout;
use crate::slab::Slab;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Bytes of blocks that wait in one bin's stack at most.
const STACK_BYTES_MAX: usize = 512 * 1024;
/// How long blocks wait in a stack that nobody takes from.
const DECAY_MS: u32 = 250;
/// When a thread last looked, in milliseconds of the monotonic clock.
static DECAYED_AT_MS: AtomicU32 = AtomicU32::new(0);
/// The smallest block that can carry the stack's link: two words. (Of 16 bytes, a header takes
/// the last.)
const LINKED_BYTES_MIN: usize = 16;

/// One bin's store. On cache lines of its own, as threads of different bins should not meet.
#[repr(align(128))]
struct Bin {
    stack: BatchStack,
    /// Blocks in the stack; an estimate while batches move.
    stacked: AtomicU32,
    /// Least number of blocks in the stack since the last [`decay`]: nobody needed those.
    unused: AtomicU32,
    slabs: Locked<Slabs>,
}

/// The slabs of a bin that have blocks to give, as a list.
struct Slabs {
    first: *mut Slab,
}

static STORE: [Bin; BINS] = [const {
    Bin {
        stack: BatchStack(AtomicU64::new(0)),
        stacked: AtomicU32::new(0),
        unused: AtomicU32::new(0),
        slabs: Locked::new(Slabs { first: ptr::null_mut() }),
    }
}; BINS];

/// Links batches through the second word of their first block.
struct BlockLinks;

impl Links for BlockLinks {
    unsafe fn batch_word(&self, address: usize) -> &AtomicU64 {
        // SAFETY: blocks on a stack are at least 16 bytes large and aligned, and arenas stay
        // mapped.
        unsafe { &*((address + size_of::<usize>()) as *const AtomicU64) }
    }
}

/// What a refill brought, and from where.
pub(crate) struct Refill {
    pub(crate) chain: Chain,
    pub(crate) reason: AllocReason,
}

/// The lock of a bin, for fork.
pub(crate) fn lock(bin: usize) -> &'static Lock {
    &STORE[bin].slabs.lock
}

/// Blocks that wait in a bin's stack.
pub(crate) fn stacked(bin: usize) -> u32 {
    STORE[bin].stacked.load(Ordering::Relaxed)
}

/// Takes blocks: a whole batch if there is one, or else up to `wanted` from the slabs. `None` if
/// there is no memory.
pub(crate) fn take(bin: usize, wanted: u32) -> Option<Refill> {
    let store = &STORE[bin];
    if let Some(batch) = store.stack.pop(&BlockLinks) {
        let count = u32::from(batch.count);
        let left = store.stacked.fetch_sub(count, Ordering::Relaxed).saturating_sub(count);
        if left < store.unused.load(Ordering::Relaxed) {
            store.unused.store(left, Ordering::Relaxed);
        }
        let chain = Chain { head: batch.address as *mut Block, count };
        return Some(Refill { chain, reason: AllocReason::RefillCentral });
    }
    let mut slabs = store.slabs.lock();
    let mut reason = AllocReason::RefillSlab;
    if slabs.first.is_null() {
        slabs.open(bin)?;
        reason = AllocReason::NewSlab;
    }
    let mut chain = Chain::EMPTY;
    slabs.give(wanted, &mut chain);
    Some(Refill { chain, reason })
}

/// Takes a chain back.
///
/// # Safety
/// The caller owns the blocks, all of this bin.
pub(crate) unsafe fn give(bin: usize, chain: Chain, now_ms: u32) {
    let store = &STORE[bin];
    let stacked = store.stacked.load(Ordering::Relaxed) as usize;
    let stride = bins::stride(bin);
    let fits = (stacked + chain.count as usize) * stride <= STACK_BYTES_MAX;
    let count = u16::try_from(chain.count).unwrap_or(0);
    if !fits || Layout::current().usable_bytes(bin) < LINKED_BYTES_MIN || count == 0 {
        // SAFETY: the caller's duty.
        return unsafe { give_to_slabs(bin, chain, now_ms) };
    }
    store.stacked.fetch_add(chain.count, Ordering::Relaxed);
    let batch = Batch { address: chain.head as usize, count };
    // SAFETY: the caller's duty; blocks of at least 16 bytes are 16-byte aligned.
    unsafe { store.stack.push(&BlockLinks, batch) };
}

/// Takes a chain back past the stack, block by block.
///
/// # Safety
/// As for [`give`].
pub(crate) unsafe fn give_to_slabs(bin: usize, mut chain: Chain, now_ms: u32) {
    if chain.count == 0 {
        return;
    }
    let mut slabs = STORE[bin].slabs.lock();
    while let Some(block) = chain.pop() {
        // SAFETY: the caller's duty.
        unsafe { slabs.take_back(block, now_ms) };
    }
}

/// Whether an address is the start of a block of this bin that was given out at least once.
pub(crate) fn is_block_start(bin: usize, address: usize) -> bool {
    let _slabs = STORE[bin].slabs.lock();
    let Some(run) = arena::run_of(address) else { return false };
    // SAFETY: the class map or the registry names this bin for the address, so the run is a slab,
    // and the bin's lock is held.
    let slab = unsafe { &*run.as_ptr() };
    usize::from(slab.bin) == bin && slab.has_block_at(address)
}

/// Moves what waits in every stack to the slabs, so that empty ones can be given back.
pub(crate) fn drain(now_ms: u32) {
    for bin in bins::in_use() {
        shrink(bin, u32::MAX, now_ms);
    }
}

/// Moves what nobody has needed for [`DECAY_MS`] to the slabs (the low-water mark of gperftools'
/// thread caches, applied to the central store).
pub(crate) fn decay(now_ms: u32) {
    let last = DECAYED_AT_MS.load(Ordering::Relaxed);
    let is_mine = now_ms.wrapping_sub(last) >= DECAY_MS
        && DECAYED_AT_MS
            .compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
    if !is_mine {
        return;
    }
    for bin in bins::in_use() {
        shrink(bin, STORE[bin].unused.load(Ordering::Relaxed), now_ms);
        let now = STORE[bin].stacked.load(Ordering::Relaxed);
        STORE[bin].unused.store(now, Ordering::Relaxed);
    }
}

/// Moves up to `blocks` blocks, in whole batches, from a stack to the slabs.
fn shrink(bin: usize, mut blocks: u32, now_ms: u32) {
    while blocks > 0 {
        let Some(batch) = STORE[bin].stack.pop(&BlockLinks) else { return };
        let count = u32::from(batch.count);
        STORE[bin].stacked.fetch_sub(count, Ordering::Relaxed);
        blocks = blocks.saturating_sub(count);
        let chain = Chain { head: batch.address as *mut Block, count };
        // SAFETY: popped, so this thread owns the chain.
        unsafe { give_to_slabs(bin, chain, now_ms) };
    }
}

/// Tells whoever looks for a slab that it is of this bin, or, with 0, that it is no more. The
/// registry is kept where the routing asks it; false if there is no memory for it.
fn locate(slab: &Slab, bin: u8) -> bool {
    let granules = 1 << slab.order;
    if Layout::current() != Layout::Plain && !registry::set(slab.base, granules, bin) {
        return false;
    }
    class_map::set(slab.base, granules, bin);
    true
}

impl Slabs {
    fn insert(&mut self, slab: &mut Slab) {
        slab.previous = ptr::null_mut();
        slab.next = self.first;
        if let Some(next) = NonNull::new(self.first) {
            // SAFETY: in this bin's list, whose lock the caller holds.
            unsafe { (*next.as_ptr()).previous = slab };
        }
        self.first = slab;
        slab.listed = true;
    }

    fn remove(&mut self, slab: &mut Slab) {
        match NonNull::new(slab.previous) {
            // SAFETY: a neighbour in this bin's list, whose lock the caller holds.
            Some(previous) => unsafe { (*previous.as_ptr()).next = slab.next },
            None => self.first = slab.next,
        }
        if let Some(next) = NonNull::new(slab.next) {
            // SAFETY: as above.
            unsafe { (*next.as_ptr()).previous = slab.previous };
        }
        slab.listed = false;
    }

    /// Takes a fresh slab into use.
    fn open(&mut self, bin: usize) -> Option<()> {
        let run = arena::take_run(bins::slab_granules(bin).ilog2() as usize)?;
        // SAFETY: taken from the arenas, so it is this bin's.
        let slab = unsafe { &mut *run.as_ptr() };
        slab.open(bin);
        if !locate(slab, bin as u8) {
            // SAFETY: just taken, and nothing uses it.
            unsafe { arena::give_run(run, 0) };
            return None;
        }
        self.insert(slab);
        Some(())
    }

    /// Gives up to `wanted` blocks of the first slab; there must be one.
    fn give(&mut self, wanted: u32, chain: &mut Chain) {
        let Some(first) = NonNull::new(self.first) else { return };
        // SAFETY: in this bin's list, whose lock the caller holds.
        let slab = unsafe { &mut *first.as_ptr() };
        slab.give(wanted, chain);
        if slab.available() == 0 {
            self.remove(slab);
        }
    }

    /// Takes a block back to its slab.
    ///
    /// # Safety
    /// The caller owns the block, which is of this bin.
    unsafe fn take_back(&mut self, block: *mut Block, now_ms: u32) {
        let Some(run) = arena::run_of(block as usize) else { return };
        // SAFETY: the block's slab belongs to this bin, whose lock the caller holds.
        let slab = unsafe { &mut *run.as_ptr() };
        // SAFETY: the caller's duty.
        unsafe { slab.take_back(block) };
        if !slab.listed {
            self.insert(slab);
        }
        // The last small slab of a bin stays, so that a program that hovers around one block does
        // not open and close it; a large one would hold too much.
        let is_only = self.first == run.as_ptr() && slab.next.is_null();
        if slab.is_empty() && !(is_only && slab.order == 0) {
            self.remove(slab);
            locate(slab, 0);
            // SAFETY: every block came back, and the slab is in no list.
            unsafe { arena::give_run(run, now_ms) };
        }
    }
}
