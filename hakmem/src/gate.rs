//! The front gate: finds out what a freed pointer is.
//!
//! Only this module classifies pointers, and no other reads a header. The gate has two doors. The
//! fast path of `free` asks the *fast* door ([`FrontGate::bin`]), which differs between routings:
//! it names the bin of a pointer whose block may go on the thread's list, or nothing. All other
//! code asks the *slow* door, [`classify`], which is exact for every live block under every
//! routing.
//!
//! Under `direct` the fast door is one load from the class map. A pointer whose bin the map does
//! not name is the start of a large span, or foreign.
//!
//! # Safety
//! Headers are read only inside memory that an arena made usable.
#![allow(unsafe_code)]

mod front;

use hakmem_segment::{BIN_LARGE, BIN_NONE, Class, Outcome, Routing};

use crate::bins;
use crate::class_map::{self, WholeMap};
use crate::header::{HEADER_BYTES, Header};
use crate::large;
use crate::registry;
use crate::routing::{Choice, Layout};

pub(crate) use front::{ByRegistry, E3, Exclude, FrontGate, Hybrid, Uniform};

/// The bin of a pointer into a slab; 0 or `None` for any other pointer. `map` is the copy in the
/// calling thread's heap; an empty one names no bin: that of a thread without a heap, or under a
/// routing other than `direct`.
#[inline(always)]
pub(crate) fn bin(map: &WholeMap, pointer: *mut u8) -> Option<usize> {
    map.bin(pointer as usize)
}

/// The door of `direct` for pointers behind the end of a heap's copy of the class map.
pub(crate) struct Behind;

impl FrontGate for Behind {
    const LAYOUT: Layout = Layout::Plain;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, _: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        Some(map_bin(pointer)).filter(|&bin| bin != BIN_NONE)
    }
}

/// The slow door's answer about a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The bin; [`BIN_NONE`] if the pointer is a span's or foreign.
    pub(crate) bin: usize,
    /// How the bin was found.
    pub(crate) outcome: Outcome,
    /// The bin that the routing's fast door names, if it names one.
    pub(crate) front: Option<usize>,
    /// The byte in front of the block, if the routing reads a header there.
    pub(crate) header: Option<u8>,
}

impl Verdict {
    /// The class that the fast door, or the byte that looks like a header, claims for the block.
    pub(crate) fn claimed_class(&self) -> Option<Class> {
        if let Some(bin) = self.front {
            return Some(bins::class(bin));
        }
        let class = Header::claimed_class(self.header?)?;
        Class::from_number(class as u8)
    }
}

/// Classifies a pointer without trusting the byte in front of it.
pub(crate) fn classify(pointer: *mut u8) -> Verdict {
    let routing = Choice::current().routing;
    if routing == Routing::Direct {
        let bin = map_bin(pointer);
        let outcome = Layout::Plain.fast_outcome(bin);
        return Verdict { bin, outcome, front: (bin != BIN_NONE).then_some(bin), header: None };
    }
    let bin = registry::bin(pointer as usize);
    let layout = Layout::of(routing);
    // In front of a block without a header lies a neighbour's contents: no exact routing reads it.
    let reads = bin != BIN_NONE && (layout.header(bin).is_some() || routing == Routing::E3);
    let header = if reads { front::header_of(pointer) } else { None };
    let outcome = match (layout.header(bin), header) {
        (Some(expected), Some(byte)) if expected.is(byte) => Outcome::Header,
        (Some(_), Some(byte)) if Header::claimed_class(byte).is_some() => {
            Outcome::HeaderFalsePositive
        }
        (Some(_), _) => Outcome::HeaderMissing,
        (None, Some(byte)) if routing == Routing::E3 && E3::believes(byte) => {
            Outcome::HeaderFalsePositive
        }
        (None, _) => layout.fast_outcome(bin),
    };
    Verdict { bin, outcome, front: front_bin(routing, pointer), header }
}

/// Restores the header of a block, if its bin has one, because something overwrote it.
pub(crate) fn repair(pointer: *mut u8, bin: usize) {
    if let Some(header) = Layout::current().header(bin) {
        // SAFETY: the start of a block of this bin, whose layout has room for the header.
        unsafe { header.write(pointer.cast()) };
    }
}

/// The answer of the routing's fast door, extended to all arenas.
fn front_bin(routing: Routing, pointer: *mut u8) -> Option<usize> {
    match routing {
        Routing::Direct => Some(map_bin(pointer)),
        Routing::Registry => ByRegistry::bin_by(pointer, front::header_of),
        Routing::Exclude => Exclude::bin_by(pointer, front::header_of),
        Routing::Uniform => Uniform::bin_by(pointer, front::header_of),
        Routing::Hybrid => Hybrid::bin_by(pointer, front::header_of),
        Routing::E3 => E3::bin_by(pointer, front::header_of),
    }
}

/// The answer of the class map, which exists under every routing; 0 for a pointer into no slab.
pub(crate) fn map_bin(pointer: *mut u8) -> usize {
    class_map::bin(pointer as usize)
}

/// The bin of a live block that is being resized or measured; [`BIN_NONE`] for a span's or a
/// foreign pointer.
pub(crate) fn bin_slow(pointer: *mut u8) -> usize {
    match Choice::current().routing {
        Routing::Direct => map_bin(pointer),
        _ => registry::bin(pointer as usize),
    }
}

/// Bytes that the block or span at `pointer` has room for; `None` for a foreign pointer.
pub(crate) fn usable_bytes(pointer: *mut u8) -> Option<usize> {
    match bin_slow(pointer) {
        BIN_NONE => large::bytes(pointer as usize),
        bin => Some(Layout::current().usable_bytes(bin)),
    }
}

const _: () = assert!(HEADER_BYTES == 1 && BIN_LARGE > bins::BIN_C7_HEADER);
