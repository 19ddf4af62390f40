//! The class map: address to bin in one load.
//!
//! A flat byte array with one entry per granule (64 KiB) of the address space from 0 on; 0 means "no
//! slab of ours". Arenas lie low (see `region`), so at first it covers 128 GiB with 2 MiB of address
//! space, of which only the pages that are read or written exist: one page of the map covers 256
//! MiB of heap. Where arenas lie higher, because a program's heap is huge or the addresses were
//! taken, the map is extended in place, up to the end of user space. It is read-only except where
//! it covers memory of an arena, so it costs nothing under `vm.overcommit_memory=2`.
//!
//! Every heap has a copy of where the map is, for the fast path of `free` ([`WholeMap`]). A pointer
//! behind the end of that copy takes a detour, which brings the copy up to date.
//!
//! Where the map cannot be extended to an arena, for lack of address space, that arena gets a map of
//! its own (`far`), which the detour asks. So every answer is exact, wherever an arena lies.
//!
//! # Orderings
//! The base is written once, before any heap exists. The number of granules grows: it is stored with
//! Release after the entries were mapped, and loaded with Acquire before they are read. Entries
//! change when a slab is taken into or out of use: a thread that frees a block got its address from
//! the thread that allocated it, and with it, by the program's own synchronisation, the entry; the
//! entry changes back only after every block of the slab was freed. So relaxed suffices for them.
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

/// Where the map is. Every heap keeps a copy, because its base register reaches that without another
/// load; one of zeros, as in a sentinel, finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct WholeMap {
    /// Address of the entry of granule 0.
    base: usize,
    /// Granules that it covers.
    granules: usize,
}

impl WholeMap {
    /// A map that finds nothing.
    pub(crate) const EMPTY: Self = Self { base: 0, granules: 0 };

    /// The process's map; it finds nothing before [`Extent::set_up`].
    pub(crate) fn current() -> Self {
        // Acquire: pairs with the Release in `publish`, before the base is read.
        let granules = GRANULES.load(Ordering::Acquire);
        Self { base: BASE.load(Ordering::Relaxed), granules }
    }

    /// The bin of the slab that an address lies in: 0 if the granule is in no slab, `None` if the
    /// map does not cover it.
    #[inline(always)]
    pub(crate) fn bin(&self, address: usize) -> Option<usize> {
        let index = address >> GRANULE_SHIFT;
        // SAFETY: the entry is there.
        (index < self.granules).then(|| unsafe { load(self.base, index) })
    }

    /// Whether there is nothing that this copy does not know.
    pub(crate) fn is_complete(&self) -> bool {
        far::is_empty() && *self == Self::current()
    }
}

static BASE: AtomicUsize = AtomicUsize::new(0);
static GRANULES: AtomicUsize = AtomicUsize::new(0);

/// The bin of the slab that an address lies in, wherever that is: 0 if it is in none.
pub(crate) fn bin(address: usize) -> usize {
    let main = WholeMap::current().bin(address);
    main.or_else(|| Some(far::entry(address >> GRANULE_SHIFT)?.load(Ordering::Relaxed).into()))
        .unwrap_or(0)
}

/// One entry of a map. In assembly where that is possible: the compiler extends an atomic byte twice,
/// and `free` is counted in instructions.
///
/// # Safety
/// The map at `base` has an entry of this index.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
unsafe fn load(base: usize, index: usize) -> usize {
    let bin: usize;
    // SAFETY: the caller's duty, and the mapping is never unmapped. A load of a byte is a relaxed
    // atomic one on this architecture.
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

/// One entry of a map.
///
/// # Safety
/// The map at `base` has an entry of this index.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
unsafe fn load(base: usize, index: usize) -> usize {
    // SAFETY: the caller's duty.
    usize::from(unsafe { entry(base, index) }.load(Ordering::Relaxed))
}

/// One entry of a map, to change it.
///
/// # Safety
/// The map at `base` has an entry of this index.
#[inline(always)]
unsafe fn entry(base: usize, index: usize) -> &'static AtomicU8 {
    // SAFETY: the caller's duty, and the mapping is never unmapped.
    unsafe { &*((base + index) as *const AtomicU8) }
}

/// How far the map reaches. The arenas own this and change it under their lock.
pub(crate) struct Extent {
    region: Region,
    /// Granules whose entries were made writable last.
    writable: Range<usize>,
}

impl Extent {
    pub(crate) const NOTHING: Self = Self { region: Region::NONE, writable: 0..0 };

    /// Sets the map up, if it is not. False if there is no memory.
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

    /// Lets the map reach a range of addresses; false if there is no memory.
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

    /// Forgets which entries are writable: for a child process, where a thread may have ceased to exist
    /// in the middle of [`Extent::cover`]. To make them so again does no harm.
    pub(crate) fn look_again(&mut self) {
        self.writable = 0..0;
    }

    fn publish(&self) {
        BASE.store(self.region.start(), Ordering::Relaxed);
        // Release: pairs with the Acquire in `WholeMap::current`, publishes base and entries.
        GRANULES.store(self.region.usable(), Ordering::Release);
    }

    /// Makes the entries of a range of addresses writable; false if the map does not reach it or
    /// there is no memory.
    pub(crate) fn cover(&mut self, address: usize, bytes: usize) -> bool {
        let first = address >> GRANULE_SHIFT;
        let end = (address + bytes).div_ceil(1 << GRANULE_SHIFT);
        if end > self.region.usable() {
            // A map of an arena's own is writable as a whole.
            return far::entry(first).is_some() && far::entry(end - 1).is_some();
        }
        if self.writable.contains(&first) && end <= self.writable.end {
            return true;
        }
        let (first, end) = (first & !(PAGE - 1), end.next_multiple_of(PAGE));
        let Some(start) = NonNull::new((self.region.start() + first) as *mut u8) else {
            return false;
        };
        // SAFETY: inside of the map's own region, whose usable bytes are whole pages.
        let is_writable = unsafe { memory::make_accessible(start, end - first, Access::ReadWrite) };
        if is_writable {
            let joins = self.writable.end == first;
            self.writable = if joins { self.writable.start..end } else { first..end };
        }
        is_writable
    }
}

/// Sets the bin of a covered run of granules; 0 takes it out of use. The entry of the first granule is
/// the last that says that the run is in use, and the first that says that it is not: where a process
/// is forked meanwhile, its child goes by that one (`arena::repair`).
pub(crate) fn set(address: usize, granules: usize, bin: u8) {
    let map = WholeMap::current();
    let first = address >> GRANULE_SHIFT;
    for nth in 0..granules {
        let index = first + if bin == 0 { nth } else { granules - 1 - nth };
        steps::next();
        if index < map.granules {
            // SAFETY: the entry is there.
            unsafe { entry(map.base, index) }.store(bin, Ordering::Relaxed);
        } else if let Some(entry) = far::entry(index) {
            entry.store(bin, Ordering::Relaxed);
        }
    }
    steps::next();
}

#[cfg(test)]
mod tests;
