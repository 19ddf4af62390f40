//! A slab: one run of granules cut into blocks of one bin.
//!
//! Blocks that are here are bits of a set, and not a list through the blocks (as in
//! jemalloc's slabs and the Linux kernel's early bitmap allocators): taking one back touches nothing
//! but descriptor and bits, and the lowest go out first, however scattered they came. So a program's
//! next objects lie next to each other in memory, which random frees would undo for good if blocks
//! were stacked; and a bin that serves ten blocks touches the pages of ten blocks.
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
//! Descriptors and bits lie in their arena, at the index of their granule, and are never unmapped.
//! `head`, `order` and `idle` are guarded by the arenas' lock, all else by the lock of the central
//! store of the slab's bin, or, while the run is in no bin, by the arenas' as well.
#![allow(unsafe_code)]

use core::{hint, ptr, slice};

use crate::bins::{self, Divider};
use crate::block::Block;
use crate::os::memory::PAGE;
use crate::routing::Layout;

/// Blocks that a slab has at most: a granule of 16-byte blocks. Of smaller ones, it leaves the rest of
/// its granule untouched.
const BLOCKS_MAX: usize = bins::GRANULE / 16;
/// Bytes of bits that a slab has at most.
pub(crate) const BITS_BYTES_MAX: usize = BLOCKS_MAX / 8;

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

/// Descriptor of one granule; that of a run's first granule describes the run. All but the bits, which
/// lie elsewhere, is in one line of the cache.
#[repr(C, align(64))]
pub(crate) struct Slab {
    /// Neighbours in the list that the slab is in: of a bin, or of free runs.
    pub(crate) next: *mut Slab,
    pub(crate) previous: *mut Slab,
    /// Descriptor of the run's first granule.
    pub(crate) head: *mut Slab,
    /// Address of the first block; of a free run, or one that was just taken, its own.
    first: usize,
    /// Where the words of [`Slab::here`] are.
    bits: *mut u64,
    /// Blocks that must come back until someone has to look: one if all are out, as the slab has
    /// something to give then; otherwise all that are out. So one countdown finds both.
    until_look: u32,
    /// Milliseconds of the monotonic clock when the run became free.
    pub(crate) freed_at_ms: u32,
    /// What [`Slab::fingerprint`] was at the last look.
    seen: u32,
    /// Blocks that are out beside those of `until_look`.
    rest: u16,
    /// Blocks that were ever given out: the lowest ones.
    carved: u16,
    /// Blocks that fit.
    capacity: u16,
    /// The bin while the slab is in use, otherwise 0.
    pub(crate) bin: u8,
    /// Binary logarithm of the run's granules.
    pub(crate) order: u8,
    /// Whether the slab is in its bin's list of slabs that have blocks to give.
    pub(crate) listed: bool,
    /// Which of the arenas' lists of free runs the run is in.
    pub(crate) idle: Idle,
    /// Whether the pages of free blocks were given back then.
    returned: bool,
    /// How many words of bits there are.
    words: u8,
}
const _: () = assert!(size_of::<Slab>() == 64);
const _: () = assert!(BLOCKS_MAX <= u16::MAX as usize && BLOCKS_MAX / 64 <= u8::MAX as usize);

impl Slab {
    /// Describes a run that is not in use.
    pub(crate) fn describe(&mut self, base: usize, order: usize) {
        self.first = base;
        self.order = order as u8;
        self.bin = 0;
    }

    /// Begins a slab's life in a bin, of as many granules as [`bins::slab_granules`] says.
    ///
    /// # Safety
    /// At `bits`, [`Slab::bits_bytes`] are this slab's while it is in use.
    pub(crate) unsafe fn open(&mut self, bin: usize, bits: *mut u64) {
        let first_offset = Layout::current().first_offset(bin);
        let capacity = (self.bytes() - first_offset) / bins::stride(bin);
        self.first = self.base() + first_offset;
        self.bits = bits;
        self.words = (Self::bits_bytes(bin) / size_of::<u64>()) as u8;
        self.carved = 0;
        self.capacity = capacity.min(BLOCKS_MAX) as u16;
        self.here_mut().fill(u64::MAX);
        (self.until_look, self.rest) = (0, 0);
        self.next = ptr::null_mut();
        self.previous = ptr::null_mut();
        self.bin = bin as u8;
        self.listed = false;
        (self.seen, self.returned) = (0, false);
    }

