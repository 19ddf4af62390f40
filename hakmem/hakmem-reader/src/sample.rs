//! A sample: the contents of a segment at one moment, decoded and not yet summed.

use std::mem::offset_of;
use std::sync::Arc;

use hakmem_segment::{
    AllocReason, BINS, BinRecord, Class, FreeReason, ListState, SegmentHeader, State,
};

use crate::fields::Fields;
use crate::histogram::Histogram;
use crate::identity::BinTable;
use crate::text::CleanText;

/// All that one process has counted, up to one moment.
///
/// Each slot is a consistent copy, but slots are read one after another: a block that one thread
/// allocated and another freed may show only as freed, so differences over slots are signed.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When the sample was begun: nanoseconds since 1970.
    pub unix_ns: u64,
    /// That moment by `CLOCK_MONOTONIC`, the clock of events, in nanoseconds.
    pub monotonic_ns: u64,
    /// The part that belongs to no thread.
    pub process: ProcessSample,
    /// One entry for each slot that was ever owned, in their order.
    pub slots: Vec<Arc<SlotSample>>,
    /// The meaning of the bins.
    pub bins: Arc<BinTable>,
}

impl Sample {
    /// Whether any slot could not be copied at rest; see [`SlotSample::torn`].
    pub fn is_torn(&self) -> bool {
        self.slots.iter().any(|slot| slot.torn)
    }

    /// Indexes of the torn slots.
    pub fn torn_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().filter(|slot| slot.torn).map(|slot| slot.index)
    }

    /// Number of threads that live now, with or without a slot.
    pub fn threads_alive(&self) -> u64 {
        let published = self.slots.iter().filter(|slot| slot.thread_id != 0).count() as u64;
        published + u64::from(self.process.threads_unpublished)
    }

    /// Events that writers did not write to their rings, to bound their rate.
    pub fn suppressed_events(&self) -> u64 {
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.suppressed_events()))
    }

    /// Bytes of memory that the slots take.
    pub fn bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.bytes()).sum()
    }

    /// Events ever written to the rings.
    pub fn events_written(&self) -> u64 {
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.events_written))
    }
}

/// The part of a sample that belongs to no thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSample {
    /// The writer's last state; `None` if this version does not know its number.
    pub state: Option<State>,
    /// Exit code, if the writer knew it.
    pub exit_code: Option<i32>,
    /// When the process ended normally: nanoseconds since 1970; 0 before that.
    pub exited_unix_ns: u64,
    /// Number of slots that have ever been owned.
    pub slots_used: u32,
    /// Number of living threads without a slot.
    pub threads_unpublished: u32,
    /// Number of threads that ever ran without a slot.
    pub threads_unpublished_total: u64,
    /// Bytes of address space reserved for slabs.
    pub arena_reserved_bytes: u64,
    /// The bytes of it made usable so far.
    pub arena_committed_bytes: u64,
    /// Bytes of slabs in use by some bin.
    pub slab_bytes: u64,
    /// Bytes of empty slabs whose memory is kept for reuse.
    pub slab_cached_bytes: u64,
    /// Bytes of empty slabs that were returned to the system, ever.
    pub slab_returned_bytes_total: u64,
    /// Bytes of large spans in use.
    pub large_bytes: u64,
    /// Bytes of freed large spans kept for reuse.
    pub large_cached_bytes: u64,
    /// Blocks that wait in the central store, by bin.
    pub central_blocks: [u64; BINS],
    /// Blocks that were live when the process was forked, by bin.
    pub inherited_blocks: [u64; BINS],
    /// Bytes of large spans that were live when the process was forked.
    pub inherited_large_bytes: u64,
    /// How often the system refused to unmap address space.
    pub unmaps_refused_total: u64,
    /// How often the system refused to purge memory.
    pub purges_refused_total: u64,
    /// How often the system refused advice about memory.
    pub advice_refused_total: u64,
    /// Bytes of address space of freed large spans, without memory, kept for reuse.
    pub large_purged_bytes: u64,
    /// Number of namespaces that the program made with `dlmopen`; 0 if the writer is older than
    /// layout 2.5.
    pub namespaces_total: u64,
    /// Odd while the program changes its labels, and another even number after each change; 0 if
    /// the writer is older than layout 2.7.
    pub labels_sequence: u64,
}

