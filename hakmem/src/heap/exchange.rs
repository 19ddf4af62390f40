//! Moves blocks between a thread's lists and the central store, and serves the countdown to the
//! next check, which ends in the same slow paths.
use core::ptr;

use hakmem_segment::word::CHECK_PERIOD;
use hakmem_segment::{AllocReason, FreeReason, ListWord, Outcome};

use super::{Heap, Stopwatch};
use crate::arena;
use crate::bins;
use crate::block::Block;
use crate::central::{self, Flow, stray};
use crate::hook::Hook;
use crate::large;
use crate::os::clock;
use crate::slab::Taken;
use crate::sync::Ordering;

/// Blocks that a refill fetches for a list that accepts no frees, such as the list of C7 where the
/// routing sends frees of C7 to the slow path.
const CLOSED_REFILL: u32 = 16;
/// About 10 ms of time-stamp counter: after memory was given back in vain, the next attempt waits
/// this long.
const VAIN_TICKS: u64 = 1 << 25;

/// The function that gives back what lies on the lists of no thread.
static ON_RECLAIM: Hook<fn()> = Hook::none();

/// Sets the function that gives back what lies on the lists of no thread.
pub(crate) fn on_reclaim(act: fn()) {
    ON_RECLAIM.set(act);
}

/// The known facts about a free on the slow path.
#[derive(Clone, Copy)]
pub(crate) struct SlowFree {
    /// The reason for the slow path; `None` if the list was full and there is no other.
    pub(crate) reason: Option<FreeReason>,
    pub(crate) outcome: Outcome,
    pub(crate) watch: Stopwatch,
}

impl Heap {
    /// Refills the empty list of `bin` and returns one more block; null if there is no memory.
    /// `first_use` makes [`AllocReason::FirstUse`] the reason that counts: this is the thread's
    /// first allocation.
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
        // SAFETY: the list is not used until the room is filled.
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

    /// Takes a block off a list that another thread has left, for the thread's first allocation;
    /// null if the list is empty.
    pub(crate) fn take_left(&self, bin: usize, watch: Stopwatch) -> *mut Block {
        if self.depth(bin) == 0 {
            return ptr::null_mut();
        }
        let block = self.take(bin);
        let (depth, capacity) = (self.whole_depth(bin), self.capacities[bin].get());
        let reason = AllocReason::FirstUse;
        self.finish_allocation(bin, reason, watch, block as usize, |update| {
            update.set_list(bin, depth, capacity);
            update.add_flushed(bin, 1);
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

    /// Gives back all memory kept for reuse, address space included, because `request` would fail
    /// otherwise, and tries `request` again. A program that goes on at its memory limit makes such
    /// requests all the time: soon after a failure, memory is given back only if enough for a slab
    /// is kept.
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

    /// Bytes kept for reuse that this thread can give back.
    fn kept_bytes(&self) -> usize {
        let runs = arena::try_usage().map_or(0, |usage| usage.cached);
        let spans = large::try_usage().map_or(0, |usage| usage.cached + usage.purged);
        self.listed_bytes() + central::stacked_bytes() + runs + spans
    }

    /// Gives back all memory kept for reuse. Other threads keep the blocks on their lists.
    #[cold]
    pub(crate) fn reclaim(&self) -> usize {
        self.flush_all();
        if let Some(act) = ON_RECLAIM.get() {
            act();
        }
        central::drain(self.now_ms.get());
        arena::purge(self.now_ms.get(), 0) + large::purge(self.now_ms.get(), 0)
    }

    /// Frees a block on the slow path: onto its list; if the list is full, onto a new list; if the
    /// list accepts no frees, to its slab. The counted reason is that of `free`, or else what
    /// happened to the lists.
    ///
    /// # Safety
    /// The caller owns `block`, which belongs to `bin`.
    #[inline(never)]
    pub(crate) unsafe fn free_slow(&self, bin: usize, block: *mut Block, free: SlowFree) {
        if self.capacities[bin].get() == 0 {
            // SAFETY: the caller owns the block, which belongs to this bin.
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
            // SAFETY: the caller owns the block, which belongs to this bin.
            unsafe { self.flush_slow(bin, block, free) };
        }
    }

    /// [`Heap::free_slow`] to the block's slab, past the lists.
    ///
    /// # Safety
    /// The caller owns `block`, which belongs to `bin`.
    pub(crate) unsafe fn free_to_slab(&self, bin: usize, block: *mut Block, free: SlowFree) {
        // SAFETY: the caller owns the block, which belongs to this bin.
        unsafe { central::give_to_slabs(bin, &[block], self.now_ms.get()) };
        let reason = free.reason.unwrap_or(FreeReason::Routed);
        self.finish_free(bin, reason, free.outcome, free.watch, block as usize, |_| ());
    }

    /// [`Heap::free_slow`] onto a full list, which becomes the spare or, if there is a spare
    /// already, goes to the central store.
    ///
    /// # Safety
    /// The caller owns `block`, which belongs to `bin`.
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
        // The list is flushed and not the spare, because the blocks that were freed just now are in
        // the cache.
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

    /// Whether blocks of `bin` went one way or both ways between this heap and the central store
    /// within the last half second.
    fn flow(&self, bin: usize) -> Flow {
        match (self.refilled.get() | self.refilled_before.get()) & (1 << bin) {
            0 => Flow::OneWay,
            _ => Flow::Both,
        }
    }

    /// Whether the countdown to the bin's next check has ended; restarts it if so.
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

    /// Whether the next check is due among frees that the routing sends to the slow path, which the
    /// words do not count; restarts the countdown if so.
    pub(crate) fn take_slow_check_due(&self) -> bool {
        self.slow_unchecked.set(self.slow_unchecked.get() + 1);
        let is_due = u64::from(self.slow_unchecked.get()) >= CHECK_PERIOD;
        if is_due {
            self.slow_unchecked.set(0);
        }
        is_due
    }

    /// Whether `block` is near the top of its bin's list or spare, that is, free already.
    pub(crate) fn is_near_top(&self, bin: usize, block: *mut Block) -> bool {
        /// Entries that are searched: most double frees come soon after the first free.
        const NEAR: usize = 8;
        [self.list(bin), self.spares[bin].get()].into_iter().any(|magazine| {
            let blocks = self.blocks(magazine);
            blocks[blocks.len().saturating_sub(NEAR)..].contains(&block)
        })
    }

    /// Notes blocks that are on a list or spare twice, without changing anything: the process is
    /// ending.
    pub(crate) fn note_repeated(&self) {
        for (bin, block) in self.repeated() {
            stray::note(bin, block as usize, Taken::Twice);
        }
    }

    /// For each list and spare, the bin and the first block that is on it twice, if there is one.
    pub(super) fn repeated(&self) -> impl Iterator<Item = (usize, *mut Block)> {
        let both = |bin| [self.list(bin), self.spares[bin].get()].map(|magazine| (bin, magazine));
        bins::in_use().flat_map(both).filter_map(|(bin, magazine)| {
            let blocks = self.blocks(magazine);
            central::repeated_at(blocks).map(|at| (bin, blocks[at]))
        })
    }

    /// The block of `bin` that was freed last; null if its list is empty.
    pub(crate) fn last(&self, bin: usize) -> *mut Block {
        self.blocks(self.list(bin)).last().copied().unwrap_or(ptr::null_mut())
    }

    fn grow_capacity(&self, bin: usize) {
        // The caller updates the word in the same slow path.
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