    /// One bit for each block that is here, by its index. What is no block is here for ever, so that
    /// it cannot come back.
    fn here(&self) -> &[u64] {
        // SAFETY: so many words are this slab's, as `open` was promised.
        unsafe { slice::from_raw_parts(self.bits, self.words.into()) }
    }

    fn here_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above, and the slab is borrowed for as long.
        unsafe { slice::from_raw_parts_mut(self.bits, self.words.into()) }
    }

    /// Bytes of bits that a slab of a bin needs, in whole words: a bit for each multiple of the stride
    /// that lies in it.
    pub(crate) const fn bits_bytes(bin: usize) -> usize {
        let multiples = (bins::slab_granules(bin) * bins::GRANULE).div_ceil(bins::stride(bin));
        let bits = if multiples < BLOCKS_MAX { multiples } else { BLOCKS_MAX };
        bits.div_ceil(64) * size_of::<u64>()
    }

    /// Address of the run.
    pub(crate) fn base(&self) -> usize {
        self.first & !(bins::GRANULE - 1)
    }

    /// Blocks that it can still give.
    pub(crate) fn available(&self) -> u32 {
        u32::from(self.capacity) - self.out()
    }

    /// Blocks that are given out.
    fn out(&self) -> u32 {
        self.until_look + u32::from(self.rest)
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
        let index = self.index_for::<false>(Divider::of(self.bin.into()), address as *mut Block)?;
        (index < usize::from(self.carved)).then_some(index)
    }

    /// Whether an address is the start of a block that was carved.
    pub(crate) fn has_block_at(&self, address: usize) -> bool {
        self.index_of(address).is_some()
    }

    /// Whether the block at an address came back and has not been given out since.
    pub(crate) fn is_free_at(&self, address: usize) -> bool {
        self.index_of(address).is_some_and(|index| self.here()[index / 64] >> (index % 64) & 1 != 0)
    }

    /// A number that is another, all but surely, when other blocks are out.
    fn fingerprint(&self) -> u32 {
        // The multiplier of FNV-1a, for words in place of bytes.
        let mix =
            |hash: u64, word: &u64| (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23);
        let words = usize::from(self.carved.div_ceil(64));
        let hash = self.here()[..words].iter().fold(u64::from(self.carved) + 1, mix);
        // 0 is what a slab begins with.
        ((hash >> 32) as u32 ^ hash as u32).max(1)
    }

    /// Whether the same blocks are out as at the last call, and the pages of the others are still to
    /// be given back; takes it that they are now.
    pub(crate) fn is_idle(&mut self) -> bool {
        let now = self.fingerprint();
        let is_idle = now == self.seen && !self.returned;
        (self.seen, self.returned) = (now, now == self.seen);
        is_idle
    }

    /// Calls `visit` with address and bytes of all whole pages that hold no part of a block that is
    /// out, neighbours together.
    pub(crate) fn for_each_free_page(&self, mut visit: impl FnMut(usize, usize)) {
        let (stride, carved) = (bins::stride(self.bin.into()), usize::from(self.carved));
        let mut from = self.next(0, 0);
        loop {
            let to = self.next(from, u64::MAX);
            // What was not carved yet belongs to nobody.
            let end =
                if to >= carved { self.base() + self.bytes() } else { self.first + to * stride };
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
        let carved = usize::from(self.carved);
        let mut mask = u64::MAX << (from % 64);
        for word in from / 64..carved.div_ceil(64) {
            let bits = (self.here()[word] ^ flip) & mask;
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
        if self.until_look == u32::from(self.capacity) {
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
        let bit = |index: u16| self.here()[usize::from(index / 64)] >> (index % 64) & 1;
        let here = (0..self.capacity).map(bit).sum::<u64>();
        let is_full = self.out() == u32::from(self.capacity);
        let rest = if is_full { self.capacity - 1 } else { 0 };
        here == u64::from(self.available())
            && self.out() <= u32::from(self.carved)
            && self.carved <= self.capacity
            && self.rest == rest
    }

    /// Fills the slice, for which there are enough blocks; the index of the highest, if there is any.
    fn pop_lowest(&mut self, into: &mut [*mut Block]) -> Option<u16> {
        let stride = bins::stride(usize::from(self.bin));
        let mut address = self.first;
        let mut room = into.len();
        for bits in self.here_mut() {
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
        self.index_for::<false>(Divider::of(self.bin.into()), *highest).map(|index| index as u16)
    }

    /// Writes the headers of those blocks that were never given out.
    fn write_headers(&self, blocks: &[*mut Block]) {
        let bin = usize::from(self.bin);
        let Some(header) = Layout::current().header(bin) else { return };
        let carved_end = self.first + usize::from(self.carved) * bins::stride(bin);
        for &block in blocks.iter().filter(|&&block| block as usize >= carved_end) {
            // SAFETY: the byte before is this slab's too: the tail of the block before, or the
            // slab's first bytes.
            unsafe { header.write(block) };
        }
    }

    /// Takes a block back, given the divider of its bin. `SINGLE` says that the slabs of that bin are
    /// [single](Slab::are_single).
    #[inline(always)]
    pub(crate) fn take_back<const SINGLE: bool>(
        &mut self,
        divider: Divider,
        block: *mut Block,
    ) -> Taken {
        let Some(index) = self.index_for::<SINGLE>(divider, block) else { return Taken::Not };
        // SAFETY: there is a word for every index.
        let bits = unsafe { self.bits.add(index / 64) };
        // SAFETY: as above, and whoever borrows the slab borrows its bits.
        let bits = unsafe { &mut *bits };
        let after = *bits | 1 << (index % 64);
        if after == *bits {
            hint::cold_path();
            return Taken::Not;
        }
        *bits = after;
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
        let Some(index) = self.index_for::<false>(divider, lowest) else { return (1, Taken::Not) };
        let count = count.min(64 - index % 64);
        let mask = u64::MAX >> (64 - count) << (index % 64);
        let bits = &mut self.here_mut()[index / 64];
        if *bits & mask != 0 {
            // One of them is here already, or is none: one by one.
            return (1, self.take_back::<false>(divider, lowest));
        }
        *bits |= mask;
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
        (self.until_look, self.rest) = (self.rest.into(), 0);
        if self.until_look == 0 { Taken::Last } else { Taken::First }
    }

    /// The index of what would be the block at an address, given the divider of the bin that it is
    /// said to be of; `None` if the slab is of another: an overwritten header may say so, and `e3`.
    /// There is a bit for every index.
    #[inline(always)]
    fn index_for<const SINGLE: bool>(&self, divider: Divider, block: *mut Block) -> Option<usize> {
        if self.bin != divider.bin {
            hint::cold_path();
            return None;
        }
        if SINGLE {
            debug_assert!(Self::are_single(divider.bin.into()));
            // The slab begins where its granule does. Blocks of 16 bytes or more: each index that
            // fits into the granule has a bit.
            return divider.index((block as usize % bins::GRANULE) as u32);
        }
        let offset = (block as usize).wrapping_sub(self.first);
        let index = divider.index(u32::try_from(offset).ok()?)?;
        (index < usize::from(self.capacity)).then_some(index)
    }

    /// Whether each slab of a bin is one granule that begins with a block, of 16 bytes or more: the
    /// place in the granule then tells the index.
    pub(crate) fn are_single(bin: usize) -> bool {
        bins::slab_granules(bin) == 1
            && bins::stride(bin) >= 16
            && Layout::current().first_offset(bin) == 0
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
