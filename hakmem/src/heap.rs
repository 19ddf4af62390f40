//! A thread's lists, with their words in the thread's slot.
//!
//! Each bin has two lists: the *list* that the fast paths pop from and push to, and a *spare* (J.
//! Bonwick and J. Adams, "Magazines and Vmem", 2001). A full list becomes the spare, and an empty
//! list is replaced by the spare, so a thread whose list hovers around either end does not go to
//! the central store each time. Capacities start small and double each time that the thread needs
//! the central store. [`magazine`] explains how lists are stored.
//!
//! The heap lies in private memory, its slot in the shared file at a constant distance behind the
//! heap. So one base register reaches both, readers of the file see the words live, and the lists,
//! which an attacker could abuse to run code, stay out of the file.
//!
//! A signal handler may jump out of a slow path (`longjmp`). Stores are ordered so that this loses
//! blocks but never leaves a block on two lists: a list forgets its blocks before they go
//! elsewhere, and a flag is set while magazines change places ([`Heap::is_changing`]).
//!
//! Invariants, for every bin: depth in the bin's word = blocks on the list + blocks on the original
//! list that `e3` keeps; the identity of `hakmem_segment` holds outside of [`SlotWriter::update`].
//!
//! # Orderings
//! Relaxed throughout: a heap's words belong to its own thread. Other threads read `alive`, which
//! publishes no other memory.
//!
//! # Safety
//! Only a heap's thread uses the heap, which owns the blocks on its lists. The fast paths reach a
//! heap by its address while slow paths further up the stack hold a reference to it, so there is
//! never a `&mut Heap`: all fields are cells or atomics. References to entries of lists live no
//! longer than the function that asked for them.
#![allow(unsafe_code)]

mod account;
mod exchange;
pub(crate) mod fast_list;
mod idle;
pub(crate) mod legacy;
pub(crate) mod magazine;
pub(crate) mod notes;
mod original;
mod reallocations;
mod truncated;
mod vacant;
mod way;

use core::cell::Cell;
use core::mem::offset_of;
use core::ptr;

use hakmem_segment::{AllocReason, BINS, Check, FreeReason, ListWord, Routing, Slot};

use crate::bins;
use crate::block::Block;
use crate::central::{self, Flow};
use crate::class_map::WholeMap;
use crate::os::clock;
use crate::os::memory::PAGE_MIN;
use crate::os::thread_id::Life;
use crate::routing::{Choice, Layout};
use crate::segment::{GROUP_SLOTS, SLOT_STEP};
use crate::settings;
use crate::slot::SlotWriter;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

pub(crate) use account::Stopwatch;
pub(crate) use exchange::{SlowFree, on_reclaim};
pub(crate) use idle::ask_all_to_give_up;
use magazine::Magazine;
use notes::Notebook;
use original::Originals;
use reallocations::Reallocations;
pub(crate) use reallocations::reallocations_of;
pub(crate) use way::Way;

/// Distance from a heap to its slot.
pub(crate) const SLOT_DISTANCE: usize = GROUP_SLOTS * SLOT_STEP;
/// Value of [`Heap::alive`] in a heap in use. A new child process finds 0 there.
const ALIVE: u64 = 0x4841_4b4d_454d_4f4b;
/// Kinds of events that are rate-limited: slow allocations by reason, slow frees by reason, and
/// large spans.
const EVENT_KINDS: usize = AllocReason::ALL.len() + FreeReason::ALL.len() + 1;
/// About 25 ms of time-stamp counter on current machines: the interval between looks at
/// housekeeping.
const TICK: u64 = 1 << 26;
/// One or two milliseconds of time-stamp counter: the least interval between publications of
/// counters that belong to no thread.
const PUBLICATION: u64 = 1 << 22;

