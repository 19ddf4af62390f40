//! Joining neighbouring free runs, for when address space has run out.
//!
//! Every granule up to an arena's frontier belongs to a run, whose first descriptor tells its order
//! and whether it is free. So one walk over the arenas finds all stretches of free granules; each is
//! described anew as the fewest, largest runs. That takes a few microseconds per thousand granules,
//! but happens only where the request would fail otherwise.
//!
//! # Safety
//! Called under the arenas' lock. Descriptors below the frontier are usable.
#![allow(unsafe_code)]

use super::{
    Arenas, COUNT, GRANULE_SHIFT, ORDERS, Ordering, RANGES, Slab, describe, descriptor,
    table_granules,
};
use crate::slab::Idle;

impl Arenas {
    /// Joins free runs wherever they are neighbours; their memory goes back to the system.
    #[cold]
    pub(super) fn join_free_runs(&mut self) {
        self.purge_all();
        let count = COUNT.load(Ordering::Relaxed);
        for (arena, range) in RANGES[..count].iter().enumerate() {
            let base = range.base.load(Ordering::Relaxed);
            let bytes = range.bytes.load(Ordering::Relaxed);
            let end = self.end_of(arena);
            let mut granule = table_granules(bytes);
            while granule < end {
                let start = granule;
                while granule < end && self.take_out_if_free(descriptor(base, granule)) {
                    granule += run_granules(descriptor(base, granule));
                }
                if granule > start {
                    self.describe_free(base, start, granule);
                } else {
                    granule += run_granules(descriptor(base, granule));
                }
            }
        }
    }

    fn purge_all(&mut self) {
        for order in 0..ORDERS {
            while let Some(run) = self.dirty[order].pop() {
                // SAFETY: it was in a free list, so the arenas own it.
                let slab = unsafe { run.as_ref() };
                self.dirty[order].push(slab, Idle::Dirty);
                self.purge_run(slab, order);
            }
        }
    }

    /// Takes a run out of its list if it is free; all free runs are without memory now.
    fn take_out_if_free(&mut self, run: *mut Slab) -> bool {
        // SAFETY: the first descriptor of a run below the frontier.
        let slab = unsafe { &*run };
        if slab.idle() == Idle::No {
            return false;
        }
        self.clean[slab.order()].remove(slab);
        true
    }

    /// Makes granules `start..end` of an arena into the largest free runs.
    fn describe_free(&mut self, base: usize, start: usize, end: usize) {
        let mut granule = start;
        while granule < end {
            let order = ((end - granule).ilog2() as usize).min(ORDERS - 1);
            let run = descriptor(base, granule);
            describe(run, base + (granule << GRANULE_SHIFT), order);
            // SAFETY: just described, of free granules.
            self.clean[order].push(unsafe { &*run }, Idle::Clean);
            granule += 1 << order;
        }
    }
}

/// Granules of the run whose first descriptor this is.
fn run_granules(run: *mut Slab) -> usize {
    // SAFETY: the first descriptor of a run below the frontier.
    1 << unsafe { &*run }.order()
}
