//! Reads one bin of a slot whose writer never rests.
//!
//! Under routings that free a class on the slow path, a writer is in some slow path most of the
//! time, and no two reads see the same sequence. So the reader only checks, twice, that the
//! sequence is even:
//!
//! ```text
//! record 1   even?   word and capacity   even?   record 2
//! ```
//!
//! At the first even moment, all that record 1 saw of a slow path is in the word too; at the
//! second, all that the word saw is in record 2. So if the records are equal, no slow path of this
//! bin came between them, and word and record belong together exactly.
//!
//! If they differ, this very bin is changing. The reader then reports record 1, which conserves
//! frees; the refills of record 1 together with the flushes of record 2 give at most the number of
//! fast allocations at the moment the word was read. The reader reports the surplus of the identity
//! as depth: blocks that moved while they were counted.

use hakmem_segment::{AllocReason, BinRecord, FreeReason, ListState};

use crate::sample::{BinSample, sum};

/// The result of the reads above.
pub(crate) struct Reading {
    pub(crate) first: BinRecord,
    pub(crate) list: ListState,
    pub(crate) capacity: u16,
    pub(crate) second: BinRecord,
}

impl Reading {
    /// Whether list and record come from one moment.
    pub(crate) fn is_exact(&self) -> bool {
        counts(&self.first).eq(counts(&self.second))
    }

    /// List and record as they are if they are exact. Otherwise they are reconciled, so that the
    /// identity gives no more fast allocations than there were, and no fewer than `former` had;
    /// `None` if that is not possible.
    pub(crate) fn reconciled(&self, former: Option<&BinSample>) -> Option<(ListState, BinRecord)> {
        let (record, list) = (self.first, self.list);
        if self.is_exact() {
            return Some((list, record));
        }
        if sum(&record.outcomes) != sum(&record.free_reasons) {
            return None;
        }
        let sure = i128::from(record.refilled_blocks) + i128::from(list.freed_fast)
            - i128::from(self.second.flushed_blocks)
            - i128::from(list.depth)
            - i128::from(self.spare_blocks_max());
        let allocated_fast = sure.max(former.map_or(0, BinSample::allocated_fast));
        let depth = i128::from(record.refilled_blocks) + i128::from(list.freed_fast)
            - i128::from(record.flushed_blocks)
            - i128::from(record.spare_blocks)
            - allocated_fast;
        let depth = u16::try_from(depth).ok()?;
        Some((ListState { depth, ..list }, record))
    }

    /// The most blocks that the spare can have held when the word was read.
    fn spare_blocks_max(&self) -> u64 {
        let [first, second] = [&self.first, &self.second];
        let swaps = |record: &BinRecord| {
            (
                record.alloc_reasons[AllocReason::RefillSpare as usize],
                record.free_reasons[FreeReason::FlushSpare as usize],
                record.flushed_blocks,
            )
        };
        let most = first.spare_blocks.max(second.spare_blocks);
        if swaps(first) == swaps(second) { most } else { most.max(self.capacity.into()) }
    }
}

fn counts(record: &BinRecord) -> impl Iterator<Item = u64> + '_ {
    let carried = record.freed_fast_carried;
    let blocks = [record.refilled_blocks, record.flushed_blocks, record.spare_blocks, carried];
    let reasons = record.alloc_reasons.iter().chain(&record.free_reasons);
    reasons.chain(&record.outcomes).copied().chain(blocks)
}

#[cfg(test)]
mod tests {
    use hakmem_segment::Outcome;

    use super::*;
    use crate::slot_decode::NO_RECORD;

    fn record(refilled_blocks: u64, flushed_blocks: u64, spare_blocks: u64) -> BinRecord {
        BinRecord { refilled_blocks, flushed_blocks, spare_blocks, ..NO_RECORD }
    }

    fn allocated_fast((list, record): (ListState, BinRecord)) -> i128 {
        BinSample { bin: 1, list, sized_frees_fast: 0, record }.allocated_fast()
    }

    fn reading(first: BinRecord, depth: u16, second: BinRecord) -> Reading {
        let list = ListState { depth, freed_fast: 10 };
        Reading { first, list, capacity: 64, second }
    }

    #[test]
    fn equal_records_belong_to_the_word_between_them() {
        let exact = reading(record(100, 20, 8), 5, record(100, 20, 8));
        assert!(exact.is_exact());
        let (list, _) = exact.reconciled(None).unwrap();
        assert_eq!(list.depth, 5);
        assert!(!reading(record(100, 20, 8), 5, record(101, 20, 8)).is_exact());
    }

    #[test]
    fn a_moving_bin_has_no_more_fast_allocations_than_there_were_and_never_fewer_than_before() {
        // The word has 30 blocks of a refill that record 1 does not know yet: 100 + 10 - 20 - 35.
        let refilled = reading(record(100, 20, 0), 35, record(130, 20, 0));
        assert_eq!(allocated_fast(refilled.reconciled(None).unwrap()), 55);
        // The word lacks 32 blocks of a flush that only record 2 knows: 100 + 10 - 52 - 3, and the
        // spare may have held a list in between.
        let flushed = reading(record(100, 20, 0), 3, record(100, 52, 0));
        let reconciled = flushed.reconciled(None).unwrap();
        assert_eq!(allocated_fast(reconciled), 0, "58 - 3 - 64 is less than nothing");
        assert_eq!(reconciled.0.depth, 90);
        let former = BinSample {
            bin: 1,
            list: ListState { depth: 0, freed_fast: 0 },
            sized_frees_fast: 0,
            record: record(57, 0, 0),
        };
        assert_eq!(allocated_fast(refilled.reconciled(Some(&former)).unwrap()), 57);
    }

    #[test]
    fn a_record_that_was_copied_in_the_middle_of_a_free_is_not_used() {
        let mut first = record(100, 20, 0);
        first.free_reasons[FreeReason::Routed as usize] = 1;
        let second = record(101, 20, 0);
        assert!(reading(first, 5, second).reconciled(None).is_none());
        first.outcomes[Outcome::Headerless as usize] = 1;
        assert!(reading(first, 5, second).reconciled(None).is_some());
    }
}
