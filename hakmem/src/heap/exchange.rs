//! Blocks on their way between a thread's lists and the central store, and the countdown to the next
//! check, which the same slow paths serve.
use core::ptr;

use hakmem_segment::word::CHECK_PERIOD;
use hakmem_segment::{AllocReason, FreeReason, ListWord, Outcome};

use super::{Heap, Stopwatch};
use crate::arena;
use crate::bins;
use crate::block::Block;
use crate::central::{self, Flow, stray};
use crate::large;
use crate::os::clock;
use crate::slab::Taken;
use crate::sync::Ordering;

/// Blocks that a refill fetches for a list that takes none back, as C7's where the routing sends
/// its frees the slow way.
const CLOSED_REFILL: u32 = 16;
/// About 10 ms of time-stamp counter: what was given back in vain is not looked for again so soon.
const VAIN_TICKS: u64 = 1 << 25;

/// What is known of a free that goes the slow way.
#[derive(Clone, Copy)]
pub(crate) struct SlowFree {
    /// Why; `None` if only because the list was full.
    pub(crate) reason: Option<FreeReason>,
    pub(crate) outcome: Outcome,
    pub(crate) watch: Stopwatch,
}

impl Heap {
    /// Refills the empty list of a bin and returns one block more; null if there is no memory.
    /// `first_use` is the reason that counts if this is the thread's first allocation.
    #[inline(never)]
    pub(crate) fn refill_slow(&self, bin: usize, watch: Stopwatch, first_use: bool) -> *mut Block {
        self.abandon_if_changing();
        self.spares_needed.set(self.spares_needed.get() | 1 << bin);
        if self.spares[bin].get().count() > 0 {
            self.exchange(bin);
            return self.finish_exchange(bin);
        }
        let wanted = match self.capacities[bin].get() {
            0 if !self.has_lists.get() => 1,
            0 => CLOSED_REFILL,
            capacity => capacity.into(),
        };
        // SAFETY: the list is used again when the room is filled.
        let take = || central::take(bin, unsafe { self.room(bin, wanted) });
        let taken = take().or_else(|| self.reclaim_for_request(watch, take));
        let Some(refill) = taken else {
            self.count_out_of_memory(bin, bins::stride(bin));
            return ptr::null_mut();
        };
        self.refilled.set(self.refilled.get() | 1 << bin);
        self.set_depth(bin, refill.count as u32);
        self.grow_capacity(bin);
        let block = self.take(bin);
        let reason = if first_use { AllocReason::FirstUse } else { refill.reason };
        let (depth, capacity) = (self.whole_depth(bin), self.capacities[bin].get());
        self.finish_allocation(bin, reason, watch, block as usize, |update| {
            update.set_list(bin, depth, capacity);
            update.add_refilled(bin, refill.count as u32 - 1);
        });
        block
    }

    /// Takes a block off a list that was the spare until now.
    fn finish_exchange(&self, bin: usize) -> *mut Block {
        let block = self.take(bin);
        let (slot, depth, capacity) =
            (self.slot(), self.whole_depth(bin), self.capacities[bin].get());
        slot.update(|update| {
            update.set_list(bin, depth, capacity);
            update.set_spare(bin, 0);
            update.add_flushed(bin, 1);
            update.count_allocation(bin, AllocReason::RefillSpare);
        });
        slot.count_suppressed_allocation(AllocReason::RefillSpare);
        block
    }

    /// Gives back all that is kept for reuse, address space included, because a request would fail
    /// otherwise, and tries it again. A program that goes on at its limit makes such requests all the
    /// time: soon after one that failed, this is done only if there is enough for a slab.
    #[cold]
    fn reclaim_for_request<T>(
        &self,
        watch: Stopwatch,
        request: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        let last = self.reclaimed_in_vain_at.get();
        let is_soon = last != 0 && !clock::have_ticks_passed(last, watch.started(), VAIN_TICKS);
        if is_soon && self.kept_bytes() < bins::GRANULE {
            return None;
        }
        #[cfg(test)]
        tests::RECLAIMS.set(tests::RECLAIMS.get() + 1);
        self.reclaim();
        large::give_up_free();
        let found = request();
        if found.is_none() {
            self.reclaimed_in_vain_at.set(watch.started());
        }
        found
    }

