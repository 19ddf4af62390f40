//! The class map: address to bin in one load.
//!
//! A flat byte array with one entry per granule (64 KiB) of the address space from 0 on; 0 means
//! "no slab of ours". Arenas lie low (see `region`), so at first it covers 128 GiB with 2 MiB of
//! address space, of which only the pages that are read or written exist: one page of the map
//! covers 256 MiB of heap. If arenas lie higher, because a program's heap is huge or the addresses
//! were taken, the map is extended in place, up to the end of user space. It is read-only except
//! where it covers memory of an arena, so it costs nothing under `vm.overcommit_memory=2`.
//!
//! Every heap has a copy of the map's address and length, for the fast path of `free`
//! ([`WholeMap`]). A pointer behind the end of that copy takes a detour, which brings the copy up
//! to date.
//!
//! If the map cannot be extended to an arena for lack of address space, that arena gets a map of
//! its own (`far`), which the detour looks up. So every answer is exact, wherever an arena lies.
//!
//! # Orderings
//! The base is written once, before any heap exists. The number of granules grows: it is stored
//! with Release after the entries were mapped, and loaded with Acquire before they are read.
//! Relaxed suffices for the entries, which change when a slab comes into use or goes out of use. A
//! thread that frees a block received its address from the allocating thread through the program's
//! own synchronisation, and with it the entry; and the entry changes back only after every block of
//! the slab was freed.
//!
//! # Safety
//! An index below `granules` lies inside the mapping at `base`.
#![allow(unsafe_code)]

mod far;

use core::ops::Range;
use core::ptr::NonNull;

use crate::bins::GRANULE_SHIFT;
use crate::os::memory::{self, Access, PAGE};
use crate::region::{Region, Scale};
use crate::steps;
use crate::sync::{AtomicU8, AtomicUsize, Ordering};
pub(crate) use far::FAR_MAX;

/// Address and length of the map. Every heap keeps a copy, because its base register reaches that
/// without another load; a copy of zeros, as in a sentinel, finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct WholeMap {
    /// Address of the entry of granule 0.
    base: usize,
    /// Number of granules that the map covers.
    granules: usize,
}

impl WholeMap {
    /// A map that finds nothing.
    pub(crate) const EMPTY: Self = Self { base: 0, granules: 0 };

    /// The process's map; it finds nothing before [`Extent::set_up`].
    pub(crate) fn current() -> Self {
        // Acquire: pairs with the Release in `publish`; the base is read only afterwards.
        let granules = GRANULES.load(Ordering::Acquire);
        Self { base: BASE.load(Ordering::Relaxed), granules }
    }

    /// The bin of the slab that `address` lies in: 0 if the granule is in no slab, `None` if the
    /// map does not cover it.
    #[inline(always)]
    pub(crate) fn bin(&self, address: usize) -> Option<usize> {
        let index = address >> GRANULE_SHIFT;
        // SAFETY: the map has an entry of this index.
        (index < self.granules).then(|| unsafe { load(self.base, index) })
    }

    /// Whether this copy covers every arena: it is up to date, and no arena has a map of its own.
    pub(crate) fn is_complete(&self) -> bool {
        far::is_empty() && *self == Self::current()
    }
}

static BASE: AtomicUsize = AtomicUsize::new(0);
static GRANULES: AtomicUsize = AtomicUsize::new(0);

/// The bin of the slab that `address` lies in, wherever that is; 0 if it lies in none.
pub(crate) fn bin(address: usize) -> usize {
    let main = WholeMap::current().bin(address);
    main.or_else(|| Some(far::entry(address >> GRANULE_SHIFT)?.load(Ordering::Relaxed).into()))
        .unwrap_or(0)
}

