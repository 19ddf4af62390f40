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
//! # Orderings
//! `head`, `order` and `idle` are written under the arenas' lock, and `head` and `bin` are read
//! without it or under another bin's lock, so these four are atomic. Relaxed suffices: they change
//! only while the run has no live block, and a thread that looks a live block up got it, and with it
//! the descriptor, by the program's own synchronisation. What a wrong free reads is one of the values
//! that were there, and is compared before it is believed.
//!
//! # Safety
//! Descriptors and bits lie in their arena, at the index of their granule, and are never unmapped.
//! Several threads may have one descriptor in hand, each with the guard of another part of it, so
//! there is never a `&mut Slab`: all fields are atomics or cells. The cells, and the bits, are
//! guarded by the lock of the central store of the slab's bin, or, while the run is in no bin, by the
//! arenas' lock.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::{hint, ptr, slice};

use crate::bins::{self, Divider};
use crate::block::Block;
use crate::os::memory::page_bytes;
use crate::routing::Layout;
use crate::steps;
use crate::sync::{AtomicPtr, AtomicU8, Ordering};

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
    pub(crate) next: Cell<*mut Slab>,
    pub(crate) previous: Cell<*mut Slab>,
    /// Descriptor of the run's first granule.
    head: AtomicPtr<Slab>,
    /// Address of the first block; of a free run, or one that was just taken, its own.
    first: Cell<usize>,
    /// Where the words of [`Slab::here`] are.
    bits: Cell<*mut u64>,
    /// Blocks that must come back until someone has to look: one if all are out, as the slab has
    /// something to give then; otherwise all that are out. So one countdown finds both.
    until_look: Cell<u32>,
    /// Milliseconds of the monotonic clock when the run became free.
    pub(crate) freed_at_ms: Cell<u32>,
    /// What [`Slab::fingerprint`] was at the last look.
    seen: Cell<u32>,
    /// Blocks that are out beside those of `until_look`.
    rest: Cell<u16>,
    /// Blocks that were ever given out: the lowest ones.
    carved: Cell<u16>,
    /// Blocks that fit.
    capacity: Cell<u16>,
    /// The bin while the slab is in use, otherwise 0.
    bin: AtomicU8,
    /// Binary logarithm of the run's granules.
    order: AtomicU8,
    /// Whether the slab is in its bin's list of slabs that have blocks to give.
    pub(crate) listed: Cell<bool>,
    /// Which of the arenas' lists of free runs the run is in: an [`Idle`].
    idle: AtomicU8,
    /// Whether the pages of free blocks were given back then.
    returned: Cell<bool>,
    /// How many words of bits there are.
    words: Cell<u8>,
}
const _: () = assert!(size_of::<Slab>() == 64);
const _: () = assert!(BLOCKS_MAX <= u16::MAX as usize && BLOCKS_MAX / 64 <= u8::MAX as usize);

// SAFETY: atomics may be shared, and cells are touched under the guard that the module names.
unsafe impl Sync for Slab {}

impl Slab {
    /// A descriptor of no run.
    pub(crate) const fn none() -> Self {
        Self {
            next: Cell::new(ptr::null_mut()),
            previous: Cell::new(ptr::null_mut()),
            head: AtomicPtr::new(ptr::null_mut()),
            first: Cell::new(0),
            bits: Cell::new(ptr::null_mut()),
            until_look: Cell::new(0),
            freed_at_ms: Cell::new(0),
            seen: Cell::new(0),
            rest: Cell::new(0),
            carved: Cell::new(0),
            capacity: Cell::new(0),
            bin: AtomicU8::new(0),
            order: AtomicU8::new(0),
            listed: Cell::new(false),
            idle: AtomicU8::new(0),
            returned: Cell::new(false),
            words: Cell::new(0),
        }
    }

    /// Describes a run that is not in use.
    pub(crate) fn describe(&self, base: usize, order: usize) {
        self.first.set(base);
        self.order.store(order as u8, Ordering::Relaxed);
        self.bin.store(0, Ordering::Relaxed);
    }

    /// Descriptor of the run's first granule.
    #[inline(always)]
    pub(crate) fn head(&self) -> *mut Slab {
        self.head.load(Ordering::Relaxed)
    }

    /// Makes the granule a part of the run whose first descriptor this is.
    pub(crate) fn set_head(&self, head: *mut Slab) {
        self.head.store(head, Ordering::Relaxed);
    }

