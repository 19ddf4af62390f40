//! Where regions lie.
//!
//! The class map has an entry for each 64 KiB of the address space from 0 on, so it is small if
//! slabs lie low. The addresses below 40 GiB are left to code that needs them: executables at fixed
//! addresses and their `brk` heaps (below 4 GiB), and the heaps that the JVM addresses by 32 bits
//! (below 33 GiB). Mappings without a requested address, libraries and position-independent
//! executables lie at 42 TiB and above (`mmap_base` and `ELF_ET_DYN_BASE` on x86-64 and aarch64).
//! So the addresses above 40 GiB stay free unless a program asks for one of them itself. Go does so
//! from 768 GiB on, the JVM's ZGC from 4 TiB.
//!
//! Under a tight limit on address space the class map must be smaller; then regions begin between 4
//! and 6 GiB.
//!
//! # Orderings
//! Relaxed: the next place is taken by an atomic read-modify-write, and publishes nothing.

use crate::os::{memory, process};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

/// Places are multiples of this: the granule of the class map.
pub(super) const UNIT: usize = 1 << 16;
/// Unmapped addresses between two plans.
const GAP_BYTES: usize = 16 << 20;
/// A limit on address space below this is tight.
const TIGHT_BYTES: usize = 512 << 20;
/// All places end before this: any kernel gives these addresses to any process.
const END: usize = 1 << 46;

/// How large plans are, and where the first one may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Number of addresses from 0 on that the class map covers at first, and may cover in place.
    pub(crate) window_bytes: usize,
    pub(crate) window_bytes_max: usize,
    /// Bytes of an arena.
    pub(crate) arena_bytes: usize,
    /// The first place is chosen at random from `first_range` bytes from `first` on.
    first: usize,
    first_range: usize,
}

impl Scale {
    /// There are 2^20 places for the first plan, each with room for an arena.
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

    /// The scale for a limit of `bytes` on address space.
    const fn of_limit(bytes: usize) -> Self {
        if bytes < TIGHT_BYTES { Self::TIGHT } else { Self::WIDE }
    }
}

/// Address at which the next plan begins; 0 before the first call of [`Scale::current`].
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Whether the scale is the tight one.
static IS_TIGHT: AtomicBool = AtomicBool::new(false);

impl Scale {
    /// The process's scale. The first call chooses where the process's regions begin; it must be
    /// made by the process's only thread, or under a lock.
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
    // A remainder of 64 random bits: no place is more likely than another by more than 2^-43.
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
