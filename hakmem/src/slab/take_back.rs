//! Taking blocks back: one by one, or up to 64 at once that lie side by side, by setting their bits.
//!
//! # Safety
//! As in `slab`.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::hint;

use super::Slab;
use crate::bins::Divider;
use crate::block::Block;
use crate::steps;

/// What became of a block that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing has changed: it is here already.
    Twice,
    /// Nothing has changed: it is not the start of a block.
    NoBlock,
    /// Nothing has changed: the slab is of another bin than the block is said to be.
    Strange,
    /// It is the first that is here.
    First,
    /// There are others here, and others that are not.
    Other,
    /// All blocks are here.
    Last,
}

impl Slab {
    /// Takes a block back, given the divider of its bin. `SINGLE` says that the slabs of that bin are
    /// [single](Slab::are_single).
    #[inline(always)]
    pub(crate) fn take_back<const SINGLE: bool>(
        &self,
        divider: Divider,
        block: *mut Block,
    ) -> Taken {
        let Some(index) = self.index_for::<SINGLE>(divider, block) else {
            return self.refuse(divider, None);
        };
        // SAFETY: there is a word for every index.
        let bits = unsafe { self.bits.get().add(index / 64) };
        // SAFETY: as above.
        let bits = unsafe { &*bits.cast::<Cell<u64>>() };
        let before = bits.get();
        let after = before | 1 << (index % 64);
        if after == before {
            hint::cold_path();
            return self.refuse(divider, Some(index));
        }
        bits.set(after);
        self.until_look.set(self.until_look.get() - 1);
        if self.until_look.get() == 0 {
            hint::cold_path();
            return self.look();
        }
        Taken::Other
    }

    /// Takes back as many as it can, and at least one, of `count` blocks that lie side by side from
    /// `lowest` on; returns how many it took or found not to be its own.
    pub(crate) fn take_back_run(
        &self,
        divider: Divider,
        lowest: *mut Block,
        count: usize,
    ) -> (usize, Taken) {
        let Some(index) = self.index_for::<false>(divider, lowest) else {
            return (1, self.refuse(divider, None));
        };
        let count = count.min(64 - index % 64);
        let mask = u64::MAX >> (64 - count) << (index % 64);
        let bits = &self.here()[index / 64];
        if bits.get() & mask != 0 {
            // One of them is here already, or is none: one by one.
            return (1, self.take_back::<false>(divider, lowest));
        }
        bits.set(bits.get() | mask);
        steps::any();
        let is_first = self.rest.get() > 0;
        self.set_countdown(self.out() - count as u32, 0);
        let taken = match self.until_look.get() {
            0 => Taken::Last,
            _ if is_first => Taken::First,
            _ => Taken::Other,
        };
        (count, taken)
    }

    /// Why a block cannot be taken back that is said to be of the divider's bin and to have an index.
    #[cold]
    fn refuse(&self, divider: Divider, index: Option<usize>) -> Taken {
        match index {
            _ if self.bin() != usize::from(divider.bin) => Taken::Strange,
            Some(index) if index < self.capacity.get().into() => Taken::Twice,
            _ => Taken::NoBlock,
        }
    }

    /// What has happened when the countdown has ended.
    fn look(&self) -> Taken {
        self.set_countdown(self.rest.get().into(), 0);
        if self.until_look.get() == 0 { Taken::Last } else { Taken::First }
    }
}
