//! A thread's slot: page 0 contains the fields that the fast path writes and those that change with
//! them; only slow paths write the pages after it.

use crate::duration::BUCKETS;
use crate::event::{Event, RING_EVENTS};
use crate::{BINS, Class};

/// Histograms a slot has room for: one per [`Class`], and reserved ones.
pub const HISTOGRAMS: usize = 12;
const _: () = assert!(Class::ALL.len() <= HISTOGRAMS);

/// Bytes of one slot, a multiple of 4 KiB.
pub const SLOT_BYTES: usize = 36 * 1024;
/// The part of a slot that must be read every time; the rest changes only with
/// [`SlotHeader::sequence`], except for the ring, which changes with `events_written`.
pub const SLOT_HOT_BYTES: usize = 4096;

/// The owner of the slot, and the state of its writer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SlotHeader {
    /// Odd while a slow path updates the slot; even and two higher after it.
    pub sequence: u64,
    /// Thread id of the owner, 0 while nobody owns the slot.
    pub thread_id: u32,
    /// Number of threads that have owned the slot so far.
    pub owners: u32,
    /// Name of the owner (`PR_GET_NAME`) if it is the process's first thread, padded with zeros;
    /// otherwise empty, since a sandbox may forbid asking for it: readers find it in `/proc`.
    pub thread_name: [u8; 16],
    /// `CLOCK_MONOTONIC` in nanoseconds when the owner took the slot.
    pub owned_since_ns: u64,
    /// Events ever written to the ring.
    pub events_written: u64,
    /// Slow allocations not written to the ring, to bound its rate, by reason.
    pub suppressed_allocations: [u64; 8],
    /// Slow frees not written to the ring, by reason.
    pub suppressed_frees: [u64; 8],
    /// Bytes of large spans this slot's owners allocated.
    pub large_allocated_bytes: u64,
    /// Bytes of large spans this slot's owners freed.
    pub large_freed_bytes: u64,
    /// Other events not written to the ring.
    pub suppressed_other: u64,
    /// Zero.
    pub reserved: [u64; 39],
}
const _: () = assert!(size_of::<SlotHeader>() == 512);

/// The counts of slow paths for one bin.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BinRecord {
    /// Slow allocations by [`AllocReason`](crate::AllocReason).
    pub alloc_reasons: [u64; 8],
    /// Slow frees by [`FreeReason`](crate::FreeReason).
    pub free_reasons: [u64; 8],
    /// Slow frees by [`Outcome`](crate::Outcome).
    pub outcomes: [u64; 12],
    /// Blocks that slow paths put on the thread's list or spare.
    pub refilled_blocks: u64,
    /// Blocks that slow paths took from the thread's list or spare.
    pub flushed_blocks: u64,
    /// Blocks in the thread's spare now.
    pub spare_blocks: u64,
    /// Fast frees that are no longer in the bin's word, which has no room for all of them; to be
    /// added to the number in the word. 0 in layouts before 2.4.
    pub freed_fast_carried: u64,
}
const _: () = assert!(size_of::<BinRecord>() == 256);

/// One thread's part of the segment.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Slot {
    /// Owner and sequence.
    pub header: SlotHeader,
    /// [`ListWord`](crate::ListWord) of each bin.
    pub words: [u64; BINS],
    /// Fast frees whose caller passed the size; part of the word's fast frees.
    pub sized_frees_fast: [u64; BINS],
    /// Blocks that each list may hold; the spare may hold as many again. Words are decoded with
    /// them, so they change only under the sequence.
    pub capacities: [u16; BINS],
    /// Zero.
    pub reserved_hot: [u8; SLOT_HOT_BYTES - 512 - 512 - 512 - 128],
    /// The counts of slow paths.
    pub records: [BinRecord; BINS],
    /// Slow-path durations, indexed by [`Class`] and by [`duration::bucket`](crate::duration).
    /// The two swaps with the spare are not timed, all other slow paths are.
    pub durations: [[u64; BUCKETS]; HISTOGRAMS],
    /// Zero.
    pub reserved_cold: [u64; (3 * 4096 - HISTOGRAMS * BUCKETS * 8) / 8],
    /// The ring of events.
    pub events: [Event; RING_EVENTS],
}
const _: () = {
    assert!(size_of::<Slot>() == SLOT_BYTES);
    assert!(core::mem::offset_of!(Slot, words) == 512);
    assert!(core::mem::offset_of!(Slot, sized_frees_fast) == 1024);
    assert!(core::mem::offset_of!(Slot, capacities) == 1536);
    assert!(core::mem::offset_of!(Slot, records) == SLOT_HOT_BYTES);
    assert!(core::mem::offset_of!(Slot, durations) == SLOT_HOT_BYTES + 16 * 1024);
    assert!(core::mem::offset_of!(Slot, events) == SLOT_HOT_BYTES + 28 * 1024);
};
