//! Returns to the slabs blocks that a thread keeps without need.
//!
//! A few such blocks can keep many slabs from being freed: five hundred blocks of a bin that went
//! out of use may lie in five hundred slabs. So a heap looks now and then which of its lists are
//! idle. A list's word tells this without further counters: if the word is unchanged, nothing was
//! popped or pushed; otherwise, if *n* blocks were freed since, the blocks below the topmost *n*
//! were not needed (the low-water mark of gperftools' thread caches). A list that came near neither
//! end for a while gives up most of its blocks as well: it serves pairs of calls from its topmost
//! blocks, and no counter says how low it went.
//!
//! `malloc_trim` asks for more: all lists are given up. No thread can reach the lists of another,
//! so the other threads are asked, and comply when they next look after their lists.
//!
//! # Orderings
//! Relaxed: a request that is seen later is served later.
//!
//! # Safety
//! The rules of `heap` apply.
#![allow(unsafe_code)]

use hakmem_segment::ListWord;

use super::Heap;
use crate::bins;
use crate::central;
use crate::os::clock;
use crate::sync::{AtomicU32, Ordering};

/// An idle list or spare keeps its blocks for at most this time, and at most while this number of
/// slabs come and go: where memory changes its shape faster, giving up blocks must not wait.
const IDLE_MS: u32 = 250;
const IDLE_CHANGES: u32 = 128;
/// A list that holds little becomes small again if its capacity exceeds that of a new list by this
/// factor. One or two refills beyond the first capacity do not count.
const OVERSIZED: u32 = 4;

/// How often all threads were asked to give up their lists.
static REQUESTS: AtomicU32 = AtomicU32::new(0);

/// Asks all threads to give up their lists, each at its next [`threads::tick`](crate::threads).
pub(crate) fn ask_all_to_give_up() {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
}

impl Heap {
    /// Whether all threads were asked to give up their lists since this heap last called this, or
    /// since it was opened.
    pub(crate) fn take_request(&self) -> bool {
        let requests = REQUESTS.load(Ordering::Relaxed);
        let is_new = requests != self.requests.get();
        self.requests.set(requests);
        is_new
    }

    /// Whether [`Heap::give_up_idle`] is due: a while has passed, or slabs came and went.
    pub(crate) fn is_look_due(&self, arena_changes: u32) -> bool {
        self.has_idle_time_passed()
            || arena_changes.wrapping_sub(self.seen_changes.get()) >= IDLE_CHANGES
    }

    fn has_idle_time_passed(&self) -> bool {
        clock::have_passed(self.seen_at_ms.get(), self.now_ms.get(), IDLE_MS)
    }

    /// Returns to the slabs blocks that were not needed since the last call: spares, and of each
    /// list the blocks below those that were freed since. A few blocks of a bin that went out of
    /// use can keep many slabs from being freed.
    pub(crate) fn give_up_idle(&self, arena_changes: u32) {
        self.abandon_if_changing();
        let is_calm = self.has_idle_time_passed();
        for bin in bins::in_use() {
            let word = self.slot().list_word(bin);
            let (now, then) = (word.load(Ordering::Relaxed), self.seen_words[bin].get());
            let freed = ListWord(now).freed_fast().wrapping_sub(ListWord(then).freed_fast());
            // A list that ran full or empty would have needed the spare.
            let hovers = is_calm && self.spares_needed.get() & (1 << bin) == 0;
            let small: u32 = self.capacity_first(bin).into();
            let is_oversized = u32::from(self.capacities[bin].get()) > OVERSIZED * small;
            if self.capacities[bin].get() == 0 {
                // The list holds nothing.
            } else if now == then || hovers && is_oversized && self.depth(bin) <= small {
                self.empty_idle(bin);
            } else {
                let freed = freed.try_into().unwrap_or(u32::MAX);
                let enough = if hovers { (self.depth(bin) / 4).max(small) } else { u32::MAX };
                self.give_up_below(bin, freed.min(enough));
            }
            self.seen_words[bin].set(word.load(Ordering::Relaxed));
        }
        self.spares_needed.set(0);
        self.refilled_before.set(self.refilled.take());
        self.flushed_before.set(self.flushed.take());
        self.seen_at_ms.set(self.now_ms.get());
        self.seen_changes.set(arena_changes);
    }

    /// Gives up an idle list and its spare; the list starts small again.
    fn empty_idle(&self, bin: usize) {
        let capacity = self.capacities[bin].get().min(self.capacity_first(bin));
        // SAFETY: the blocks are this heap's, which forgets them.
        self.empty_list(bin, capacity, |blocks, now_ms| unsafe {
            central::give_to_slabs(bin, blocks, now_ms);
        });
        self.shrink_magazines(bin);
    }

    /// Gives up the blocks below the topmost `keep` of a list, if they are most of it, and the
    /// spare if it was not needed.
    fn give_up_below(&self, bin: usize, keep: u32) {
        let depth = self.depth(bin);
        let given = if keep > 0 && keep < depth / 2 { depth - keep } else { 0 };
        let is_spare_needed = self.spares_needed.get() & (1 << bin) != 0;
        let spare = if is_spare_needed { 0 } else { self.spares[bin].get().count() };
        if given + spare == 0 {
            return;
        }
        let lowest = &self.blocks(self.list(bin))[..given as usize];
        let spares = &self.blocks(self.spares[bin].get())[..spare as usize];
        if given > 0 {
            self.forget_list(bin);
        }
        if !is_spare_needed {
            self.clear_spare(bin);
        }
        for blocks in [lowest, spares] {
            // SAFETY: the blocks are this heap's, which has forgotten them.
            unsafe { central::give_to_slabs(bin, blocks, self.now_ms.get()) };
        }
        self.restore_without_lowest(bin, depth, given);
        let (left, capacity) = (self.whole_depth(bin), self.capacities[bin].get());
        self.slot().update(|update| {
            update.set_list(bin, left, capacity);
            update.set_spare(bin, self.spares[bin].get().count());
            update.add_flushed(bin, given + spare);
        });
    }
}
