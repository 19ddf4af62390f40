//! The class map: address to bin in one load.
//!
//! A flat byte array with one entry per granule (64 KiB) of the 47-bit user address space; 0 means
//! "no slab of ours". That is 2 GiB of address space, of which only the pages that are written
//! exist: one page of the map covers 256 MiB of heap. The map is read-only except for the parts
//! that cover an arena, so it costs nothing under `vm.overcommit_memory=2`.
//!
//! Where address space is scarce (`ulimit -v`), the map covers a window of 64 GiB around the first
//! arena instead, and arenas outside of it are refused. The fast path of `free` is made for the whole
//! map, which begins at address 0 ([`WholeMap`]); under a window frees take a detour, as they do under
//! another routing than `direct`.
//!
//! # Orderings
//! Base, first granule and length are written once, before any heap exists. Entries change when a
//! slab is taken into or out of use: a thread that frees a block got its address from the thread
//! that allocated it, and with it, by the program's own synchronisation, the entry; the entry
//! changes back only after every block of the slab was freed. So relaxed suffices throughout.
//!
//! # Safety
//! An index below `granules` lies inside the mapping at `base`.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::bins::GRANULE_SHIFT;
use crate::os::memory;
use crate::sync::{AtomicU8, AtomicUsize, Ordering};

/// User address space: 47 bits.
const ADDRESS_BITS: u32 = 47;
/// Granules of the window where the whole map cannot be had: 64 GiB.
const WINDOW_GRANULES: usize = 1 << 20;

/// Where the map is if it covers all addresses from 0 on. Every heap keeps a copy, because its base
/// register reaches that without another load; one of zeros, as in a sentinel, finds nothing.
#[derive(Clone, Copy)]
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

    /// The process's map; it finds nothing before [`set_up`], and where that could have a window only.
    pub(crate) fn current() -> Self {
        let ClassMap { base, granules, .. } = ClassMap::current();
        if is_window() { Self::EMPTY } else { Self { base, granules } }
    }

    /// The bin of the slab that an address lies in: 0 if the granule is in no slab, `None` if the
    /// map does not cover it.
    #[inline(always)]
    pub(crate) fn bin(&self, address: usize) -> Option<usize> {
        load_if_any(self.base, self.granules, address >> GRANULE_SHIFT)
    }
}

/// Where the map is, be it whole or a window.
#[derive(Clone, Copy)]
pub(crate) struct ClassMap {
    /// Address of the entry of granule `first`.
    base: usize,
    /// First granule that the map covers.
    first: usize,
    /// Granules that it covers.
    granules: usize,
}

static BASE: AtomicUsize = AtomicUsize::new(0);
static FIRST: AtomicUsize = AtomicUsize::new(0);
static GRANULES: AtomicUsize = AtomicUsize::new(0);

impl ClassMap {
    /// The process's map; it finds nothing before [`set_up`].
    #[inline]
    pub(crate) fn current() -> Self {
        Self {
            base: BASE.load(Ordering::Relaxed),
            first: FIRST.load(Ordering::Relaxed),
            granules: GRANULES.load(Ordering::Relaxed),
        }
    }

    /// As [`WholeMap::bin`].
    #[inline(always)]
    pub(crate) fn bin(&self, address: usize) -> Option<usize> {
        let index = (address >> GRANULE_SHIFT).wrapping_sub(self.first);
        load_if_any(self.base, self.granules, index)
    }
}

/// One entry of a map of so many; `None` if it has no such entry.
#[inline(always)]
fn load_if_any(base: usize, granules: usize, index: usize) -> Option<usize> {
    // SAFETY: the entry is there.
    (index < granules).then(|| unsafe { load(base, index) })
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
/// As above.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
unsafe fn load(base: usize, index: usize) -> usize {
    // SAFETY: the caller's duty.
    usize::from(unsafe { entry(base, index) }.load(Ordering::Relaxed))
}

/// The same to change it.
///
/// # Safety
/// As above.
#[inline(always)]
unsafe fn entry(base: usize, index: usize) -> &'static AtomicU8 {
    // SAFETY: the caller's duty, and the mapping is never unmapped.
    unsafe { &*((base + index) as *const AtomicU8) }
}

/// Whether the whole map could not be had.
pub(crate) fn is_window() -> bool {
    FIRST.load(Ordering::Relaxed) != 0
}

/// Sets the map up, once, for arenas that will be near `hint`. False if there is no memory.
pub(crate) fn set_up(hint: usize) -> bool {
    let whole = 1_usize << (ADDRESS_BITS - GRANULE_SHIFT);
    if let Some(base) = memory::map_readable(whole) {
        return publish(base, 0, whole);
    }
    let first = (hint >> GRANULE_SHIFT).saturating_sub(WINDOW_GRANULES / 2);
    match memory::map_readable(WINDOW_GRANULES) {
        Some(base) => publish(base, first, WINDOW_GRANULES),
        None => false,
    }
}

fn publish(base: NonNull<u8>, first: usize, granules: usize) -> bool {
    BASE.store(base.as_ptr() as usize, Ordering::Relaxed);
    FIRST.store(first, Ordering::Relaxed);
    GRANULES.store(granules, Ordering::Relaxed);
    true
}

/// Makes the entries of an address range writable; false if the map does not cover it or there is
/// no memory.
pub(crate) fn cover(address: usize, bytes: usize) -> bool {
    let ClassMap { base, first, granules } = ClassMap::current();
    let first = (address >> GRANULE_SHIFT).wrapping_sub(first);
    let last = first.wrapping_add((bytes - 1) >> GRANULE_SHIFT);
    if last < first || last >= granules {
        return false;
    }
    let start = (base + first) & !(memory::PAGE - 1);
    let end = base + last + 1;
    let Some(length) = memory::round_to_pages(end - start) else { return false };
    let Some(start) = NonNull::new(start as *mut u8) else { return false };
    // SAFETY: the range lies inside the map's own mapping, whose length is a multiple of a page.
    unsafe { memory::make_writable(start, length) }
}

/// Sets the bin of a covered run of granules; 0 takes it out of use.
pub(crate) fn set(address: usize, granules: usize, bin: u8) {
    let map = ClassMap::current();
    let first = (address >> GRANULE_SHIFT).wrapping_sub(map.first);
    for index in first..first + granules {
        assert!(index < map.granules);
        // SAFETY: the entry is there.
        unsafe { entry(map.base, index) }.store(bin, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
