//! Free runs that still have memory: found for a request of another order, and bounded.
//!
//! A run serves requests of its own order at once, and smaller ones by being split. For a larger one,
//! neighbours of one order are joined in pairs, from the smallest order up, until there is one of the
//! right order: a program whose blocks get larger over time then goes on with the memory that it
//! has.
//!
//! What is kept for reuse must not be much beside what is in use: the rest of it goes back to the
//! system, when it comes back itself or when memory is new. A program that falls idle after a peak
//! makes no further call that could see to it later. One that grows and shrinks again and again must
//! not pay for that each time: memory that is needed soon after it was given back raises what may be
//! kept ([`Regret`]).
//!
//! # Safety
//! Called under the arenas' lock. Descriptors below the frontier are usable.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::ranges::arena_of;
use super::tables::descriptor_behind;
use super::{Arenas, GRANULE, GRANULE_SHIFT, ORDERS, Ordering, RANGES, Slab, clock};
use crate::slab::Idle;

/// Runs of one order that are looked at for neighbours: the newest ones.
const LOOK: usize = 256;
/// Bytes that are kept for reuse whatever is in use.
const KEPT_BYTES_MIN: usize = 8 << 20;
/// Share of what is in use that is kept beside it.
const KEPT_SHARE: usize = 4;
/// How long memory that was given back may be regretted.
const FADE_MS: u32 = 1000;

/// What giving back too early has taught.
#[derive(Clone, Copy)]
pub(super) struct Regret {
    /// Bytes that may be kept beyond a share of what is in use.
    kept_bytes: usize,
    /// Bytes that were given back lately, and not needed since.
    given_bytes: usize,
    /// When that was, in milliseconds of the monotonic clock.
    given_at_ms: u32,
}

impl Regret {
    pub(super) const NONE: Self =
        Self { kept_bytes: KEPT_BYTES_MIN, given_bytes: 0, given_at_ms: 0 };

    /// Memory is new that might have been kept.
    pub(super) fn took_new(&mut self, bytes: usize) {
        let regretted = bytes.min(self.given_bytes);
        self.given_bytes -= regretted;
        self.kept_bytes += regretted;
    }

    /// Lets what was learnt fade: by half for each second in which nothing was given back.
    pub(super) fn fade(&mut self, now_ms: u32) {
        if clock::have_passed(self.given_at_ms, now_ms, FADE_MS) {
            self.given_bytes = 0;
            self.given_at_ms = now_ms;
            self.kept_bytes = (self.kept_bytes / 2).max(KEPT_BYTES_MIN);
        }
    }
}

impl Arenas {
    /// Joins runs with memory until there is one of this order; takes it.
    #[cold]
    pub(super) fn join_dirty(&mut self, order: usize) -> Option<NonNull<Slab>> {
        // Not worth the search where all there is could not make one.
        if self.usage.cached < GRANULE << order {
            return None;
        }
        for smaller in 0..order {
            let mut run = self.dirty[smaller].0;
            for _ in 0..LOOK {
                let Some(slab) = NonNull::new(run) else { break };
                // SAFETY: in a free list, and the lock is held.
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

    /// The run right behind one, if it is free, has memory and is of the same order.
    fn dirty_neighbour(&self, run: NonNull<Slab>, order: usize) -> Option<NonNull<Slab>> {
        // SAFETY: a free run, and the lock is held.
        let base = unsafe { run.as_ref() }.base();
        let end = base + (GRANULE << order);
        let arena = arena_of(base)?;
        let used = self.end_of(arena) << GRANULE_SHIFT;
        if end >= RANGES[arena].base.load(Ordering::Relaxed) + used {
            return None;
        }
        let next = descriptor_behind(run.as_ptr(), 1 << order);
        // SAFETY: below the frontier, so this is the descriptor of a run's first granule.
        let next = unsafe { &*next };
        let serves = next.idle() == Idle::Dirty && next.order() == order;
        serves.then(|| NonNull::from(next))
    }

    fn join_pair(&mut self, first: NonNull<Slab>, second: NonNull<Slab>, order: usize) {
        // SAFETY: a free run, and the lock is held.
        let slab = unsafe { first.as_ref() };
        // SAFETY: as above.
        let second = unsafe { second.as_ref() };
        self.dirty[order].remove(slab);
        self.dirty[order].remove(second);
        slab.freed_at_ms.set(second.freed_at_ms.get());
        super::describe(first.as_ptr(), slab.base(), order + 1);
        self.dirty[order + 1].push(slab, Idle::Dirty);
    }

    /// Gives memory back that is kept beyond what may be. The newest runs of each order stay.
    pub(super) fn shed(&mut self, now_ms: Option<u32>) {
        let allowed = (self.usage.slabs / KEPT_SHARE).max(self.regret.kept_bytes);
        if self.usage.cached <= allowed {
            return;
        }
        let before = self.usage.cached;
        // Half of it, so that this is not asked again at once.
        let mut left = allowed / 2;
        for order in 0..ORDERS {
            let mut run = self.dirty[order].0;
            while let Some(slab) = NonNull::new(run) {
                // SAFETY: in a free list, and the lock is held.
                let slab = unsafe { slab.as_ref() };
                run = slab.next.get();
                match left.checked_sub(GRANULE << order) {
                    Some(rest) => left = rest,
                    None => self.purge_run(slab, order),
                }
            }
        }
        if let Some(now_ms) = now_ms {
            self.regret.given_bytes += before - self.usage.cached;
            self.regret.given_at_ms = now_ms;
        }
    }
}