/// A thread's lists.
#[repr(C, align(64))]
pub(crate) struct Heap {
    /// Top of each list; see [`fast_list`] and [`magazine`].
    tops: [AtomicPtr<*mut Block>; BINS],
    /// Blocks that each list may hold; 0 for a list that accepts no frees.
    capacities: [Cell<u16>; BINS],
    /// Bin of each small size; in the heap because the base register reaches it.
    pub(crate) small_bins: Cell<[u8; bins::SMALL_SIZES]>,
    /// Copy of the class map's place; in the heap because the base register reaches it.
    pub(crate) map: Cell<WholeMap>,
    way: Cell<Way>,
    bottoms: [Cell<u32>; BINS],
    spares: [Cell<Magazine>; BINS],
    /// One bit for each bin whose magazines are large.
    large: Cell<u64>,
    originals: Originals,
    alive: AtomicU64,
    /// Time of the last event of each kind.
    last_event_ns: [Cell<u64>; EVENT_KINDS],
    last_tick: Cell<u64>,
    /// Time at which this heap last published the counters that belong to no thread.
    last_publication: Cell<u64>,
    /// Milliseconds of the monotonic clock at the last tick.
    pub(crate) now_ms: Cell<u32>,
    /// The thread that owns the heap; [`Life::NONE`] for the process's own heap.
    pub(crate) owner: Cell<Life>,
    /// Whether blocks go on lists at all: not if every free is checked.
    has_lists: Cell<bool>,
    /// [`crate::arena::changes`] when this heap last looked.
    pub(crate) arena_changes: Cell<u32>,
    /// [`crate::arena::changes`] when this heap last published the bytes of slabs alone.
    pub(crate) told_changes: Cell<u32>,
    /// Rounds of thread-exit destructors that have passed.
    pub(crate) exit_rounds: Cell<u32>,
    /// `HAKMEM_LIST_BYTES`.
    list_bytes: Cell<u32>,
    /// Time at which all memory kept for reuse was last given back and the request failed all the
    /// same.
    reclaimed_in_vain_at: Cell<u64>,
    /// Set while magazines change places. If another change finds it set, a signal handler has
    /// jumped out of the previous one.
    is_changing: Cell<bool>,
    /// Slow frees until the next check.
    slow_unchecked: Cell<u32>,
    /// The lists' words at the last look for idle lists, and the time of that look in milliseconds.
    seen_words: [Cell<u64>; BINS],
    seen_at_ms: Cell<u32>,
    /// [`crate::arena::changes`] at the last look for idle lists.
    seen_changes: Cell<u32>,
    /// One bit for each bin whose spare was needed since the last look.
    spares_needed: Cell<u64>,
    /// Bins that were refilled from the central store, one bit each: since the last look, and
    /// between the last look and the one before it.
    refilled: Cell<u64>,
    refilled_before: Cell<u64>,
    /// Bins that were flushed to the central store, one bit each: since the last look, and between
    /// the last look and the one before it.
    flushed: Cell<u64>,
    flushed_before: Cell<u64>,
    /// Number of requests to give up all lists that this heap has served.
    requests: Cell<u32>,
    reallocations: Reallocations,
    notebook: Notebook,
}
const _: () = assert!(BINS <= u64::BITS as usize);
const _: () = assert!(size_of::<Heap>() <= PAGE_MIN);
// The second sentinel lies one page behind the first.
const _: () =
    assert!(SLOT_DISTANCE + PAGE_MIN + SLOT_STEP <= crate::os::thread_local::SENTINEL_BYTES);

/// `HAKMEM_LIST_BYTES`, for heaps to come.
static LIST_BYTES: AtomicU32 = AtomicU32::new(0);

/// Bounds the lists of all heaps that are opened from now on.
pub(crate) fn bound_lists(list_bytes: u32) {
    LIST_BYTES.store(list_bytes, Ordering::Relaxed);
}

/// The slot of the heap or sentinel at `heap`, whose memory extends to the slot.
#[inline(always)]
pub(crate) fn slot_of(heap: *mut Heap) -> SlotWriter {
    let slot = heap.cast::<u8>().wrapping_add(SLOT_DISTANCE).cast::<Slot>();
    // SAFETY: a heap is mapped together with its slot, and a sentinel with zeros in the slot's
    // place.
    unsafe { SlotWriter::new(slot) }
}

/// Closes the lists of a sentinel, because a word of zeros would accept blocks. Sized frees reach
/// the list of bin 0. They reach others if the thread had a heap when it looked the bin up but no
/// longer has one when it frees the block, as in a child. Before the process's first call, which
/// closes these lists, there are no blocks to free.
pub(crate) fn close_sentinel(sentinel: *mut Heap) {
    for bin in 0..BINS {
        slot_of(sentinel).list_word(bin).store(ListWord::CLOSED.0, Ordering::Relaxed);
    }
}

