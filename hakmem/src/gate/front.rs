//! The fast doors of the routings with headers: each is one function, and this file is the only
//! one that reads a header.
//!
//! A pointer that is not aligned to [`HEADERLESS_ALIGNMENT`] has a header, by construction (see
//! `routing`), and the byte before it lies on the same page; one that is aligned so may have none,
//! and whatever is in front of it proves nothing. `exclude`, `hybrid` and `uniform` are exact
//! because of this, where the ancestor's repairs were probable only. That the pointer is the
//! allocator's at all is asked first: another's memory is never read.
//!
//! # Orderings
//! The fast doors read a header as plain memory: it was written when the block was carved, and the
//! thread that frees the block got it by the program's own synchronisation. `e3` and the slow door,
//! which is there for wrong frees too, may read a byte of another block that its owner is writing:
//! one relaxed load of a byte.
//!
//! # Safety
//! Bytes are read inside memory that an arena made usable.
#![allow(unsafe_code)]

use hakmem_segment::{BIN_NONE, BINS};

use crate::arena;
use crate::bins::BIN_C7;
use crate::header::{HEADER_BYTES, Header};
use crate::registry;
use crate::routing::{HEADED_BINS, HEADERLESS_ALIGNMENT, Layout};
use crate::sync::{AtomicU8, Ordering};

/// A routing's fast door.
pub(crate) trait FrontGate {
    /// Which blocks have headers.
    const LAYOUT: Layout;
    /// The header of each bin's blocks; 0, which is none, where they have none.
    const HEADERS: [u8; BINS] = Self::LAYOUT.headers();

    /// The bin of a pointer whose block may go on the thread's list; `None` sends it the slow way.
    /// Names no bin for null. `header` reads what is in front of a pointer, if it may be read.
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize>;

    /// The answer that fast paths act on. It knows the first arena only; what it sends the slow way
    /// for that reason is found there.
    #[inline(always)]
    fn bin(pointer: *mut u8) -> Option<usize> {
        Self::bin_by(pointer, |pointer| {
            let place = place_of_header(pointer, arena::first_holds)?;
            // SAFETY: in memory that an arena made usable, in front of a block that has a header.
            Some(unsafe { place.read() })
        })
    }

    /// The registry's answer, with the header of blocks that have one verified.
    #[inline(always)]
    fn verified_by_registry(
        pointer: *mut u8,
        header: impl Fn(*mut u8) -> Option<u8>,
    ) -> Option<usize> {
        let bin = registry::bin(pointer as usize) % BINS;
        let expected = Self::HEADERS[bin];
        let is_wrong = expected != 0 && header(pointer) != Some(expected);
        if is_wrong || bin == BIN_NONE || Self::LAYOUT.is_routed(bin) { None } else { Some(bin) }
    }
}

/// The byte in front of a pointer, if that is in memory for slabs, whatever it is.
pub(super) fn header_of(pointer: *mut u8) -> Option<u8> {
    let place = place_of_header(pointer, arena::holds)?;
    // SAFETY: in memory that an arena made usable.
    Some(unsafe { AtomicU8::from_ptr(place) }.load(Ordering::Relaxed))
}

/// Where the header of a block is, if that may be read.
#[inline(always)]
fn place_of_header(pointer: *mut u8, may_be_read: impl Fn(usize) -> bool) -> Option<*mut u8> {
    let place = pointer.wrapping_sub(HEADER_BYTES);
    may_be_read(place as usize).then_some(place)
}

#[inline(always)]
fn is_ambiguous(pointer: *mut u8) -> bool {
    (pointer as usize).is_multiple_of(HEADERLESS_ALIGNMENT)
}

/// The bin that a header names: 0, for C0 and for C7 where that has no header, is none.
#[inline(always)]
fn headed_bin(byte: u8, bins: &[u8; 8]) -> Option<usize> {
    let bin = usize::from(bins[Header::claimed_class(byte)?]);
    if bin == BIN_NONE { None } else { Some(bin) }
}

/// Bins by header where C7 has none: what claims class 7 is rejected.
const MIXED_BINS: [u8; 8] = {
    let mut bins = HEADED_BINS;
    bins[7] = BIN_NONE as u8;
    bins
};

/// Bins by header in the belief that C7 has one, with its own bin of 1024 bytes. The header of C0,
/// which has no blocks here, leads to the bin of its size.
const BELIEVED_BINS: [u8; 8] = {
    let mut bins = HEADED_BINS;
    bins[0] = 1;
    bins[7] = BIN_C7 as u8;
    bins
};

/// `registry`, the ancestor's option A: registry first, then the header.
pub(crate) struct ByRegistry;

impl FrontGate for ByRegistry {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        Self::verified_by_registry(pointer, header)
    }
}

/// `exclude`, option B: the header; what has none takes the slow way.
pub(crate) struct Exclude;

impl FrontGate for Exclude {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        if is_ambiguous(pointer) {
            return None;
        }
        headed_bin(header(pointer)?, &MIXED_BINS)
    }
}

/// `uniform`, option C: a header on every tiny class; the registry for mid sizes.
pub(crate) struct Uniform;

impl FrontGate for Uniform {
    const LAYOUT: Layout = Layout::Uniform;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        if is_ambiguous(pointer) {
            return Self::verified_by_registry(pointer, header);
        }
        headed_bin(header(pointer)?, &HEADED_BINS)
    }
}

/// `hybrid`, option D: the header, and the registry where that is ambiguous; C7 takes the slow way.
pub(crate) struct Hybrid;

impl FrontGate for Hybrid {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        if is_ambiguous(pointer) {
            return Self::verified_by_registry(pointer, header);
        }
        headed_bin(header(pointer)?, &MIXED_BINS)
    }
}

/// `e3`, the bug: what looks like a header is believed, also in front of a C7 block.
pub(crate) struct E3;

impl E3 {
    /// Whether a byte in front of a block makes it pass for one with a header.
    pub(crate) fn believes(byte: u8) -> bool {
        headed_bin(byte, &BELIEVED_BINS).is_some()
    }

    /// Whether the answer for a pointer rests on a byte that may be a neighbour's contents.
    #[inline(always)]
    pub(crate) fn is_doubtful(pointer: *mut u8) -> bool {
        is_ambiguous(pointer)
    }
}

impl FrontGate for E3 {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        headed_bin(header(pointer)?, &BELIEVED_BINS)
    }

    #[inline(always)]
    fn bin(pointer: *mut u8) -> Option<usize> {
        Self::bin_by(pointer, |pointer| {
            let place = place_of_header(pointer, arena::first_holds)?;
            // SAFETY: in memory that an arena made usable.
            Some(unsafe { AtomicU8::from_ptr(place) }.load(Ordering::Relaxed))
        })
    }
}
