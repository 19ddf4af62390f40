//! Returning what no thread needs: batches to their slabs, and the pages of free blocks to the
//! system.
//!
//! A slab with a few live blocks keeps all its pages, even those between these blocks. If no block
//! came to the slab or left it from one look to the next, its whole pages without a live block are
//! returned. A free block holds no data, so its page may read as zeros afterwards. In the layouts
//! with headers it holds a header, and no pages are returned.
//!
//! # Safety
//! As in `central`.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use super::{STORE, give_to_slabs, pop};
use crate::arena;
use crate::batches;
use crate::bins;
use crate::os::{clock, memory};
use crate::routing::Layout;
use crate::slab::Slab;
use crate::sync::{AtomicU32, Ordering};

/// Time that blocks wait in a stack that no thread takes from, and pages in a slab that no thread
/// touches.
const DECAY_MS: u32 = 250;
/// Times of the last look at the stacks and at the slabs, in milliseconds of the monotonic clock.
static DECAYED_AT_MS: AtomicU32 = AtomicU32::new(0);
static LOOKED_AT_MS: AtomicU32 = AtomicU32::new(0);
/// Maximum number of slabs of one bin per look: half a gigabyte of the smallest slabs. The next
/// look goes on behind them.
const LOOK_SLABS: usize = 8192;

/// Moves the blocks of all stacks to the slabs, so that slabs that become empty can be given back.
pub(crate) fn drain(now_ms: u32) {
    for bin in bins::in_use() {
        shrink(bin, u32::MAX, now_ms);
        STORE[bin].slabs.lock().close_last_if_empty(now_ms);
    }
}

/// Moves to the slabs the blocks that no thread has needed for [`DECAY_MS`], or since the last call
/// if `at_once` (the low watermark of gperftools' thread caches, applied to the central store).
pub(crate) fn decay(now_ms: u32, at_once: bool) {
    let last = DECAYED_AT_MS.load(Ordering::Relaxed);
    let is_mine = (at_once || clock::have_passed(last, now_ms, DECAY_MS))
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

/// Moves up to `blocks` blocks, in whole batches, from the bin's stack to the slabs.
fn shrink(bin: usize, mut blocks: u32, now_ms: u32) {
    while blocks > 0 {
        let Some(batch) = pop(bin) else { return };
        blocks = blocks.saturating_sub(batch.count.into());
        let mut part = [ptr::null_mut(); batches::BLOCKS_MAX];
        // SAFETY: the batch was popped, so this thread owns it.
        let (count, _) = unsafe { batches::empty(bin, batch, &mut part[..batch.count.into()]) };
        // SAFETY: as above.
        unsafe { give_to_slabs(bin, &part[..count], now_ms) };
    }
}

/// Returns to the system the pages of free blocks in slabs that no thread has touched since the
/// last look, which was [`DECAY_MS`] ago or more.
pub(crate) fn return_idle_pages(now_ms: u32) {
    let last = LOOKED_AT_MS.load(Ordering::Relaxed);
    let is_mine = clock::have_passed(last, now_ms, DECAY_MS)
        && LOOKED_AT_MS
            .compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
    if is_mine {
        return_pages(Some(LOOK_SLABS), Slab::is_idle);
    }
}

/// Returns to the system the pages of all free blocks, those of busy slabs included. Returns the
/// number of bytes.
pub(crate) fn return_all_pages() -> usize {
    return_pages(None, Slab::is_to_return)
}

/// Returns to the system the pages of free blocks in those slabs for which `is_due` holds; looks at
/// all slabs, or at the next `slabs_max` of each bin.
pub(super) fn return_pages(slabs_max: Option<usize>, is_due: impl Fn(&Slab) -> bool) -> usize {
    if Layout::current() != Layout::Plain {
        return 0;
    }
    let mut returned = 0;
    for bin in bins::in_use() {
        // A thread that holds the lock needs the slabs now.
        let Some(mut slabs) = STORE[bin].slabs.try_lock() else { continue };
        let visit = |slab: &Slab| {
            if is_due(slab) {
                slab.for_each_free_page(|address, bytes| {
                    let Some(base) = NonNull::new(address as *mut u8) else { return };
                    // SAFETY: pages of the slab without a live block, under the bin's lock; free
                    // blocks hold no data.
                    let is_done = unsafe { memory::discard(base, bytes) };
                    // Refused pages are tried again after the slab was used and fell idle again.
                    returned += if is_done { bytes } else { 0 };
                });
            }
        };
        match slabs_max {
            Some(max) => slabs.look(max, visit),
            None => slabs.for_each(visit),
        }
    }
    arena::note_returned(returned);
    returned
}
