//! The arrays in which a heap keeps the pointers of its lists.
//!
//! A *magazine* is an array of pointers to free blocks (J. Bonwick and J. Adams, "Magazines and
//! Vmem", 2001). Each bin has two: the list's, which the fast paths pop from and push to, and the
//! spare's. A free therefore does not touch the block: a list linked through the blocks would take
//! a cache miss for each block that has gone cold, one when the block is freed and another on its
//! way to its slab.
//!
//! A null entry lies in front of each magazine, so the load of a pop also finds out whether the
//! list is empty. A list's top is a pointer to its topmost entry, for the fast paths
//! ([`super::fast_list`]); everywhere else a magazine's bottom and top are offsets from the heap's
//! address.
//!
//! Magazines lie in layers behind the slots, with the slots' spacing, so that the same offset
//! serves every heap of a group. A heap's part of the first layer holds its legacy page, for a
//! child (`legacy`), its page of notes (`notes`), and its small magazines, for lists of first
//! capacity. A list that grows gets a large magazine: in the room that the small ones leave, or, if
//! it has hundreds of entries, in pages of its own in the layers behind.
//!
//! ```text
//! heaps | slots (shared) | legacies and small magazines | layer 1 of large magazines | layer 2 | …
//! ```
//!
//! # Safety
//! The rules of `heap` apply. The heap owns the blocks between a magazine's bottom and its top.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::compiler_fence;

use hakmem_segment::BINS;

use super::{Heap, SLOT_DISTANCE};
use crate::bins;
use crate::block::Block;
use crate::hint::cold_path;
use crate::os::memory::{self, PAGE_MIN};
use crate::segment::SLOT_STEP;
use crate::sync::Ordering;

/// Address of an entry of a magazine.
pub(super) type Entry = *mut *mut Block;
/// Bytes of an entry.
const ENTRY: u32 = size_of::<*mut Block>() as u32;
/// Distance from a heap to its part of the first layer.
pub(super) const LAYERS_DISTANCE: usize = 2 * SLOT_DISTANCE;
const LAYER_PAGES: usize = SLOT_STEP / PAGE_MIN;
/// Layers in a group: one with legacies and small magazines, and those of large magazines.
pub(crate) const LAYERS: usize = 1 + PLACES.pages.div_ceil(LAYER_PAGES);

/// Offsets of the magazines' bottoms, two for each bin.
struct Places {
    small: [[u32; BINS]; 2],
    large: [[u32; BINS]; 2],
    /// Bytes of the pages that a large magazine has to itself; 0 if it shares a page.
    own_page_bytes: [usize; BINS],
    /// Pages of all large magazines that have pages of their own.
    pages: usize,
}

const PLACES: Places = {
    let none = [[0; BINS]; 2];
    let mut places = Places { small: none, large: none, own_page_bytes: [0; BINS], pages: 0 };
    let mut at = LAYERS_DISTANCE + 2 * PAGE_MIN;
    let mut turn = 0;
    while turn < 2 * BINS {
        let (which, bin) = (turn % 2, turn / 2);
        turn += 1;
        if !bins::in_use_contains(bin) {
            continue;
        }
        places.small[which][bin] = at as u32;
        at += bytes(bins::capacity_first(bin));
        let large = bytes(bins::capacity_max(bin));
        places.large[which][bin] = if large > PAGE_MIN / 4 {
            let pages = large.div_ceil(PAGE_MIN);
            if places.pages % LAYER_PAGES + pages > LAYER_PAGES {
                places.pages = places.pages.next_multiple_of(LAYER_PAGES);
            }
            let (layer, page) = (1 + places.pages / LAYER_PAGES, places.pages % LAYER_PAGES);
            places.pages += pages;
            places.own_page_bytes[bin] = pages * PAGE_MIN;
            assert!(page + pages <= LAYER_PAGES);
            (LAYERS_DISTANCE + layer * SLOT_DISTANCE + page * PAGE_MIN) as u32
        } else {
            at += large;
            (at - large) as u32
        };
    }
    assert!(at <= LAYERS_DISTANCE + SLOT_STEP);
    places
};

/// Bytes of a magazine of `capacity` blocks, with the null in front of it.
const fn bytes(capacity: u16) -> usize {
    (capacity as usize + 1) * ENTRY as usize
}

/// A magazine's two offsets: that of the null in front of it and that of its topmost block, or of
/// the null if it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Magazine {
    bottom: u32,
    top: u32,
}

impl Magazine {
    pub(super) fn count(self) -> u32 {
        (self.top - self.bottom) / ENTRY
    }
}

