//! A slab: one run of granules cut into blocks of one bin.
//!
//! Blocks are carved in address order only when they are needed, so that a bin that serves ten
//! blocks touches the pages of ten blocks. Blocks that came back are bits in the descriptor, and
//! not a list through the blocks (as in jemalloc's slabs and the Linux kernel's early bitmap
//! allocators): taking one back touches nothing but the descriptor, and blocks go out again in the
//! order of their addresses, however scattered they came. So a program's next objects lie next to
//! each other in memory, which random frees would undo for good if blocks were stacked.
//!
//! Invariants, for a slab in use:
//!
//! ```text
//! set bits of `freed` = freed_count <= carved <= capacity
//! blocks given out = carved - freed_count
//! ```
//!
//! # Safety
//! Descriptors lie in their arena, at the index of their granule, and are never unmapped. All but
//! `head` and `base` is guarded by the lock of the central store of the slab's bin, or, while the
//! run is in no bin, by the arenas' lock.
#![allow(unsafe_code)]

use core::ptr;

use crate::bins;
use crate::block::{Block, ChainBuilder};
use crate::routing::Layout;

/// Words of bits: enough for a granule of 16-byte blocks.
const WORDS: usize = bins::GRANULE / 16 / 64;
/// Blocks that a slab has at most. Of smaller blocks than 16 bytes, it leaves the rest of its
/// granule untouched.
const BLOCKS_MAX: usize = WORDS * 64;

/// Whether a run is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Idle {
    /// It is in use. 0, as in a descriptor that nobody has written to.
    No = 0,
    /// It is free and still has memory.
    Dirty,
    /// It is free and has none.
    Clean,
}

/// Descriptor of one granule; that of a run's first granule describes the run.
#[repr(C)]
pub(crate) struct Slab {
    /// Neighbours in the list that the slab is in: of a bin, or of free runs.
    pub(crate) next: *mut Slab,
    pub(crate) previous: *mut Slab,
    /// Descriptor of the run's first granule.
    pub(crate) head: *mut Slab,
    /// Address of the run.
    pub(crate) base: usize,
    /// Address of the first block.
    first: usize,
    /// Blocks that came back.
    freed_count: u32,
    /// Blocks cut so far.
    carved: u32,
    /// Blocks that fit.
    capacity: u32,
    /// Milliseconds of the monotonic clock when the run became free.
    pub(crate) freed_at_ms: u32,
    /// The bin while the slab is in use.
    pub(crate) bin: u8,
    /// Binary logarithm of the run's granules.
    pub(crate) order: u8,
    /// Whether the slab is in its bin's list of slabs that have blocks to give.
    pub(crate) listed: bool,
    /// Which of the arenas' lists of free runs the run is in.
    pub(crate) idle: Idle,
    /// One bit for each carved block that came back, by its index.
    freed: [u64; WORDS],
}
const _: () = assert!(size_of::<Slab>() == 64 + WORDS * size_of::<u64>());

impl Slab {
    /// Begins a slab's life in a bin.
    pub(crate) fn open(&mut self, bin: usize) {
        let first_offset = Layout::current().first_offset(bin);
        let capacity = ((self.bytes() - first_offset) / bins::stride(bin)).min(BLOCKS_MAX);
        self.first = self.base + first_offset;
        self.freed[..capacity.div_ceil(64)].fill(0);
        self.freed_count = 0;
        self.carved = 0;
        self.capacity = capacity as u32;
        self.next = ptr::null_mut();
        self.previous = ptr::null_mut();
        self.bin = bin as u8;
        self.listed = false;
    }

    /// Blocks that it can still give.
    pub(crate) fn available(&self) -> u32 {
        self.freed_count + (self.capacity - self.carved)
    }

    /// Whether no block is given out.
    pub(crate) fn is_empty(&self) -> bool {
        self.freed_count == self.carved
    }

    /// Bytes of the run.
    pub(crate) fn bytes(&self) -> usize {
        bins::GRANULE << self.order
    }

    /// The index of the block that starts at an address, if one that was carved does; the slab is
    /// of this bin.
    #[inline(always)]
    fn index_of(&self, bin: usize, address: usize) -> Option<u32> {
        debug_assert!(bin == usize::from(self.bin));
        let offset = address.wrapping_sub(self.first);
        if offset >= self.bytes() {
            return None;
        }
        let index = bins::quotient(offset, bin);
        let is_start = index as usize * bins::stride(bin) == offset;
        (is_start && index < self.carved).then_some(index)
    }

    /// Whether an address is the start of a block that was carved.
    pub(crate) fn has_block_at(&self, address: usize) -> bool {
        self.index_of(self.bin.into(), address).is_some()
    }

    /// Whether the block at an address came back and has not been given out since.
    pub(crate) fn is_free_at(&self, address: usize) -> bool {
        self.index_of(self.bin.into(), address)
            .is_some_and(|index| self.freed[index as usize / 64] >> (index % 64) & 1 != 0)
    }

    /// Puts up to `wanted` blocks at the end of the chain, in the order of their addresses: those that
    /// came back first, then fresh ones.
    pub(crate) fn give(&mut self, wanted: u32, chain: &mut ChainBuilder) {
        let recycled = wanted.min(self.freed_count);
        self.give_recycled(recycled, chain);
        self.carve((wanted - recycled).min(self.capacity - self.carved), chain);
    }

    fn give_recycled(&mut self, count: u32, chain: &mut ChainBuilder) {
        let (first, stride) = (self.first, bins::stride(usize::from(self.bin)));
        self.freed_count -= count;
        let (mut left, mut word) = (count, 0);
        while left > 0 {
            let mut bits = self.freed[word];
            while bits != 0 && left > 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                left -= 1;
                // SAFETY: the block came back, so it is the slab's.
                unsafe { chain.append((first + index * stride) as *mut Block) };
            }
            self.freed[word] = bits;
            word += 1;
        }
    }

    fn carve(&mut self, count: u32, chain: &mut ChainBuilder) {
        let (bin, layout) = (usize::from(self.bin), Layout::current());
        let (first, stride) = (self.first, bins::stride(bin));
        for index in self.carved..self.carved + count {
            let block = (first + index as usize * stride) as *mut Block;
            if let Some(header) = layout.header(bin) {
                // SAFETY: the byte before is this slab's too: the tail of the block before, or the
                // slab's first bytes.
                unsafe { header.write(block) };
            }
            // SAFETY: inside the run, which the slab owns, and given out for the first time.
            unsafe { chain.append(block) };
        }
        self.carved += count;
    }

    /// Takes a block back; false, and nothing has changed, if it is here already, or is none. The
    /// slab is of this bin.
    #[inline(always)]
    pub(crate) fn take_back(&mut self, bin: usize, block: *mut Block) -> bool {
        let Some(index) = self.index_of(bin, block as usize) else { return false };
        let (word, bit) = (index / 64, 1_u64 << (index % 64));
        let bits = &mut self.freed[word as usize];
        if *bits & bit != 0 {
            return false;
        }
        *bits |= bit;
        self.freed_count += 1;
        true
    }
}

#[cfg(test)]
mod tests;
