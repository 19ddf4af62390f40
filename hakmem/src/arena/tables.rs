//! What lies in an arena's first granules: a table of descriptors, one for each granule, each beside a
//! few bits, and behind it a table of more bits.
//!
//! Slabs of blocks of 128 bytes and more, and those of several granules, have their bits beside their
//! descriptor. Those of small blocks have them in the second table, whose pages go back to the system
//! once no such slab is left in their granules: a heap that was large once keeps no more than its
//! descriptors.
//!
//! # Safety
//! Called under the arenas' lock, but for [`descriptor`], [`descriptor_behind`] and [`bits_of`], which
//! only reckon. Entries of granules below an arena's frontier are usable.
#![allow(unsafe_code)]

use core::ops;
use core::ptr::{self, NonNull};

use super::ranges::{RANGES, arena_of};
use super::{Arenas, make_usable};
use crate::bins::{self, GRANULE, GRANULE_SHIFT};
use crate::os::memory::{self, PAGE};
use crate::slab::{BITS_BYTES_MAX, Idle, Slab};
use crate::sync::Ordering;

/// Bytes of bits beside a descriptor: enough for a granule of 128-byte blocks.
const NEAR_BITS_BYTES: usize = 64;
/// Bytes of a granule's entry in the table of descriptors.
const DESCRIPTOR_STEP: usize = size_of::<Slab>() + NEAR_BITS_BYTES;
/// Bytes of a granule's entry in the table of bits: a line of the cache more than it needs, because
/// most slabs need only the first few, which would all fall into the same sets of the cache.
const BITS_STEP: usize = BITS_BYTES_MAX + 64;
const _: () = {
    let mut bin = 1;
    while bins::in_use_contains(bin) {
        assert!(bins::slab_granules(bin) == 1 || Slab::bits_bytes(bin) <= NEAR_BITS_BYTES);
        bin += 1;
    }
};
/// Bytes of a table that are made usable at once.
const STEP: usize = GRANULE;

/// How much of the last arena's tables is usable, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Usable {
    descriptors: usize,
    bits: usize,
}

impl Usable {
    pub(super) const NOTHING: Self = Self { descriptors: 0, bits: 0 };

    /// Makes the entries of an arena's first granules usable; false if the system refuses.
    pub(super) fn extend(&mut self, base: usize, arena_bytes: usize, granules: usize) -> bool {
        let (bits, end) = (base + bits_offset(arena_bytes), base + tables_bytes(arena_bytes));
        extend_table(base..bits, &mut self.descriptors, granules * DESCRIPTOR_STEP)
            && extend_table(bits..end, &mut self.bits, granules * BITS_STEP)
    }
}

/// Makes the first bytes of a table usable, and somewhat more of it.
fn extend_table(table: ops::Range<usize>, usable: &mut usize, needed: usize) -> bool {
    if needed <= *usable {
        return true;
    }
    let whole = table.len().next_multiple_of(PAGE);
    let wanted = needed.next_multiple_of(STEP).min(whole);
    let is_usable = make_usable(table.start + *usable, wanted - *usable);
    if is_usable {
        *usable = wanted;
    }
    is_usable
}

/// The descriptor of a granule.
pub(super) fn descriptor(base: usize, granule: usize) -> *mut Slab {
    (base + granule * DESCRIPTOR_STEP) as *mut Slab
}

/// The descriptor of the granule that lies some granules behind another one's.
pub(super) fn descriptor_behind(run: *mut Slab, granules: usize) -> *mut Slab {
    // The arena's address is exposed, and a pointer to one descriptor may lead to no other.
    ptr::with_exposed_provenance_mut(run.addr() + granules * DESCRIPTOR_STEP)
}

/// Where the table of bits begins in an arena.
fn bits_offset(arena_bytes: usize) -> usize {
    ((arena_bytes >> GRANULE_SHIFT) * DESCRIPTOR_STEP).next_multiple_of(PAGE)
}

/// Bytes of both tables.
fn tables_bytes(arena_bytes: usize) -> usize {
    bits_offset(arena_bytes) + (arena_bytes >> GRANULE_SHIFT) * BITS_STEP
}

/// Granules at an arena's start that hold its tables.
pub(super) fn table_granules(arena_bytes: usize) -> usize {
    tables_bytes(arena_bytes).div_ceil(GRANULE)
}

/// Where as many bytes of bits are that belong to the granule at an address; null if that is in no
/// arena.
pub(crate) fn bits_of(address: usize, bytes: usize) -> *mut u64 {
    let Some(arena) = arena_of(address) else { return ptr::null_mut() };
    let range = &RANGES[arena];
    let base = range.base.load(Ordering::Relaxed);
    let granule = (address - base) >> GRANULE_SHIFT;
    let bits = if bytes <= NEAR_BITS_BYTES {
        descriptor(base, granule) as usize + size_of::<Slab>()
    } else {
        base + bits_offset(range.bytes.load(Ordering::Relaxed)) + granule * BITS_STEP
    };
    bits as *mut u64
}

impl Arenas {
    /// Gives back the pages of the table of bits in which a run, which has just lost its memory, was
    /// the last to have any.
    pub(super) fn discard_bits(&self, run: &Slab) {
        let base = run.base();
        let Some(arena) = arena_of(base) else { return };
        let start = RANGES[arena].base.load(Ordering::Relaxed);
        let arena_bytes = RANGES[arena].bytes.load(Ordering::Relaxed);
        let granules = table_granules(arena_bytes)..self.end_of(arena);
        let first = (base - start) >> GRANULE_SHIFT;
        let behind = first + (1 << run.order());
        for page in first * BITS_STEP / PAGE..=(behind * BITS_STEP - 1) / PAGE {
            let low = (page * PAGE / BITS_STEP).max(granules.start);
            let high = ((page * PAGE + PAGE - 1) / BITS_STEP).min(granules.end - 1);
            if (low..=high).any(|granule| may_have_bits(descriptor(start, granule))) {
                continue;
            }
            let address = start + bits_offset(arena_bytes) + page * PAGE;
            if let Some(address) = NonNull::new(address as *mut u8) {
                // SAFETY: a page of the table, and no slab in use has bits there: who takes a run
                // needs the lock that is held.
                let is_done = unsafe { memory::discard(address, PAGE) };
                // Refused: nothing relies on zeros there, since a slab that is opened writes its bits.
                let _ = is_done;
            }
        }
    }
}

/// Whether a granule is a slab in use whose bits may be in the table.
fn may_have_bits(granule: *mut Slab) -> bool {
    // SAFETY: the descriptor of a granule below the frontier.
    let slab = unsafe { &*granule };
    slab.head() == granule && slab.idle() == Idle::No && slab.order() == 0
}
