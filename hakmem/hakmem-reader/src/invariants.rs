//! The invariants of samples, whose violations are values.

use std::fmt;

use hakmem_segment::BIN_LARGE;

use crate::sample::{BinSample, Sample, sum};

/// A violated invariant, in one bin of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Index of the slot.
    pub slot: u32,
    /// The bin.
    pub bin: u8,
    /// The kind of violation.
    pub kind: ViolationKind,
}

/// The kinds of violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    /// The identity gives a negative number of fast allocations.
    NegativeFastAllocations(i128),
    /// The sums of outcomes and of frees differ.
    OutcomesDiffer {
        /// Sum of the outcomes of slow frees.
        outcomes: i128,
        /// Sum of the reasons of slow frees.
        frees: i128,
    },
    /// A bin that the routing does not use has counts.
    UnusedBin,
    /// A counter is lower than in an earlier sample.
    Fell,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} bin {}: ", self.slot, self.bin)?;
        match self.kind {
            ViolationKind::NegativeFastAllocations(count) => {
                write!(f, "the identity gives {count} fast allocations")
            }
            ViolationKind::OutcomesDiffer { outcomes, frees } => {
                write!(f, "{outcomes} outcomes of {frees} slow frees")
            }
            ViolationKind::UnusedBin => write!(f, "the bin is not used, yet has counts"),
            ViolationKind::Fell => write!(f, "a counter is lower than before"),
        }
    }
}

impl std::error::Error for Violation {}

impl Sample {
    /// Checks for every bin of every slot that the identity gives no negative number of fast
    /// allocations, and that only bins in use have counts.
    pub fn check_identity(&self) -> Result<(), Violation> {
        self.check(|bin| {
            let fast = bin.allocated_fast();
            if fast < 0 {
                return Some(ViolationKind::NegativeFastAllocations(fast));
            }
            let is_used = self.bins.is_used(usize::from(bin.bin));
            (!is_used).then_some(ViolationKind::UnusedBin)
        })
    }

    /// Checks for every bin of every slot that the outcomes sum to the frees. A fast free has one
    /// outcome by construction, so this compares the slow ones.
    pub fn check_conservation(&self) -> Result<(), Violation> {
        self.check(|bin| {
            let outcomes = sum(&bin.record.outcomes);
            let frees = bin.slow_frees();
            (outcomes != frees).then_some(ViolationKind::OutcomesDiffer { outcomes, frees })
        })
    }

    /// Checks that no counter is lower than in `earlier`, a former sample of the same segment.
    pub fn check_not_fallen(&self, earlier: &Self) -> Result<(), Violation> {
        for before in &earlier.slots {
            let fell = |bin| Violation { slot: before.index, bin, kind: ViolationKind::Fell };
            let Some(after) = self.slots.get(before.index as usize) else { return Err(fell(0)) };
            if let Some(bin) = before.bins.iter().find(|former| {
                after.bin(usize::from(former.bin)).is_none_or(|bin| bin.has_fallen(former))
            }) {
                return Err(fell(bin.bin));
            }
            let counters = [
                (after.large_allocated_bytes, before.large_allocated_bytes),
                (after.large_freed_bytes, before.large_freed_bytes),
                (after.events_written, before.events_written),
                (after.suppressed_events(), before.suppressed_events()),
                (u64::from(after.owners), u64::from(before.owners)),
            ];
            if counters.iter().any(|(after, before)| after < before) {
                return Err(fell(BIN_LARGE as u8));
            }
            let histograms = |class| after.durations.iter().find(|(found, _)| *found == class);
            for (class, before) in before.durations.iter() {
                let grown =
                    histograms(*class).is_some_and(|(_, after)| before.since(after).is_empty());
                if !grown {
                    return Err(fell(0));
                }
            }
        }
        Ok(())
    }

    fn check(&self, wrong: impl Fn(&BinSample) -> Option<ViolationKind>) -> Result<(), Violation> {
        for slot in &self.slots {
            for bin in &slot.bins {
                if let Some(kind) = wrong(bin) {
                    return Err(Violation { slot: slot.index, bin: bin.bin, kind });
                }
            }
        }
        Ok(())
    }
}
