//! The front gate: what a freed pointer is.
//!
//! This is the only place that classifies pointers, and nothing else reads a header. It has two
//! doors. The *fast* one, of which each routing has its own ([`FrontGate::bin`]), is asked by the
//! fast path of `free`: it names the bin of a pointer whose block may go on the thread's list, or
//! nothing. The *slow* one, [`classify`], is asked for everything else: it is exact for every live
//! block under every routing.
//!
//! Under `direct` the fast door is one load from the class map. Whatever that does not name is the
//! start of a large span, or foreign.
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

/// The bin of a pointer into a slab; 0 or `None` for every other. `map` is the copy in the calling
/// thread's heap: an empty one, as in a thread's without a heap or under another routing than
/// `direct`, names nothing.
#[inline(always)]
pub(crate) fn bin(map: &WholeMap, pointer: *mut u8) -> Option<usize> {
    map.bin(pointer as usize)
}

/// `direct` for what lies behind the end of a heap's copy of the class map.
pub(crate) struct Behind;

impl FrontGate for Behind {
    const LAYOUT: Layout = Layout::Plain;

    #[inline(always)]
    fn bin_by(pointer: *mut u8, _: impl Fn(*mut u8) -> Option<u8>) -> Option<usize> {
        Some(map_bin(pointer)).filter(|&bin| bin != BIN_NONE)
    }
}

/// What the slow door says of a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The bin; [`BIN_NONE`] if the pointer is a span's or foreign.
    pub(crate) bin: usize,
    /// How that was found out.
    pub(crate) outcome: Outcome,
    /// The bin that the routing's fast door names, if it names one.
    pub(crate) front: Option<usize>,
    /// The byte in front of the block, where the routing reads it there.
    pub(crate) header: Option<u8>,
}

impl Verdict {
    /// The class that the fast door, or what looks like a header, takes the block for.
    pub(crate) fn claimed_class(&self) -> Option<Class> {
        if let Some(bin) = self.front {
            return Some(bins::class(bin));
        }
        let class = Header::claimed_class(self.header?)?;
        Class::from_number(class as u8)
    }
}

/// Classifies a pointer, without trusting what is in front of it.
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

/// Writes the header of a block anew, if its bin has one: something overwrote it.
pub(crate) fn repair(pointer: *mut u8, bin: usize) {
    if let Some(header) = Layout::current().header(bin) {
        // SAFETY: the start of a block of this bin, whose layout has room for the header.
        unsafe { header.write(pointer.cast()) };
    }
}

/// What the routing's fast door says, of any arena.
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

/// The class map's answer, which is kept under every routing: 0 for a pointer into no slab.
pub(crate) fn map_bin(pointer: *mut u8) -> usize {
    class_map::bin(pointer as usize)
}

/// The bin of a live block, for whoever resizes or measures it; [`BIN_NONE`] for a span's or a
/// foreign pointer.
pub(crate) fn bin_slow(pointer: *mut u8) -> usize {
    match Choice::current().routing {
        Routing::Direct => map_bin(pointer),
        _ => registry::bin(pointer as usize),
    }
}

/// Bytes that the block or span at a pointer has room for; `None` for a foreign pointer.
pub(crate) fn usable_bytes(pointer: *mut u8) -> Option<usize> {
    match bin_slow(pointer) {
        BIN_NONE => large::bytes(pointer as usize),
        bin => Some(Layout::current().usable_bytes(bin)),
    }
}

const _: () = assert!(HEADER_BYTES == 1 && BIN_LARGE > bins::BIN_C7_HEADER);
