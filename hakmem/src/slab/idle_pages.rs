//! The pages of a slab that hold no live block, and whether it is time to return them to the
//! system.

use core::cell::Cell;

use super::Slab;
use crate::bins;
use crate::os::memory::page_bytes;

impl Slab {
    /// A number that changes, all but surely, when other blocks are out.
    fn fingerprint(&self) -> u32 {
        // The multiplier of FNV-1a, for words instead of bytes.
        let mix = |hash: u64, word: &Cell<u64>| {
            (hash ^ word.get()).wrapping_mul(0x100_0000_01b3).rotate_left(23)
        };
        let words = usize::from(self.carved.get().div_ceil(64));
        let hash = self.here()[..words].iter().fold(u64::from(self.carved.get()) + 1, mix);
        // 0 is the value of `seen` in a fresh slab.
        ((hash >> 32) as u32 ^ hash as u32).max(1)
    }

    /// Whether the same blocks are out as at the last call while the pages of the free ones have
    /// yet to be returned. Notes them as returned in that case.
    pub(crate) fn is_idle(&self) -> bool {
        let now = self.fingerprint();
        let is_idle = now == self.seen.get() && !self.returned.get();
        self.returned.set(now == self.seen.replace(now));
        is_idle
    }

    /// Whether the pages of the free blocks have yet to be returned, even if blocks came and went
    /// since the last look. Notes them as returned.
    pub(crate) fn is_to_return(&self) -> bool {
        let now = self.fingerprint();
        let is_same = now == self.seen.replace(now);
        !(self.returned.replace(true) && is_same)
    }

    /// Calls `visit` with the address and length of each stretch of whole pages that hold no part
    /// of a block that is out.
    pub(crate) fn for_each_free_page(&self, mut visit: impl FnMut(usize, usize)) {
        let (stride, carved) = (bins::stride(self.bin()), usize::from(self.carved.get()));
        let page = page_bytes();
        let mut from = self.next(0, 0);
        loop {
            let to = self.next(from, u64::MAX);
            // The memory behind the carved blocks holds no live block.
            let end = if to >= carved {
                self.base() + self.bytes()
            } else {
                self.first.get() + to * stride
            };
            let begin = (self.first.get() + from * stride).next_multiple_of(page);
            let end = end / page * page;
            if begin < end {
                visit(begin, end - begin);
            }
            if to >= carved {
                return;
            }
            from = self.next(to, 0);
        }
    }

    /// The first carved index from `from` on whose bit of `here`, XORed with that of `flip`, is
    /// set; otherwise the number of carved blocks.
    fn next(&self, from: usize, flip: u64) -> usize {
        let carved = usize::from(self.carved.get());
        let mut mask = u64::MAX << (from % 64);
        for word in from / 64..carved.div_ceil(64) {
            let bits = (self.here()[word].get() ^ flip) & mask;
            if bits != 0 {
                return carved.min(word * 64 + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        carved
    }
}
