//! The two tables in an arena's first granules: the descriptors, each followed by a few words of
//! bitmap (`descriptors`), and the table of larger bitmaps. Each has an entry for every granule.
//! Both grow as the arena does; their unused parts are inaccessible, and so are the pages around
//! them.
//!
//! Slabs of blocks of 128 bytes and more, and slabs of several granules, have their bitmap beside
//! their descriptor. Slabs of smaller blocks have it in the second table, whose pages go back to
//! the system once their granules hold no such slab: a heap that was large once keeps no more than
//! its descriptors.
//!
//! # Safety
//! Functions here are called under the arenas' lock, except [`bits_of`], which only computes an
//! address. Entries of granules below an arena's frontier are usable.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use super::Arenas;
use super::descriptors::{DESCRIPTOR_STEP, NEAR_BITS_BYTES, descriptor, near_bits};
use super::ranges::{RANGES, arena_of};
use crate::bins::{GRANULE, GRANULE_SHIFT};
use crate::os::memory::{self, Access, PAGE, Refusal};
use crate::region::{Plan, Region};
use crate::slab::{BITS_BYTES_MAX, Idle, Slab};
use crate::sync::Ordering;

/// Bytes of a granule's entry in the table of bitmaps: a cache line more than it needs. Most slabs
/// use only the first words of their bitmap, which would otherwise all fall into the same cache
/// sets.
const BITS_STEP: usize = BITS_BYTES_MAX + 64;
/// Bytes by which a table grows beyond what is needed: as many as it has, within these bounds.
const SURPLUS_MIN: usize = PAGE;
const SURPLUS_MAX: usize = GRANULE;
/// Inaccessible bytes between the tables.
const GUARD_BYTES: usize = PAGE;

/// The tables of the last arena. Neither has entries for the granules that hold the tables
/// themselves.
pub(super) struct Tables {
    descriptors: Region,
    bits: Region,
}

impl Tables {
    pub(super) const NONE: Self = Self { descriptors: Region::NONE, bits: Region::NONE };

    /// The tables of a planned arena, with no entry usable yet.
    pub(super) fn of(plan: Plan) -> Self {
        let first = table_granules(plan.bytes);
        let bits = bits_offset(plan.bytes);
        let page_of = |offset: usize| offset & !(PAGE - 1);
        let descriptors = plan.region(page_of(first * DESCRIPTOR_STEP), bits - GUARD_BYTES);
        let bits = plan.region(page_of(bits + first * BITS_STEP), tables_bytes(plan.bytes));
        Self { descriptors, bits }
    }

    /// Makes the entries of the arena's granules below `granules` usable. The tables themselves
    /// occupy the `first` granules.
    pub(super) fn extend(&mut self, first: usize, granules: usize) -> Result<(), Refusal> {
        extend_table(&mut self.descriptors, first * DESCRIPTOR_STEP, granules * DESCRIPTOR_STEP)?;
        // The table of bitmaps begins at a page as well.
        extend_table(&mut self.bits, first * BITS_STEP, granules * BITS_STEP)
    }

    /// Bytes of both tables that are usable.
    pub(super) fn usable(&self) -> usize {
        self.descriptors.usable() + self.bits.usable()
    }

    /// Address ranges of both tables that are usable.
    #[cfg(test)]
    pub(super) fn ranges(&self) -> [core::ops::Range<usize>; 2] {
        [&self.descriptors, &self.bits]
            .map(|region| region.start()..region.start() + region.usable())
    }

    /// Unmaps the tables of an arena that could not be begun.
    pub(super) fn give_up(self) {
        self.descriptors.give_up();
        self.bits.give_up();
    }
}

/// Makes a table usable up to the offset `to` from its beginning. The region begins at the page of
/// the entry at the offset `from`.
fn extend_table(region: &mut Region, from: usize, to: usize) -> Result<(), Refusal> {
    let needed = to - (from & !(PAGE - 1));
    let surplus = region.usable().clamp(SURPLUS_MIN, SURPLUS_MAX);
    region.extend(needed, surplus, Access::ReadWrite)
}

/// Offset of the table of bitmaps in an arena.
fn bits_offset(arena_bytes: usize) -> usize {
    ((arena_bytes >> GRANULE_SHIFT) * DESCRIPTOR_STEP).next_multiple_of(PAGE) + GUARD_BYTES
}

/// Bytes of both tables, in whole pages.
fn tables_bytes(arena_bytes: usize) -> usize {
    let bits = (arena_bytes >> GRANULE_SHIFT) * BITS_STEP;
    bits_offset(arena_bytes) + bits.next_multiple_of(PAGE)
}

/// Number of granules at an arena's start that hold its tables and the inaccessible bytes behind
/// them.
pub(super) fn table_granules(arena_bytes: usize) -> usize {
    (tables_bytes(arena_bytes) + GUARD_BYTES).div_ceil(GRANULE)
}

/// Address of the bitmap of `bytes` bytes that belongs to the granule at `address`; null if the
/// address is in no arena.
pub(crate) fn bits_of(address: usize, bytes: usize) -> *mut u64 {
    let Some(arena) = arena_of(address) else { return ptr::null_mut() };
    let range = &RANGES[arena];
    let base = range.base.load(Ordering::Relaxed);
    let granule = (address - base) >> GRANULE_SHIFT;
    let bits = if bytes <= NEAR_BITS_BYTES {
        near_bits(base, granule)
    } else {
        base + bits_offset(range.bytes.load(Ordering::Relaxed)) + granule * BITS_STEP
    };
    bits as *mut u64
}

impl Arenas {
    /// Returns to the system the pages of the table of bitmaps that no slab uses any more, now that
    /// `run` has lost its memory.
    pub(super) fn discard_bits(&self, run: &Slab) {
        let base = run.base();
        let Some(arena) = arena_of(base) else { return };
        let start = RANGES[arena].base.load(Ordering::Relaxed);
        let arena_bytes = RANGES[arena].bytes.load(Ordering::Relaxed);
        let granules = table_granules(arena_bytes)..self.end_of(arena);
        let first = (base - start) >> GRANULE_SHIFT;
        let behind = first + (1 << run.order());
        let bytes = memory::page_bytes();
        for page in first * BITS_STEP / bytes..=(behind * BITS_STEP - 1) / bytes {
            let low = (page * bytes / BITS_STEP).max(granules.start);
            let high = ((page * bytes + bytes - 1) / BITS_STEP).min(granules.end - 1);
            if (low..=high).any(|granule| may_have_bits(descriptor(start, granule))) {
                continue;
            }
            let address = start + bits_offset(arena_bytes) + page * bytes;
            if let Some(address) = NonNull::new(address as *mut u8) {
                // SAFETY: a page of the table in which no slab in use has bits; a thread that takes
                // a run needs the lock, which is held.
                let is_done = unsafe { memory::discard(address, bytes) };
                // A refusal is harmless: nothing relies on zeros there, as opening a slab writes
                // its bitmap.
                let _ = is_done;
            }
        }
    }
}

/// Whether the granule is a slab in use whose bitmap may be in the table.
fn may_have_bits(granule: *mut Slab) -> bool {
    // SAFETY: the descriptor of a granule below the frontier.
    let slab = unsafe { &*granule };
    slab.head() == granule && slab.idle() == Idle::No && slab.order() == 0
}