    /// The bin while the slab is in use, otherwise 0.
    #[inline(always)]
    pub(crate) fn bin(&self) -> usize {
        self.bin.load(Ordering::Relaxed).into()
    }

    /// Binary logarithm of the run's granules.
    pub(crate) fn order(&self) -> usize {
        self.order.load(Ordering::Relaxed).into()
    }

    /// Which of the arenas' lists of free runs the run is in.
    pub(crate) fn idle(&self) -> Idle {
        match self.idle.load(Ordering::Relaxed) {
            0 => Idle::No,
            1 => Idle::Dirty,
            _ => Idle::Clean,
        }
    }

    /// Notes which of the arenas' lists of free runs the run is in.
    pub(crate) fn set_idle(&self, idle: Idle) {
        self.idle.store(idle as u8, Ordering::Relaxed);
    }

    /// Begins a slab's life in a bin, of as many granules as [`bins::slab_granules`] says.
    ///
    /// # Safety
    /// At `bits`, [`Slab::bits_bytes`] are this slab's while it is in use.
    pub(crate) unsafe fn open(&self, bin: usize, bits: *mut u64) {
        let first_offset = Layout::current().first_offset(bin);
        let capacity = (self.bytes() - first_offset) / bins::stride(bin);
        self.first.set(self.base() + first_offset);
        self.bits.set(bits);
        self.words.set((Self::bits_bytes(bin) / size_of::<u64>()) as u8);
        self.carved.set(0);
        self.capacity.set(capacity.min(BLOCKS_MAX) as u16);
        self.here().iter().for_each(|word| word.set(u64::MAX));
        self.set_countdown(0, 0);
        self.next.set(ptr::null_mut());
        self.previous.set(ptr::null_mut());
        self.bin.store(bin as u8, Ordering::Relaxed);
        self.listed.set(false);
        self.seen.set(0);
        self.returned.set(false);
    }

    /// One bit for each block that is here, by its index. What is no block is here for ever, so that
    /// it cannot come back.
    fn here(&self) -> &[Cell<u64>] {
        // SAFETY: so many words are this slab's, as `open` was promised.
        unsafe { slice::from_raw_parts(self.bits.get().cast(), self.words.get().into()) }
    }

    fn set_countdown(&self, until_look: u32, rest: u16) {
        self.until_look.set(until_look);
        self.rest.set(rest);
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
        self.first.get() & !(bins::GRANULE - 1)
    }

    /// Blocks that it can still give.
    pub(crate) fn available(&self) -> u32 {
        u32::from(self.capacity.get()) - self.out()
    }

    /// Blocks that are given out.
    fn out(&self) -> u32 {
        self.until_look.get() + u32::from(self.rest.get())
    }

    /// Whether no block is given out.
    pub(crate) fn is_empty(&self) -> bool {
        self.out() == 0
    }

    /// Bytes of the run.
    pub(crate) fn bytes(&self) -> usize {
        bins::GRANULE << self.order()
    }

    /// The index of the block that starts at an address, if one that was carved does.
    fn index_of(&self, address: usize) -> Option<usize> {
        let index = self.index_for::<false>(Divider::of(self.bin()), address as *mut Block)?;
        (index < usize::from(self.carved.get())).then_some(index)
    }

    /// Whether an address is the start of a block that was carved.
    pub(crate) fn has_block_at(&self, address: usize) -> bool {
        self.index_of(address).is_some()
    }

    /// Whether the block at an address came back and has not been given out since.
    pub(crate) fn is_free_at(&self, address: usize) -> bool {
        self.index_of(address)
            .is_some_and(|index| self.here()[index / 64].get() >> (index % 64) & 1 != 0)
    }

    /// A number that is another, all but surely, when other blocks are out.
    fn fingerprint(&self) -> u32 {
        // The multiplier of FNV-1a, for words in place of bytes.
        let mix = |hash: u64, word: &Cell<u64>| {
            (hash ^ word.get()).wrapping_mul(0x100_0000_01b3).rotate_left(23)
        };
        let words = usize::from(self.carved.get().div_ceil(64));
        let hash = self.here()[..words].iter().fold(u64::from(self.carved.get()) + 1, mix);
        // 0 is what a slab begins with.
        ((hash >> 32) as u32 ^ hash as u32).max(1)
    }

