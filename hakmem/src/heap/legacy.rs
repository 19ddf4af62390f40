//! What the thread that forks leaves to the child: a copy of its heap's page and of its words, in a
//! page that is not wiped.
//!
//! The kernel wipes heaps in a child. Magazines are not wiped, so the page with their tops is all
//! that is missing. In the child it is put back where it was, and private memory takes the slot's
//! place, because the fork may have come from a signal handler: the call that it interrupted goes on
//! in the child as in the parent, with the same heap, and without a trace in the parent's segment.
//! Once the child makes its next call, its new heap adopts the lists.
//!
//! # Safety
//! As in `heap`. The copy is made by the heap's thread, and read by the only thread of a child.
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

/// What comes before the table of small sizes in a heap, and from where on the rest is copied. The
/// table is the same in every heap that has one.
const FRONT_BYTES: usize = offset_of!(Heap, small_bins);
const BACK: usize = FRONT_BYTES + bins::SMALL_SIZES;
const BACK_BYTES: usize = size_of::<Heap>() - BACK;

/// A heap's legacy page.
#[repr(C)]
pub(crate) struct Legacy {
    front: [u8; FRONT_BYTES],
    back: [u8; BACK_BYTES],
    words: [u64; BINS],
    /// What the process held at the fork, if that could be said without waiting.
    pub(crate) inherited: Inherited,
    pub(crate) is_measured: bool,
}
const _: () = assert!(size_of::<Legacy>() <= PAGE_MIN);

/// The legacy page of a heap: the first of its pages in the layers.
pub(crate) fn of(heap: *mut Heap) -> *mut Legacy {
    heap.cast::<u8>().wrapping_add(LAYERS_DISTANCE).cast()
}

/// Copies a heap for a child; nothing is measured yet.
///
/// # Safety
/// `heap` is the calling thread's, and alive.
pub(crate) unsafe fn leave(heap: *mut Heap) -> &'static mut Legacy {
    let (legacy, page) = (of(heap), heap.cast::<u8>());
    // SAFETY: the page is mapped with the heap, and only its thread uses it.
    let front = unsafe { &raw mut (*legacy).front }.cast::<u8>();
    // SAFETY: the first bytes of a heap, which this thread alone writes, and of another page.
    unsafe { ptr::copy_nonoverlapping(page, front, FRONT_BYTES) };
    // SAFETY: as above.
    let back = unsafe { &raw mut (*legacy).back }.cast::<u8>();
    // SAFETY: as above, of the last bytes.
    unsafe { ptr::copy_nonoverlapping(page.wrapping_add(BACK), back, BACK_BYTES) };
    for bin in 0..BINS {
        let word = slot_of(heap).list_word(bin).load(Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { (*legacy).words[bin] = word };
    }
    // SAFETY: as above.
    unsafe { (*legacy).is_measured = false };
    // SAFETY: as above; heaps stay mapped, and the thread leaves one legacy at a time.
    unsafe { &mut *legacy }
}

/// Puts a heap that was wiped back in its place, with its words in private memory; false if there is
/// none, and nothing has changed then.
///
/// # Safety
/// Called by the only thread of a child process, for the heap that its parent's thread left.
pub(crate) unsafe fn restore(heap: *mut Heap) -> bool {
    let slot = heap.cast::<u8>().wrapping_add(SLOT_DISTANCE);
    let Some(slot) = ptr::NonNull::new(slot) else { return false };
    // SAFETY: the heap's own slot, which nothing but the heap's thread writes.
    if !unsafe { memory::map_over(slot, SLOT_STEP) } {
        return false;
    }
    let (legacy, page) = (of(heap), heap.cast::<u8>());
    for bin in 0..BINS {
        // SAFETY: the page is mapped with the heap, and `leave` has filled it.
        let word = unsafe { (*legacy).words[bin] };
        slot_of(heap).list_word(bin).store(word, Ordering::Relaxed);
    }
    // SAFETY: as above.
    let front = unsafe { &raw const (*legacy).front }.cast::<u8>();
    // SAFETY: the pages of a heap and of its copy are two.
    unsafe { ptr::copy_nonoverlapping(front, page, FRONT_BYTES) };
    // SAFETY: as above.
    let back = unsafe { &raw const (*legacy).back }.cast::<u8>();
    // SAFETY: as above.
    unsafe { ptr::copy_nonoverlapping(back, page.wrapping_add(BACK), BACK_BYTES) };
    // SAFETY: the heap's page, which holds a heap again.
    unsafe { &*heap }.set_small_bins(Layout::current());
    true
}

impl Heap {
    /// Takes over the lists that this process's thread had in its parent. The blocks count as refilled:
    /// the child has not allocated them.
    pub(crate) fn adopt(&self, old: &Self) {
        self.originals.copy_from(&old.originals);
        for bin in bins::in_use() {
            self.capacities[bin].set(old.capacities[bin].get());
            if self.capacities[bin].get() > bins::capacity_first(bin) {
                self.enlarge_magazines(bin);
            }
            for magazine in [old.spares[bin].get(), old.list(bin)] {
                let blocks = old.blocks(magazine);
                // SAFETY: the list is used again when the room is filled.
                let room = unsafe { self.room(bin, magazine.count()) };
                let count = room.len().min(blocks.len());
                room[..count].copy_from_slice(&blocks[..count]);
                self.set_depth(bin, count as u32);
                self.exchange(bin);
            }
            // Twice exchanged: the spare's blocks came first and are the list's now.
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
