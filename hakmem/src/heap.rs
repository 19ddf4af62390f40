//! A thread's lists, with their words in the thread's slot.
//!
//! Per bin there are two lists: the *list* that the fast paths pop from and push to, and a *spare*
//! (J. Bonwick and J. Adams, "Magazines and Vmem", 2001): when the list is full it becomes the
//! spare, when it is empty the spare becomes the list, so that a thread that hovers around either
//! end does not go to the central store each time, and whole lists are handed over without walking
//! them. Capacities start small and double each time that the central store was needed.
//!
//! The heap lies in private memory, the slot at a constant distance behind it in the shared file:
//! one base register reaches both, readers of the file see the words live, and the list heads,
//! which could be abused to run code, are not in the file.
//!
//! Invariants, for every bin: the list's number of blocks is the depth in the bin's word; the
//! identity of `hakmem_segment` holds outside of [`SlotWriter::update`].
//!
//! # Safety
//! A heap is used by its thread only. Blocks on its lists are the heap's.
#![allow(unsafe_code)]

mod account;

use core::mem::offset_of;
use core::ptr;

use hakmem_segment::slot::SLOT_BYTES;
use hakmem_segment::word::CHECK_PERIOD;
use hakmem_segment::{
    AllocReason, BINS, Check, FreeReason, ListWord, Outcome, Push, Routing, Slot,
};

use crate::arena;
use crate::bins;
use crate::block::{Block, Chain};
use crate::central;
use crate::class_map::ClassMap;
use crate::large;
use crate::os::clock;
use crate::routing::{Choice, Layout};
use crate::segment::GROUP_SLOTS;
use crate::slot::{SlotUpdate, SlotWriter};
use crate::sync::Ordering;

pub(crate) use account::Stopwatch;

/// From a heap to its slot.
pub(crate) const SLOT_DISTANCE: usize = GROUP_SLOTS * SLOT_BYTES;
/// In [`Heap::alive`] of a heap in use. A new child process finds 0 there.
const ALIVE: u64 = 0x4841_4b4d_454d_4f4b;
/// Kinds of events whose rate is bounded: slow allocations and frees by reason, and large spans.
const EVENT_KINDS: usize = AllocReason::ALL.len() + FreeReason::ALL.len() + 1;
/// About 25 ms of time-stamp counter on current machines: how often housekeeping is looked at.
const TICK: u64 = 1 << 26;

/// Blocks that a refill fetches for a list that takes none back, as C7's where the routing sends
/// its frees the slow way.
const CLOSED_REFILL: u32 = 16;

/// Which code frees a block whose bin the class map does not name: the heap's own copy of it is
/// empty under every routing but `direct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Way {
    /// The slow path. 0, as in a sentinel and in a wiped heap.
    Slow = 0,
    RegistryDirect,
    RegistryBoxed,
    ExcludeDirect,
    ExcludeBoxed,
    UniformDirect,
    UniformBoxed,
    HybridDirect,
    HybridBoxed,
    E3,
}

impl Way {
    /// The way of a choice; where every free is checked, that is the slow one.
    fn of(choice: Choice) -> Self {
        if choice.check == Check::Full {
            return Self::Slow;
        }
        match (choice.routing, choice.push) {
            (Routing::Direct, _) => Self::Slow,
            (Routing::Registry, Push::Direct) => Self::RegistryDirect,
            (Routing::Registry, Push::Boxed) => Self::RegistryBoxed,
            (Routing::Exclude, Push::Direct) => Self::ExcludeDirect,
            (Routing::Exclude, Push::Boxed) => Self::ExcludeBoxed,
            (Routing::Uniform, Push::Direct) => Self::UniformDirect,
            (Routing::Uniform, Push::Boxed) => Self::UniformBoxed,
            (Routing::Hybrid, Push::Direct) => Self::HybridDirect,
            (Routing::Hybrid, Push::Boxed) => Self::HybridBoxed,
            (Routing::E3, _) => Self::E3,
        }
    }
}

