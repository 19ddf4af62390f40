//! Dirty runs, which are free and still have memory: how they serve requests of other orders, and
//! how many of them are kept.
//!
//! A run serves requests of its own order as it is, and smaller ones by being split. For a larger
//! request, neighbours of one order are joined in pairs, from the smallest order up, until there is
//! a run of the right order. So a program whose blocks get larger over time goes on with the memory
//! that it has.
//!
//! The memory kept for reuse must stay small beside the memory in use. The surplus goes back to the
//! system when a run is freed or when a request takes new memory, and [`Regret`] learns when that
//! was too early.
//!
//! # Safety
//! Functions here are called under the arenas' lock. Descriptors below the frontier are usable.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::descriptors::{describe, descriptor_behind};
use super::ranges::arena_of;
use super::{Arenas, GRANULE, GRANULE_SHIFT, ORDERS, Ordering, RANGES, Slab};
use crate::regret::Regret;
use crate::slab::Idle;

/// Number of runs of one order, newest first, that are searched for neighbours.
const LOOK: usize = 256;
/// What has been learnt about this memory. However little is in use, 8 MiB may be kept.
pub(super) const REGRET: Regret = Regret::new(8 << 20, usize::MAX);
/// Divisor: a quarter of the bytes in use may be kept beside them.
const KEPT_SHARE: usize = 4;
impl Arenas {
    /// Joins dirty runs until there is one of `order`, and takes it.
    #[cold]
    pub(super) fn join_dirty(&mut self, order: usize) -> Option<NonNull<Slab>> {
        // The search is pointless if all dirty runs together are smaller than the request.
        if self.usage.cached < GRANULE << order {
            return None;
        }
        for smaller in 0..order {
            let mut run = self.dirty[smaller].0;
            for _ in 0..LOOK {
                let Some(slab) = NonNull::new(run) else { break };
                // SAFETY: the run is in a free list, and the lock is held.
                run = unsafe { slab.as_ref() }.next.get();
                if let Some(neighbour) = self.dirty_neighbour(slab, smaller) {
                    if run == neighbour.as_ptr() {
                        // SAFETY: as above.
                        run = unsafe { neighbour.as_ref() }.next.get();
                    }
                    self.join_pair(slab, neighbour, smaller);
                }
            }
        }
        let run = self.dirty[order].pop()?;
        self.usage.cached -= GRANULE << order;
        Some(run)
    }

    /// The run directly behind `run`, if it is dirty and of the same order.
    fn dirty_neighbour(&self, run: NonNull<Slab>, order: usize) -> Option<NonNull<Slab>> {
        // SAFETY: the run is free, and the lock is held.
        let base = unsafe { run.as_ref() }.base();
        let end = base + (GRANULE << order);
        let arena = arena_of(base)?;
        let used = self.end_of(arena) << GRANULE_SHIFT;
        if end >= RANGES[arena].base.load(Ordering::Relaxed) + used {
            return None;
        }
        let next = descriptor_behind(run.as_ptr(), 1 << order);
        // SAFETY: the granule is below the frontier and begins a run, so its descriptor is usable.
        let next = unsafe { &*next };
        let serves = next.idle() == Idle::Dirty && next.order() == order;
        serves.then(|| NonNull::from(next))
    }

    fn join_pair(&mut self, first: NonNull<Slab>, second: NonNull<Slab>, order: usize) {
        // SAFETY: the run is free, and the lock is held.
        let slab = unsafe { first.as_ref() };
        // SAFETY: as above.
        let second = unsafe { second.as_ref() };
        self.dirty[order].remove(slab);
        self.dirty[order].remove(second);
        slab.freed_at_ms.set(second.freed_at_ms.get());
        describe(first.as_ptr(), slab.base(), order + 1);
        self.dirty[order + 1].push(slab, Idle::Dirty);
    }

    /// Purges the dirty runs beyond the number of bytes that may be kept. The newest runs of each
    /// order stay.
    pub(super) fn shed(&mut self, now_ms: Option<u32>) {
        let allowed = (self.usage.slabs / KEPT_SHARE).max(self.regret.kept_bytes());
        if self.usage.cached <= allowed {
            return;
        }
        let before = self.usage.cached;
        // Only half of the allowance stays, so that the next call does not have to purge again.
        let mut left = allowed / 2;
        for order in 0..ORDERS {
            let mut run = self.dirty[order].0;
            while let Some(slab) = NonNull::new(run) {
                // SAFETY: the run is in a free list, and the lock is held.
                let slab = unsafe { slab.as_ref() };
                run = slab.next.get();
                match left.checked_sub(GRANULE << order) {
                    Some(rest) => left = rest,
                    None => self.purge_run(slab, order),
                }
            }
        }
        if let Some(now_ms) = now_ms {
            self.regret.gave(before - self.usage.cached, now_ms);
        }
    }
}
