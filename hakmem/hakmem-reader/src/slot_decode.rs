//! Decodes the parts of a slot from copies of its bytes.

use std::mem::offset_of;
use std::sync::Arc;

use hakmem_segment::duration::BUCKETS;
use hakmem_segment::{BinRecord, Class, ListState, ListWord, Slot, SlotHeader};

use crate::fields::Fields;
use crate::histogram::Histogram;
use crate::sample::{BinSample, SlotSample};
use crate::text::clean_padded;

/// Bytes of one class's durations.
pub(crate) const ROW_BYTES: usize = BUCKETS * 8;
const ZEROS: [u8; ROW_BYTES] = [0; ROW_BYTES];

/// Whether `previous` is still valid: the slot had no owner then and since, and no slow path, which
/// may also use a slot without an owner, has changed it.
pub(crate) fn is_unowned_and_unchanged(glance: Fields<'_>, previous: &SlotSample) -> bool {
    previous.thread_id == 0
        && previous.settled == Some(glance.u64(offset_of!(SlotHeader, sequence)))
        && glance.u32(offset_of!(SlotHeader, thread_id)) == 0
        && glance.u32(offset_of!(SlotHeader, owners)) == previous.owners
        // These fields change without the sequence.
        && glance.u64(offset_of!(SlotHeader, events_written)) == previous.events_written
        && glance.u64(offset_of!(SlotHeader, suppressed_other)) == previous.suppressed_other
        && suppressed_allocations(glance) == previous.suppressed_allocations
        && suppressed_frees(glance) == previous.suppressed_frees
}

fn suppressed_allocations(hot: Fields<'_>) -> [u64; 8] {
    hot.u64s(offset_of!(SlotHeader, suppressed_allocations))
}

fn suppressed_frees(hot: Fields<'_>) -> [u64; 8] {
    hot.u64s(offset_of!(SlotHeader, suppressed_frees))
}

/// Decodes the word of `bin` with the capacity in the same copy, and adds `carried`, the fast frees
/// that were carried into its record. The copies must come from a moment at which no slow path was
/// changing them.
pub(crate) fn list(hot: Fields<'_>, bin: usize, carried: u64) -> ListState {
    let word = ListWord(hot.u64(offset_of!(Slot, words) + bin * 8));
    let ListState { depth, freed_fast } = ListState::new(word, capacity(hot, bin));
    ListState { depth, freed_fast: freed_fast.saturating_add(carried) }
}

/// Number of blocks that the list of `bin` may hold.
pub(crate) fn capacity(hot: Fields<'_>, bin: usize) -> u16 {
    hot.u16(offset_of!(Slot, capacities) + bin * 2)
}

/// The record of `bin` among `records`.
pub(crate) fn record(records: &[u8], bin: usize) -> BinRecord {
    let bytes = Fields(records).bytes(bin * size_of::<BinRecord>(), size_of::<BinRecord>());
    if bytes == &ZEROS[..bytes.len()] { NO_RECORD } else { Fields(bytes).bin_record() }
}

/// The sample of `bin`; `None` if the bin was never used, in which case nothing is or was on its
/// list, whatever its word looks like.
pub(crate) fn bin_sample(
    bin: usize,
    list: ListState,
    later_hot: Fields<'_>,
    record: BinRecord,
    former: Option<&BinSample>,
) -> Option<BinSample> {
    let read = later_hot.u64(offset_of!(Slot, sized_frees_fast) + bin * 8);
    let sized_frees_fast = sized(read, list.freed_fast, former);
    let sample = BinSample { bin: bin as u8, list, sized_frees_fast, record };
    (list != ListState::default() || !is_empty(&record)).then_some(sample)
}

/// The number of fast frees with a known size among `freed_fast` fast frees.
///
/// `read` was read after the word, so it may be ahead of it. The excess is left out, so that
/// neither these nor the other fast frees ever fall.
pub(crate) fn sized(read: u64, freed_fast: u64, former: Option<&BinSample>) -> u64 {
    let others = former.map_or(0, BinSample::unsized_frees_fast);
    read.min(freed_fast.saturating_sub(others))
}

/// The histograms of all classes that have any duration.
pub(crate) fn durations(durations: &[u8]) -> Arc<[(Class, Histogram)]> {
    let histograms = Class::ALL.iter().filter_map(|&class| {
        let row = Fields(durations).bytes(class as usize * ROW_BYTES, ROW_BYTES);
        let counts = (0..BUCKETS).map(|index| Fields(row).u64(index * 8));
        // Comparing bytes is much cheaper than decoding them, and most rows are empty.
        (row != ZEROS).then(|| (class, Histogram::from_counts(counts)))
    });
    histograms.collect()
}