/// A thread's lists.
#[repr(C, align(64))]
pub(crate) struct Heap {
    /// First block of each list.
    pub(crate) heads: [*mut Block; BINS],
    /// Blocks that each list may hold; 0 for a list that takes none back.
    capacities: [u16; BINS],
    /// Bin of each tiny size; here because the base register reaches it.
    pub(crate) tiny_bins: [u8; bins::TINY_STEPS],
    /// The class map; here for the same reason.
    pub(crate) map: ClassMap,
    way: Way,
    spares: [Chain; BINS],
    alive: u64,
    next_event_ns: [u64; EVENT_KINDS],
    last_tick: u64,
    /// Milliseconds of the monotonic clock at the last tick.
    pub(crate) now_ms: u32,
    is_threads: bool,
    /// Whether blocks go on lists at all; not where every free is checked.
    has_lists: bool,
    /// [`crate::arena::changes`] when this heap last looked.
    pub(crate) arena_changes: u32,
    /// Rounds of thread-exit destructors that have passed.
    pub(crate) exit_rounds: u32,
    /// Slow frees until the next one is checked.
    slow_unchecked: u32,
}
const _: () = assert!(size_of::<Heap>() <= crate::os::memory::PAGE);
const _: () =
    assert!(SLOT_DISTANCE + 2 * crate::os::memory::PAGE <= crate::os::thread_local::SENTINEL_BYTES);

/// The slot that belongs to the heap at an address, or to a sentinel.
#[inline(always)]
pub(crate) fn slot_of(heap: *mut Heap) -> SlotWriter {
    let slot = heap.cast::<u8>().wrapping_add(SLOT_DISTANCE).cast::<Slot>();
    // SAFETY: heaps are mapped together with their slots, and sentinels with zeros.
    unsafe { SlotWriter::new(slot) }
}

/// Closes the list of bin 0 of a sentinel, to which sized frees are led: a word of zeros would take
/// blocks. Until this is done, at the process's first call, there are no blocks to be freed.
pub(crate) fn close_sentinel(sentinel: *mut Heap) {
    slot_of(sentinel).list_word(0).store(ListWord::CLOSED.0, Ordering::Relaxed);
}

/// Where the first block of a bin's list is kept.
#[inline(always)]
pub(crate) fn head_of(heap: *mut Heap, bin: usize) -> *mut *mut Block {
    field(heap, offset_of!(Heap, heads)).cast::<*mut Block>().wrapping_add(bin)
}

/// Where the capacity of a bin's list is kept.
#[inline(always)]
pub(crate) fn capacity_of(heap: *mut Heap, bin: usize) -> *mut u16 {
    field(heap, offset_of!(Heap, capacities)).cast::<u16>().wrapping_add(bin)
}

/// Which code frees a block whose bin the class map does not name.
///
/// # Safety
/// `heap` is a sentinel or points to a heap's page.
#[inline(always)]
pub(crate) unsafe fn way_of(heap: *mut Heap) -> Way {
    // SAFETY: the caller's duty; a page of zeros reads as `Way::Slow`.
    unsafe { field(heap, offset_of!(Heap, way)).cast::<Way>().read() }
}

/// Where the bin of tiny sizes is kept, by steps of 8 bytes.
#[inline(always)]
pub(crate) fn tiny_bin_of(heap: *mut Heap, step: usize) -> *mut u8 {
    field(heap, offset_of!(Heap, tiny_bins)).wrapping_add(step)
}

/// Where the heap's copy of the class map's place is.
#[inline(always)]
pub(crate) fn map_of(heap: *mut Heap) -> *mut ClassMap {
    field(heap, offset_of!(Heap, map)).cast()
}

#[inline(always)]
fn field(heap: *mut Heap, offset: usize) -> *mut u8 {
    heap.cast::<u8>().wrapping_add(offset)
}

