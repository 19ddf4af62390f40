//! A slab: one run of granules cut into blocks of one bin.
//!
//! Blocks are carved in address order only when they are needed, so that a bin that serves ten
//! blocks touches the pages of ten blocks. Invariants, for a slab in use:
//!
//! ```text
//! free.count <= carved <= capacity
//! blocks given out = carved - free.count
//! ```
//!
//! # Safety
//! Descriptors lie in their arena, at the index of their granule, and are never unmapped. All but
//! `head` and `base` is guarded by the lock of the central store of the slab's bin, or, while the
//! run is in no bin, by the arenas' lock.
#![allow(unsafe_code)]

use core::ptr;

use crate::bins;
use crate::block::{Block, Chain};
use crate::routing::Layout;

/// Descriptor of one granule; that of a run's first granule describes the run.
#[repr(C)]
pub(crate) struct Slab {
    /// Blocks that came back.
    pub(crate) free: Chain,
    /// Blocks cut so far.
    pub(crate) carved: u32,
    /// Blocks that fit.
    pub(crate) capacity: u32,
    /// Neighbours in the list that the slab is in: of a bin, or of free runs.
    pub(crate) next: *mut Slab,
    pub(crate) previous: *mut Slab,
    /// Descriptor of the run's first granule.
    pub(crate) head: *mut Slab,
    /// Address of the run.
    pub(crate) base: usize,
    /// Milliseconds of the monotonic clock when the run became free.
    pub(crate) freed_at_ms: u32,
    /// The bin while the slab is in use.
    pub(crate) bin: u8,
    /// Binary logarithm of the run's granules.
    pub(crate) order: u8,
    /// Whether the slab is in its bin's list of slabs that have blocks to give.
    pub(crate) listed: bool,
    /// Whether the run is in the arenas' lists of free runs.
    pub(crate) idle: bool,
}
const _: () = assert!(size_of::<Slab>() == 64);

impl Slab {
    /// Begins a slab's life in a bin.
    pub(crate) fn open(&mut self, bin: usize) {
        let bytes = (bins::GRANULE << self.order) - Layout::current().first_offset(bin);
        self.free = Chain::EMPTY;
        self.carved = 0;
        self.capacity = (bytes / bins::stride(bin)) as u32;
        self.next = ptr::null_mut();
        self.previous = ptr::null_mut();
        self.bin = bin as u8;
        self.listed = false;
    }

    /// Blocks that it can still give.
    pub(crate) fn available(&self) -> u32 {
        self.free.count + (self.capacity - self.carved)
    }

    /// Whether no block is given out.
    pub(crate) fn is_empty(&self) -> bool {
        self.free.count == self.carved
    }

    /// Whether an address is the start of a block that was carved.
    pub(crate) fn has_block_at(&self, address: usize) -> bool {
        let bin = usize::from(self.bin);
        let first = self.base + Layout::current().first_offset(bin);
        let (offset, stride) = (address.wrapping_sub(first), bins::stride(bin));
        offset % stride == 0 && offset / stride < self.carved as usize
    }

    /// Moves up to `wanted` blocks to the chain, those that came back first.
    pub(crate) fn give(&mut self, wanted: u32, chain: &mut Chain) {
        let mut left = wanted;
        while left > 0 {
            let Some(block) = self.free.pop() else { break };
            // SAFETY: the slab owned the block.
            unsafe { chain.push(block) };
            left -= 1;
        }
        let fresh = left.min(self.capacity - self.carved);
        let (bin, layout) = (usize::from(self.bin), Layout::current());
        let stride = bins::stride(bin);
        let first = self.base + layout.first_offset(bin);
        // From the last to the first, so that the chain runs upwards in memory.
        for index in (self.carved..self.carved + fresh).rev() {
            let block = (first + index as usize * stride) as *mut Block;
            if let Some(header) = layout.header(bin) {
                // SAFETY: the byte before is this slab's too: the tail of the block before, or the
                // slab's first bytes.
                unsafe { header.write(block) };
            }
            // SAFETY: inside the run, which the slab owns, and given out for the first time.
            unsafe { chain.push(block) };
        }
        self.carved += fresh;
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block is of this slab and the caller owns it.
    pub(crate) unsafe fn take_back(&mut self, block: *mut Block) {
        debug_assert!(self.has_block_at(block as usize) && self.free.count < self.carved);
        // SAFETY: the caller's duty.
        unsafe { self.free.push(block) };
    }
}

#[cfg(test)]
mod tests;