/// The record of a bin that was never used.
pub(crate) const NO_RECORD: BinRecord = BinRecord {
    alloc_reasons: [0; 8],
    free_reasons: [0; 8],
    outcomes: [0; 12],
    refilled_blocks: 0,
    flushed_blocks: 0,
    spare_blocks: 0,
    freed_fast_carried: 0,
};

fn is_empty(record: &BinRecord) -> bool {
    let arrays = (&record.alloc_reasons, &record.free_reasons, &record.outcomes);
    let blocks = (record.refilled_blocks, record.flushed_blocks, record.spare_blocks);
    arrays == (&[0; 8], &[0; 8], &[0; 12]) && blocks == (0, 0, 0)
}

/// All of a slot but bins and durations, from a copy of the hot part and a later one.
pub(crate) fn slot_sample(
    index: u32,
    hot: Fields<'_>,
    later_hot: Fields<'_>,
    bins: Vec<BinSample>,
    durations: Arc<[(Class, Histogram)]>,
) -> SlotSample {
    SlotSample {
        index,
        thread_id: hot.u32(offset_of!(SlotHeader, thread_id)),
        owners: hot.u32(offset_of!(SlotHeader, owners)),
        thread_name: clean_padded(hot.bytes(offset_of!(SlotHeader, thread_name), 16)),
        owned_since_ns: hot.u64(offset_of!(SlotHeader, owned_since_ns)),
        events_written: hot.u64(offset_of!(SlotHeader, events_written)),
        suppressed_allocations: suppressed_allocations(hot),
        suppressed_frees: suppressed_frees(hot),
        suppressed_other: hot.u64(offset_of!(SlotHeader, suppressed_other)),
        large_allocated_bytes: hot.u64(offset_of!(SlotHeader, large_allocated_bytes)),
        large_freed_bytes: hot.u64(offset_of!(SlotHeader, large_freed_bytes)),
        capacities: std::array::from_fn(|bin| capacity(later_hot, bin)),
        bins,
        durations,
        torn: false,
        settled: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_was_never_used_if_neither_list_nor_record_say_so() {
        let hot = |word: ListWord, capacity: u16| {
            let mut hot = vec![0; size_of::<Slot>()];
            let words = offset_of!(Slot, words) + 8;
            hot[words..words + 8].copy_from_slice(&word.0.to_le_bytes());
            let capacities = offset_of!(Slot, capacities) + 2;
            hot[capacities..capacities + 2].copy_from_slice(&capacity.to_le_bytes());
            hot
        };
        let sample = |word, capacity, record| {
            let hot = hot(word, capacity);
            bin_sample(1, list(Fields(&hot), 1, 0), Fields(&hot), record, None)
        };
        let empty = |capacity| ListWord::CLOSED.with_depth(0, capacity);
        for (word, capacity) in [(ListWord(0), 0), (ListWord::CLOSED, 0), (empty(64), 64)] {
            assert!(sample(word, capacity, NO_RECORD).is_none(), "{word:x?} of {capacity}");
        }
        let refilled = BinRecord { refilled_blocks: 1, ..NO_RECORD };
        assert!(sample(empty(64), 64, refilled).is_some());
        let holding = sample(ListWord::CLOSED.with_depth(3, 64), 64, NO_RECORD).unwrap();
        assert_eq!(holding.list, ListState { depth: 3, freed_fast: 0 });
        let freed = sample(ListWord(empty(64).0 + ListWord::PUSH - ListWord::POP), 64, NO_RECORD);
        assert_eq!(freed.unwrap().list, ListState { depth: 0, freed_fast: 1 });
    }

    #[test]
    fn sized_frees_that_run_ahead_of_the_word_never_make_others_fall() {
        let former = |freed: u64, sized: u64| BinSample {
            bin: 1,
            list: ListState { depth: 0, freed_fast: freed },
            sized_frees_fast: sized,
            record: NO_RECORD,
        };
        let check = |read, freed, former: Option<&BinSample>, expected| {
            assert_eq!(sized(read, freed, former), expected);
        };
        check(4, 10, None, 4);
        check(12, 10, None, 10);
        check(10, 100, Some(&former(90, 10)), 10);
        // There were 80 others before; of the 30 that were read, only 20 can be among the 100.
        check(30, 100, Some(&former(90, 10)), 20);
        check(20, 100, Some(&former(100, 10)), 10);
    }
}
