//! Blocks that came back and should not have: kept until a thread tells of them.
//!
//! Slabs see such blocks under their lock, on behalf of whatever thread gives blocks back just then,
//! and long after the wrong free. So they are noted here, and the next slow path that may say
//! something takes them.
//!
//! # Orderings
//! A count is published by the Release store of its bit in [`BINS_NOTED`], and read after the Acquire
//! that takes the bit. An address may be that of another wrong block of the bin than the count's last:
//! it is one example.

use hakmem_segment::{BIN_NONE, BINS, Outcome, Routing};

use crate::routing::Choice;
use crate::slab::Taken;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Wrong blocks of one bin and kind.
struct Noted {
    count: AtomicU32,
    address: AtomicUsize,
}

/// Those that were freed twice, and those that are no blocks.
static NOTED: [[Noted; BINS]; 2] =
    [const { [const { Noted { count: AtomicU32::new(0), address: AtomicUsize::new(0) } }; BINS] };
        2];
/// One bit for each bin that has any.
static BINS_NOTED: AtomicU64 = AtomicU64::new(0);

/// Frees of a bin's blocks that were found wrong after the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strays {
    pub(crate) bin: usize,
    pub(crate) outcome: Outcome,
    pub(crate) count: u32,
    /// The pointer that was freed, of one of them.
    pub(crate) address: usize,
}

/// Notes a block of a bin that a slab refused, or that is on a list twice.
#[cold]
pub(crate) fn note(bin: usize, address: usize, taken: Taken) {
    let routing = Choice::current().routing;
    // Under `e3` that is what its bug does. Under the other routings with headers, an overwritten
    // header names another bin; the gate tells of those.
    if routing == Routing::E3 || taken == Taken::Strange && routing != Routing::Direct {
        return;
    }
    // A slab of another bin: the block's own was empty and is gone, so the block had come back.
    let kind = usize::from(taken == Taken::NoBlock);
    let noted = &NOTED[kind][bin];
    noted.address.store(address, Ordering::Relaxed);
    noted.count.fetch_add(1, Ordering::Relaxed);
    // Release: see the module.
    BINS_NOTED.fetch_or(1 << bin, Ordering::Release);
}

/// Whether there is anything to tell.
#[inline]
pub(crate) fn are_noted() -> bool {
    BINS_NOTED.load(Ordering::Relaxed) != 0
}

/// Takes what was noted, and calls `visit` with it.
#[cold]
pub(crate) fn take(mut visit: impl FnMut(Strays)) {
    // Acquire: see the module.
    let mut bits = BINS_NOTED.swap(0, Ordering::Acquire);
    while bits != 0 {
        let bin = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        for (kind, outcome) in [Outcome::DoubleFree, Outcome::Interior].into_iter().enumerate() {
            let noted = &NOTED[kind][bin];
            let count = noted.count.swap(0, Ordering::Relaxed);
            let address = noted.address.load(Ordering::Relaxed);
            if count > 0 {
                visit(Strays { bin, outcome, count, address });
            }
        }
    }
}

const _: () = assert!(BINS <= u64::BITS as usize && BIN_NONE < BINS);
