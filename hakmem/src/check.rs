//! Checks that a free is what the gate takes it for.
//!
//! The gate comes across some findings by itself, because a slow path asks the registry anyway. The
//! others require a look at the slab, so they are sought in one free of
//! [`CHECK_PERIOD`](hakmem_segment::word::CHECK_PERIOD) or in every free, as `HAKMEM_CHECK`
//! demands. The countdown to the next check is part of a list's word: see `hakmem_segment::word`.

use hakmem_segment::{BIN_NONE, Check, Class, Outcome};

use crate::arena::live;
use crate::bins;
use crate::central::{self, Known};
use crate::finding::Finding;
use crate::gate::{self, Verdict};
use crate::heap::Heap;
use crate::routing::Choice;

/// How closely a free is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Use the gate's answer only.
    Glance,
    /// A sampled free: also inspect the block start, the size told, and the blocks freed just
    /// before.
    Sample,
    /// Every free is inspected, and every live block is known.
    Full,
}

impl Finding {
    /// A block, or a pointer that the gate takes for one, that is not what it should be.
    pub(crate) fn of_block(
        verdict: &Verdict,
        outcome: Outcome,
        claimed: Option<Class>,
        by_check: bool,
    ) -> Self {
        Self {
            outcome,
            bin: verdict.bin,
            claimed,
            header: verdict.header,
            by_check,
            is_late: false,
        }
    }
}

/// Whether every free is checked, which requires a bit for each live block.
pub(crate) fn is_full() -> bool {
    Choice::current().check == Check::Full
}

/// Whether the block at `pointer` is known not to be live, because every free is checked.
pub(crate) fn is_known_dead(pointer: *mut u8, bin: usize) -> bool {
    bin != BIN_NONE && is_full() && !live::is_set(pointer as usize)
}

/// What is wrong with a pointer that is known not to be a live allocation.
#[cold]
pub(crate) fn find_wrong(pointer: *mut u8) -> Finding {
    let verdict = gate::classify(pointer);
    if verdict.bin == BIN_NONE {
        return Finding::of_stray(pointer);
    }
    let outcome = match central::look_up(verdict.bin, pointer as usize) {
        Known::NoBlock => Outcome::Interior,
        Known::Away | Known::Here => Outcome::DoubleFree,
    };
    Finding::of_block(&verdict, outcome, None, true)
}

/// Inspects the free of a pointer into a slab. `told` is the bin that the caller's size leads to.
/// Under [`Look::Full`], a live block is no longer live afterwards.
pub(crate) fn inspect(
    heap: &Heap,
    pointer: *mut u8,
    verdict: &Verdict,
    told: Option<usize>,
    look: Look,
) -> Option<Finding> {
    let (bin, address) = (verdict.bin, pointer as usize);
    let found =
        |outcome, claimed, by_check| Some(Finding::of_block(verdict, outcome, claimed, by_check));
    let by_check = look != Look::Glance;
    if look != Look::Full && heap.last(bin) == pointer.cast() {
        return found(Outcome::DoubleFree, None, by_check);
    }
    let mismatch = told.filter(|&told| told != bin);
    if look == Look::Glance && !verdict.outcome.is_anomaly() && mismatch.is_none() {
        return None;
    }
    let known = central::look_up(bin, address);
    if known == Known::NoBlock {
        return found(Outcome::Interior, None, by_check);
    }
    let is_free = match look {
        Look::Glance => known == Known::Here,
        Look::Sample => known == Known::Here || heap.is_near_top(bin, pointer.cast()),
        Look::Full => !live::clear(address),
    };
    if is_free {
        return found(Outcome::DoubleFree, None, by_check);
    }
    if verdict.outcome.is_anomaly() {
        return found(verdict.outcome, verdict.claimed_class(), by_check);
    }
    let claimed = Some(bins::class(mismatch?));
    found(Outcome::SizeMismatch, claimed, true)
}
