//! Unmapping the free end of the last arena.
//!
//! Clean runs cost nothing but address space. At the end of the last arena even that goes back to
//! the system, so that a program under a limit can use it for something else: a thread's stack, a
//! library, a span. An end no larger than a step or two of growth stays, as it would soon be mapped
//! again; it goes as well when the caller wants back all that is kept.
//!
//! # Safety
//! Functions here are called under the arenas' lock. Descriptors below the frontier are usable, and
//! stay so.
#![allow(unsafe_code)]

use super::descriptors::descriptor;
use super::growth::surplus;
use super::ranges::{COUNT, RANGES};
use super::{Arenas, GRANULE_SHIFT};
use crate::slab::Idle;
use crate::steps;
use crate::sync::Ordering;

impl Arenas {
    /// Unmaps the free end of the last arena; unless `wholly`, only if it is large.
    pub(super) fn retreat(&mut self, wholly: bool) {
        let Some(arena) = COUNT.load(Ordering::Relaxed).checked_sub(1) else { return };
        let last = &RANGES[arena];
        let base = last.base.load(Ordering::Relaxed);
        let first = (last.first.load(Ordering::Relaxed) - base) >> GRANULE_SHIFT;
        while self.frontier > first && self.take_last_if_free(base) {}
        let step = if wholly { 0 } else { surplus(self.frontier - first) };
        let kept = self.frontier + step;
        if self.committed <= kept + step {
            return;
        }
        let bytes = (kept - first) << GRANULE_SHIFT;
        let before = (last.usable.load(Ordering::Relaxed), self.last.bytes());
        // From here on no thread may treat the end as usable.
        last.usable.store(bytes, Ordering::Relaxed);
        steps::next();
        if !self.last.retreat(bytes) {
            last.usable.store(before.0, Ordering::Relaxed);
            return;
        }
        self.usage.committed -= before.0 - bytes;
        self.usage.reserved -= before.1 - self.last.bytes();
        self.committed = kept;
    }

    /// Moves the frontier below the last run, if that is clean; false if it is not.
    fn take_last_if_free(&mut self, base: usize) -> bool {
        // SAFETY: the descriptor of a granule below the frontier.
        let last = unsafe { &*descriptor(base, self.frontier - 1) };
        // SAFETY: the head of a granule below the frontier is its run's first descriptor.
        let run = unsafe { &*last.head() };
        if run.idle() != Idle::Clean {
            return false;
        }
        self.clean[run.order()].remove(run);
        self.frontier = (run.base() - base) >> GRANULE_SHIFT;
        true
    }
}

#[cfg(test)]
mod tests;
