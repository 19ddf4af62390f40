//! A slab: one run of granules cut into blocks of one bin.
//!
//! The free blocks are bits of a bitmap, and not a list through the blocks (as in jemalloc's slabs
//! and the Linux kernel's early bitmap allocators). Taking a block back touches only descriptor and
//! bitmap, and the lowest blocks are given out first, in whatever order they came back. So a
//! program's next objects lie next to each other in memory, whereas a stack of free blocks would
//! keep the order of random frees for good; and a bin that serves ten blocks touches the pages of
//! ten blocks.
//!
//! A block whose bit is set is *here*, every other block is *out*. A block that was out at least
//! once is *carved*.
//!
//! Invariants of a slab in use:
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
//! only while the run has no live block, and a thread that looks up a live block received that
//! block, and with it the descriptor, through the program's own synchronisation. A wrong free reads
//! one of the values that the field has had, and compares it before it believes it.
//!
//! # Safety
//! Descriptors and bitmaps lie in their arena, at the index of their granule, and are never
//! unmapped. Several threads may use one descriptor at once, each under the guard of a different
//! part, so there is never a `&mut Slab`: all fields are atomics or cells. The cells and the bitmap
//! are guarded by the lock of the central store of the slab's bin or, while the run is in no bin,
//! by the arenas' lock.
#![allow(unsafe_code)]

mod give;
mod idle_pages;
mod take_back;

use core::cell::Cell;
use core::{ptr, slice};

use crate::bins::{self, Divider};
use crate::block::Block;
use crate::hint::cold_path;
use crate::routing::Layout;
use crate::sync::{AtomicPtr, AtomicU8, Ordering};
pub(crate) use take_back::Taken;

/// Maximum number of blocks in a slab: a granule of 16-byte blocks. A slab of smaller blocks leaves
/// the rest of its granule untouched.
const BLOCKS_MAX: usize = bins::GRANULE / 16;
/// Maximum number of bytes of a slab's bitmap.
pub(crate) const BITS_BYTES_MAX: usize = BLOCKS_MAX / 8;

/// Whether a run is free, and whether it then has memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Idle {
    /// The run is in use. 0, as in a descriptor that was never written.
    No = 0,
    /// The run is free and still has memory.
    Dirty,
    /// The run is free and has no memory.
    Clean,
}

/// Descriptor of one granule; that of a run's first granule describes the run. Everything but the
/// bitmap, which lies elsewhere, fits into one cache line.
#[repr(C, align(64))]
pub(crate) struct Slab {
    /// Neighbours in the list that the slab is in: that of its bin, or one of free runs.
    pub(crate) next: Cell<*mut Slab>,
    pub(crate) previous: Cell<*mut Slab>,
    /// Descriptor of the run's first granule.
    head: AtomicPtr<Slab>,
    /// Address of the first block; address of the run if it is free or was just taken.
    first: Cell<usize>,
    /// Address of the words of [`Slab::here`].
    bits: Cell<*mut u64>,
    /// Number of blocks that must come back before the slab needs attention. 1 if all are out: the
    /// first to come back gives it something to give. Otherwise the number of blocks that are out:
    /// the last to come back leaves it empty. So one countdown finds both events.
    until_look: Cell<u32>,
    /// Time at which the run became free, in milliseconds of the monotonic clock.
    pub(crate) freed_at_ms: Cell<u32>,
    /// Value of [`Slab::fingerprint`] at the last look.
    seen: Cell<u32>,
    /// Number of blocks that are out beyond those that `until_look` counts.
    rest: Cell<u16>,
    /// Number of blocks that were ever given out, which are the lowest ones.
    carved: Cell<u16>,
    /// Number of blocks that fit.
    capacity: Cell<u16>,
    /// The bin while the slab is in use, otherwise 0.
    bin: AtomicU8,
    /// Binary logarithm of the number of granules.
    order: AtomicU8,
    /// Whether the slab is in its bin's list of slabs with blocks to give.
    pub(crate) listed: Cell<bool>,
    /// Which of the arenas' lists of free runs the run is in: an [`Idle`].
    idle: AtomicU8,
    /// Whether the pages of the free blocks were returned to the system at the last look.
    returned: Cell<bool>,
    /// Number of words of the bitmap.
    words: Cell<u8>,
}
const _: () = assert!(size_of::<Slab>() == 64);
const _: () = assert!(BLOCKS_MAX <= u16::MAX as usize && BLOCKS_MAX / 64 <= u8::MAX as usize);