    /// Whether the same blocks are out as at the last call, and the pages of the others are still to
    /// be given back; takes it that they are now.
    pub(crate) fn is_idle(&self) -> bool {
        let now = self.fingerprint();
        let is_idle = now == self.seen.get() && !self.returned.get();
        self.returned.set(now == self.seen.replace(now));
        is_idle
    }

    /// Whether the pages of the free blocks are still to be given back, whether or not the slab is in
    /// use; takes it that they are now.
    pub(crate) fn is_to_return(&self) -> bool {
        let now = self.fingerprint();
        let is_same = now == self.seen.replace(now);
        !(self.returned.replace(true) && is_same)
    }

    /// Calls `visit` with address and bytes of all whole pages that hold no part of a block that is
    /// out, neighbours together.
    pub(crate) fn for_each_free_page(&self, mut visit: impl FnMut(usize, usize)) {
        let (stride, carved) = (bins::stride(self.bin()), usize::from(self.carved.get()));
        let page = page_bytes();
        let mut from = self.next(0, 0);
        loop {
            let to = self.next(from, u64::MAX);
            // What was not carved yet belongs to nobody.
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

    /// The first index from one on whose bit of `here`, exclusive or that of `flip`, is set; or else
    /// the number of carved blocks.
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

    /// Fills a slice from its end with the lowest blocks that are here, in the order of their
    /// addresses, as far as there are any. Returns how many.
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

    /// Counts anew what is out, from the bits, which are right whatever a thread was at that does not
    /// exist any more: it took blocks along whose bits it had cleared, and gave those back whose bits it
    /// had set. The slab is in no list.
    pub(crate) fn recount(&self) {
        let capacity = self.capacity.get();
        let (mut out, mut highest) = (0, 0);
        for index in 0..capacity {
            if self.here()[usize::from(index / 64)].get() >> (index % 64) & 1 == 0 {
                (out, highest) = (out + 1, index + 1);
            }
        }
        match out == capacity {
            true => self.set_countdown(1, capacity - 1),
            false => self.set_countdown(out.into(), 0),
        }
        self.carved.set(self.carved.get().max(highest));
        self.seen.set(0);
        self.returned.set(false);
        self.listed.set(false);
        debug_assert!(self.is_consistent());
    }

    /// Whether the module's invariants hold.
    pub(crate) fn is_consistent(&self) -> bool {
        let bit = |index: u16| self.here()[usize::from(index / 64)].get() >> (index % 64) & 1;
        let here = (0..self.capacity.get()).map(bit).sum::<u64>();
        let is_full = self.out() == u32::from(self.capacity.get());
        let rest = if is_full { self.capacity.get() - 1 } else { 0 };
        here == u64::from(self.available())
            && self.out() <= u32::from(self.carved.get())
            && self.carved.get() <= self.capacity.get()
            && self.rest.get() == rest
    }

    /// Fills the slice, for which there are enough blocks; the index of the highest, if there is any.
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

    /// Writes the headers of those blocks that were never given out.
    fn write_headers(&self, blocks: &[*mut Block]) {
        let bin = self.bin();
        let Some(header) = Layout::current().header(bin) else { return };
        let carved_end = self.first.get() + usize::from(self.carved.get()) * bins::stride(bin);
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

    /// The index of what would be the block at an address, given the divider of the bin that it is
    /// said to be of; `None` if the slab is of another: an overwritten header may say so, and `e3`.
    /// There is a bit for every index.
    #[inline(always)]
    fn index_for<const SINGLE: bool>(&self, divider: Divider, block: *mut Block) -> Option<usize> {
        // SAFETY: the slab's own field. A plain load, which folds into the comparison: nobody writes
        // the field while the slab has a live block. Only a wrong free reads it of another bin's slab.
        if unsafe { *self.bin.as_ptr() } != divider.bin {
            hint::cold_path();
            return None;
        }
        if SINGLE {
            debug_assert!(Self::are_single(divider.bin.into()));
            // The slab begins where its granule does. Blocks of 16 bytes or more: each index that
            // fits into the granule has a bit.
            return divider.index((block as usize % bins::GRANULE) as u32);
        }
        let offset = (block as usize).wrapping_sub(self.first.get());
        let index = divider.index(u32::try_from(offset).ok()?)?;
        (index < usize::from(self.capacity.get())).then_some(index)
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
