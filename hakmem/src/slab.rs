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
        self.freed[..capacity.div_ceil(64)].fill(0);
        self.freed_count = 0;
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

    /// The index of the block that starts at an address, if one that was carved does.
    fn index_of(&self, address: usize) -> Option<usize> {
        self.index_for(Divider::of(self.bin.into()), address as *mut Block)
    }

    /// Whether an address is the start of a block that was carved.
    pub(crate) fn has_block_at(&self, address: usize) -> bool {
        self.index_of(address).is_some()
    }

    /// Whether the block at an address came back and has not been given out since.
    pub(crate) fn is_free_at(&self, address: usize) -> bool {
        self.index_of(address).is_some_and(|index| self.freed[index / 64] >> (index % 64) & 1 != 0)
    }

    /// A number that is another, all but surely, when other blocks are out.
    fn fingerprint(&self) -> u64 {
        // The multiplier of FNV-1a, for words in place of bytes.
        let mix =
            |hash: u64, word: &u64| (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23);
        let words = self.carved.div_ceil(64) as usize;
        self.freed[..words].iter().fold(u64::from(self.carved) + 1, mix)
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

    /// The first index from one on whose bit of `freed`, exclusive or that of `flip`, is set; or else
    /// the number of carved blocks.
    fn next(&self, from: usize, flip: u64) -> usize {
        let carved = self.carved as usize;
        let mut mask = u64::MAX << (from % 64);
        for word in from / 64..carved.div_ceil(64) {
            let bits = (self.freed[word] ^ flip) & mask;
            if bits != 0 {
                return carved.min(word * 64 + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        carved
    }

    /// Fills a slice from its end with blocks in the order of their addresses, as far as there are
    /// any: those that came back first, then fresh ones. Returns how many.
    pub(crate) fn give(&mut self, into: &mut [*mut Block]) -> usize {
        let recycled = into.len().min(self.freed_count as usize);
        let (rest, end) = into.split_at_mut(into.len() - recycled);
        self.give_recycled(end);
        let carved = rest.len().min((self.capacity - self.carved) as usize);
        let (_, end) = rest.split_at_mut(rest.len() - carved);
        self.carve(end);
        recycled + carved
    }

    /// Fills the slice with blocks that came back; there are as many.
    fn give_recycled(&mut self, into: &mut [*mut Block]) {
        let stride = bins::stride(usize::from(self.bin));
        let mut address = self.first;
        self.freed_count -= into.len() as u32;
        let mut room = into.len();
        for bits in &mut self.freed {
            if room == 0 {
                return;
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
    }

    /// Fills the slice with fresh blocks; there are as many.
    fn carve(&mut self, into: &mut [*mut Block]) {
        let bin = usize::from(self.bin);
        let stride = bins::stride(bin);
        fill(into, self.first + self.carved as usize * stride, stride);
        self.carved += into.len() as u32;
        if let Some(header) = Layout::current().header(bin) {
            for &mut block in into {
                // SAFETY: the byte before is this slab's too: the tail of the block before, or the
                // slab's first bytes.
                unsafe { header.write(block) };
            }
        }
    }

    /// Takes a block back, given the divider of its bin.
    #[inline(always)]
    pub(crate) fn take_back(&mut self, divider: Divider, block: *mut Block) -> Taken {
        let Some(index) = self.index_for(divider, block) else { return Taken::Not };
        self.set(index / 64, 1 << (index % 64), 1)
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
        let (carved, in_word) = (self.carved as usize - index, 64 - index % 64);
        let count = count.min(carved).min(in_word);
        let mask = u64::MAX >> (64 - count) << (index % 64);
        match self.set(index / 64, mask, count as u32) {
            // One of them is here already: one by one.
            Taken::Not => (1, self.set(index / 64, 1 << (index % 64), 1)),
            taken => (count, taken),
        }
    }

    /// [`Slab::index_of`] for many blocks of one bin, the slab's.
    #[inline(always)]
    fn index_for(&self, divider: Divider, block: *mut Block) -> Option<usize> {
        let index = divider.index((block as usize).wrapping_sub(self.first))?;
        if index >= u64::from(self.carved) {
            hint::cold_path();
            return None;
        }
        Some(index as usize)
    }

    /// Notes that the blocks of a mask came back, if none of them is here.
    #[inline(always)]
    fn set(&mut self, word: usize, mask: u64, count: u32) -> Taken {
        let bits = &mut self.freed[word % WORDS];
        if *bits & mask != 0 {
            return Taken::Not;
        }
        *bits |= mask;
        let before = self.freed_count;
        self.freed_count += count;
        if self.freed_count == self.carved {
            Taken::Last
        } else if before == 0 {
            Taken::First
        } else {
            Taken::Other
        }
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