impl Heap {
    /// Whether the heap is in use and of this process.
    ///
    /// # Safety
    /// `heap` is a sentinel or points to a heap's page.
    pub(crate) unsafe fn is_alive(heap: *mut Self) -> bool {
        // SAFETY: the caller's duty; volatile because a fork changes it behind the compiler's back.
        unsafe { field(heap, offset_of!(Self, alive)).cast::<u64>().read_volatile() == ALIVE }
    }

    /// Begins a heap's life: empty lists of first capacity. `is_threads` is false for the process's
    /// own heap.
    pub(crate) fn open(&mut self, is_threads: bool) {
        let choice = Choice::current();
        let layout = Layout::of(choice.routing);
        let has_lists = choice.check != Check::Full;
        self.heads = [ptr::null_mut(); BINS];
        self.spares = [Chain::EMPTY; BINS];
        // Where lists are not used, every size leads to bin 0, whose list is always empty.
        self.tiny_bins = if has_lists { layout.tiny_bins() } else { [0; bins::TINY_STEPS] };
        self.map = match choice.routing {
            Routing::Direct if has_lists => ClassMap::current(),
            _ => ClassMap::EMPTY,
        };
        self.way = Way::of(choice);
        self.has_lists = has_lists;
        self.slow_unchecked = 0;
        self.capacities = [0; BINS];
        for bin in bins::in_use() {
            if has_lists && layout.uses(bin) && !layout.is_routed(bin) {
                self.capacities[bin] = bins::capacity_first(bin);
            }
        }
        slot_of(self).update(|update| {
            for bin in 0..BINS {
                update.set_list(bin, 0, self.capacities[bin]);
            }
        });
        self.next_event_ns = [0; EVENT_KINDS];
        self.is_threads = is_threads;
        self.arena_changes = 0;
        self.exit_rounds = 0;
        self.tick();
        self.alive = ALIVE;
    }

    /// Gives all blocks to the central store and ends the heap's life.
    pub(crate) fn close(&mut self) {
        self.flush_all();
        self.capacities = [0; BINS];
        slot_of(self).update(|update| {
            for bin in 0..BINS {
                update.set_list(bin, 0, 0);
            }
        });
        self.alive = 0;
    }

    /// Gives all blocks to the central store.
    pub(crate) fn flush_all(&mut self) {
        for bin in bins::in_use() {
            let list = self.take_list(bin);
            let spare = core::mem::replace(&mut self.spares[bin], Chain::EMPTY);
            if list.count + spare.count == 0 {
                continue;
            }
            slot_of(self).update(|update| {
                update.set_list(bin, 0, self.capacities[bin]);
                update.set_spare(bin, 0);
                update.add_flushed(bin, list.count + spare.count);
            });
            for chain in [list, spare] {
                // SAFETY: the blocks were this heap's.
                unsafe { central::give(bin, chain, self.now_ms) };
            }
        }
    }

    /// Takes over the lists of the heap that this process's thread had in its parent. The blocks
    /// count as refilled: the child has not allocated them.
    pub(crate) fn adopt(&mut self, lists: &Lists) {
        for bin in bins::in_use() {
            let Lists { heads, depths, spares, capacities } = lists;
            self.heads[bin] = heads[bin];
            self.spares[bin] = spares[bin];
            self.capacities[bin] = capacities[bin];
            slot_of(self).update(|update| {
                update.set_list(bin, depths[bin].into(), capacities[bin]);
                update.set_spare(bin, spares[bin].count);
                update.add_refilled(bin, u32::from(depths[bin]) + spares[bin].count);
            });
        }
    }

    /// A copy of the lists, for a child process.
    pub(crate) fn lists(&self) -> Lists {
        let mut depths = [0; BINS];
        for bin in bins::in_use() {
            depths[bin] = self.depth(bin) as u16;
        }
        let (heads, spares, capacities) = (self.heads, self.spares, self.capacities);
        Lists { heads, depths, spares, capacities }
    }

    fn depth(&self, bin: usize) -> u32 {
        let slot = slot_of(ptr::from_ref(self).cast_mut());
        let word = ListWord(slot.list_word(bin).load(Ordering::Relaxed));
        word.depth(self.capacities[bin]).into()
    }