impl ProcessSample {
    /// Offset of the changing part of the header.
    pub(crate) const START: usize = offset_of!(SegmentHeader, state);
    /// Bytes of that part up to the reserved ones.
    pub(crate) const BYTES: usize = offset_of!(SegmentHeader, reserved) - Self::START;

    /// Decodes the changing part of the header.
    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let fields = Fields(bytes);
        macro_rules! at {
            ($field:ident) => {
                offset_of!(SegmentHeader, $field) - Self::START
            };
        }
        let state = u8::try_from(fields.u32(at!(state))).ok().and_then(State::from_number);
        let exit_code = fields.u32(at!(exit_code)).cast_signed();
        let exited = state == Some(State::Exited) && exit_code >= 0;
        Self {
            state,
            exit_code: exited.then_some(exit_code),
            exited_unix_ns: fields.u64(at!(exited_unix_ns)),
            slots_used: fields.u32(at!(slots_used)),
            threads_unpublished: fields.u32(at!(threads_unpublished)),
            threads_unpublished_total: fields.u64(at!(threads_unpublished_total)),
            arena_reserved_bytes: fields.u64(at!(arena_reserved_bytes)),
            arena_committed_bytes: fields.u64(at!(arena_committed_bytes)),
            slab_bytes: fields.u64(at!(slab_bytes)),
            slab_cached_bytes: fields.u64(at!(slab_cached_bytes)),
            slab_returned_bytes_total: fields.u64(at!(slab_returned_bytes_total)),
            large_bytes: fields.u64(at!(large_bytes)),
            large_cached_bytes: fields.u64(at!(large_cached_bytes)),
            central_blocks: fields.u64s(at!(central_blocks)),
            inherited_blocks: fields.u64s(at!(inherited_blocks)),
            inherited_large_bytes: fields.u64(at!(inherited_large_bytes)),
            unmaps_refused_total: fields.u64(at!(unmaps_refused_total)),
            purges_refused_total: fields.u64(at!(purges_refused_total)),
            advice_refused_total: fields.u64(at!(advice_refused_total)),
            large_purged_bytes: fields.u64(at!(large_purged_bytes)),
            namespaces_total: fields.u64(at!(namespaces_total)),
            labels_sequence: fields.u64(at!(labels_sequence)),
        }
    }
}

/// A copy of one thread slot. Its counters cover all threads that have owned it.
#[derive(Clone, Debug)]
pub struct SlotSample {
    /// Index of the slot.
    pub index: u32,
    /// Thread id of the owner, 0 while the slot has no owner; slot 0 is the process's own.
    pub thread_id: u32,
    /// Number of threads that have owned the slot so far.
    pub owners: u32,
    /// Name that the owner, or the last owner, had when the process began, if it was the process's
    /// first thread; otherwise empty. Printable.
    pub thread_name: CleanText,
    /// `CLOCK_MONOTONIC` in nanoseconds when the owner took the slot.
    pub owned_since_ns: u64,
    /// Events ever written to the slot's ring.
    pub events_written: u64,
    /// Slow allocations not written to the ring, by [`AllocReason`].
    pub suppressed_allocations: [u64; 8],
    /// Slow frees not written to the ring, by [`FreeReason`].
    pub suppressed_frees: [u64; 8],
    /// Other events not written to the ring.
    pub suppressed_other: u64,
    /// Bytes of large spans that the slot's owners allocated.
    pub large_allocated_bytes: u64,
    /// Bytes of large spans that the slot's owners freed.
    pub large_freed_bytes: u64,
    /// Blocks that each list may hold, by bin; the spare may hold as many again.
    pub capacities: [u16; BINS],
    /// Bins that were ever used, ascending.
    pub bins: Vec<BinSample>,
    /// Durations of slow paths, for the classes that have any.
    pub durations: Arc<[(Class, Histogram)]>,
    /// Whether a part of the slot was not copied at rest. While the writer lives, a part that could
    /// not be read is the previous copy, so that nothing falls and the identity holds. If the
    /// writer was killed in a slow path, the identity may not hold for the bin that it was
    /// updating.
    pub torn: bool,
    /// The sequence at which all of `bins` and `durations` were copied, if they were copied
    /// together.
    pub(crate) settled: Option<u64>,
}

