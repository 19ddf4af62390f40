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

use core::ops::Range;
use core::ptr::NonNull;

use super::{
    Arenas, COUNT, GRANULE, GRANULE_SHIFT, ORDERS, Ordering, RANGES, Slab, describe, descriptor,
    table_granules,
};
use crate::slab::Idle;

/// What a free run was.
struct Free {
    idle: Idle,
    freed_at_ms: u32,
}

impl Arenas {
    /// Joins free runs wherever they are neighbours; their memory goes back to the system. Where the
    /// system refuses that, as for locked memory, what is joined counts as still having memory.
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
                let mut kind = Idle::Clean;
                let mut freed_at_ms = 0;
                while granule < end
                    && let Some(free) = self.take_out_if_free(descriptor(base, granule))
                {
                    if free.idle == Idle::Dirty {
                        (kind, freed_at_ms) = (Idle::Dirty, free.freed_at_ms);
                    }
                    granule += run_granules(descriptor(base, granule));
                }
                if granule > start {
                    self.describe_free(base, start..granule, kind, freed_at_ms);
                } else {
                    granule += run_granules(descriptor(base, granule));
                }
            }
        }
    }

    fn purge_all(&mut self) {
        for order in 0..ORDERS {
            let mut run = self.dirty[order].0;
            while let Some(slab) = NonNull::new(run) {
                // SAFETY: in a free list, so the arenas own it.
                let slab = unsafe { slab.as_ref() };
                run = slab.next.get();
                self.purge_run(slab, order);
            }
        }
    }

    /// Takes a run out of its list if it is free; what it was.
    fn take_out_if_free(&mut self, run: *mut Slab) -> Option<Free> {
        // SAFETY: the first descriptor of a run below the frontier.
        let slab = unsafe { &*run };
        let (idle, order) = (slab.idle(), slab.order());
        if idle == Idle::No {
            return None;
        }
        if idle == Idle::Dirty {
            self.dirty[order].remove(slab);
            self.usage.cached -= GRANULE << order;
        } else {
            self.clean[order].remove(slab);
        }
        Some(Free { idle, freed_at_ms: slab.freed_at_ms.get() })
    }

    /// Makes granules of an arena into the largest free runs of a kind.
    pub(super) fn describe_free(
        &mut self,
        base: usize,
        granules: Range<usize>,
        kind: Idle,
        freed_at_ms: u32,
    ) {
        let mut granule = granules.start;
        while granule < granules.end {
            let order = ((granules.end - granule).ilog2() as usize).min(ORDERS - 1);
            let run = descriptor(base, granule);
            describe(run, base + (granule << GRANULE_SHIFT), order);
            // SAFETY: just described, of free granules.
            let slab = unsafe { &*run };
            slab.freed_at_ms.set(freed_at_ms);
            if kind == Idle::Dirty {
                self.dirty[order].push(slab, kind);
                self.usage.cached += GRANULE << order;
            } else {
                self.clean[order].push(slab, kind);
            }
            granule += 1 << order;
        }
    }
}

/// Granules of the run whose first descriptor this is.
fn run_granules(run: *mut Slab) -> usize {
    // SAFETY: the first descriptor of a run below the frontier.
    1 << unsafe { &*run }.order()
}
