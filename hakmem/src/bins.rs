//! Sizes, bins and classes, as data.
//!
//! Up to four evenly spaced bins in each doubling keep internal fragmentation at 25 % in the worst
//! case and about 12 % on average. All strides from 16 bytes on are multiples of 16, so every block
//! satisfies C's rule of alignment; the 8-byte bin serves requests of up to 8 bytes. This is the
//! table of the routing `direct`; `routing` says which bins the others use. Every power of two up
//! to [`MID_MAX`] is a stride: blocks of those bins are aligned to their size, because slabs are
//! aligned to [`GRANULE`].

use hakmem_segment::{BIN_LARGE, Class};

use crate::hint::cold_path;
use crate::settings;

/// Unit of address space: slabs are runs of granules, and the class map has one byte for each
/// granule.
pub(crate) const GRANULE: usize = 1 << GRANULE_SHIFT;
/// Binary logarithm of [`GRANULE`].
pub(crate) const GRANULE_SHIFT: u32 = 16;

/// Largest request of the tiny classes C0..C7.
pub(crate) const TINY_MAX: usize = 1024;
/// Largest request of the mid class; a larger one gets a span of its own. A thread that frees and
/// allocates blocks of one size over and over must not pay for the kernel's clearing of pages up to
/// this size.
pub(crate) const MID_MAX: usize = 256 * 1024;

/// Strides of the bins in use, 1..=BINS_USED; the index is the bin.
const STRIDES: [u32; BINS_USED + 1] = strides();
const BINS_USED: usize = BIN_C7_HEADER;
const _: () = assert!(BINS_USED < BIN_LARGE);
/// The largest bin of the mid class.
const BIN_MID_MAX: usize = 21 + 8 * 4;
/// C7 blocks of exactly 1024 bytes.
pub(crate) const BIN_C7: usize = 21;
/// C7 blocks that hold 1024 bytes beside a header, used by the routing `uniform`: 1040 is the next
/// multiple of 16.
pub(crate) const BIN_C7_HEADER: usize = BIN_MID_MAX + 1;
const C7_HEADER_STRIDE: u32 = 1040;

const fn strides() -> [u32; BINS_USED + 1] {
    let mut strides = [0; BINS_USED + 1];
    let first = [8, 16, 32, 48, 64];
    let mut bin = 1;
    while bin <= first.len() {
        strides[bin] = first[bin - 1];
        bin += 1;
    }
    let mut doubling = 64;
    while bin <= BIN_MID_MAX {
        let mut quarter = 5;
        while quarter <= 8 {
            strides[bin] = doubling / 4 * quarter;
            bin += 1;
            quarter += 1;
        }
        doubling *= 2;
    }
    assert!(strides[BIN_MID_MAX] as usize == MID_MAX);
    strides[BIN_C7_HEADER] = C7_HEADER_STRIDE;
    strides
}

/// Largest request whose bin the fast paths find in a table with an entry for each size. It covers
/// the sizes that programs request most, and some above the tiny ones, so that a load around the
/// border does not mislead the branch predictor.
pub(crate) const SMALL_MAX: usize = TINY_MAX + TINY_MAX / 4;
/// Number of sizes from 0 to [`SMALL_MAX`] bytes.
pub(crate) const SMALL_SIZES: usize = SMALL_MAX + 1;

/// Bin of each small size. With one entry for each size, a lookup takes one instruction; a program
/// uses few sizes, so only few of the table's cache lines are ever in its cache.
pub(crate) const SMALL_BINS: [u8; SMALL_SIZES] = {
    let mut bins = [1; SMALL_SIZES];
    let (mut size, mut bin) = (1, 1);
    while size < SMALL_SIZES {
        while (STRIDES[bin] as usize) < size {
            bin += 1;
        }
        bins[size] = bin as u8;
        size += 1;
    }
    bins
};

/// The bin of a request of `size` bytes; [`BIN_LARGE`] above [`MID_MAX`].
#[inline]
pub(crate) const fn of_size(size: usize) -> usize {
    if size <= SMALL_MAX {
        return SMALL_BINS[size] as usize;
    }
    // A branch is predicted, and cheaper than looking up both tables.
    cold_path();
    if size > MID_MAX {
        return BIN_LARGE;
    }
    MID_BINS[size.div_ceil(MID_STEP)] as usize
}

