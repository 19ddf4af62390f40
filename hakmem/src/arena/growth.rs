//! How arenas grow: in place and in steps, or by a new arena where that is impossible.
//!
//! A step maps granules and their entries in both tables, and makes their part of the class map
//! writable; only then do the granules count as committed. A step is an eighth of the granules that
//! are usable, within bounds; where the system refuses one, smaller ones are tried (`region`). If
//! there is no memory, the request fails, or is served from free runs that are joined for it. If
//! other code has mapped the addresses behind the arena, or the plan is used up, the arena ends
//! there: the rest of it becomes free runs, and the next arena begins.
//!
//! # Safety
//! Functions here are called under the arenas' lock.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::descriptors::{describe, descriptor};
use super::ranges::{ARENAS_MAX, COUNT, RANGES};
use super::tables::{Tables, table_granules};
use super::{Arenas, live};
use crate::bins::{GRANULE, GRANULE_SHIFT};
use crate::class_map;
use crate::os::memory::{Access, Refusal};
use crate::region::{Backing, Plan, Region, Scale};
use crate::slab::{Idle, Slab};
use crate::steps;
use crate::sync::Ordering;

/// Smallest useful arena where arenas must be reserved: 1 MiB.
const ARENA_BYTES_MIN: usize = 1 << 20;
/// Granules made usable beyond those needed: at least 256 KiB, at most 16 MiB.
const SURPLUS_GRANULES_MIN: usize = 4;
const SURPLUS_GRANULES_MAX: usize = 256;
/// Divisor: a step is this share of what is usable.
const SURPLUS_SHARE: usize = 8;
const _: () = assert!(ARENAS_MAX <= class_map::FAR_MAX);

/// Number of granules to make usable beyond those needed, if `granules` are usable already.
pub(super) fn surplus(granules: usize) -> usize {
    (granules / SURPLUS_SHARE).clamp(SURPLUS_GRANULES_MIN, SURPLUS_GRANULES_MAX)
}

/// The regions that make up an arena.
pub(super) struct Parts {
    tables: Tables,
    granules: Region,
    /// Live bits, where these are kept.
    live: Region,
    backing: Backing,
}

impl Parts {
    pub(super) const NONE: Self = Self {
        tables: Tables::NONE,
        granules: Region::NONE,
        live: Region::NONE,
        backing: Backing::Plan,
    };

    /// The parts of a planned arena, with its first granule usable.
    fn begin(plan: Plan) -> Result<Self, Refusal> {
        let first = table_granules(plan.bytes);
        let mut parts = Self {
            tables: Tables::of(plan),
            granules: plan.region(first * GRANULE, plan.bytes),
            live: Region::NONE,
            backing: plan.backing,
        };
        match parts.extend(first, first + 1, SURPLUS_GRANULES_MIN) {
            Ok(_) => Ok(parts),
            Err(refusal) => {
                parts.give_up();
                Err(refusal)
            }
        }
    }

    /// Unmaps the parts of an arena that could not be begun.
    fn give_up(self) {
        self.tables.give_up();
        self.granules.give_up();
    }

    /// Makes the granules below `needed` usable, with their entries in the tables, and up to
    /// `surplus` more. Returns the end of the usable granules. The tables occupy the `first`
    /// granules.
    fn extend(&mut self, first: usize, needed: usize, surplus: usize) -> Result<usize, Refusal> {
        let bytes = (needed - first) << GRANULE_SHIFT;
        self.granules.extend(bytes, surplus << GRANULE_SHIFT, Access::ReadWrite)?;
        let usable = first + (self.granules.usable() >> GRANULE_SHIFT);
        match self.tables.extend(first, usable) {
            Ok(()) => Ok(usable),
            // There may be memory for the entries of fewer granules.
            Err(_) => self.tables.extend(first, needed).map(|()| needed),
        }
    }

    /// Unmaps all granules behind the first `bytes`; false if the system refuses.
    pub(super) fn retreat(&mut self, bytes: usize) -> bool {
        self.granules.retreat(bytes)
    }