impl Heap {
    /// Makes both magazines of every bin empty, large for the bins in `large` and small for the
    /// others.
    pub(super) fn clear_magazines(&self, large: u64) {
        self.large.set(large);
        for bin in bins::in_use() {
            self.place(bin);
        }
    }

    /// Makes all magazines small; they must be empty.
    pub(crate) fn shrink_all_magazines(&self) {
        bins::in_use().for_each(|bin| self.shrink_magazines(bin));
    }

    /// Forgets the blocks of all lists and spares if a signal handler has jumped out of a change of
    /// magazines: some blocks may be in two of them.
    pub(super) fn abandon_if_changing(&self) {
        if self.is_changing.get() {
            cold_path();
            self.abandon_lists();
        }
    }

    /// Makes all lists and spares empty and small. Their blocks are lost and count as live.
    #[cold]
    #[inline(never)]
    fn abandon_lists(&self) {
        let mut closed = 0;
        for bin in bins::in_use() {
            let capacity = self.capacities[bin].get();
            // The refill of a list that accepts no frees exceeds the capacity of a small magazine.
            closed |= u64::from(capacity == 0 && self.has_lists.get()) << bin;
            self.capacities[bin].set(capacity.min(self.capacity_first(bin)));
        }
        self.clear_magazines(closed);
        self.slot().update(|update| {
            for bin in bins::in_use() {
                update.set_list(bin, self.whole_depth(bin), self.capacities[bin].get());
                update.set_spare(bin, 0);
            }
        });
        self.is_changing.set(false);
    }

    /// Runs `change`, which changes the places of magazines. A signal handler that jumps out of it
    /// leaves [`Heap::is_changing`] set.
    fn change_places(&self, change: impl FnOnce()) {
        self.is_changing.set(true);
        compiler_fence(Ordering::SeqCst);
        change();
        compiler_fence(Ordering::SeqCst);
        self.is_changing.set(false);
    }

    /// Leaves the heap as a signal handler does that jumps out of a change of magazines.
    #[cfg(test)]
    pub(crate) fn jump_out_of_change(&self) {
        self.is_changing.set(true);
    }

    /// Makes both magazines of a bin small; they must be empty. Returns the pages of large
    /// magazines to the system.
    pub(super) fn shrink_magazines(&self, bin: usize) {
        let bytes = PLACES.own_page_bytes[bin];
        // A page larger than `PAGE_MIN` may hold other magazines too.
        if self.is_large(bin) && bytes > 0 && memory::page_bytes() == PAGE_MIN {
            for places in &PLACES.large {
                if let Some(page) = NonNull::new(self.entry(places[bin]).cast()) {
                    // SAFETY: the pages hold only this empty magazine, which reads as zeros, like a
                    // new one, when it is needed again.
                    let is_done = unsafe { memory::discard(page, bytes) };
                    // If the system refuses, the null in front of the magazine is still there, and
                    // entries above the top of an empty magazine are never read.
                    let _ = is_done;
                }
            }
        }
        self.change_places(|| {
            self.large.set(self.large.get() & !(1 << bin));
            self.place(bin);
        });
    }

    fn place(&self, bin: usize) {
        let places = if self.is_large(bin) { &PLACES.large } else { &PLACES.small };
        let [list, spare] = [places[0][bin], places[1][bin]];
        self.set_list(bin, Magazine { bottom: list, top: list });
        self.spares[bin].set(Magazine { bottom: spare, top: spare });
    }

    fn is_large(&self, bin: usize) -> bool {
        self.large.get() & (1 << bin) != 0
    }

    /// Moves the blocks of both magazines of a bin into large ones, if they are small.
    pub(super) fn enlarge_magazines(&self, bin: usize) {
        if self.is_large(bin) {
            return;
        }
        let [list, spare] = [self.list(bin), self.spares[bin].get()];
        self.change_places(|| {
            self.large.set(self.large.get() | 1 << bin);
            self.place(bin);
        });
        let [new_list, new_spare] = [self.list(bin), self.spares[bin].get()];
        for (old, new) in [(list, new_list), (spare, new_spare)] {
            let (from, to) = (self.entry(old.bottom + ENTRY), self.entry(new.bottom + ENTRY));
            // SAFETY: two different magazines of this heap; the large one has more room.
            unsafe { ptr::copy_nonoverlapping(from, to, old.count() as usize) };
        }
        self.set_depth(bin, list.count());
        let top = new_spare.bottom + ENTRY * spare.count();
        self.spares[bin].set(Magazine { top, ..new_spare });
    }

