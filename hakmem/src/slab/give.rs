//! Giving blocks out, the lowest first, by clearing their bits.
//!
//! # Safety
//! As in `slab`.
#![allow(unsafe_code)]

use super::Slab;
use crate::bins::{self, Divider};
use crate::block::Block;
use crate::routing::Layout;
use crate::steps;

impl Slab {
    /// Fills `into` from its end with the lowest blocks that are here, the lowest of them last, as
    /// far as there are any. Returns their number.
    pub(crate) fn give(&self, into: &mut [*mut Block]) -> usize {
        let count = into.len().min(self.available() as usize);
        let from = into.len() - count;
        let end = &mut into[from..];
        let Some(highest) = self.pop_lowest(end) else { return 0 };
        steps::any();
        self.until_look.set(self.until_look.get() + count as u32);
        if self.until_look.get() == u32::from(self.capacity.get()) {
            self.set_countdown(1, self.capacity.get() - 1);
        }
        if highest >= self.carved.get() {
            steps::any();
            self.write_headers(end);
            self.carved.set(highest + 1);
        }
        debug_assert!(self.is_consistent());
        count
    }

    /// Fills `into`, for which there are enough blocks. Returns the index of the highest block, if
    /// there is one.
    fn pop_lowest(&self, into: &mut [*mut Block]) -> Option<u16> {
        let stride = bins::stride(self.bin());
        let mut address = self.first.get();
        let mut room = into.len();
        for bits in self.here() {
            if room == 0 {
                break;
            }
            let mut left = bits.get();
            if left == u64::MAX && room >= 64 {
                fill(&mut into[room - 64..room], address, stride);
                room -= 64;
                left = 0;
            }
            while left != 0 && room > 0 {
                room -= 1;
                into[room] = (address + left.trailing_zeros() as usize * stride) as *mut Block;
                left &= left - 1;
            }
            bits.set(left);
            address += 64 * stride;
        }
        let highest = into.first()?;
        self.index_for::<false>(Divider::of(self.bin()), *highest).map(|index| index as u16)
    }

    /// Writes the headers of those `blocks` that are given out for the first time.
    fn write_headers(&self, blocks: &[*mut Block]) {
        let bin = self.bin();
        let Some(header) = Layout::current().header(bin) else { return };
        let carved_end = self.first.get() + usize::from(self.carved.get()) * bins::stride(bin);
        for &block in blocks.iter().filter(|&&block| block as usize >= carved_end) {
            // SAFETY: the byte in front belongs to this slab too: to the tail of the preceding
            // block, or to the slab's first bytes.
            unsafe { header.write(block) };
        }
    }
}

/// Fills `into` from its end with the addresses of blocks that lie side by side from `first` on.
fn fill(into: &mut [*mut Block], first: usize, stride: usize) {
    let mut address = first;
    for entry in into.iter_mut().rev() {
        *entry = address as *mut Block;
        address += stride;
    }
}
