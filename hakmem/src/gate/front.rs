//! The fast doors of the routings with headers, one function each. No other file reads a header.
//!
//! A pointer that is not aligned to [`HEADERLESS_ALIGNMENT`] has a header, by construction (see
//! `routing`), and the byte in front of it lies on the same page. A pointer that is aligned so may
//! have none, and the byte in front of it proves nothing. That makes `exclude`, `hybrid` and
//! `uniform` exact, where the ancestor's repairs were merely probable. Every door first asks
//! whether the pointer belongs to the allocator at all: memory of others is never read.
//!
//! # Orderings
//! The fast doors read a header as plain memory: it was written when the block was carved, and the
//! thread that frees the block received the pointer by the program's own synchronisation. `e3`, and
//! the slow door, which also serves wrong frees, may read a byte of another block that its owner is
//! writing: they use a relaxed load of one byte.
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
    /// The header of each bin's blocks; 0, which is not a header, if they have none.
    const HEADERS: [u8; BINS] = Self::LAYOUT.headers();

    /// The bin of a pointer whose block may go on the thread's list. `None`, the answer for null
    /// too, sends the pointer to the slow path. `header` reads the byte in front of a pointer, if
    /// that may be read.
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize>;

    /// The answer that fast paths act on. It knows the first arena only: the slow path finds the
    /// bins of pointers into other arenas.
    #[inline(always)]
    fn bin(pointer: *mut u8) -> Option<usize> {
        Self::bin_by(pointer, |pointer| {
            let place = place_of_header(pointer, arena::first_holds)?;
            // SAFETY: in memory that an arena made usable, in front of a block that has a header.
            Some(unsafe { place.read() })
        })
    }

    /// The registry's answer, after verifying the header of a block that has one.
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

/// The byte in front of a pointer, whatever it means, if it lies in memory for slabs.
pub(super) fn header_of(pointer: *mut u8) -> Option<u8> {
    let place = place_of_header(pointer, arena::holds)?;
    // SAFETY: in memory that an arena made usable.
    Some(unsafe { AtomicU8::from_ptr(place) }.load(Ordering::Relaxed))
}

/// Address of a block's header, if it may be read.
#[inline(always)]
fn place_of_header(pointer: *mut u8, may_be_read: impl Fn(usize) -> bool) -> Option<*mut u8> {
    let place = pointer.wrapping_sub(HEADER_BYTES);
    may_be_read(place as usize).then_some(place)
}

#[inline(always)]
fn is_ambiguous(pointer: *mut u8) -> bool {
    (pointer as usize).is_multiple_of(HEADERLESS_ALIGNMENT)
}

/// The bin that a header names. The table's 0 means none: for C0, and for C7 where it has no
/// header.
#[inline(always)]
fn headed_bin(byte: u8, bins: &[u8; 8]) -> Option<usize> {
    let bin = usize::from(bins[Header::claimed_class(byte)?]);
    if bin == BIN_NONE { None } else { Some(bin) }
}

/// Bins by header where C7 has none: a header that claims class 7 is rejected.
const MIXED_BINS: [u8; 8] = {
    let mut bins = HEADED_BINS;
    bins[7] = BIN_NONE as u8;
    bins
};

/// Bins by header in the belief that C7 has headers, with its own bin of 1024 bytes. The header of
/// C0, which has no blocks here, leads to the bin of its size.
const BELIEVED_BINS: [u8; 8] = {
    let mut bins = HEADED_BINS;
    bins[0] = 1;
    bins[7] = BIN_C7 as u8;
    bins
};

/// `registry`, the ancestor's option A: the registry first, then the header.
pub(crate) struct ByRegistry;

impl FrontGate for ByRegistry {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, header: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        Self::verified_by_registry(pointer, header)
    }
}

/// `exclude`, option B: the header; a block without one takes the slow path.
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

/// `hybrid`, option D: the header, and the registry if the pointer is ambiguous; C7 takes the slow
/// path.
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

/// `e3`, the bug: trusts any byte that looks like a header, also in front of a C7 block.
pub(crate) struct E3;

impl E3 {
    /// Whether `byte` in front of a block makes the block pass for one with a header.
    pub(crate) fn believes(byte: u8) -> bool {
        headed_bin(byte, &BELIEVED_BINS).is_some()
    }

    /// Whether the answer about a pointer rests on a byte that may be a neighbour's contents.
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