// SAFETY: atomics may be shared, and the module names the guard under which cells are touched.
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

    /// Makes the granule a part of the run whose first descriptor is `head`.
    pub(crate) fn set_head(&self, head: *mut Slab) {
        self.head.store(head, Ordering::Relaxed);
    }

    /// The bin while the slab is in use, otherwise 0.
    #[inline(always)]
    pub(crate) fn bin(&self) -> usize {
        self.bin.load(Ordering::Relaxed).into()
    }

    /// Binary logarithm of the number of granules.
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

    /// Puts the run into use as a slab of `bin`. It has as many granules as [`bins::slab_granules`]
    /// says.
    ///
    /// # Safety
    /// The [`Slab::bits_bytes`] at `bits` belong to this slab while it is in use.
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

    /// The bitmap: one bit for each block, by its index, set while the block is here. The bits
    /// beyond the last block stay set, so that no address behind the blocks is ever taken back.
    fn here(&self) -> &[Cell<u64>] {
        // SAFETY: `open` was promised that these words belong to this slab.
        unsafe { slice::from_raw_parts(self.bits.get().cast(), self.words.get().into()) }
    }

    fn set_countdown(&self, until_look: u32, rest: u16) {
        self.until_look.set(until_look);
        self.rest.set(rest);
    }

    /// Bytes that the bitmap of a slab of `bin` takes, in whole words: one bit for each multiple of
    /// the stride in the slab.
    pub(crate) const fn bits_bytes(bin: usize) -> usize {
        let multiples = (bins::slab_granules(bin) * bins::GRANULE).div_ceil(bins::stride(bin));
        let bits = if multiples < BLOCKS_MAX { multiples } else { BLOCKS_MAX };
        bits.div_ceil(64) * size_of::<u64>()
    }

    /// Address of the run.
    pub(crate) fn base(&self) -> usize {
        self.first.get() & !(bins::GRANULE - 1)
    }

    /// Number of blocks that the slab can still give.
    pub(crate) fn available(&self) -> u32 {
        u32::from(self.capacity.get()) - self.out()
    }

    /// Number of blocks that are out.
    fn out(&self) -> u32 {
        self.until_look.get() + u32::from(self.rest.get())
    }

    /// Whether no block is out.
    pub(crate) fn is_empty(&self) -> bool {
        self.out() == 0
    }

    /// Bytes of the run.
    pub(crate) fn bytes(&self) -> usize {
        bins::GRANULE << self.order()
    }

    /// Index of the carved block that starts at `address`, if one does.
    fn index_of(&self, address: usize) -> Option<usize> {
        let index = self.index_for::<false>(Divider::of(self.bin()), address as *mut Block)?;
        (index < usize::from(self.carved.get())).then_some(index)
    }

    /// Whether a carved block starts at `address`.
    pub(crate) fn has_block_at(&self, address: usize) -> bool {
        self.index_of(address).is_some()
    }

    /// Whether the block at `address` has come back and is still here.
    pub(crate) fn is_free_at(&self, address: usize) -> bool {
        self.index_of(address)
            .is_some_and(|index| self.here()[index / 64].get() >> (index % 64) & 1 != 0)
    }

    /// Recounts the blocks that are out from the bitmap, in a child process. The bitmap is right
    /// whatever a thread that no longer exists was doing: that thread took along the blocks whose
    /// bits it had cleared, and gave back those whose bits it had set. The slab is in no list.
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

    /// Index of the block at `block`, computed with the divider of the bin the caller believes it
    /// to be in. `None` if this slab serves another bin: an overwritten header or `e3` can make the
    /// caller wrong. Every index that is returned has a bit.
    #[inline(always)]
    fn index_for<const SINGLE: bool>(&self, divider: Divider, block: *mut Block) -> Option<usize> {
        // SAFETY: a field of the slab itself. The load is plain, so that it folds into the
        // comparison: no thread writes the field while the slab has a live block. Only a wrong free
        // reads it of a slab of another bin.
        if unsafe { *self.bin.as_ptr() } != divider.bin {
            cold_path();
            return None;
        }
        if SINGLE {
            debug_assert!(Self::are_single(divider.bin.into()));
            // The slab begins where its granule does. Its blocks have 16 bytes or more, so each
            // index that fits into the granule has a bit.
            return divider.index((block as usize % bins::GRANULE) as u32);
        }
        let offset = (block as usize).wrapping_sub(self.first.get());
        let index = divider.index(u32::try_from(offset).ok()?)?;
        (index < usize::from(self.capacity.get())).then_some(index)
    }

    /// Whether each slab of `bin` is a single granule that begins with a block, of 16 bytes or
    /// more. The offset within the granule then gives the index.
    pub(crate) fn are_single(bin: usize) -> bool {
        bins::slab_granules(bin) == 1
            && bins::stride(bin) >= 16
            && Layout::current().first_offset(bin) == 0
    }
}

#[cfg(test)]
mod tests;
