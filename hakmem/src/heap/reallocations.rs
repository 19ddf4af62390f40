//! Counts reallocations, for the program alone: the slot counts one that moves as an allocation and
//! a free, and one that stays not at all.
//!
//! # Orderings
//! Relaxed: only the heap's thread writes, and nothing depends on the order.
//!
//! # Safety
//! A heap's memory stays mapped as long as its process lives; what other threads read of it is
//! atomic.
#![allow(unsafe_code)]

use core::mem::offset_of;

use hakmem_segment::Class;

use super::Heap;
use crate::counts::{CLASSES, Details};
use crate::sync::{AtomicU64, Ordering};

/// The reallocations that a heap's owners made. Like a slot's counters, they are never reset.
pub(crate) struct Reallocations {
    in_place: AtomicU64,
    moved: AtomicU64,
    /// Allocations and frees in the slot that were parts of reallocations, by class.
    allocations: [AtomicU64; CLASSES],
    frees: [AtomicU64; CLASSES],
}

/// The reallocations of the heap at `heap`, which any thread may own.
pub(crate) fn reallocations_of(heap: *mut Heap) -> &'static Reallocations {
    let reallocations = heap.cast::<u8>().wrapping_add(offset_of!(Heap, reallocations));
    // SAFETY: inside a heap, which stays mapped; all of it is atomic.
    unsafe { &*reallocations.cast::<Reallocations>() }
}

fn increment(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl Heap {
    /// Counts a reallocation after which the allocation has its address still. The slot counts
    /// nothing, but its sequence tells that a call was made (`slot::tally`).
    pub(crate) fn count_in_place(&self) {
        self.slot().update(|_| increment(&self.reallocations.in_place));
    }

    /// Counts a reallocation that moved the allocation.
    pub(crate) fn count_moved(&self) {
        increment(&self.reallocations.moved);
    }

    /// Notes that the slot has counted a reallocation as a free in class `from` and an allocation
    /// in class `to`.
    pub(crate) fn count_as_pair(&self, from: Class, to: Class) {
        let Reallocations { allocations, frees, .. } = &self.reallocations;
        for (counts, class) in [(frees, from), (allocations, to)] {
            counts.get(class as usize).into_iter().for_each(increment);
        }
    }
}

impl Reallocations {
    /// Adds the reallocations to `details`, which hold the slot's counts already, and takes their
    /// parts out of the allocations and frees. The thread of another heap may be between the two.
    pub(crate) fn add_to(&self, details: &mut Details) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Self { in_place, moved, allocations, frees } = self;
        details.reallocations_in_place += load(in_place);
        details.reallocations_moved += load(moved);
        let parts = allocations.iter().zip(frees);
        for (class, (allocations, frees)) in details.classes.iter_mut().zip(parts) {
            class.allocations = class.allocations.saturating_sub(load(allocations));
            class.frees = class.frees.saturating_sub(load(frees));
        }
    }
}
