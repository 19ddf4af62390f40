//! The central store: what threads refill from and flush to, per bin.
//!
//! In front, a lock-free [`BatchStack`] of whole batches, up to [`STACK_BYTES_MAX`] or more per bin; behind
//! it, under the bin's lock, the slabs that have blocks to give. A batch that the stack has no
//! room for, or whose blocks lie scattered over many slabs, is walked and its blocks go back to their
//! slabs; a slab that is empty then goes back to the arenas, except for the last one of its bin.
//! Blocks of less than 16 usable bytes have no room for the stack's link and always go to the slabs.
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

use crate::arena::{self, Finder};
use crate::batch_stack::{Batch, BatchStack, Links};
use crate::bins;
use crate::block::{Block, Chain, ChainBuilder};
use crate::class_map;
use crate::lock::{Lock, Locked};
use crate::registry;
use crate::routing::Layout;
use crate::slab::Slab;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Bytes of blocks that wait in one bin's stack at most, where they come as they may, and where they
/// come in order; and in all stacks together.
const STACK_BYTES_MAX: usize = 512 << 10;
const ORDERED_STACK_BYTES_MAX: usize = 4 << 20;
const STACKS_BYTES_MAX: usize = 8 << 20;
/// Bytes of a bin that stay in the cache of a core beside everything else: a quarter of the second
/// level of current server cores, which has 1 or 2 MiB.
const CACHE_BYTES: usize = 256 << 10;
/// How long blocks wait in a stack that nobody takes from.
const DECAY_MS: u32 = 250;
/// When a thread last looked, in milliseconds of the monotonic clock.
static DECAYED_AT_MS: AtomicU32 = AtomicU32::new(0);
/// Bytes of blocks that wait in all stacks: an estimate while batches move.
static STACKED_BYTES: AtomicUsize = AtomicUsize::new(0);
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
    /// Bytes of all slabs of the bin. Changed under the lock, read without it.
    slab_bytes: AtomicUsize,
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
        slab_bytes: AtomicUsize::new(0),
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
        STACKED_BYTES.fetch_sub(count as usize * bins::stride(bin), Ordering::Relaxed);
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
    Some(Refill { chain: slabs.give(wanted), reason })
}

/// Takes a chain back.
///
/// # Safety
/// The caller owns the blocks, all of this bin.
pub(crate) unsafe fn give(bin: usize, chain: Chain, now_ms: u32) {
    let store = &STORE[bin];
    let stacked = store.stacked.load(Ordering::Relaxed) as usize;
    let stride = bins::stride(bin);
    let bytes = chain.count as usize * stride;
    let room = match spread(bin, chain) {
        Spread::Scattered => 0,
        Spread::Near => STACK_BYTES_MAX,
        Spread::InOrder => ORDERED_STACK_BYTES_MAX,
    };
    let fits = stacked * stride + bytes <= room
        && STACKED_BYTES.load(Ordering::Relaxed) + bytes <= STACKS_BYTES_MAX;
    let count = u16::try_from(chain.count).unwrap_or(0);
    let is_linkable = Layout::current().usable_bytes(bin) >= LINKED_BYTES_MIN;
    if !fits || !is_linkable || count == 0 {
        // SAFETY: the caller's duty.
        return unsafe { give_to_slabs(bin, chain, now_ms) };
    }
    store.stacked.fetch_add(chain.count, Ordering::Relaxed);
    STACKED_BYTES.fetch_add(bytes, Ordering::Relaxed);
    let batch = Batch { address: chain.head as usize, count };
    // SAFETY: the caller's duty; blocks of at least 16 bytes are 16-byte aligned.
    unsafe { store.stack.push(&BlockLinks, batch) };
}

/// How the blocks of a chain lie to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    /// Mostly one beside the other: what was allocated together was freed together.
    InOrder,
    /// Neither.
    Near,
    /// In many slabs. Whoever got such a chain next would miss the cache with each block, while their
    /// slabs put them in order again; and each block that waits would keep a slab of its own from
    /// going back. The first does not matter where all blocks of the bin fit into the cache, nor the
    /// second where they are small.
    Scattered,
}

/// Tells by the first blocks of a chain, which is not empty, how its blocks lie.
fn spread(bin: usize, chain: Chain) -> Spread {
    /// Links that are looked at.
    const LOOK: u32 = 8;
    let (stride, slab_bytes) = (bins::stride(bin), bins::slab_granules(bin) * bins::GRANULE);
    let look = LOOK.min(chain.count.saturating_sub(1));
    let (mut block, mut far, mut beside) = (chain.head, 0, 0);
    for _ in 0..look {
        // SAFETY: the chain has more blocks than that.
        let next = unsafe { (*block).next };
        let distance = (block as usize).abs_diff(next as usize);
        far += u32::from(distance >= slab_bytes);
        beside += u32::from(distance <= 2 * stride);
        block = next;
    }
    let fits_cache =
        stride <= bins::TINY_MAX && STORE[bin].slab_bytes.load(Ordering::Relaxed) <= CACHE_BYTES;
    // A quarter of the links may be otherwise.
    if beside >= look - look / 4 {
        Spread::InOrder
    } else if far > look / 4 && !fits_cache {
        Spread::Scattered
    } else {
        Spread::Near
    }
}

