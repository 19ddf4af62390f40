//! A slab: one run of granules cut into blocks of one bin.
//!
//! Blocks that are here are bits in the descriptor, and not a list through the blocks (as in
//! jemalloc's slabs and the Linux kernel's early bitmap allocators): taking one back touches nothing
//! but the descriptor, and the lowest go out first, however scattered they came. So a program's next
//! objects lie next to each other in memory, which random frees would undo for good if blocks were
//! stacked; and a bin that serves ten blocks touches the pages of ten blocks.
//!
//! Invariants, for a slab in use:
//!
//! ```text
//! set bits of `here`, of those below capacity = capacity - out()
//! out() = until_look + rest <= carved <= capacity
//! rest = if out() == capacity { capacity - 1 } else { 0 }
//! ```
//!
//! # Safety
//! Descriptors lie in their arena, at the index of their granule, and are never unmapped. All but
//! `head` and `base` is guarded by the lock of the central store of the slab's bin, or, while the
//! run is in no bin, by the arenas' lock.
#![allow(unsafe_code)]

use core::{hint, ptr};

use crate::bins::{self, Divider};
use crate::block::Block;
use crate::os::memory::PAGE;
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
#[repr(C, align(64))]
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
    /// Blocks that must come back until someone has to look: one if all are out, as the slab has
    /// something to give then; otherwise all that are out. So one countdown finds both.
    until_look: u32,
    /// Blocks that are out beside those.
    rest: u32,
    /// Blocks that were ever given out: the lowest ones.
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
    /// One bit for each block that is here, by its index. What is no block is here for ever, so that
    /// it cannot come back.
    here: [u64; WORDS],
    /// What [`Slab::fingerprint`] was at the last look, and when pages were last given back.
    seen: u64,
    returned: u64,
}
const _: () = assert!(size_of::<Slab>().is_multiple_of(64));

impl Slab {
    /// Begins a slab's life in a bin.
    pub(crate) fn open(&mut self, bin: usize) {
        let first_offset = Layout::current().first_offset(bin);
        let capacity = ((self.bytes() - first_offset) / bins::stride(bin)).min(BLOCKS_MAX);
        self.first = self.base + first_offset;
        // One word more than may be needed: no multiple of the stride in the slab lies behind it.
        self.here[..WORDS.min(capacity / 64 + 1)].fill(u64::MAX);
        (self.until_look, self.rest) = (0, 0);
        self.carved = 0;
        self.capacity = capacity as u32;
        self.next = ptr::null_mut();
        self.previous = ptr::null_mut();
        self.bin = bin as u8;
        self.listed = false;
        (self.seen, self.returned) = (0, 0);
    }

    /// Blocks that it can still give.
    pub(crate) fn available(&self) -> u32 {
        self.capacity - self.out()
    }

    /// Blocks that are given out.
    fn out(&self) -> u32 {
        self.until_look + self.rest
    }

    /// Whether no block is given out.
    pub(crate) fn is_empty(&self) -> bool {
        self.out() == 0
    }

    /// Bytes of the run.
    pub(crate) fn bytes(&self) -> usize {
        bins::GRANULE << self.order
    }

    /// The index of the block that starts at an address, if one that was carved does.
    fn index_of(&self, address: usize) -> Option<usize> {
        let index = self.index_for(Divider::of(self.bin.into()), address as *mut Block)?;
        (index < self.carved as usize).then_some(index)
    }

    /// Whether an address is the start of a block that was carved.
    pub(crate) fn has_block_at(&self, address: usize) -> bool {
        self.index_of(address).is_some()
    }

    /// Whether the block at an address came back and has not been given out since.
    pub(crate) fn is_free_at(&self, address: usize) -> bool {
        self.index_of(address).is_some_and(|index| self.here[index / 64] >> (index % 64) & 1 != 0)
    }

    /// A number that is another, all but surely, when other blocks are out.
    fn fingerprint(&self) -> u64 {
        // The multiplier of FNV-1a, for words in place of bytes.
        let mix =
            |hash: u64, word: &u64| (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23);
        let words = self.carved.div_ceil(64) as usize;
        self.here[..words].iter().fold(u64::from(self.carved) + 1, mix)
    }

    /// Whether the same blocks are out as at the last call, and the pages of the others are still to
    /// be given back; takes it that they are now.
    pub(crate) fn is_idle(&mut self) -> bool {
        let now = self.fingerprint();
        let is_idle = now == self.seen && now != self.returned;
        self.seen = now;
        if is_idle {
            self.returned = now;
        }
        is_idle
    }

    /// Calls `visit` with address and bytes of all whole pages that hold no part of a block that is
    /// out, neighbours together.
    pub(crate) fn for_each_free_page(&self, mut visit: impl FnMut(usize, usize)) {
        let (stride, carved) = (bins::stride(self.bin.into()), self.carved as usize);
        let mut from = self.next(0, 0);
        loop {
            let to = self.next(from, u64::MAX);
            // What was not carved yet belongs to nobody.
            let end =
                if to >= carved { self.base + self.bytes() } else { self.first + to * stride };
            let begin = (self.first + from * stride).next_multiple_of(PAGE);
            let end = end / PAGE * PAGE;
            if begin < end {
                visit(begin, end - begin);
            }
            if to >= carved {
                return;
            }
            from = self.next(to, 0);
        }
    }