impl SlotSample {
    /// The sample of one bin, if the bin was ever used.
    pub fn bin(&self, bin: usize) -> Option<&BinSample> {
        let found = self.bins.binary_search_by_key(&bin, |sample| usize::from(sample.bin));
        found.ok().map(|at| &self.bins[at])
    }

    /// Bytes of memory that this copy takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(self.bins.as_slice()) + size_of_val(&*self.durations)
    }

    /// Events not written to the ring.
    pub fn suppressed_events(&self) -> u64 {
        let all = self.suppressed_allocations.iter().chain(&self.suppressed_frees);
        all.fold(self.suppressed_other, |sum, &count| sum.saturating_add(count))
    }
}

/// One bin of one slot.
#[derive(Clone, Copy, Debug)]
pub struct BinSample {
    /// The bin, below [`BINS`].
    pub bin: u8,
    /// The list's depth and its fast frees.
    pub list: ListState,
    /// Fast frees whose caller passed the size: never more than all fast frees.
    pub sized_frees_fast: u64,
    /// The counts of slow paths.
    pub record: BinRecord,
}

impl BinSample {
    /// Fast allocations from the identity; negative only if the identity does not hold.
    pub fn allocated_fast(&self) -> i128 {
        let record = &self.record;
        i128::from(record.refilled_blocks) + i128::from(self.list.freed_fast)
            - i128::from(record.flushed_blocks)
            - i128::from(self.list.depth)
            - i128::from(record.spare_blocks)
    }

    /// Failed requests.
    pub fn failed_allocations(&self) -> u64 {
        self.record.alloc_reasons[AllocReason::OutOfMemory as usize]
    }

    /// Successful slow allocations.
    pub fn slow_allocations(&self) -> i128 {
        sum(&self.record.alloc_reasons) - i128::from(self.failed_allocations())
    }

    /// Successful allocations, fast and slow.
    pub fn allocations(&self) -> i128 {
        self.allocated_fast() + self.slow_allocations()
    }

    /// Slow frees, rejected ones included.
    pub fn slow_frees(&self) -> i128 {
        sum(&self.record.free_reasons)
    }

    /// Frees, fast and slow, rejected ones included.
    pub fn frees(&self) -> i128 {
        i128::from(self.list.freed_fast) + self.slow_frees()
    }

    /// Blocks allocated minus blocks freed; a rejected free frees no block.
    pub fn live_blocks(&self) -> i128 {
        let rejected = self.record.free_reasons[FreeReason::Rejected as usize];
        self.allocations() - self.frees() + i128::from(rejected)
    }

    /// Fast frees whose caller did not pass the size.
    pub fn unsized_frees_fast(&self) -> u64 {
        self.list.freed_fast.saturating_sub(self.sized_frees_fast)
    }

    /// Whether any counter is lower than in `earlier`.
    pub fn has_fallen(&self, earlier: &Self) -> bool {
        let fell = |later: &[u64], earlier: &[u64]| later.iter().zip(earlier).any(|(l, e)| l < e);
        self.allocated_fast() < earlier.allocated_fast()
            || self.sized_frees_fast < earlier.sized_frees_fast
            || self.unsized_frees_fast() < earlier.unsized_frees_fast()
            || fell(&self.record.alloc_reasons, &earlier.record.alloc_reasons)
            || fell(&self.record.free_reasons, &earlier.record.free_reasons)
            || fell(&self.record.outcomes, &earlier.record.outcomes)
    }
}

/// Sums counts that a forger may have chosen: 2^64 counts of any size fit into an `i128`.
pub(crate) fn sum(counts: &[u64]) -> i128 {
    counts.iter().map(|&count| i128::from(count)).sum()
}
