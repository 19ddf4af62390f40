//! The ancestor's registry: a hash table from slabs' addresses to their bins.
//!
//! The ancestor entered SuperSlabs of 2 MiB; this one enters slabs, by granule, so that one probe
//! answers. An entry is one word, granule and bin together: readers take no lock and never see half
//! an entry. The table uses open addressing with linear probing, and is at most half full. A slab
//! that goes out of use keeps its entry with bin 0, because its address comes into use again; so
//! entries never move.
//!
//! The table doubles by being copied. Readers may still probe the old table, so that stays mapped:
//! all old tables together are as large as the current one. A reader of an old table misses only
//! slabs that came into use after it loaded the table's address, and its thread cannot hold a block
//! of those yet.
//!
//! Only the routings with headers keep the registry; `direct` asks the class map.
//!
//! # Orderings
//! `TABLE` is stored with Release after the entries were copied, and loaded with Acquire. Entries
//! are relaxed: a thread that asks for a block's bin received the block, and with it the entry,
//! through the program's own synchronisation (see `class_map`).
//!
//! # Safety
//! `TABLE` is 0 or the address of a mapping of `2^n` words, with `n` in its low bits.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::bins::GRANULE_SHIFT;
use crate::lock::{Lock, Locked};
use crate::os::memory::{self, PAGE_MIN};
use crate::steps;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

const BIN_BITS: u32 = 8;
/// Capacity of the first table: one page.
const CAPACITY_BITS_FIRST: u32 = (PAGE_MIN / size_of::<u64>()).ilog2();

static TABLE: AtomicUsize = AtomicUsize::new(0);
/// Number of entries that are taken in the current table.
static LENGTH: Locked<usize> = Locked::new(0);

/// A table of entries.
#[derive(Clone, Copy)]
struct Table {
    base: usize,
    capacity_bits: u32,
}

/// The lock, which fork needs.
pub(crate) fn lock() -> &'static Lock {
    &LENGTH.lock
}

/// The bin of the slab that `address` lies in; 0 if it lies in none.
#[inline(always)]
pub(crate) fn bin(address: usize) -> usize {
    let Some(table) = Table::current() else { return 0 };
    let granule = (address >> GRANULE_SHIFT) as u64;
    let mut index = table.start(granule);
    loop {
        let entry = table.entry(index).load(Ordering::Relaxed);
        if entry >> BIN_BITS == granule {
            return (entry & ((1 << BIN_BITS) - 1)) as usize;
        }
        if entry == 0 {
            return 0;
        }
        index = table.next(index);
    }
}

/// Sets the bin of a run of granules; 0 takes the run out of use. False if there is no memory.
pub(crate) fn set(address: usize, granules: usize, bin: u8) -> bool {
    let mut length = LENGTH.lock();
    let first = (address >> GRANULE_SHIFT) as u64;
    for granule in first..first + granules as u64 {
        let Some(table) = make_room(&mut length) else { return false };
        steps::any();
        *length += usize::from(table.insert(granule, bin));
    }
    true
}

/// Recounts the entries, and takes out of use those of granules for which `is_used` is false. For a
/// child process, in which a thread may have ceased to exist in the middle of [`set`].
#[cold]
pub(crate) fn repair(is_used: &dyn Fn(usize) -> bool) {
    let mut length = LENGTH.lock();
    let Some(table) = Table::current() else { return };
    *length = 0;
    for index in 0..1 << table.capacity_bits {
        let entry = table.entry(index).load(Ordering::Relaxed);
        *length += usize::from(entry != 0);
        let granule = entry >> BIN_BITS;
        if entry != 0 && !is_used((granule as usize) << GRANULE_SHIFT) {
            table.entry(index).store(granule << BIN_BITS, Ordering::Relaxed);
        }
    }
}

/// The current table; if that is half full, its successor of twice the size.
fn make_room(length: &mut usize) -> Option<Table> {
    let old = Table::current();
    let bits = match old {
        Some(table) if (*length + 1) * 2 <= 1 << table.capacity_bits => return Some(table),
        Some(table) => table.capacity_bits + 1,
        None => CAPACITY_BITS_FIRST,
    };
    let base = memory::map(size_of::<u64>() << bits)?;
    let new = Table { base: base.as_ptr() as usize, capacity_bits: bits };
    *length = 0;
    if let Some(old) = old {
        for index in 0..1 << old.capacity_bits {
            let entry = old.entry(index).load(Ordering::Relaxed);
            if entry != 0 {
                *length += usize::from(new.insert(entry >> BIN_BITS, entry as u8));
            }
        }
    }
    // Release: pairs with the Acquire in `current`, and publishes the copied entries.
    TABLE.store(new.base | bits as usize, Ordering::Release);
    Some(new)
}

impl Table {
    #[inline(always)]
    fn current() -> Option<Self> {
        // Acquire: pairs with the Release in `make_room`.
        let packed = NonNull::new(TABLE.load(Ordering::Acquire) as *mut u8)?.as_ptr() as usize;
        Some(Self {
            base: packed & !(PAGE_MIN - 1),
            capacity_bits: (packed & (PAGE_MIN - 1)) as u32,
        })
    }

    /// Index at which a granule's probe sequence begins: Fibonacci hashing (D. Knuth, TAOCP 3,
    /// 6.4).
    #[inline(always)]
    fn start(self, granule: u64) -> usize {
        (granule.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - self.capacity_bits)) as usize
    }

    #[inline(always)]
    fn next(self, index: usize) -> usize {
        (index + 1) & ((1 << self.capacity_bits) - 1)
    }

    #[inline(always)]
    fn entry(self, index: usize) -> &'static AtomicU64 {
        let address = self.base + index * size_of::<u64>();
        // SAFETY: indices are below the capacity, and tables are never unmapped.
        unsafe { &*(address as *const AtomicU64) }
    }

    /// Writes an entry; true if the granule had none. There must be room, and the lock must be
    /// held.
    fn insert(self, granule: u64, bin: u8) -> bool {
        let mut index = self.start(granule);
        loop {
            let entry = self.entry(index);
            let old = entry.load(Ordering::Relaxed);
            if old == 0 || old >> BIN_BITS == granule {
                entry.store((granule << BIN_BITS) | u64::from(bin), Ordering::Relaxed);
                return old == 0;
            }
            index = self.next(index);
        }
    }
}

#[cfg(test)]
mod tests;
