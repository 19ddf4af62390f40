//! The routing in force, and the layout of blocks and headers that it implies.
//!
//! Three layouts serve the six routings:
//!
//! - [`Layout::Plain`] (`direct`): no headers, all bins.
//! - [`Layout::Mixed`] (`registry`, `exclude`, `hybrid`, `e3`): the ancestor's sizes. C1 to C6 have
//!   blocks of 16 to 512 bytes with a header in front, which leaves one byte less. C7 has blocks of
//!   1024 bytes without a header. C0 is not used: in eight bytes, the link of a free block would
//!   overwrite the next block's header.
//! - [`Layout::Uniform`] (`uniform`): as `Mixed`, with a header on C7 too.
//!
//! In the layouts with headers every block *without* one (C7, mid, large) is aligned to
//! [`HEADERLESS_ALIGNMENT`]: slabs are aligned to 64 KiB, strides are multiples of 1024, and spans
//! are aligned to pages. So a pointer that is not aligned so has a header. Blocks with headers
//! begin [`HEADED_OFFSET`] bytes into their slab, which leaves room for the first header; only a
//! few of them lie on the 1024-byte grid: one in 64 of those of 16 bytes.
//!
//! # Orderings
//! Relaxed: the choice is written once at start, before any heap exists.

use core::cell::Cell;

use hakmem_segment::{BIN_LARGE, BINS, BinInfo, Check, Class, OnError, Outcome, Push, Routing};

use crate::bins::{self, BIN_C7, BIN_C7_HEADER, MID_MAX, SMALL_BINS, TINY_MAX};
use crate::header::{HEADER_BYTES, Header};
use crate::settings::Settings;
use crate::sync::{AtomicU32, Ordering};

/// Alignment of every block without a header, in the layouts with headers.
pub(crate) const HEADERLESS_ALIGNMENT: usize = 1024;
/// Offset of the first block with a header in its slab: keeps blocks aligned to 16 bytes.
const HEADED_OFFSET: usize = 16;

/// The bin of each tiny class with a header; 0 for a class without one.
pub(crate) const HEADED_BINS: [u8; 8] = [0, 2, 3, 5, 9, 13, 17, BIN_C7_HEADER as u8];

/// Which blocks have headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// None.
    Plain,
    /// Those of C1 to C6.
    Mixed,
    /// Those of C1 to C7.
    Uniform,
}

/// The settings that decide how `free` works, chosen at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) routing: Routing,
    pub(crate) push: Push,
    pub(crate) check: Check,
    pub(crate) on_error: OnError,
}

/// The choice, one byte for each of its parts; 0 reads as `direct` with checks off.
static CHOICE: AtomicU32 = AtomicU32::new(0);

impl Choice {
    /// The choice that the settings ask for.
    pub(crate) fn of(settings: &Settings) -> Self {
        let &Settings { routing, push, check, on_error, .. } = settings;
        // Only the routings with headers have two forms of push; `e3` has the unchecked original of
        // its own.
        let has_forms = !matches!(routing, Routing::Direct | Routing::E3);
        Self { routing, push: if has_forms { push } else { Push::Direct }, check, on_error }
    }

    /// Puts the choice in force.
    pub(crate) fn set(self) {
        CHOICE.store(self.packed(), Ordering::Relaxed);
    }

    /// Whether the routing in force is the one without headers, for fast paths.
    #[inline(always)]
    pub(crate) fn is_direct() -> bool {
        CHOICE.load(Ordering::Relaxed) as u8 == Routing::Direct as u8
    }

    /// The choice in force.
    pub(crate) fn current() -> Self {
        Self::unpacked(CHOICE.load(Ordering::Relaxed))
    }

    fn packed(self) -> u32 {
        let aborts = self.on_error == OnError::Abort;
        let bytes = [self.routing as u8, self.push as u8, self.check as u8, u8::from(aborts)];
        u32::from_le_bytes(bytes)
    }

    fn unpacked(bytes: u32) -> Self {
        let [routing, push, check, aborts] = bytes.to_le_bytes();
        Self {
            routing: Routing::from_number(routing).unwrap_or(Routing::Direct),
            push: Push::from_number(push).unwrap_or(Push::Direct),
            check: Check::from_number(check).unwrap_or(Check::Off),
            on_error: if aborts == 0 { OnError::Report } else { OnError::Abort },
        }
    }
}

/// The header of every bin's blocks, by layout.
const HEADERS: [[Option<Header>; BINS]; 3] = {
    let layouts = [Layout::Plain, Layout::Mixed, Layout::Uniform];
    let mut headers = [[None; BINS]; 3];
    let mut at = 0;
    while at < layouts.len() * BINS {
        let (layout, bin) = (layouts[at / BINS], at % BINS);
        assert!(layout as usize == at / BINS);
        if bins::in_use_contains(bin) {
            headers[layout as usize][bin] = layout.header_by_class(bin);
        }
        at += 1;
    }
    headers
};

impl Layout {
    /// The layout of a routing.
    pub(crate) const fn of(routing: Routing) -> Self {
        match routing {
            Routing::Direct => Self::Plain,
            Routing::Uniform => Self::Uniform,
            Routing::Registry | Routing::Exclude | Routing::Hybrid | Routing::E3 => Self::Mixed,
        }
    }

    /// The layout in force.
    pub(crate) fn current() -> Self {
        Self::of(Choice::current().routing)
    }

    /// The header of a bin's blocks, if they have one. A table, because every slow free asks.
    pub(crate) const fn header(self, bin: usize) -> Option<Header> {
        HEADERS[self as usize][bin]
    }

