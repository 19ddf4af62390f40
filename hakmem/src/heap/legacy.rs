//! A copy of a heap's lists, which the thread that forks leaves to the child.
//!
//! Heaps are wiped in a child, so `fork` copies the forking thread's lists to memory that is not.
//!
//! # Safety
//! As in `heap`.
#![allow(unsafe_code)]

use core::ptr;

use hakmem_segment::BINS;

use super::original::Originals;
use super::{Heap, slot_of};
use crate::bins;
use crate::block::Block;

/// Most blocks that the lists and spares of all bins hold together.
const BLOCKS_MAX: usize = {
    let (mut blocks, mut bin) = (0, 0);
    while bin < BINS {
        if bins::in_use_contains(bin) {
            blocks += 2 * bins::capacity_max(bin) as usize;
        }
        bin += 1;
    }
    blocks
};

/// A heap's lists as plain data.
pub(crate) struct Lists {
    /// Of each bin in turn the spare's blocks and the list's, the topmost last.
    blocks: [*mut Block; BLOCKS_MAX],
    depths: [u16; BINS],
    spares: [u16; BINS],
    capacities: [u16; BINS],
    originals: Originals,
}

// SAFETY: the blocks are free, and belong to the thread that takes the lists over.
unsafe impl Send for Lists {}

impl Lists {
    /// Of no heap.
    pub(crate) const NONE: Self = Self {
        blocks: [ptr::null_mut(); BLOCKS_MAX],
        depths: [0; BINS],
        spares: [0; BINS],
        capacities: [0; BINS],
        originals: Originals::EMPTY,
    };
}

impl Heap {
    /// Copies the lists.
    pub(crate) fn copy_lists(&self, into: &mut Lists) {
        let mut count = 0;
        for bin in bins::in_use() {
            for magazine in [self.spares[bin], self.list(bin)] {
                let blocks = self.blocks(magazine);
                into.blocks[count..count + blocks.len()].copy_from_slice(blocks);
                count += blocks.len();
            }
            into.depths[bin] = self.depth(bin) as u16;
            into.spares[bin] = self.spares[bin].count() as u16;
        }
        into.capacities = self.capacities;
        into.originals = self.originals;
    }

    /// Takes over the lists that this process's thread had in its parent. The blocks count as refilled:
    /// the child has not allocated them.
    pub(crate) fn adopt(&mut self, lists: &Lists) {
        self.originals = lists.originals;
        let mut rest = &lists.blocks[..];
        for bin in bins::in_use() {
            self.capacities[bin] = lists.capacities[bin];
            if self.capacities[bin] > bins::capacity_first(bin) {
                self.enlarge_magazines(bin);
            }
            for count in [lists.spares[bin], lists.depths[bin]] {
                let (blocks, others) = rest.split_at(count.into());
                self.room(bin, count.into()).copy_from_slice(blocks);
                self.set_depth(bin, count.into());
                rest = others;
                self.exchange(bin);
            }
            // Twice exchanged: the spare's blocks came first and are the list's now.
            self.exchange(bin);
            let (depth, spare) = (self.whole_depth(bin), self.spares[bin].count());
            let capacity = self.capacities[bin];
            slot_of(self).update(|update| {
                update.set_list(bin, depth, capacity);
                update.set_spare(bin, spare);
                update.add_refilled(bin, depth + spare);
            });
        }
    }
}
