//! The fast doors of the routings with headers: each is one function, and this file is the only
//! one that reads a header.
//!
//! A pointer that is not aligned to [`HEADERLESS_ALIGNMENT`] has a header, by construction (see
//! `routing`), and the byte before it lies on the same page; one that is aligned so may have none,
//! and whatever is in front of it proves nothing. `exclude`, `hybrid` and `uniform` are exact
//! because of this, where the ancestor's repairs were probable only. That the pointer is the
//! allocator's at all is asked first: another's memory is never read.

use crate::arena;
use crate::bins::BIN_C7;
use crate::header::{HEADER_BYTES, Header};
use crate::registry;
use crate::routing::{HEADED_BINS, HEADERLESS_ALIGNMENT, Layout};

/// A routing's fast door.
pub(crate) trait FrontGate {
    /// Which blocks have headers.
    const LAYOUT: Layout;

    /// The bin of a pointer whose block may go on the thread's list; `None` sends it the slow way.
    /// Names no bin for null.
    fn bin(pointer: *mut u8) -> Option<usize>;
}

/// The byte in front of a pointer; `None` if that is not in memory for slabs.
#[inline(always)]
pub(super) fn header_of(pointer: *mut u8) -> Option<u8> {
    let place = pointer.wrapping_sub(HEADER_BYTES);
    if !arena::holds(place as usize) {
        return None;
    }
    // SAFETY: in memory that an arena made usable. Volatile, because what is in front of a block
    // without a header is another block's contents, which its owner may be writing.
    Some(unsafe { place.read_volatile() })
}

#[inline(always)]
fn is_ambiguous(pointer: *mut u8) -> bool {
    (pointer as usize).is_multiple_of(HEADERLESS_ALIGNMENT)
}

/// The bin that a header names: 0, for C0 and for C7 where that has no header, is none.
#[inline(always)]
fn headed_bin(byte: u8, bins: &[u8; 8]) -> Option<usize> {
    let bin = usize::from(bins[Header::claimed_class(byte)?]);
    if bin == 0 { None } else { Some(bin) }
}

/// Bins by header where C7 has none: what claims class 7 is rejected.
const MIXED_BINS: [u8; 8] = {
    let mut bins = HEADED_BINS;
    bins[7] = 0;
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

/// The registry's answer, with the header of blocks that have one verified.
#[inline(always)]
fn verified_by_registry(pointer: *mut u8, layout: Layout) -> Option<usize> {
    let bin = registry::bin(pointer as usize);
    match layout.header(bin) {
        Some(header) if !header.is(header_of(pointer)?) => None,
        _ if bin == 0 || layout.is_routed(bin) => None,
        _ => Some(bin),
    }
}

/// `registry`, the ancestor's option A: registry first, then the header.
pub(crate) struct ByRegistry;

impl FrontGate for ByRegistry {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin(pointer: *mut u8) -> Option<usize> {
        verified_by_registry(pointer, Self::LAYOUT)
    }
}

/// `exclude`, option B: the header; what has none takes the slow way.
pub(crate) struct Exclude;

impl FrontGate for Exclude {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin(pointer: *mut u8) -> Option<usize> {
        if is_ambiguous(pointer) {
            return None;
        }
        headed_bin(header_of(pointer)?, &MIXED_BINS)
    }
}

/// `uniform`, option C: a header on every tiny class; the registry for mid sizes.
pub(crate) struct Uniform;

impl FrontGate for Uniform {
    const LAYOUT: Layout = Layout::Uniform;

    #[inline(always)]
    fn bin(pointer: *mut u8) -> Option<usize> {
        if is_ambiguous(pointer) {
            return verified_by_registry(pointer, Self::LAYOUT);
        }
        headed_bin(header_of(pointer)?, &HEADED_BINS)
    }
}

/// `hybrid`, option D: the header, and the registry where that is ambiguous; C7 takes the slow way.
pub(crate) struct Hybrid;

impl FrontGate for Hybrid {
    const LAYOUT: Layout = Layout::Mixed;

    #[inline(always)]
    fn bin(pointer: *mut u8) -> Option<usize> {
        if is_ambiguous(pointer) {
            return verified_by_registry(pointer, Self::LAYOUT);
        }
        headed_bin(header_of(pointer)?, &MIXED_BINS)
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
    fn bin(pointer: *mut u8) -> Option<usize> {
        headed_bin(header_of(pointer)?, &BELIEVED_BINS)
    }
}
