//! Where regions lie.
//!
//! The class map has an entry for each 64 KiB of the address space from 0 on, so it is small if
//! slabs lie low. Below 40 GiB there is what programs want low: executables at fixed addresses
//! and their `brk` heaps (below 4 GiB), and the heaps that the JVM addresses by 32 bits (below
//! 33 GiB). Mappings that nobody asked an address for, libraries and position-independent
//! executables lie at 42 TiB and above (`mmap_base` and `ELF_ET_DYN_BASE` on x86-64 and aarch64), so
//! what lies behind 40 GiB stays free unless a program names such an address itself. Go does so
//! from 768 GiB on, the JVM's ZGC from 4 TiB.
//!
//! Under a tight limit on address space the class map must be smaller: then regions begin between 4
//! and 6 GiB.
//!
//! # Orderings
//! Relaxed: the next place is taken by read-modify-write, and publishes nothing.

use crate::os::{memory, process};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Places are multiples of this: the granule of the class map.
pub(super) const UNIT: usize = 1 << 16;
/// Addresses between two plans that belong to nobody.
const GAP_BYTES: usize = 16 << 20;
/// A limit on address space below this is tight.
const TIGHT_BYTES: usize = 512 << 20;
/// No place ends behind this: addresses that any kernel gives to any process.
const END: usize = 1 << 46;

/// How much is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Addresses from 0 on that the class map covers at first, and may cover in place.
    pub(crate) window_bytes: usize,
    pub(crate) window_bytes_max: usize,
    /// Bytes of an arena.
    pub(crate) arena_bytes: usize,
    /// The first place is one of a range.
    first: usize,
    first_range: usize,
}

impl Scale {
    /// 2^20 places for the first plan, of which each has room for an arena.
    const WIDE: Self = Self {
        window_bytes: 128 << 30,
        window_bytes_max: 1 << 47,
        arena_bytes: 16 << 30,
        first: 40 << 30,
        first_range: 64 << 30,
    };
    const TIGHT: Self = Self {
        window_bytes: 8 << 30,
        window_bytes_max: 4 << 40,
        arena_bytes: 1 << 30,
        first: 4 << 30,
        first_range: 2 << 30,
    };

    /// The scale for a limit on address space.
    const fn of_limit(bytes: usize) -> Self {
        if bytes < TIGHT_BYTES { Self::TIGHT } else { Self::WIDE }
    }
}

/// Where the next plan begins; 0 before [`Scale::current`] was asked.
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Whether the scale is the tight one.
static IS_TIGHT: AtomicBool = AtomicBool::new(false);

impl Scale {
    /// The process's scale, and where its regions begin, which is chosen at the first call. That one
    /// must be made by the process's only thread, or under a lock.
    pub(crate) fn current() -> Self {
        if NEXT.load(Ordering::Relaxed) == 0 {
            let scale = Self::of_limit(memory::address_space_limit());
            IS_TIGHT.store(scale == Self::TIGHT, Ordering::Relaxed);
            NEXT.store(first_place(scale, process::random()), Ordering::Relaxed);
        }
        if IS_TIGHT.load(Ordering::Relaxed) { Self::TIGHT } else { Self::WIDE }
    }
}

fn first_place(scale: Scale, random: u64) -> usize {
    let places = scale.first_range / UNIT;
    // The remainder of a word of random bits: no place is likelier than another by 2^-43.
    scale.first + (random % places as u64) as usize * UNIT
}

/// A place for `bytes` that no other plan has; `None` if there is none left.
pub(super) fn next(bytes: usize) -> Option<usize> {
    let step = bytes.checked_add(GAP_BYTES)?.checked_next_multiple_of(UNIT)?;
    let mut place = NEXT.load(Ordering::Relaxed);
    loop {
        let behind = place.checked_add(step).filter(|&behind| place != 0 && behind <= END)?;
        let relaxed = Ordering::Relaxed;
        match NEXT.compare_exchange_weak(place, behind, relaxed, relaxed) {
            Ok(_) => return Some(place),
            Err(other) => place = other,
        }
    }
}

#[cfg(test)]
mod tests;
