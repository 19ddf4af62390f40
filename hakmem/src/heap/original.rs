//! The lists that `e3` keeps as the ancestor did: each is linked through its blocks.
//!
//! A block put on such a list one byte off leads the next pop astray, which is what crashed the
//! ancestor; a list in an array would merely return the pointer that is one byte off. All other
//! lists, and all other routings, use magazines.
//!
//! # Safety
//! There is none: `e3` may do anything to a program that asks for it. When a thread ends, its
//! blocks are looked at before they are given back.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ptr;

use super::Heap;
use crate::arena;
use crate::bins::BIN_C7;
use crate::block::Block;
use crate::central;

/// The original had no capacity; only the depth field of the word bounds a list.
const BLOCKS_MAX: u16 = 0x7000;

/// Number of bins that have such a list, from bin 0 on: those that `e3` takes for bins with
/// headers.
const ORIGINALS: usize = BIN_C7 + 1;

/// First block and number of blocks of each list.
pub(super) struct Originals {
    heads: [Cell<*mut Block>; ORIGINALS],
    counts: [Cell<u16>; ORIGINALS],
}

impl Originals {
    /// Lists without blocks.
    pub(super) const fn empty() -> Self {
        Self {
            heads: [const { Cell::new(ptr::null_mut()) }; ORIGINALS],
            counts: [const { Cell::new(0) }; ORIGINALS],
        }
    }

    /// Forgets all blocks.
    pub(super) fn clear(&self) {
        self.copy_from(&Self::empty());
    }

    /// Copies heads and counts from `other`.
    pub(super) fn copy_from(&self, other: &Self) {
        for bin in 0..ORIGINALS {
            self.heads[bin].set(other.heads[bin].get());
            self.counts[bin].set(other.counts[bin].get());
        }
    }

    /// Blocks on the list of `bin`; 0 for a bin without one.
    pub(super) fn count(&self, bin: usize) -> u16 {
        self.counts.get(bin).map_or(0, Cell::get)
    }
}

impl Heap {
    /// Blocks on the list and on the original list, as the bin's word counts them.
    pub(super) fn whole_depth(&self, bin: usize) -> u32 {
        self.depth(bin) + u32::from(self.originals.count(bin))
    }

    /// Whether the original list of `bin` has room for another block.
    pub(crate) fn has_original_room(&self, bin: usize) -> bool {
        bin < ORIGINALS && self.originals.count(bin) < BLOCKS_MAX
    }

    /// Puts `block`, which is believed to be a block, on an original list. Its link goes to `link`,
    /// where a block with a header has it.
    ///
    /// # Safety
    /// The word at `link` can be written.
    pub(crate) unsafe fn put_original(&self, bin: usize, block: *mut Block, link: *mut Block) {
        let originals = &self.originals;
        // SAFETY: the caller passes a `link` that can be written.
        unsafe { (*link).next = originals.heads[bin].get() };
        originals.heads[bin].set(block);
        originals.counts[bin].set(originals.counts[bin].get() + 1);
    }

    /// Pops a block off an original list; null if it is empty. This is where the ancestor crashed.
    pub(crate) fn take_original(&self, bin: usize) -> *mut Block {
        let originals = &self.originals;
        let block = originals.heads.get(bin).map_or(ptr::null_mut(), Cell::get);
        if block.is_null() {
            return block;
        }
        // SAFETY: none, see the module.
        originals.heads[bin].set(unsafe { block.cast::<*mut Block>().read_unaligned() });
        originals.counts[bin].set(originals.counts[bin].get().saturating_sub(1));
        block
    }

    /// Gives the blocks of an original list back, as far as the links lead to blocks.
    pub(super) fn give_up_originals(&self, bin: usize) {
        let count = self.originals.count(bin);
        if count == 0 {
            return;
        }
        self.originals.counts[bin].set(0);
        let mut block = self.originals.heads[bin].replace(ptr::null_mut());
        for _ in 0..count {
            if !arena::holds(block as usize) || !block.is_aligned() {
                break;
            }
            // SAFETY: `block` lies in an arena, where all memory that was ever handed out can be
            // read.
            let next = unsafe { (*block).next };
            // SAFETY: the slab accepts only one of its own blocks that is not free already.
            unsafe { central::give_to_slabs(bin, &[block], self.now_ms.get()) };
            block = next;
        }
        let (depth, capacity) = (self.depth(bin), self.capacities[bin].get());
        self.slot().update(|update| {
            update.set_list(bin, depth, capacity);
            update.add_flushed(bin, count.into());
        });
    }
}