/// Address of the capacity of `bin`'s list.
#[inline(always)]
pub(crate) fn capacity_of(heap: *mut Heap, bin: usize) -> *mut u16 {
    field(heap, offset_of!(Heap, capacities)).cast::<u16>().wrapping_add(bin)
}

/// Names the code that frees a block whose bin the class map does not name.
///
/// # Safety
/// `heap` is a sentinel or points to a heap's page.
#[inline(always)]
pub(crate) unsafe fn way_of(heap: *mut Heap) -> Way {
    // SAFETY: the caller passes a sentinel or a heap; a page of zeros reads as `Way::Slow`.
    unsafe { field(heap, offset_of!(Heap, way)).cast::<Way>().read() }
}

/// Address of the table entry that names the bin of a small `size`.
#[inline(always)]
pub(crate) fn small_bin_of(heap: *mut Heap, size: usize) -> *mut u8 {
    field(heap, offset_of!(Heap, small_bins)).wrapping_add(size)
}

/// Address of the heap's copy of the class map's place.
#[inline(always)]
pub(crate) fn map_of(heap: *mut Heap) -> *mut WholeMap {
    field(heap, offset_of!(Heap, map)).cast()
}

fn zero<T: Default, const N: usize>(cells: &[Cell<T>; N]) {
    cells.iter().for_each(|cell| cell.set(T::default()));
}

#[inline(always)]
fn field(heap: *mut Heap, offset: usize) -> *mut u8 {
    heap.cast::<u8>().wrapping_add(offset)
}

impl Heap {
    /// Whether the heap is in use and belongs to this process.
    ///
    /// # Safety
    /// `heap` is a sentinel or points to a heap's page.
    #[inline]
    pub(crate) unsafe fn is_alive(heap: *mut Self) -> bool {
        let alive = field(heap, offset_of!(Self, alive)).cast::<u64>();
        // SAFETY: inside the caller's sentinel or heap; aligned, and accessed atomically only.
        unsafe { AtomicU64::from_ptr(alive) }.load(Ordering::Relaxed) == ALIVE
    }

    /// The heap's address, with provenance for the memory behind the heap that belongs to it: its
    /// magazines and its slot, to which a reference to the heap does not extend.
    #[inline]
    pub(crate) fn address(&self) -> *mut Self {
        ptr::with_exposed_provenance_mut(ptr::from_ref(self).addr())
    }

    /// The heap's slot.
    #[inline]
    pub(crate) fn slot(&self) -> SlotWriter {
        slot_of(self.address())
    }

    /// Begins a heap's life with empty lists of first capacity. `is_threads` is false for the
    /// process's own heap.
    pub(crate) fn open(&self, is_threads: bool) {
        let choice = Choice::current();
        let layout = Layout::of(choice.routing);
        // The process's own heap serves many threads, one block at a time.
        let has_lists = choice.check != Check::Full && is_threads;
        self.way.set(Way::of(choice));
        self.map.set(match choice.routing {
            Routing::Direct if has_lists => WholeMap::current(),
            _ => WholeMap::EMPTY,
        });
        self.has_lists.set(has_lists);
        self.set_small_bins(layout);
        self.list_bytes.set(LIST_BYTES.load(Ordering::Relaxed));
        self.slow_unchecked.set(0);
        self.reclaimed_in_vain_at.set(0);
        self.is_changing.set(false);
        zero(&self.seen_words);
        self.spares_needed.set(0);
        for bins in [&self.refilled, &self.refilled_before, &self.flushed, &self.flushed_before] {
            bins.set(0);
        }
        self.originals.clear();
        zero(&self.capacities);
        // The refill of a list that accepts no frees exceeds the capacity of a small magazine.
        let mut closed = 0;
        for bin in bins::in_use() {
            if has_lists && layout.uses(bin) && !layout.is_routed(bin) {
                self.capacities[bin].set(self.capacity_first(bin));
            } else if has_lists {
                closed |= 1 << bin;
            }
        }
        self.clear_magazines(closed);
        self.slot().update(|update| {
            for bin in 0..BINS {
                update.set_list(bin, 0, self.capacities[bin].get());
            }
        });
        zero(&self.last_event_ns);
        self.owner.set(if is_threads { Life::of_this_thread() } else { Life::NONE });
        self.arena_changes.set(0);
        self.told_changes.set(0);
        self.exit_rounds.set(0);
        self.tick();
        self.seen_at_ms.set(self.now_ms.get());
        self.take_request();
        self.seen_changes.set(crate::arena::changes());
        self.notebook.open();
        self.alive.store(ALIVE, Ordering::Relaxed);
    }