    /// Bytes that are kept for reuse, as far as this thread can give them back.
    fn kept_bytes(&self) -> usize {
        let listed = bins::in_use().map(|bin| {
            let blocks = self.whole_depth(bin) + self.spares[bin].get().count();
            blocks as usize * bins::stride(bin)
        });
        let runs = arena::try_usage().map_or(0, |usage| usage.cached);
        let spans = large::try_usage().map_or(0, |usage| usage.cached + usage.purged);
        listed.sum::<usize>() + central::stacked_bytes() + runs + spans
    }

    /// Gives back all memory that is kept for reuse. Other threads keep what is on their lists.
    #[cold]
    pub(crate) fn reclaim(&self) -> usize {
        self.flush_all();
        central::drain(self.now_ms.get());
        arena::purge(self.now_ms.get(), 0) + large::purge(self.now_ms.get(), 0)
    }

    /// Frees a block the slow way: onto the list, or, if that is full, onto a new one; or to its slab,
    /// if the list takes nothing back. The reason is the one given, or else what became of the lists.
    ///
    /// # Safety
    /// The caller owns the block, which is of this bin.
    #[inline(never)]
    pub(crate) unsafe fn free_slow(&self, bin: usize, block: *mut Block, free: SlowFree) {
        if self.capacities[bin].get() == 0 {
            // SAFETY: the caller's duty.
            unsafe { self.free_to_slab(bin, block, free) };
        } else if self.depth(bin) < self.capacities[bin].get().into() {
            self.put(bin, block);
            let (depth, capacity) = (self.whole_depth(bin), self.capacities[bin].get());
            let reason = free.reason.unwrap_or(FreeReason::Routed);
            self.finish_free(bin, reason, free.outcome, free.watch, block as usize, |update| {
                update.set_list(bin, depth, capacity);
                update.add_refilled(bin, 1);
            });
        } else {
            // SAFETY: the caller's duty.
            unsafe { self.flush_slow(bin, block, free) };
        }
    }

    /// [`Heap::free_slow`] past the lists, to the block's slab.
    ///
    /// # Safety
    /// As there.
    pub(crate) unsafe fn free_to_slab(&self, bin: usize, block: *mut Block, free: SlowFree) {
        // SAFETY: the caller's duty.
        unsafe { central::give_to_slabs(bin, &[block], self.now_ms.get()) };
        let reason = free.reason.unwrap_or(FreeReason::Routed);
        self.finish_free(bin, reason, free.outcome, free.watch, block as usize, |_| ());
    }

    /// [`Heap::free_slow`] onto a full list: it becomes the spare, or, if there is one, goes to the
    /// central store.
    ///
    /// # Safety
    /// As there.
    unsafe fn flush_slow(&self, bin: usize, block: *mut Block, free: SlowFree) {
        self.abandon_if_changing();
        let list = self.list(bin);
        self.spares_needed.set(self.spares_needed.get() | 1 << bin);
        if self.spares[bin].get().count() == 0 {
            self.exchange(bin);
            self.put(bin, block);
            let (depth, capacity) = (self.whole_depth(bin), self.capacities[bin].get());
            let reason = free.reason.unwrap_or(FreeReason::FlushSpare);
            let slot = self.slot();
            slot.update(|update| {
                update.set_list(bin, depth, capacity);
                update.set_spare(bin, list.count());
                update.add_refilled(bin, 1);
                update.count_free(bin, reason, free.outcome);
            });
            slot.count_suppressed_free(reason);
            return;
        }
        // The list and not the spare: what was freed just now is in the cache.
        self.flushed.set(self.flushed.get() | 1 << bin);
        self.forget_list(bin);
        // SAFETY: the list's blocks are this heap's, which has forgotten them.
        unsafe { central::give(bin, self.blocks(list), self.flow(bin), self.now_ms.get()) };
        self.grow_capacity(bin);
        self.put(bin, block);
        let reason = free.reason.unwrap_or(FreeReason::FlushFull);
        let (depth, capacity) = (self.whole_depth(bin), self.capacities[bin].get());
        self.finish_free(bin, reason, free.outcome, free.watch, block as usize, |update| {
            update.set_list(bin, depth, capacity);
            update.add_refilled(bin, 1);
            update.add_flushed(bin, list.count());
        });
    }