    /// The list's magazine.
    pub(super) fn list(&self, bin: usize) -> Magazine {
        Magazine { bottom: self.bottoms[bin].get(), top: self.top(bin) }
    }

    fn set_list(&self, bin: usize, list: Magazine) {
        self.bottoms[bin].set(list.bottom);
        self.set_top(bin, list.top);
    }

    /// Offset of the list's topmost entry. A heap that a child process finds wiped, in the middle
    /// of a call that its parent began, has empty lists.
    fn top(&self, bin: usize) -> u32 {
        match self.tops[bin].load(Ordering::Relaxed).addr() {
            0 => self.bottoms[bin].get(),
            top => (top - self.address().addr()) as u32,
        }
    }

    fn set_top(&self, bin: usize, top: u32) {
        self.tops[bin].store(self.entry(top), Ordering::Relaxed);
    }

    /// Exchanges the list and the spare.
    pub(super) fn exchange(&self, bin: usize) {
        self.change_places(|| {
            let spare = self.spares[bin].replace(self.list(bin));
            self.set_list(bin, spare);
        });
    }

    /// Blocks on the list.
    pub(super) fn depth(&self, bin: usize) -> u32 {
        self.list(bin).count()
    }

    /// Puts `block` on the list, which has room.
    pub(super) fn put(&self, bin: usize, block: *mut Block) {
        debug_assert!(self.depth(bin) < self.capacities[bin].get().into());
        let top = self.top(bin) + ENTRY;
        self.set_top(bin, top);
        // SAFETY: inside the list's magazine, because the list is below its capacity.
        unsafe { self.entry(top).write(block) };
    }

    /// Takes the topmost block off the list, which is not empty.
    pub(super) fn take(&self, bin: usize) -> *mut Block {
        debug_assert!(self.depth(bin) > 0);
        let top = self.top(bin);
        self.set_top(bin, top - ENTRY);
        // SAFETY: this entry was the list's topmost.
        unsafe { self.entry(top).read() }
    }

    /// The blocks of a magazine, the topmost last.
    pub(super) fn blocks(&self, magazine: Magazine) -> &[*mut Block] {
        let first = self.entry(magazine.bottom + ENTRY);
        // SAFETY: the entries up to the top, which callers change only after they are done with the
        // slice.
        unsafe { slice::from_raw_parts(first, magazine.count() as usize) }
    }

    /// Room for `wanted` blocks on the list, which must be empty; fewer if the magazine holds
    /// fewer.
    ///
    /// # Safety
    /// The list is not used while the room is.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn room(&self, bin: usize, wanted: u32) -> &mut [*mut Block] {
        debug_assert!(self.depth(bin) == 0);
        let capacity =
            if self.is_large(bin) { bins::capacity_max(bin) } else { bins::capacity_first(bin) };
        let first = self.entry(self.bottoms[bin].get() + ENTRY);
        // SAFETY: the entries of one magazine, initialised because its memory was zeros; the caller
        // lets nothing else use them.
        unsafe { slice::from_raw_parts_mut(first, wanted.min(capacity.into()) as usize) }
    }

    /// Notes that the list's magazine holds `count` blocks.
    pub(super) fn set_depth(&self, bin: usize, count: u32) {
        self.set_top(bin, self.bottoms[bin].get() + ENTRY * count);
    }

    /// Forgets the blocks of the spare.
    pub(super) fn clear_spare(&self, bin: usize) {
        let bottom = self.spares[bin].get().bottom;
        self.spares[bin].set(Magazine { bottom, top: bottom });
    }

    /// Forgets the blocks of the list, which are about to go elsewhere. This comes before they go,
    /// because a signal handler may jump out of that, or end the process and look at the list.
    pub(super) fn forget_list(&self, bin: usize) {
        self.set_depth(bin, 0);
        compiler_fence(Ordering::SeqCst);
    }

    /// Restores a list of `depth` blocks that was forgotten, without the lowest `count` of them.
    pub(super) fn restore_without_lowest(&self, bin: usize, depth: u32, count: u32) {
        if count == 0 {
            return;
        }
        let left = depth - count;
        let first = self.bottoms[bin].get() + ENTRY;
        let (from, to) = (self.entry(first + ENTRY * count), self.entry(first));
        // SAFETY: both ranges are entries of the list's magazine.
        unsafe { ptr::copy(from, to, left as usize) };
        compiler_fence(Ordering::SeqCst);
        self.set_depth(bin, left);
    }

    fn entry(&self, offset: u32) -> Entry {
        self.address().cast::<u8>().wrapping_add(offset as usize).cast()
    }
}
