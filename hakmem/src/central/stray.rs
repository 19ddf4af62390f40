//! Stray blocks, which came back and should not have: counted until a slow path reports them.
//!
//! A slab refuses such a block under its lock, on behalf of whichever thread gives blocks back at
//! that moment, long after the wrong free. So the refusal is noted here, and the next slow path
//! that may report a finding takes it.
//!
//! # Orderings
//! A count is published by the Release store of its bit in [`BINS_NOTED`], and read after the
//! Acquire that takes the bit. The address read may belong to a later stray block of the bin than
//! the count covers: it is only an example.

use hakmem_segment::{BIN_NONE, BINS, Outcome, Routing};

use crate::routing::Choice;
use crate::slab::Taken;
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Stray blocks of one bin and kind.
struct Noted {
    count: AtomicU32,
    address: AtomicUsize,
}

/// Blocks that were freed twice, and addresses that are not the start of a block.
static NOTED: [[Noted; BINS]; 2] =
    [const { [const { Noted { count: AtomicU32::new(0), address: AtomicUsize::new(0) } }; BINS] };
        2];
/// One bit for each bin with stray blocks.
static BINS_NOTED: AtomicU64 = AtomicU64::new(0);

/// Frees of a bin's blocks that were found wrong after the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strays {
    pub(crate) bin: usize,
    pub(crate) outcome: Outcome,
    pub(crate) count: u32,
    /// The pointer of one of these frees.
    pub(crate) address: usize,
}

/// Notes a block of `bin` that a slab refused, or that occurs twice on a list.
#[cold]
pub(crate) fn note(bin: usize, address: usize, taken: Taken) {
    let routing = Choice::current().routing;
    // `e3` produces such blocks by design. Under the other routings with headers, an overwritten
    // header names another bin, and the gate reports that.
    if routing == Routing::E3 || taken == Taken::Strange && routing != Routing::Direct {
        return;
    }
    // `Taken::Strange` counts as a double free: the block's own slab became empty and is gone, so
    // the block had come back before.
    let kind = usize::from(taken == Taken::NoBlock);
    let noted = &NOTED[kind][bin];
    noted.address.store(address, Ordering::Relaxed);
    noted.count.fetch_add(1, Ordering::Relaxed);
    // Release: pairs with the Acquire in `take`, and publishes the count.
    BINS_NOTED.fetch_or(1 << bin, Ordering::Release);
}

/// Whether there are stray blocks to report.
#[inline]
pub(crate) fn are_noted() -> bool {
    BINS_NOTED.load(Ordering::Relaxed) != 0
}

/// Takes all stray blocks, and calls `visit` with each bin and kind of them.
#[cold]
pub(crate) fn take(mut visit: impl FnMut(Strays)) {
    // Acquire: pairs with the Release in `note`, so that the counts can be read.
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
