//! Blocks that a thread keeps and does not need.
//!
//! Few of them can keep many slabs from going back: five hundred blocks of a bin that went out of
//! use, freed here and there, may lie in as many slabs. So now and then a heap looks which of its
//! lists are idle. A list's word tells without further counting: if it is as it was, nothing was
//! taken or added; else the blocks below the first *n*, of which *n* were freed since, were not
//! needed (the low-water mark of gperftools' thread caches).
//!
//! # Safety
//! As in `heap`.
#![allow(unsafe_code)]

use core::mem;

use hakmem_segment::ListWord;

use super::{Heap, slot_of};
use crate::bins;
use crate::block::Chain;
use crate::central;
use crate::sync::Ordering;

/// How long a list or a spare that nobody needs keeps its blocks at most, and how many slabs come
/// and go meanwhile: where memory changes its shape faster than that, it must not wait.
const IDLE_MS: u32 = 250;
const IDLE_CHANGES: u32 = 128;

impl Heap {
    /// Whether it is time for [`Heap::give_up_idle`]: a while has passed, or slabs came and went.
    pub(crate) fn is_look_due(&self, arena_changes: u32) -> bool {
        self.now_ms.wrapping_sub(self.seen_at_ms) >= IDLE_MS
            || arena_changes.wrapping_sub(self.seen_changes) >= IDLE_CHANGES
    }

    /// Gives to the slabs what was not needed since this was last called: spares, and of lists what
    /// lies below all blocks that were freed since. Few blocks of a bin that went out of use can keep
    /// many slabs from going back.
    pub(crate) fn give_up_idle(&mut self, arena_changes: u32) {
        for bin in bins::in_use() {
            let word = slot_of(self).list_word(bin);
            let (now, then) = (word.load(Ordering::Relaxed), self.seen_words[bin]);
            let freed = ListWord(now).freed_fast().wrapping_sub(ListWord(then).freed_fast());
            if self.capacities[bin] > 0 && now == then {
                self.empty_idle(bin);
            } else if self.capacities[bin] > 0 {
                self.give_up_below(bin, freed.try_into().unwrap_or(u32::MAX));
            }
            self.seen_words[bin] = word.load(Ordering::Relaxed);
        }
        self.spares_needed = 0;
        self.seen_at_ms = self.now_ms;
        self.seen_changes = arena_changes;
    }

    /// Gives up a list that nobody used, which begins small again, and its spare.
    fn empty_idle(&mut self, bin: usize) {
        let capacity = self.capacities[bin].min(bins::capacity_first(bin));
        let now_ms = self.now_ms;
        // SAFETY: the blocks were this heap's.
        let give = |chain| unsafe { central::give_to_slabs(bin, chain, now_ms) };
        self.empty_list(bin, capacity, give);
    }

    /// Gives up what lies below the first `keep` blocks of a list, if that is most of it, and the spare
    /// if it was not needed.
    fn give_up_below(&mut self, bin: usize, keep: u32) {
        let depth = self.depth(bin);
        let mut given = Chain::EMPTY;
        if keep > 0 && keep < depth / 2 {
            let mut list = Chain { head: self.heads[bin], count: depth };
            // SAFETY: the list's blocks are this heap's, and there are more than `keep`.
            given = unsafe { list.cut(keep) };
        }
        let is_spare_needed = self.spares_needed & (1 << bin) != 0;
        let spare = match is_spare_needed {
            true => Chain::EMPTY,
            false => mem::replace(&mut self.spares[bin], Chain::EMPTY),
        };
        if given.count + spare.count == 0 {
            return;
        }
        let (left, capacity) = (depth - given.count, self.capacities[bin]);
        slot_of(self).update(|update| {
            update.set_list(bin, left, capacity);
            update.set_spare(bin, self.spares[bin].count);
            update.add_flushed(bin, given.count + spare.count);
        });
        for chain in [given, spare] {
            // SAFETY: the blocks were this heap's.
            unsafe { central::give_to_slabs(bin, chain, self.now_ms) };
        }
    }
}