/// Takes a chain back past the stack, block by block.
///
/// # Safety
/// As for [`give`].
pub(crate) unsafe fn give_to_slabs(bin: usize, chain: Chain, now_ms: u32) {
    if chain.count == 0 {
        return;
    }
    let mut slabs = STORE[bin].slabs.lock();
    let finder = Finder::new();
    let mut block = chain.head;
    for _ in 0..chain.count {
        // SAFETY: the chain's links are valid, and read before the block is given up.
        let next = unsafe { (*block).next };
        // SAFETY: the caller's duty.
        unsafe { slabs.take_back(&finder, bin, block, now_ms) };
        block = next;
    }
}

/// What a bin's slabs know of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is not the start of a block of this bin that was ever given out.
    NoBlock,
    /// Such a block, which is not here.
    Away,
    /// Such a block, which came back and is here.
    Here,
}

/// Looks an address up in the slabs of a bin.
pub(crate) fn look_up(bin: usize, address: usize) -> Known {
    let _slabs = STORE[bin].slabs.lock();
    let Some(run) = arena::run_of(address) else { return Known::NoBlock };
    // SAFETY: the class map or the registry names this bin for the address, so the run is a slab,
    // and the bin's lock is held.
    let slab = unsafe { &*run.as_ptr() };
    if usize::from(slab.bin) != bin || !slab.has_block_at(address) {
        return Known::NoBlock;
    }
    if slab.is_free_at(address) { Known::Here } else { Known::Away }
}

/// Moves what waits in every stack to the slabs, so that empty ones can be given back.
pub(crate) fn drain(now_ms: u32) {
    for bin in bins::in_use() {
        shrink(bin, u32::MAX, now_ms);
    }
}

/// Moves what nobody has needed for [`DECAY_MS`] to the slabs (the low-water mark of gperftools'
/// thread caches, applied to the central store); at once if asked to.
pub(crate) fn decay(now_ms: u32, at_once: bool) {
    let last = DECAYED_AT_MS.load(Ordering::Relaxed);
    let is_mine = (at_once || now_ms.wrapping_sub(last) >= DECAY_MS)
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
        STACKED_BYTES.fetch_sub(count as usize * bins::stride(bin), Ordering::Relaxed);
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
        STORE[bin].slab_bytes.fetch_add(slab.bytes(), Ordering::Relaxed);
        Some(())
    }

    /// Gives up to `wanted` blocks of the slabs in the list.
    fn give(&mut self, wanted: u32) -> Chain {
        let mut chain = ChainBuilder::EMPTY;
        while chain.count() < wanted
            && let Some(first) = NonNull::new(self.first)
        {
            // SAFETY: in this bin's list, whose lock the caller holds.
            let slab = unsafe { &mut *first.as_ptr() };
            slab.give(wanted - chain.count(), &mut chain);
            if slab.available() == 0 {
                self.remove(slab);
            }
        }
        chain.finish()
    }

    /// Takes a block back to its slab.
    ///
    /// # Safety
    /// The caller owns the block, which is of this bin.
    #[inline(always)]
    unsafe fn take_back(&mut self, finder: &Finder, bin: usize, block: *mut Block, now_ms: u32) {
        let Some(run) = finder.run_of(block as usize) else { return };
        // SAFETY: the block's slab belongs to this bin, whose lock the caller holds.
        let slab = unsafe { &mut *run.as_ptr() };
        if !slab.take_back(bin, block) {
            // Freed twice, by a program that nobody checked: one block less is the least harm.
            return;
        }
        if !slab.listed || slab.is_empty() {
            self.settle(slab, now_ms);
        }
    }

    /// Puts a slab into the list that has blocks to give again, or gives it back if all of its blocks
    /// are here.
    fn settle(&mut self, slab: &mut Slab, now_ms: u32) {
        if !slab.listed {
            self.insert(slab);
        }
        // The last small slab of a bin stays, so that a program that hovers around one block does
        // not open and close it; a large one would hold too much.
        let is_only = ptr::eq(self.first, slab) && slab.next.is_null();
        if slab.is_empty() && !(is_only && slab.order == 0) {
            self.remove(slab);
            STORE[usize::from(slab.bin)].slab_bytes.fetch_sub(slab.bytes(), Ordering::Relaxed);
            locate(slab, 0);
            // SAFETY: every block came back, and the slab is in no list.
            unsafe { arena::give_run(NonNull::from(slab), now_ms) };
        }
    }
}
