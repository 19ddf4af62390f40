//! Where the arenas are, and which run an address lies in.
//!
//! # Orderings
//! Arenas are appended only. `COUNT` is stored with Release after the arena's range and loaded
//! with Acquire before the ranges are read.
//!
//! # Safety
//! Descriptors of granules below an arena's frontier are usable.
#![allow(unsafe_code)]

use core::hint;
use core::ptr::NonNull;

use super::tables::descriptor;
use crate::bins::GRANULE_SHIFT;
use crate::slab::Slab;
use crate::sync::{AtomicUsize, Ordering};

/// Arenas there are at most.
pub(super) const ARENAS_MAX: usize = 64;

/// One arena's addresses.
pub(super) struct Range {
    pub(super) base: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    /// Address of the first granule behind the tables, and bytes made usable from there.
    pub(super) first: AtomicUsize,
    pub(super) usable: AtomicUsize,
}

pub(super) static RANGES: [Range; ARENAS_MAX] = [const {
    Range {
        base: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        first: AtomicUsize::new(0),
        usable: AtomicUsize::new(0),
    }
}; ARENAS_MAX];
/// Stands for the slab of an address in no arena, so that loops need not ask: it is of no bin, takes
/// nothing back, and is never written.
static NO_SLAB: Slab = Slab::none();
pub(super) static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The descriptor of the run that an address lies in, if the address is in an arena at all.
#[inline(never)]
pub(crate) fn run_of(address: usize) -> Option<NonNull<Slab>> {
    // Acquire: pairs with the Release in `append`, publishes the ranges.
    let count = COUNT.load(Ordering::Acquire);
    for range in &RANGES[..count] {
        let base = range.base.load(Ordering::Relaxed);
        let offset = address.wrapping_sub(base);
        if offset < range.bytes.load(Ordering::Relaxed) {
            let granule = descriptor(base, offset >> GRANULE_SHIFT);
            // SAFETY: the descriptor of a granule that was given out is usable; callers ask only
            // for those (the class map names a bin for them).
            return NonNull::new(unsafe { &*granule }.head());
        }
    }
    None
}

/// [`run_of`] for many addresses of one bin, most of which lie in the first arena.
///
/// `SINGLE` says that the bin's runs are of one granule, whose descriptors describe them.
pub(crate) struct Finder<const SINGLE: bool> {
    base: usize,
    bytes: usize,
}

impl<const SINGLE: bool> Finder<SINGLE> {
    pub(crate) fn new() -> Self {
        let first = &RANGES[0];
        Self {
            base: first.base.load(Ordering::Relaxed),
            bytes: first.bytes.load(Ordering::Relaxed),
        }
    }

    /// As [`run_of`]; [`NO_SLAB`] where that knows none.
    #[inline(always)]
    pub(crate) fn slab_of(&self, address: usize) -> &'static Slab {
        let offset = address.wrapping_sub(self.base);
        if offset >= self.bytes {
            hint::cold_path();
            // SAFETY: a descriptor, and those are never unmapped.
            return run_of(address).map_or(&NO_SLAB, |run| unsafe { run.as_ref() });
        }
        let granule = descriptor(self.base, offset >> GRANULE_SHIFT);
        // SAFETY: as in `run_of`.
        let run = if SINGLE { granule } else { unsafe { &*granule }.head() };
        // SAFETY: a descriptor, and so is what every run's descriptors name as its head.
        unsafe { &*run }
    }
}

/// The arena that an address lies in.
pub(super) fn arena_of(address: usize) -> Option<usize> {
    // Acquire: pairs with the Release in `append`, publishes the ranges.
    let count = COUNT.load(Ordering::Acquire);
    RANGES[..count].iter().position(|range| range.covers(address))
}

/// Whether an address lies in memory that an arena has made usable for slabs.
pub(crate) fn holds(address: usize) -> bool {
    // Acquire: pairs with the Release in `append`, publishes the ranges.
    let count = COUNT.load(Ordering::Acquire);
    RANGES[..count].iter().any(|range| range.holds(address))
}

/// The same for the first arena, which few programs ever leave: for fast paths.
#[inline(always)]
pub(crate) fn first_holds(address: usize) -> bool {
    RANGES[0].holds(address)
}

impl Range {
    /// Whether an address is in the arena at all.
    pub(super) fn covers(&self, address: usize) -> bool {
        address.wrapping_sub(self.base.load(Ordering::Relaxed)) < self.bytes.load(Ordering::Relaxed)
    }

    /// Whether an address is in memory that was made usable for slabs.
    #[inline(always)]
    pub(super) fn holds(&self, address: usize) -> bool {
        let first = self.first.load(Ordering::Relaxed);
        address.wrapping_sub(first) < self.usable.load(Ordering::Relaxed)
    }
}