/// Loads one entry of a map. In assembly where possible: the compiler zero-extends an atomic byte
/// twice, and the instructions of `free` are counted.
///
/// # Safety
/// The map at `base` has an entry of this index.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
unsafe fn load(base: usize, index: usize) -> usize {
    let bin: usize;
    // SAFETY: the caller guarantees that the entry exists, and the mapping is never unmapped. A
    // load of a byte is a relaxed atomic load on this architecture.
    unsafe {
        core::arch::asm!(
            "movzx {bin:e}, byte ptr [{base} + {index}]",
            bin = lateout(reg) bin,
            base = in(reg) base,
            index = in(reg) index,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    bin
}

/// Loads one entry of a map.
///
/// # Safety
/// The map at `base` has an entry of this index.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
unsafe fn load(base: usize, index: usize) -> usize {
    // SAFETY: the caller guarantees that the entry exists.
    usize::from(unsafe { entry(base, index) }.load(Ordering::Relaxed))
}

/// One entry of a map, to be changed.
///
/// # Safety
/// The map at `base` has an entry of this index.
#[inline(always)]
unsafe fn entry(base: usize, index: usize) -> &'static AtomicU8 {
    // SAFETY: the caller guarantees that the entry exists, and the mapping is never unmapped.
    unsafe { &*((base + index) as *const AtomicU8) }
}

/// The range that the map covers. The arenas own this and change it under their lock.
pub(crate) struct Extent {
    region: Region,
    /// Granules whose entries were made writable last.
    writable: Range<usize>,
}

impl Extent {
    pub(crate) const NOTHING: Self = Self { region: Region::NONE, writable: 0..0 };

    /// Sets up the map unless that was done before. False if there is no memory.
    pub(crate) fn set_up(&mut self, scale: &Scale) -> bool {
        if self.region.usable() > 0 {
            return true;
        }
        let first = scale.window_bytes >> GRANULE_SHIFT;
        let all = scale.window_bytes_max >> GRANULE_SHIFT;
        match Region::new(all, first, first, Access::Read) {
            Some(region) => self.region = region,
            None => return false,
        }
        self.publish();
        true
    }

    /// Extends the map to a range of addresses, or makes a map of its own for it; false if there is
    /// no memory.
    pub(crate) fn reach(&mut self, address: usize, bytes: usize) -> bool {
        let first = address >> GRANULE_SHIFT;
        let end = (address + bytes).div_ceil(1 << GRANULE_SHIFT);
        let wanted = end.next_power_of_two();
        if self.region.extend(wanted, 0, Access::Read).is_ok() {
            self.publish();
            return true;
        }
        far::add(first, end - first)
    }

    /// Forgets which entries are writable: for a child process, in which a thread may have ceased
    /// to exist in the middle of [`Extent::cover`]. Making entries writable again does no harm.
    pub(crate) fn look_again(&mut self) {
        self.writable = 0..0;
    }

    fn publish(&self) {
        BASE.store(self.region.start(), Ordering::Relaxed);
        // Release: pairs with the Acquire in `WholeMap::current`, and publishes base and entries.
        GRANULES.store(self.region.usable(), Ordering::Release);
    }

    /// Makes the entries of a range of addresses writable; false if the map does not reach it or
    /// there is no memory.
    pub(crate) fn cover(&mut self, address: usize, bytes: usize) -> bool {
        let first = address >> GRANULE_SHIFT;
        let end = (address + bytes).div_ceil(1 << GRANULE_SHIFT);
        if end > self.region.usable() {
            // An arena's own map is writable as a whole.
            return far::entry(first).is_some() && far::entry(end - 1).is_some();
        }
        if self.writable.contains(&first) && end <= self.writable.end {
            return true;
        }
        let (first, end) = (first & !(PAGE - 1), end.next_multiple_of(PAGE));
        let Some(start) = NonNull::new((self.region.start() + first) as *mut u8) else {
            return false;
        };
        // SAFETY: inside the map's own region, whose usable bytes are whole pages.
        let is_writable = unsafe { memory::make_accessible(start, end - first, Access::ReadWrite) };
        if is_writable {
            let joins = self.writable.end == first;
            self.writable = if joins { self.writable.start..end } else { first..end };
        }
        is_writable
    }
}

/// Sets the bin of a covered run of granules; 0 takes the run out of use. The entry of the first
/// granule is the last to say that the run is in use, and the first to say that it is not. If the
/// process is forked meanwhile, the child relies on that entry (`arena::repair`).
pub(crate) fn set(address: usize, granules: usize, bin: u8) {
    let map = WholeMap::current();
    let first = address >> GRANULE_SHIFT;
    for nth in 0..granules {
        let index = first + if bin == 0 { nth } else { granules - 1 - nth };
        steps::next();
        if index < map.granules {
            // SAFETY: the map has an entry of this index.
            unsafe { entry(map.base, index) }.store(bin, Ordering::Relaxed);
        } else if let Some(entry) = far::entry(index) {
            entry.store(bin, Ordering::Relaxed);
        }
    }
    steps::next();
}

#[cfg(test)]
mod tests;