    /// Which way a bin's blocks went between this heap and the central store, for half a second.
    fn flow(&self, bin: usize) -> Flow {
        match (self.refilled.get() | self.refilled_before.get()) & (1 << bin) {
            0 => Flow::OneWay,
            _ => Flow::Both,
        }
    }

    /// Whether the countdown to the bin's next check has ended; begins it anew if so.
    pub(crate) fn take_check_due(&self, bin: usize) -> bool {
        let slot = self.slot();
        let word = slot.list_word(bin);
        let value = ListWord(word.load(Ordering::Relaxed));
        if value.is_check_due() {
            let done = value.with_check_done();
            match done.without_carry() {
                None => word.store(done.0, Ordering::Relaxed),
                Some(rest) => slot.update(|update| update.carry_fast_frees(bin, rest)),
            }
        }
        value.is_check_due()
    }

    /// The same for frees that the routing sends the slow way, which the words do not count.
    pub(crate) fn take_slow_check_due(&self) -> bool {
        self.slow_unchecked.set(self.slow_unchecked.get() + 1);
        let is_due = u64::from(self.slow_unchecked.get()) >= CHECK_PERIOD;
        if is_due {
            self.slow_unchecked.set(0);
        }
        is_due
    }

    /// Whether a block is among the last of its bin's list or spare: it is free already.
    pub(crate) fn is_near_top(&self, bin: usize, block: *mut Block) -> bool {
        /// Free blocks that are looked at: what is freed twice is mostly freed twice soon.
        const NEAR: usize = 8;
        [self.list(bin), self.spares[bin].get()].into_iter().any(|magazine| {
            let blocks = self.blocks(magazine);
            blocks[blocks.len().saturating_sub(NEAR)..].contains(&block)
        })
    }

    /// Notes what is on a list or spare twice, and changes nothing: the process is ending.
    pub(crate) fn note_repeated(&self) {
        for bin in bins::in_use() {
            for magazine in [self.list(bin), self.spares[bin].get()] {
                let blocks = self.blocks(magazine);
                if let Some(at) = central::repeated_at(blocks) {
                    stray::note(bin, blocks[at] as usize, Taken::Twice);
                }
            }
        }
    }

    /// The block of a bin that was freed last; null if its list is empty.
    pub(crate) fn last(&self, bin: usize) -> *mut Block {
        self.blocks(self.list(bin)).last().copied().unwrap_or(ptr::null_mut())
    }

    fn grow_capacity(&self, bin: usize) {
        // The word follows in the same slow path.
        let capacity = self.capacities[bin].get();
        if capacity >= bins::capacity_max(bin) {
            return;
        }
        let both_ways = (self.refilled.get() | self.refilled_before.get())
            & (self.flushed.get() | self.flushed_before.get());
        let most = match both_ways & (1 << bin) {
            0 => self.capacity_max(bin).min(bins::capacity_one_way(bin)),
            _ => self.capacity_max(bin),
        };
        self.capacities[bin].set(capacity.saturating_mul(2).min(most).max(capacity));
        if self.capacities[bin].get() > bins::capacity_first(bin) {
            self.enlarge_magazines(bin);
        }
    }
}

#[cfg(test)]
mod tests;