    /// Bytes of address space.
    pub(super) fn bytes(&self) -> usize {
        self.tables.usable() + self.granules.usable()
    }
}

impl Arenas {
    /// Takes a run at the frontier of the last arena, or of a new one.
    pub(super) fn extend(&mut self, order: usize) -> Option<NonNull<Slab>> {
        let granules = 1 << order;
        if COUNT.load(Ordering::Relaxed) == 0 {
            self.append()?;
        }
        while let Err(refusal) = self.commit(self.frontier + granules) {
            match refusal {
                Refusal::Taken => self.append()?,
                Refusal::NoMemory => return None,
            }
        }
        let last = COUNT.load(Ordering::Relaxed) - 1;
        let base = RANGES[last].base.load(Ordering::Relaxed);
        let run = descriptor(base, self.frontier);
        describe(run, base + (self.frontier << GRANULE_SHIFT), order);
        steps::any();
        self.frontier += granules;
        NonNull::new(run)
    }

    /// Makes the granules of the last arena below `needed` usable, and some more.
    fn commit(&mut self, needed: usize) -> Result<(), Refusal> {
        if needed <= self.committed {
            return Ok(());
        }
        let arena = COUNT.load(Ordering::Relaxed) - 1;
        let last = &RANGES[arena];
        let base = last.base.load(Ordering::Relaxed);
        let first = last.first.load(Ordering::Relaxed);
        let first_granule = (first - base) >> GRANULE_SHIFT;
        let surplus = surplus(self.committed - first_granule);
        let before = self.last.bytes();
        let extended = self.last.extend(first_granule, needed, surplus);
        if self.last.backing == Backing::Plan {
            self.usage.reserved += self.last.bytes() - before;
        }
        let granules = extended?;
        let new = base + (self.committed << GRANULE_SHIFT);
        let bytes = (granules - self.committed) << GRANULE_SHIFT;
        let usable = base + (granules << GRANULE_SHIFT) - first;
        let is_covered =
            self.map.cover(new, bytes) && live::grow(arena, &mut self.last.live, usable);
        if !is_covered {
            return Err(Refusal::NoMemory);
        }
        steps::next();
        last.usable.store(usable, Ordering::Relaxed);
        steps::any();
        self.committed = granules;
        self.usage.committed += bytes;
        Ok(())
    }

    /// Begins another arena.
    pub(super) fn append(&mut self) -> Option<()> {
        let count = COUNT.load(Ordering::Relaxed);
        if count == ARENAS_MAX {
            return None;
        }
        let scale = Scale::current();
        if !self.map.set_up(&scale) {
            return None;
        }
        let (plan, parts) = Plan::find(scale.arena_bytes, ARENA_BYTES_MIN, |plan| {
            Parts::begin(plan).map(|parts| (plan, parts))
        })?;
        if !self.map.reach(plan.start, plan.bytes) {
            parts.give_up();
            plan.give_up();
            return None;
        }
        self.end_last();
        let first = table_granules(plan.bytes);
        RANGES[count].base.store(plan.start, Ordering::Relaxed);
        RANGES[count].bytes.store(plan.bytes, Ordering::Relaxed);
        RANGES[count].first.store(plan.start + first * GRANULE, Ordering::Relaxed);
        // Release: pairs with the Acquire in `run_of`.
        COUNT.store(count + 1, Ordering::Release);
        steps::any();
        (self.frontier, self.committed) = (first, first);
        self.usage.reserved += match plan.backing {
            Backing::Plan => parts.bytes(),
            Backing::Reserved => plan.bytes,
        };
        self.last = parts;
        Some(())
    }

    /// Turns the rest of the last arena into free runs, before another arena begins.
    fn end_last(&mut self) {
        let Some(last) = COUNT.load(Ordering::Relaxed).checked_sub(1) else { return };
        let base = RANGES[last].base.load(Ordering::Relaxed);
        self.describe_free(base, self.frontier..self.committed, Idle::Clean, 0);
        self.frontier = self.committed;
        self.ends[last] = self.frontier;
    }
}

#[cfg(test)]
mod tests;
