//! The address ranges of the arenas, and the run that an address lies in.
//!
//! # Orderings
//! Arenas are only ever appended. `COUNT` is stored with Release after the new arena's range, and
//! loaded with Acquire before the ranges are read.
//!
//! # Safety
//! Descriptors of granules below an arena's frontier are usable.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::descriptors::descriptor;
use crate::bins::GRANULE_SHIFT;
use crate::hint::cold_path;
use crate::slab::Slab;
use crate::sync::{AtomicUsize, Ordering};

/// Maximum number of arenas.
pub(super) const ARENAS_MAX: usize = 64;

/// Addresses of one arena.
pub(super) struct Range {
    pub(super) base: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    /// Address of the first granule behind the tables, and bytes that are usable from there.
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
/// Stands for the slab of an address outside every arena, so that loops need no test for it: it
/// belongs to no bin, takes no block back, and is never written.
static NO_SLAB: Slab = Slab::none();
pub(super) static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Descriptor of the run that `address` lies in; `None` if the address is in no arena.
#[inline(never)]
pub(crate) fn run_of(address: usize) -> Option<NonNull<Slab>> {
    // Acquire: pairs with the Release in `append`, which publishes the ranges.
    let count = COUNT.load(Ordering::Acquire);
    for range in &RANGES[..count] {
        let base = range.base.load(Ordering::Relaxed);
        let offset = address.wrapping_sub(base);
        if offset < range.bytes.load(Ordering::Relaxed) {
            let granule = descriptor(base, offset >> GRANULE_SHIFT);
            // SAFETY: the descriptor of a granule that was handed out is usable, and callers ask
            // only for such addresses (the class map names a bin for them).
            return NonNull::new(unsafe { &*granule }.head());
        }
    }
    None
}

/// [`run_of`] for many addresses of one bin, most of which lie in the first arena.
///
/// `SINGLE` says that the bin's runs have one granule, so a granule's descriptor is its run's.
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

    /// [`run_of`] as a reference; [`NO_SLAB`] if `address` is in no arena.
    #[inline(always)]
    pub(crate) fn slab_of(&self, address: usize) -> &'static Slab {
        let offset = address.wrapping_sub(self.base);
        if offset >= self.bytes {
            cold_path();
            // SAFETY: `run_of` returns a descriptor, and descriptors are never unmapped.
            return run_of(address).map_or(&NO_SLAB, |run| unsafe { run.as_ref() });
        }
        let granule = descriptor(self.base, offset >> GRANULE_SHIFT);
        // SAFETY: as in `run_of`.
        let run = if SINGLE { granule } else { unsafe { &*granule }.head() };
        // SAFETY: `granule` is a descriptor, and the head that a run's descriptors name is one too.
        unsafe { &*run }
    }
}

/// Index of the arena that `address` lies in.
pub(super) fn arena_of(address: usize) -> Option<usize> {
    // Acquire: pairs with the Release in `append`, which publishes the ranges.
    let count = COUNT.load(Ordering::Acquire);
    RANGES[..count].iter().position(|range| range.covers(address))
}

/// Whether `address` lies in memory that an arena has made usable for slabs.
pub(crate) fn holds(address: usize) -> bool {
    // Acquire: pairs with the Release in `append`, which publishes the ranges.
    let count = COUNT.load(Ordering::Acquire);
    RANGES[..count].iter().any(|range| range.holds(address))
}

/// [`holds`] for the first arena alone, which few programs ever outgrow: for fast paths.
#[inline(always)]
pub(crate) fn first_holds(address: usize) -> bool {
    RANGES[0].holds(address)
}

impl Range {
    /// Whether `address` lies in the arena at all.
    pub(super) fn covers(&self, address: usize) -> bool {
        address.wrapping_sub(self.base.load(Ordering::Relaxed)) < self.bytes.load(Ordering::Relaxed)
    }

    /// Whether `address` lies in memory that was made usable for slabs.
    #[inline(always)]
    pub(super) fn holds(&self, address: usize) -> bool {
        let first = self.first.load(Ordering::Relaxed);
        address.wrapping_sub(first) < self.usable.load(Ordering::Relaxed)
    }
}
