//! Blocks that a thread keeps and does not need.
//!
//! Few of them can keep many slabs from going back: five hundred blocks of a bin that went out of
//! use, freed here and there, may lie in as many slabs. So now and then a heap looks which of its
//! lists are idle. A list's word tells without further counting: if it is as it was, nothing was
//! taken or added; else the blocks below the first *n*, of which *n* were freed since, were not
//! needed (the low-water mark of gperftools' thread caches). Of a list that came near neither end for
//! a while, most is given up as well: it serves pairs of calls out of its topmost blocks, and how low
//! it went is counted nowhere.
//!
//! `malloc_trim` asks for more: every list is given up. No thread can reach another's lists, so the
//! others are asked to, and do it when they next look after their lists.
//!
//! # Orderings
//! Relaxed: a request that is seen later is served later.
//!
//! # Safety
//! As in `heap`.
#![allow(unsafe_code)]

use hakmem_segment::ListWord;

use super::Heap;
use crate::bins;
use crate::central;
use crate::os::clock;
use crate::sync::{AtomicU32, Ordering};

/// How long a list or a spare that nobody needs keeps its blocks at most, and how many slabs come
/// and go meanwhile: where memory changes its shape faster than that, it must not wait.
const IDLE_MS: u32 = 250;
const IDLE_CHANGES: u32 = 128;
/// By how much a list's capacity must exceed that of a new one to be made small again, once it holds
/// little: a refill or two from small are no reason.
const OVERSIZED: u32 = 4;

/// How often all threads were asked to give up their lists.
static REQUESTS: AtomicU32 = AtomicU32::new(0);

/// Asks all threads to give up their lists, each at its next [`threads::tick`](crate::threads).
pub(crate) fn ask_all_to_give_up() {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
}

impl Heap {
    /// Whether this heap was asked to give up its lists since it last asked for that, or began.
    pub(crate) fn take_request(&self) -> bool {
        let requests = REQUESTS.load(Ordering::Relaxed);
        let is_new = requests != self.requests.get();
        self.requests.set(requests);
        is_new
    }

    /// Whether it is time for [`Heap::give_up_idle`]: a while has passed, or slabs came and went.
    pub(crate) fn is_look_due(&self, arena_changes: u32) -> bool {
        self.has_idle_time_passed()
            || arena_changes.wrapping_sub(self.seen_changes.get()) >= IDLE_CHANGES
    }

    fn has_idle_time_passed(&self) -> bool {
        clock::have_passed(self.seen_at_ms.get(), self.now_ms.get(), IDLE_MS)
    }

    /// Gives to the slabs what was not needed since this was last called: spares, and of lists what
    /// lies below all blocks that were freed since. Few blocks of a bin that went out of use can keep
    /// many slabs from going back.
    pub(crate) fn give_up_idle(&self, arena_changes: u32) {
        self.abandon_if_changing();
        let is_calm = self.has_idle_time_passed();
        for bin in bins::in_use() {
            let word = self.slot().list_word(bin);
            let (now, then) = (word.load(Ordering::Relaxed), self.seen_words[bin].get());
            let freed = ListWord(now).freed_fast().wrapping_sub(ListWord(then).freed_fast());
            // A list that ran full or empty would have asked for the spare.
            let hovers = is_calm && self.spares_needed.get() & (1 << bin) == 0;
            let small: u32 = self.capacity_first(bin).into();
            let is_oversized = u32::from(self.capacities[bin].get()) > OVERSIZED * small;
            if self.capacities[bin].get() == 0 {
                // It holds nothing.
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

    /// Gives up a list that nobody used, which begins small again, and its spare.
    fn empty_idle(&self, bin: usize) {
        let capacity = self.capacities[bin].get().min(self.capacity_first(bin));
        // SAFETY: the blocks are this heap's, which forgets them.
        self.empty_list(bin, capacity, |blocks, now_ms| unsafe {
            central::give_to_slabs(bin, blocks, now_ms);
        });
        self.shrink_magazines(bin);
    }

    /// Gives up what lies below the last `keep` blocks of a list, if that is most of it, and the spare
    /// if it was not needed.
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