    /// Takes the whole list; the caller writes the word.
    fn take_list(&mut self, bin: usize) -> Chain {
        let count = self.depth(bin);
        Chain { head: core::mem::replace(&mut self.heads[bin], ptr::null_mut()), count }
    }

    /// Refills the empty list of a bin and returns one block more; null if there is no memory.
    /// `first_use` is the reason that counts if this is the thread's first allocation.
    #[inline(never)]
    pub(crate) fn refill_slow(
        &mut self,
        bin: usize,
        watch: Stopwatch,
        first_use: bool,
    ) -> *mut Block {
        let mut chain = core::mem::replace(&mut self.spares[bin], Chain::EMPTY);
        if let Some(block) = chain.pop() {
            self.heads[bin] = chain.head;
            let slot = slot_of(self);
            slot.update(|update| {
                update.set_list(bin, chain.count, self.capacities[bin]);
                update.set_spare(bin, 0);
                update.add_flushed(bin, 1);
                update.count_allocation(bin, AllocReason::RefillSpare);
            });
            slot.count_suppressed_allocation(AllocReason::RefillSpare);
            return block;
        }
        let wanted = match self.capacities[bin] {
            0 if !self.has_lists => 1,
            0 => CLOSED_REFILL,
            capacity => capacity.into(),
        };
        let taken = central::take(bin, wanted).or_else(|| {
            self.reclaim();
            central::take(bin, wanted)
        });
        let Some(mut refill) = taken else {
            self.count_out_of_memory(bin, bins::stride(bin));
            return ptr::null_mut();
        };
        self.grow_capacity(bin);
        let Some(block) = refill.chain.pop() else { return ptr::null_mut() };
        self.heads[bin] = refill.chain.head;
        let reason = if first_use { AllocReason::FirstUse } else { refill.reason };
        let capacity = self.capacities[bin];
        self.finish_allocation(bin, reason, watch, block as usize, |update| {
            update.set_list(bin, refill.chain.count, capacity);
            update.add_refilled(bin, refill.chain.count);
        });
        block
    }

    /// Gives back all that is kept for reuse, because a request would fail otherwise. Other
    /// threads keep what is on their lists.
    #[cold]
    pub(crate) fn reclaim(&mut self) -> usize {
        self.flush_all();
        central::drain(self.now_ms);
        arena::purge(self.now_ms, 0) + large::purge(self.now_ms, 0)
    }

