//! The table of descriptors at the start of an arena: where each granule's descriptor lies, and how
//! the descriptors of a run are written.
//!
//! Each entry is a [`Slab`] descriptor, followed by a few words for the bitmap of a slab that needs
//! no more (`tables` has the larger bitmaps).
//!
//! # Safety
//! Descriptors of granules below an arena's frontier are usable. [`describe`] is called under the
//! arenas' lock; the other functions only compute addresses.
#![allow(unsafe_code)]

use core::ptr;

use crate::bins;
use crate::slab::Slab;
use crate::steps;

/// Bytes of the bitmap beside a descriptor: enough for a granule of 128-byte blocks.
pub(super) const NEAR_BITS_BYTES: usize = 64;
/// Bytes of a granule's entry in the table of descriptors.
pub(super) const DESCRIPTOR_STEP: usize = size_of::<Slab>() + NEAR_BITS_BYTES;
const _: () = {
    let mut bin = 1;
    while bins::in_use_contains(bin) {
        assert!(bins::slab_granules(bin) == 1 || Slab::bits_bytes(bin) <= NEAR_BITS_BYTES);
        bin += 1;
    }
};

/// Address of the descriptor of granule number `granule` of the arena that begins at `base`.
pub(super) fn descriptor(base: usize, granule: usize) -> *mut Slab {
    (base + granule * DESCRIPTOR_STEP) as *mut Slab
}

/// Address of the descriptor that lies `granules` entries behind `run`.
pub(super) fn descriptor_behind(run: *mut Slab, granules: usize) -> *mut Slab {
    // The arena's address is exposed: provenance of one descriptor does not reach another.
    ptr::with_exposed_provenance_mut(run.addr() + granules * DESCRIPTOR_STEP)
}

/// Address of the bitmap beside the descriptor of granule number `granule` of the arena that begins
/// at `base`.
pub(super) fn near_bits(base: usize, granule: usize) -> usize {
    descriptor(base, granule) as usize + size_of::<Slab>()
}

/// Writes the descriptors of a run.
pub(super) fn describe(run: *mut Slab, base: usize, order: usize) {
    for granule in 0..1 << order {
        let slab = descriptor_behind(run, granule);
        steps::any();
        // SAFETY: the descriptors of one run are usable, and the lock is held.
        unsafe { &*slab }.set_head(run);
    }
    // SAFETY: as above.
    unsafe { &*run }.describe(base, order);
}
