//! The legacy of a forking thread to the child: a copy of its heap's page and of its words, in a
//! page that the kernel does not wipe.
//!
//! The kernel wipes heaps in a child but not magazines, so all that the child lacks is the page
//! with the tops. The child puts the page back in its place, with private memory in place of the
//! slot, because the fork may have come from a signal handler: the interrupted call continues in
//! the child as it does in the parent, with the same heap, and leaves no trace in the parent's
//! segment. When the child makes its next call, its new heap adopts the lists.
//!
//! # Safety
//! The rules of `heap` apply. The heap's thread makes the copy, and the only thread of a child
//! reads it.
#![allow(unsafe_code)]

use core::mem::offset_of;
use core::ptr;

use hakmem_segment::BINS;

use super::magazine::LAYERS_DISTANCE;
use super::{Heap, SLOT_DISTANCE, slot_of};
use crate::bins;
use crate::os::memory::{self, PAGE_MIN};
use crate::routing::Layout;
use crate::segment::{Inherited, SLOT_STEP};
use crate::sync::Ordering;

/// Bytes of a heap in front of the table of small sizes, and offset of the part behind the table.
/// The table itself is not copied: it is the same in every heap that has one.
const FRONT_BYTES: usize = offset_of!(Heap, small_bins);
const BACK: usize = FRONT_BYTES + bins::SMALL_SIZES;
const BACK_BYTES: usize = size_of::<Heap>() - BACK;

/// A heap's legacy page.
#[repr(C)]
pub(crate) struct Legacy {
    front: [u8; FRONT_BYTES],
    back: [u8; BACK_BYTES],
    words: [u64; BINS],
    /// Memory that the process held at the fork, if that could be determined without waiting.
    pub(crate) inherited: Inherited,
    pub(crate) is_measured: bool,
}
const _: () = assert!(size_of::<Legacy>() <= PAGE_MIN);

/// The legacy page of `heap`: the first of its pages in the layers.
pub(crate) fn of(heap: *mut Heap) -> *mut Legacy {
    heap.cast::<u8>().wrapping_add(LAYERS_DISTANCE).cast()
}

/// Copies a heap for a child; nothing is measured yet.
///
/// # Safety
/// `heap` is the calling thread's, and alive.
pub(crate) unsafe fn leave(heap: *mut Heap) -> &'static mut Legacy {
    let (legacy, page) = (of(heap), heap.cast::<u8>());
    // SAFETY: the legacy page is mapped with the heap, and only the heap's thread uses it.
    let front = unsafe { &raw mut (*legacy).front }.cast::<u8>();
    // SAFETY: the first bytes of a heap, which only this thread writes, go to another page.
    unsafe { ptr::copy_nonoverlapping(page, front, FRONT_BYTES) };
    // SAFETY: the legacy page is mapped with the heap, and only the heap's thread uses it.
    let back = unsafe { &raw mut (*legacy).back }.cast::<u8>();
    // SAFETY: the last bytes of a heap, which only this thread writes, go to another page.
    unsafe { ptr::copy_nonoverlapping(page.wrapping_add(BACK), back, BACK_BYTES) };
    for bin in 0..BINS {
        let word = slot_of(heap).list_word(bin).load(Ordering::Relaxed);
        // SAFETY: the legacy page is mapped with the heap, and only the heap's thread uses it.
        unsafe { (*legacy).words[bin] = word };
    }
    // SAFETY: the legacy page is mapped with the heap, and only the heap's thread uses it.
    unsafe { (*legacy).is_measured = false };
    // SAFETY: the legacy page stays mapped as its heap does, and the thread leaves one legacy at a
    // time.
    unsafe { &mut *legacy }
}

/// Puts a heap that was wiped back in its place, with its words in private memory. False if there
/// is no private memory to be had; nothing has changed then.
///
/// # Safety
/// Called by the only thread of a child process, for the heap that its parent's thread left.
pub(crate) unsafe fn restore(heap: *mut Heap) -> bool {
    let slot = heap.cast::<u8>().wrapping_add(SLOT_DISTANCE);
    let Some(slot) = ptr::NonNull::new(slot) else { return false };
    // SAFETY: this is the heap's own slot, which only the heap's thread writes.
    if !unsafe { memory::map_over(slot, SLOT_STEP) } {
        return false;
    }
    let (legacy, page) = (of(heap), heap.cast::<u8>());
    for bin in 0..BINS {
        // SAFETY: the legacy page is mapped with the heap, and `leave` has filled it.
        let word = unsafe { (*legacy).words[bin] };
        slot_of(heap).list_word(bin).store(word, Ordering::Relaxed);
    }
    // SAFETY: the legacy page is mapped with the heap, and `leave` has filled it.
    let front = unsafe { &raw const (*legacy).front }.cast::<u8>();
    // SAFETY: the heap's page and the legacy page do not overlap.
    unsafe { ptr::copy_nonoverlapping(front, page, FRONT_BYTES) };
    // SAFETY: the legacy page is mapped with the heap, and `leave` has filled it.
    let back = unsafe { &raw const (*legacy).back }.cast::<u8>();
    // SAFETY: the heap's page and the legacy page do not overlap.
    unsafe { ptr::copy_nonoverlapping(back, page.wrapping_add(BACK), BACK_BYTES) };
    // SAFETY: the page holds a heap again.
    unsafe { &*heap }.set_small_bins(Layout::current());
    true
}

impl Heap {
    /// Takes over the lists that this thread had in the parent process. Their blocks count as
    /// refilled: the child has not allocated them.
    pub(crate) fn adopt(&self, old: &Self) {
        self.originals.copy_from(&old.originals);
        for bin in bins::in_use() {
            self.capacities[bin].set(old.capacities[bin].get());
            if self.capacities[bin].get() > bins::capacity_first(bin) {
                self.enlarge_magazines(bin);
            }
            for magazine in [old.spares[bin].get(), old.list(bin)] {
                let blocks = old.blocks(magazine);
                // SAFETY: the list is not used until the room is filled.
                let room = unsafe { self.room(bin, magazine.count()) };
                let count = room.len().min(blocks.len());
                room[..count].copy_from_slice(&blocks[..count]);
                self.set_depth(bin, count as u32);
                self.exchange(bin);
            }
            // After two exchanges the list holds the spare's blocks and the spare the list's; a
            // third puts both in their places.
            self.exchange(bin);
            let (depth, spare) = (self.whole_depth(bin), self.spares[bin].get().count());
            let capacity = self.capacities[bin].get();
            self.slot().update(|update| {
                update.set_list(bin, depth, capacity);
                update.set_spare(bin, spare);
                update.add_refilled(bin, depth + spare);
            });
        }
    }
}