    /// Frees a block the slow way: onto the list; or, if that is full, the list becomes the spare,
    /// and the spare, if there is one, goes to the central store; or to its slab, if the list takes
    /// nothing back. The reason is the one given, or else what became of the lists.
    ///
    /// # Safety
    /// The caller owns the block, which is of this bin.
    #[inline(never)]
    pub(crate) unsafe fn free_slow(&mut self, bin: usize, block: *mut Block, free: SlowFree) {
        if self.capacities[bin] == 0 {
            let mut chain = Chain::EMPTY;
            // SAFETY: the caller's duty.
            unsafe { chain.push(block) };
            // SAFETY: as above.
            unsafe { central::give_to_slabs(bin, chain, self.now_ms) };
            let reason = free.reason.unwrap_or(FreeReason::Routed);
            self.finish_free(bin, reason, free.outcome, free.watch, block as usize, |_| ());
        } else if self.depth(bin) < self.capacities[bin].into() {
            let (depth, capacity) = (self.depth(bin) + 1, self.capacities[bin]);
            // SAFETY: the caller's duty, and large enough for the link.
            unsafe { (*block).next = self.heads[bin] };
            self.heads[bin] = block;
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

    /// [`Heap::free_slow`] onto a full list.
    ///
    /// # Safety
    /// As there.
    unsafe fn flush_slow(&mut self, bin: usize, block: *mut Block, free: SlowFree) {
        let list = self.take_list(bin);
        let spare = core::mem::replace(&mut self.spares[bin], list);
        let mut new = Chain::EMPTY;
        // SAFETY: the caller's duty.
        unsafe { new.push(block) };
        self.heads[bin] = new.head;
        let change = |update: &SlotUpdate, capacity: u16| {
            update.set_list(bin, 1, capacity);
            update.set_spare(bin, list.count);
            update.add_refilled(bin, 1);
            update.add_flushed(bin, spare.count);
        };
        if spare.count == 0 {
            let (slot, capacity) = (slot_of(self), self.capacities[bin]);
            let reason = free.reason.unwrap_or(FreeReason::FlushSpare);
            slot.update(|update| {
                change(update, capacity);
                update.count_free(bin, reason, free.outcome);
            });
            slot.count_suppressed_free(reason);
            return;
        }
        // SAFETY: the spare's blocks were this heap's.
        unsafe { central::give(bin, spare, self.now_ms) };
        self.grow_capacity(bin);
        let (reason, capacity) =
            (free.reason.unwrap_or(FreeReason::FlushFull), self.capacities[bin]);
        self.finish_free(bin, reason, free.outcome, free.watch, block as usize, |update| {
            change(update, capacity);
        });
    }

    /// Whether the countdown to the bin's next check has ended; begins it anew if so.
    pub(crate) fn take_check_due(&mut self, bin: usize) -> bool {
        let word = slot_of(self).list_word(bin);
        let value = ListWord(word.load(Ordering::Relaxed));
        if value.is_check_due() {
            word.store(value.with_check_done().0, Ordering::Relaxed);
        }
        value.is_check_due()
    }

    /// The same for frees that the routing sends the slow way, which the words do not count.
    pub(crate) fn take_slow_check_due(&mut self) -> bool {
        self.slow_unchecked += 1;
        let is_due = u64::from(self.slow_unchecked) >= CHECK_PERIOD;
        if is_due {
            self.slow_unchecked = 0;
        }
        is_due
    }

    /// Whether a block is among the first of its bin's list or spare: it is free already.
    pub(crate) fn is_near_head(&self, bin: usize, block: *mut Block) -> bool {
        /// Free blocks that are looked at: what is freed twice is mostly freed twice soon.
        const NEAR: usize = 8;
        [self.heads[bin], self.spares[bin].head].into_iter().any(|head| {
            let mut next = head;
            for _ in 0..NEAR {
                if next == block || next.is_null() {
                    break;
                }
                // SAFETY: blocks on the lists are the heap's and linked.
                next = unsafe { (*next).next };
            }
            next == block
        })
    }

    /// The block that was freed last in a bin.
    pub(crate) fn head(&self, bin: usize) -> *mut Block {
        self.heads[bin]
    }

    fn grow_capacity(&mut self, bin: usize) {
        let grown = self.capacities[bin].saturating_mul(2).min(bins::capacity_max(bin));
        // The word follows in the same slow path.
        if grown > self.capacities[bin] {
            self.capacities[bin] = grown;
        }
    }

    /// Whether it is time to look at housekeeping; notes the time if so.
    pub(crate) fn tick_if_due(&mut self) -> bool {
        let due = clock::ticks().wrapping_sub(self.last_tick) >= TICK;
        if due {
            self.tick();
        }
        due
    }

    /// Whether the heap is a thread's, not the process's own.
    pub(crate) fn is_threads(&self) -> bool {
        self.is_threads
    }

    fn tick(&mut self) {
        self.last_tick = clock::ticks();
        self.now_ms = (clock::monotonic_ns() / 1_000_000) as u32;
    }
}

/// What is known of a free that goes the slow way.
#[derive(Clone, Copy)]
pub(crate) struct SlowFree {
    /// Why; `None` if only because the list was full.
    pub(crate) reason: Option<FreeReason>,
    pub(crate) outcome: Outcome,
    pub(crate) watch: Stopwatch,
}

/// A heap's lists as plain data.
#[derive(Clone, Copy)]
pub(crate) struct Lists {
    heads: [*mut Block; BINS],
    depths: [u16; BINS],
    spares: [Chain; BINS],
    capacities: [u16; BINS],
}