    /// The first index from one on whose bit of `here`, exclusive or that of `flip`, is set; or else
    /// the number of carved blocks.
    fn next(&self, from: usize, flip: u64) -> usize {
        let carved = self.carved as usize;
        let mut mask = u64::MAX << (from % 64);
        for word in from / 64..carved.div_ceil(64) {
            let bits = (self.here[word] ^ flip) & mask;
            if bits != 0 {
                return carved.min(word * 64 + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        carved
    }

    /// Fills a slice from its end with the lowest blocks that are here, in the order of their
    /// addresses, as far as there are any. Returns how many.
    pub(crate) fn give(&mut self, into: &mut [*mut Block]) -> usize {
        let count = into.len().min(self.available() as usize);
        let from = into.len() - count;
        let end = &mut into[from..];
        let Some(highest) = self.pop_lowest(end) else { return 0 };
        self.until_look += count as u32;
        if self.until_look == self.capacity {
            (self.until_look, self.rest) = (1, self.capacity - 1);
        }
        if highest >= self.carved {
            self.write_headers(end);
            self.carved = highest + 1;
        }
        debug_assert!(self.is_consistent());
        count
    }

    /// Whether the module's invariants hold.
    fn is_consistent(&self) -> bool {
        let bit = |index: u32| self.here[index as usize / 64] >> (index % 64) & 1;
        let here = (0..self.capacity).map(bit).sum::<u64>();
        let rest = if self.out() == self.capacity { self.capacity - 1 } else { 0 };
        here == u64::from(self.available())
            && self.out() <= self.carved
            && self.carved <= self.capacity
            && self.rest == rest
    }

    /// Fills the slice, for which there are enough blocks; the index of the highest, if there is any.
    fn pop_lowest(&mut self, into: &mut [*mut Block]) -> Option<u32> {
        let stride = bins::stride(usize::from(self.bin));
        let mut address = self.first;
        let mut room = into.len();
        for bits in &mut self.here {
            if room == 0 {
                break;
            }
            let mut left = *bits;
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
            *bits = left;
            address += 64 * stride;
        }
        let highest = into.first()?;
        self.index_for(Divider::of(self.bin.into()), *highest).map(|index| index as u32)
    }

    /// Writes the headers of those blocks that were never given out.
    fn write_headers(&self, blocks: &[*mut Block]) {
        let bin = usize::from(self.bin);
        let Some(header) = Layout::current().header(bin) else { return };
        let carved_end = self.first + self.carved as usize * bins::stride(bin);
        for &block in blocks.iter().filter(|&&block| block as usize >= carved_end) {
            // SAFETY: the byte before is this slab's too: the tail of the block before, or the
            // slab's first bytes.
            unsafe { header.write(block) };
        }
    }

    /// Takes a block back, given the divider of its bin.
    #[inline(always)]
    pub(crate) fn take_back(&mut self, divider: Divider, block: *mut Block) -> Taken {
        let Some(index) = self.index_for(divider, block) else { return Taken::Not };
        let (bits, mask) = (&mut self.here[index / 64], 1 << (index % 64));
        if *bits & mask != 0 {
            hint::cold_path();
            return Taken::Not;
        }
        *bits |= mask;
        self.until_look -= 1;
        if self.until_look == 0 {
            hint::cold_path();
            return self.look();
        }
        Taken::Other
    }

    /// Takes back as many as it can, and at least one, of `count` blocks that lie side by side from
    /// `lowest` on; returns how many it took or found not to be its own.
    pub(crate) fn take_back_run(
        &mut self,
        divider: Divider,
        lowest: *mut Block,
        count: usize,
    ) -> (usize, Taken) {
        let Some(index) = self.index_for(divider, lowest) else { return (1, Taken::Not) };
        let count = count.min(64 - index % 64);
        let mask = u64::MAX >> (64 - count) << (index % 64);
        if self.here[index / 64] & mask != 0 {
            // One of them is here already, or is none: one by one.
            return (1, self.take_back(divider, lowest));
        }
        self.here[index / 64] |= mask;
        let is_first = self.rest > 0;
        (self.until_look, self.rest) = (self.out() - count as u32, 0);
        let taken = match self.until_look {
            0 => Taken::Last,
            _ if is_first => Taken::First,
            _ => Taken::Other,
        };
        (count, taken)
    }

    /// What has happened when the countdown has ended.
    fn look(&mut self) -> Taken {
        (self.until_look, self.rest) = (self.rest, 0);
        if self.until_look == 0 { Taken::Last } else { Taken::First }
    }

    /// The index of what would be the block at an address, given the divider of the bin that it is
    /// said to be of; `None` if the slab is of another: an overwritten header may say so, and `e3`.
    #[inline(always)]
    fn index_for(&self, divider: Divider, block: *mut Block) -> Option<usize> {
        if self.bin != divider.bin {
            hint::cold_path();
            return None;
        }
        let index = divider.index((block as usize).wrapping_sub(self.first))?;
        if index >= BLOCKS_MAX as u64 {
            hint::cold_path();
            return None;
        }
        Some(index as usize)
    }
}

/// What became of a block that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is here already, or is no block of this slab; nothing has changed.
    Not,
    /// It is the first that is here.
    First,
    /// There are others here, and others that are not.
    Other,
    /// All blocks are here.
    Last,
}

/// Fills a slice from its end with the addresses of blocks that lie side by side.
fn fill(into: &mut [*mut Block], first: usize, stride: usize) {
    let mut address = first;
    for entry in into.iter_mut().rev() {
        *entry = address as *mut Block;
        address += stride;
    }
}

#[cfg(test)]
mod tests;