    /// Writes the table of small sizes. Where lists are not used, every size leads to bin 0, whose
    /// list is always empty. That includes `e3`, which has lists of its own.
    fn set_small_bins(&self, layout: Layout) {
        let small_bins: &Cell<[u8]> = &self.small_bins;
        let has_fast_path = self.has_lists.get() && self.way.get() != Way::E3;
        layout.write_small_bins(has_fast_path, small_bins.as_slice_of_cells());
    }

    /// Blocks that a list may hold at first.
    fn capacity_first(&self, bin: usize) -> u16 {
        bins::capacity_first(bin).min(self.capacity_max(bin))
    }

    /// Blocks that a list may hold once it has grown.
    fn capacity_max(&self, bin: usize) -> u16 {
        if self.list_bytes.get() == settings::LIST_BYTES_MAX {
            bins::capacity_max(bin)
        } else {
            bins::capacity_within(bin, self.list_bytes.get() as usize)
        }
    }

    /// Gives all blocks to the central store and ends the heap's life.
    pub(crate) fn close(&self) {
        self.flush_all();
        zero(&self.capacities);
        self.slot().update(|update| {
            for bin in 0..BINS {
                update.set_list(bin, 0, 0);
            }
        });
        self.alive.store(0, Ordering::Relaxed);
    }

    /// Gives all blocks to the central store.
    pub(crate) fn flush_all(&self) {
        self.abandon_if_changing();
        for bin in bins::in_use() {
            // SAFETY: the blocks are this heap's, which forgets them.
            self.empty_list(bin, self.capacities[bin].get(), |blocks, now_ms| unsafe {
                central::give(bin, blocks, Flow::Both, now_ms);
            });
        }
    }

    /// Hands the blocks of a list and its spare to `give`; the list may hold `capacity` blocks from
    /// now on.
    fn empty_list(&self, bin: usize, capacity: u16, give: impl Fn(&[*mut Block], u32)) {
        self.give_up_originals(bin);
        let (list, spare) = (self.list(bin), self.spares[bin].get());
        let count = list.count() + spare.count();
        if count == 0 && capacity == self.capacities[bin].get() {
            return;
        }
        self.forget_list(bin);
        self.clear_spare(bin);
        for magazine in [list, spare] {
            if magazine.count() > 0 {
                give(self.blocks(magazine), self.now_ms.get());
            }
        }
        self.capacities[bin].set(capacity);
        self.slot().update(|update| {
            update.set_list(bin, 0, capacity);
            update.set_spare(bin, 0);
            update.add_flushed(bin, count);
        });
    }

    /// Whether a slow path timed by `watch` should look at housekeeping; restarts the interval if
    /// so.
    pub(crate) fn tick_if_due(&self, watch: Stopwatch) -> bool {
        let due = clock::have_ticks_passed(self.last_tick.get(), watch.started(), TICK);
        if due {
            self.tick();
        }
        due
    }

    /// Whether counters that belong to no thread are due to be published; restarts the interval if
    /// so.
    pub(crate) fn publication_if_due(&self, watch: Stopwatch) -> bool {
        let last = self.last_publication.get();
        let due = clock::have_ticks_passed(last, watch.started(), PUBLICATION);
        if due {
            self.last_publication.set(watch.started());
        }
        due
    }

    /// Whether tiny blocks go on the lists of `e3`.
    pub(crate) fn is_original(&self) -> bool {
        self.way.get() == Way::E3
    }

    fn tick(&self) {
        self.last_tick.set(clock::ticks());
        self.now_ms.set((clock::monotonic_ns() / 1_000_000) as u32);
    }
}
