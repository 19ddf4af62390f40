//! Joining neighbouring free runs when address space has run out.
//!
//! Every granule below an arena's frontier belongs to a run, whose first descriptor holds its order
//! and whether it is free. So one walk over the arenas finds all stretches of free granules, and
//! each stretch is described anew as the fewest, largest runs. The walk takes a few microseconds
//! per thousand granules, but happens only where the request would otherwise fail.
//!
//! # Safety
//! Functions here are called under the arenas' lock. Descriptors below the frontier are usable.
#![allow(unsafe_code)]

use core::ops::Range;
use core::ptr::NonNull;

use super::descriptors::{describe, descriptor};
use super::tables::table_granules;
use super::{Arenas, COUNT, GRANULE, GRANULE_SHIFT, ORDERS, Ordering, RANGES, Slab};
use crate::slab::Idle;

/// State of a free run before it was taken out of its list.
struct Free {
    idle: Idle,
    freed_at_ms: u32,
}

impl Arenas {
    /// Joins all neighbouring free runs after returning their memory to the system. If the system
    /// refuses that, as it does for locked memory, the joined run counts as dirty.
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
                // SAFETY: the run is in a free list, so the arenas own it.
                let slab = unsafe { slab.as_ref() };
                run = slab.next.get();
                self.purge_run(slab, order);
            }
        }
    }

    /// Takes `run` out of its list and returns the state it had; `None` if it is not free.
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

    /// Describes `granules` as the fewest, largest free runs of `kind`, and puts them into their
    /// lists.
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
            // SAFETY: the descriptor was just written, and its granules are free.
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

/// Number of granules of the run whose first descriptor is `run`.
fn run_granules(run: *mut Slab) -> usize {
    // SAFETY: the first descriptor of a run below the frontier.
    1 << unsafe { &*run }.order()
}
