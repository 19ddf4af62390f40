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

mod give;
mod idle_pages;
mod take_back;

use core::cell::Cell;
use core::{hint, ptr, slice};

use crate::bins::{self, Divider};
use crate::block::Block;
use crate::routing::Layout;
use crate::sync::{AtomicPtr, AtomicU8, Ordering};
pub(crate) use take_back::Taken;

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

#[cfg(test)]
mod tests;