    /// Computes [`Layout::header`] from the bin's class.
    const fn header_by_class(self, bin: usize) -> Option<Header> {
        let is_headed = match self {
            Self::Plain => false,
            Self::Mixed | Self::Uniform => {
                let class = bins::class(bin) as usize;
                class < HEADED_BINS.len() && bin != 0 && HEADED_BINS[class] as usize == bin
            }
        };
        // C7 without a header has a bin of its own, so the layout makes no further difference here.
        if is_headed { Some(Header::of(bins::class(bin))) } else { None }
    }

    /// The header of every bin's blocks; 0 if they have none.
    pub(crate) const fn headers(self) -> [u8; BINS] {
        let mut headers = [0; BINS];
        let mut bin = 1;
        while bin <= BIN_C7_HEADER {
            if let Some(header) = self.header(bin) {
                headers[bin] = header.byte();
            }
            bin += 1;
        }
        headers
    }

    /// Offset of the first block in its slab.
    pub(crate) const fn first_offset(self, bin: usize) -> usize {
        if self.header(bin).is_some() { HEADED_OFFSET } else { 0 }
    }

    /// Bytes of a block that the program may use.
    pub(crate) const fn usable_bytes(self, bin: usize) -> usize {
        let header = if self.header(bin).is_some() { HEADER_BYTES } else { 0 };
        bins::stride(bin) - header
    }

    /// The bin of a request; [`BIN_LARGE`] above [`MID_MAX`].
    pub(crate) const fn bin_of_size(self, size: usize) -> usize {
        match self {
            Self::Plain => bins::of_size(size),
            _ if size > MID_MAX => BIN_LARGE,
            _ if size > TINY_MAX => bins::of_size(size.next_multiple_of(HEADERLESS_ALIGNMENT)),
            _ => self.headed_bin(size),
        }
    }

    /// The bin of a tiny request in a layout with headers.
    const fn headed_bin(self, size: usize) -> usize {
        let mut class = 1;
        while class < 7 {
            let bin = HEADED_BINS[class] as usize;
            if bins::stride(bin) - HEADER_BYTES >= size {
                return bin;
            }
            class += 1;
        }
        match self {
            Self::Uniform => BIN_C7_HEADER,
            _ => BIN_C7,
        }
    }

    /// The bin whose blocks serve `size` bytes at `alignment`, a power of two; [`BIN_LARGE`] if
    /// there is no such bin.
    #[inline]
    pub(crate) const fn bin_of_aligned(self, size: usize, alignment: usize) -> usize {
        let needed = if size > alignment { size } else { alignment };
        match self {
            Self::Plain => bins::of_aligned(size, alignment),
            // A block for at least `alignment` bytes is aligned to `alignment`.
            _ if alignment <= 16 => self.bin_of_size(needed),
            // Blocks with headers are aligned to 16 bytes only, and the smallest block without one
            // has 1024 bytes.
            _ if needed <= HEADERLESS_ALIGNMENT => BIN_C7,
            _ => bins::of_aligned(needed.next_multiple_of(HEADERLESS_ALIGNMENT), alignment),
        }
    }

    /// Writes the bin of each small size to `into`; 0 if no list serves the size.
    pub(crate) fn write_small_bins(self, has_fast_path: bool, into: &[Cell<u8>]) {
        for (size, bin) in into.iter().enumerate() {
            bin.set(match self {
                _ if !has_fast_path => 0,
                Self::Plain => SMALL_BINS[size],
                _ => self.bin_of_size(size) as u8,
            });
        }
    }

    /// The bin that serves requests that the fast path sent to `bin`: layouts with headers do not
    /// use the mid bins between the multiples of 1024.
    pub(crate) const fn serving(self, bin: usize) -> usize {
        match self {
            Self::Plain => bin,
            _ if matches!(bins::class(bin), Class::Mid) => self.bin_of_size(bins::stride(bin)),
            _ => bin,
        }
    }

    /// Whether freed blocks of this bin never go on a thread's list: those of C7 where they have no
    /// header, because the ancestor's lists must reject them.
    pub(crate) const fn is_routed(self, bin: usize) -> bool {
        matches!(self, Self::Mixed) && bin == BIN_C7
    }

    /// Whether any request gets a block of this bin.
    pub(crate) const fn uses(self, bin: usize) -> bool {
        let is_headed = self.header(bin).is_some();
        match (self, bins::class(bin)) {
            (Self::Plain, _) => bin != BIN_C7_HEADER,
            (Self::Mixed, Class::C7) => bin == BIN_C7,
            (Self::Uniform, Class::C7) => bin == BIN_C7 || is_headed,
            (_, Class::Mid) => bins::stride(bin).is_multiple_of(HEADERLESS_ALIGNMENT),
            _ => is_headed,
        }
    }

    /// The outcome of a fast free in this bin.
    pub(crate) const fn fast_outcome(self, bin: usize) -> Outcome {
        match (self, bins::class(bin)) {
            (_, Class::None) => Outcome::Foreign,
            (_, Class::Mid) => Outcome::Mid,
            (_, Class::Large) => Outcome::Large,
            (Self::Plain, _) => Outcome::Map,
            _ if self.header(bin).is_some() => Outcome::Header,
            _ => Outcome::Headerless,
        }
    }

    /// The table of bins that the segment publishes.
    pub(crate) fn published(self) -> [BinInfo; BINS] {
        core::array::from_fn(|bin| {
            let is_used = bins::in_use().contains(&bin) && self.uses(bin);
            let class = if is_used || bin == BIN_LARGE { bins::class(bin) } else { Class::None };
            BinInfo {
                stride_bytes: if is_used { bins::stride(bin) as u32 } else { 0 },
                class: class as u8,
                fast_outcome: self.fast_outcome(bin) as u8,
                header_bytes: u8::from(self.header(bin).is_some()),
                reserved: 0,
            }
        })
    }
}

#[cfg(test)]
mod tests;