/// All strides above [`TINY_MAX`] are multiples of this.
const MID_STEP: usize = 256;

/// Bin of each multiple of [`MID_STEP`] up to [`MID_MAX`]; only those above [`SMALL_MAX`] are
/// looked up.
const MID_BINS: [u8; MID_MAX / MID_STEP + 1] = {
    let mut bins = [0; MID_MAX / MID_STEP + 1];
    let (mut step, mut bin) = (TINY_MAX / MID_STEP + 1, BIN_C7 + 1);
    while step < bins.len() {
        while (STRIDES[bin] as usize) < step * MID_STEP {
            bin += 1;
        }
        assert!((STRIDES[bin] as usize).is_multiple_of(MID_STEP));
        bins[step] = bin as u8;
        step += 1;
    }
    bins
};

/// The bin whose blocks serve `size` bytes at `alignment`, a power of two; [`BIN_LARGE`] if no bin
/// does.
///
/// It is the bin of the next multiple of the alignment. The strides between 2^k and 2^(k+1) are the
/// multiples of 2^(k-2), so the smallest stride that holds a multiple of a power of two is itself a
/// multiple of that power; and slabs, aligned to [`GRANULE`], begin with a block.
#[inline]
pub(crate) const fn of_aligned(size: usize, alignment: usize) -> usize {
    if size > MID_MAX || alignment > GRANULE {
        return BIN_LARGE;
    }
    let needed = if size > 0 { size } else { 1 };
    of_size((needed + alignment - 1) & !(alignment - 1))
}

/// Bytes that a block of `bin` holds.
#[inline]
pub(crate) const fn stride(bin: usize) -> usize {
    STRIDES[bin] as usize
}

/// [`stride`], or 0 if there is no such bin; used where the check for a panic that cannot happen
/// would cost a stack frame.
#[inline(always)]
pub(crate) fn stride_if_any(bin: usize) -> usize {
    STRIDES.get(bin).map_or(0, |&stride| stride as usize)
}

/// Computes the index of a block from its distance to the slab's first block.
#[derive(Clone, Copy)]
pub(crate) struct Divider {
    pub(crate) bin: u8,
    reciprocal: u64,
}

impl Divider {
    /// The divider of `bin`.
    #[inline]
    pub(crate) const fn of(bin: usize) -> Self {
        Self { bin: bin as u8, reciprocal: RECIPROCALS[bin] }
    }

    /// Index of the block that begins `offset` bytes behind the first, if one does.
    ///
    /// One multiplication by the reciprocal yields quotient and remainder: the upper half of the
    /// product is the quotient, the lower half the remainder as a fraction of the divisor, which is
    /// below the reciprocal only if the remainder is 0. With 64 bits of fraction this is exact for
    /// 32 bits (D. Lemire, O. Kaser, N. Kurz, "Faster remainder by direct computation", 2019).
    #[inline(always)]
    pub(crate) const fn index(self, offset: u32) -> Option<usize> {
        let product = offset as u128 * self.reciprocal as u128;
        if product as u64 >= self.reciprocal {
            cold_path();
            return None;
        }
        Some((product >> 64) as usize)
    }
}

/// 2^64 divided by each stride, rounded up.
const RECIPROCALS: [u64; BINS_USED + 1] = {
    let mut reciprocals = [0; BINS_USED + 1];
    let mut bin = 1;
    while bin <= BINS_USED {
        reciprocals[bin] = (1_u128 << 64).div_ceil(STRIDES[bin] as u128) as u64;
        bin += 1;
    }
    reciprocals
};

/// The class of `bin`.
pub(crate) const fn class(bin: usize) -> Class {
    match bin {
        0 => Class::None,
        1 => Class::C0,
        2 => Class::C1,
        3 => Class::C2,
        4..=5 => Class::C3,
        6..=9 => Class::C4,
        10..=13 => Class::C5,
        14..=17 => Class::C6,
        18..=BIN_C7 | BIN_C7_HEADER => Class::C7,
        BIN_LARGE => Class::Large,
        _ => Class::Mid,
    }
}

