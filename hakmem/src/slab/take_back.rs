//! Taking blocks back by setting their bits: one by one, or up to 64 neighbours at once.
//!
//! # Safety
//! As in `slab`.
#![allow(unsafe_code)]

use core::cell::Cell;

use super::Slab;
use crate::bins::Divider;
use crate::block::Block;
use crate::hint::cold_path;
use crate::steps;

/// What became of a block that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing has changed: the block is here already.
    Twice,
    /// Nothing has changed: the address is not the start of a block.
    NoBlock,
    /// Nothing has changed: the slab serves another bin than the caller named.
    Strange,
    /// The block was taken back, and no other was here.
    First,
    /// The block was taken back; other blocks are here, and others are out.
    Other,
    /// The block was taken back, and all blocks are here now.
    Last,
}

impl Slab {
    /// Takes `block` back. `divider` is that of its bin, and `SINGLE` says that slabs of this bin
    /// are [single](Slab::are_single).
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
            cold_path();
            return self.refuse(divider, Some(index));
        }
        bits.set(after);
        self.until_look.set(self.until_look.get() - 1);
        if self.until_look.get() == 0 {
            cold_path();
            return self.look();
        }
        Taken::Other
    }

    /// Takes back some of the `count` neighbours from `lowest` upwards, at least one of them.
    /// Returns how many it took back or refused.
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
            // One of them is here already, or is not a block: take them back one by one.
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

    /// The reason why a block cannot be taken back. `divider` is that of the bin that the caller
    /// named; `index` was computed with it.
    #[cold]
    fn refuse(&self, divider: Divider, index: Option<usize>) -> Taken {
        match index {
            _ if self.bin() != usize::from(divider.bin) => Taken::Strange,
            Some(index) if index < self.capacity.get().into() => Taken::Twice,
            _ => Taken::NoBlock,
        }
    }

    /// Called when the countdown ends: restarts it, and tells which of the two events has happened.
    fn look(&self) -> Taken {
        self.set_countdown(self.rest.get().into(), 0);
        if self.until_look.get() == 0 { Taken::Last } else { Taken::First }
    }
}