/// Number of granules in a slab of `bin`: enough for at least eight blocks.
pub(crate) const fn slab_granules(bin: usize) -> usize {
    let wanted = (stride(bin) * 8).div_ceil(GRANULE);
    if wanted < 1 { 1 } else { wanted.next_power_of_two() }
}

/// Order of the largest slab: the binary logarithm of its number of granules.
pub(crate) const SLAB_ORDER_MAX: usize = slab_granules(BIN_MID_MAX).ilog2() as usize;

/// Maximum bytes of blocks on a list, from which its capacity follows. A list grows to that only if
/// the central store is needed again and again, and an idle one is given up. With its spare, a list
/// of 256 KiB lets a program allocate and free five hundred blocks of 1 KiB at a time without the
/// central store.
const LIST_BYTES_MAX: usize = settings::LIST_BYTES_MAX as usize;
/// [`LIST_BYTES_MAX`] for bins above [`TINY_MAX`].
const MID_LIST_BYTES_MAX: usize = 64 * 1024;
/// [`LIST_BYTES_MAX`] for a bin whose blocks only come, or only go: blocks that wait on its list
/// have left the cache by the time that another thread receives them.
const ONE_WAY_LIST_BYTES: usize = 32 * 1024;
/// Bytes of blocks that a new list may hold: a thread that needs ten blocks must not touch ten
/// pages.
const LIST_BYTES_FIRST: usize = 2048;
/// Maximum number of blocks on a list: with one more entry, the pointers fill four pages.
const LIST_BLOCKS_MAX: usize = 2047;

/// Capacity of a new thread's list of `bin`.
pub(crate) const fn capacity_first(bin: usize) -> u16 {
    clamp(LIST_BYTES_FIRST / stride(bin), list_blocks_min(bin), 32)
}

/// Maximum capacity of a list of `bin`.
pub(crate) const fn capacity_max(bin: usize) -> u16 {
    CAPACITIES_MAX[bin]
}

/// Maximum capacity of a list of `bin` whose blocks only come, or only go.
pub(crate) const fn capacity_one_way(bin: usize) -> u16 {
    CAPACITIES_ONE_WAY[bin]
}

const CAPACITIES_MAX: [u16; BINS_USED + 1] = capacities_within(LIST_BYTES_MAX);
const CAPACITIES_ONE_WAY: [u16; BINS_USED + 1] = capacities_within(ONE_WAY_LIST_BYTES);

const fn capacities_within(list_bytes: usize) -> [u16; BINS_USED + 1] {
    let mut capacities = [0; BINS_USED + 1];
    let mut bin = 1;
    while bin <= BINS_USED {
        capacities[bin] = capacity_within(bin, list_bytes);
        bin += 1;
    }
    capacities
}

/// Maximum capacity of a list of `bin` that may hold `list_bytes`.
pub(crate) const fn capacity_within(bin: usize, list_bytes: usize) -> u16 {
    let is_smaller = stride(bin) <= TINY_MAX || list_bytes < MID_LIST_BYTES_MAX;
    let bytes = if is_smaller { list_bytes } else { MID_LIST_BYTES_MAX };
    clamp(bytes / stride(bin), list_blocks_min(bin), LIST_BLOCKS_MAX)
}

/// Number of blocks that a list may hold whatever their size: with its spare, enough for a program
/// that holds two at a time, without keeping half a megabyte of the largest.
const fn list_blocks_min(bin: usize) -> usize {
    if stride(bin) <= MID_LIST_BYTES_MAX / 2 { 2 } else { 1 }
}

const fn clamp(value: usize, low: usize, high: usize) -> u16 {
    (if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }) as u16
}

/// Bins that blocks can belong to, under one routing or another.
pub(crate) const fn in_use() -> core::ops::RangeInclusive<usize> {
    1..=BINS_USED
}

/// Whether `bin` is in [`in_use`], in constants too.
pub(crate) const fn in_use_contains(bin: usize) -> bool {
    bin >= 1 && bin <= BINS_USED
}

#[cfg(test)]
mod tests;
