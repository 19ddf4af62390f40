//! Taking blocks back past the stacks, into their slabs; and how the blocks of a list lie in
//! memory, which decides where they go.
//!
//! # Safety
//! As in `central`.
#![allow(unsafe_code)]

use super::slabs::Slabs;
use super::{CACHE_BYTES, STORE};
use crate::arena::Finder;
use crate::bins::{self, Divider};
use crate::block::Block;
use crate::slab::Slab;
use crate::sync::Ordering;

/// How the blocks of a list lie in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// Most lie beside the next one: blocks that were allocated together were freed together.
    InOrder,
    /// Neither in order nor scattered.
    Near,
    /// In many slabs. The thread that received the batch would take a cache miss for each block,
    /// while the slabs put the blocks in order again; and each waiting block would keep a slab of
    /// its own from going back. The first does not matter if all blocks of the bin fit into the
    /// cache, nor the second if they are small.
    Scattered,
}

/// Judges how the blocks of a list lie by those that were freed last.
pub(super) fn spread(bin: usize, blocks: &[*mut Block]) -> Spread {
    /// Number of distances that are examined.
    const LOOK: usize = 8;
    let (stride, slab_bytes) = (bins::stride(bin), bins::slab_granules(bin) * bins::GRANULE);
    let last = &blocks[blocks.len().saturating_sub(LOOK + 1)..];
    let look = last.len().saturating_sub(1);
    let (mut far, mut beside) = (0, 0);
    for pair in last.windows(2) {
        let distance = (pair[0] as usize).abs_diff(pair[1] as usize);
        far += usize::from(distance >= slab_bytes);
        beside += usize::from(distance <= 2 * stride);
    }
    let fits_cache =
        stride <= bins::TINY_MAX && STORE[bin].slab_bytes.load(Ordering::Relaxed) <= CACHE_BYTES;
    // A quarter of them may differ.
    if beside >= look - look / 4 {
        Spread::InOrder
    } else if far > look / 4 && !fits_cache {
        Spread::Scattered
    } else {
        Spread::Near
    }
}

/// Takes blocks back past the stack.
///
/// # Safety
/// The caller owns the blocks, and all are of this bin.
pub(crate) unsafe fn give_to_slabs(bin: usize, blocks: &[*mut Block], now_ms: u32) {
    if !blocks.is_empty() {
        // SAFETY: the caller owns the blocks.
        unsafe { give_spread_to_slabs(bin, blocks, spread(bin, blocks), now_ms) };
    }
}

/// [`give_to_slabs`] for blocks whose `spread` is known.
///
/// # Safety
/// As for [`give_to_slabs`].
pub(super) unsafe fn give_spread_to_slabs(
    bin: usize,
    blocks: &[*mut Block],
    spread: Spread,
    now_ms: u32,
) {
    let mut slabs = STORE[bin].slabs.lock();
    match spread {
        // SAFETY: the caller owns the blocks; these are the bin's slabs.
        Spread::InOrder => unsafe { give_in_order(bin, blocks, &mut slabs, now_ms) },
        // SAFETY: as above.
        _ if Slab::are_single(bin) => unsafe {
            give_one_by_one::<true>(bin, blocks, &mut slabs, now_ms)
        },
        // SAFETY: as above.
        _ => unsafe { give_one_by_one::<false>(bin, blocks, &mut slabs, now_ms) },
    }
}

/// Takes blocks back one by one. A function of its own, because the work on each block needs all
/// registers. `SINGLE` says that the bin's slabs are [single](Slab::are_single).
///
/// # Safety
/// The caller owns the blocks, all are of this bin, and `slabs` are those of the bin, locked.
#[inline(never)]
unsafe fn give_one_by_one<const SINGLE: bool>(
    bin: usize,
    blocks: &[*mut Block],
    slabs: &mut Slabs,
    now_ms: u32,
) {
    let (finder, divider) = (Finder::<SINGLE>::new(), Divider::of(bin));
    for &block in blocks {
        let slab = finder.slab_of(block as usize);
        let taken = slab.take_back::<SINGLE>(divider, block);
        slabs.note(slab, taken, (bin, block as usize), now_ms);
    }
}

/// [`give_one_by_one`] for `blocks` most of which lie side by side.
///
/// # Safety
/// As for [`give_one_by_one`].
unsafe fn give_in_order(bin: usize, blocks: &[*mut Block], slabs: &mut Slabs, now_ms: u32) {
    let (finder, divider) = (Finder::<false>::new(), Divider::of(bin));
    let mut rest = blocks;
    while !rest.is_empty() {
        let (mut lowest, mut count) = side_by_side(bins::stride(bin), rest);
        rest = &rest[count..];
        while count > 0 {
            let slab = finder.slab_of(lowest);
            let (done, taken) = slab.take_back_run(divider, lowest as *mut Block, count);
            slabs.note(slab, taken, (bin, lowest), now_ms);
            lowest += done * bins::stride(bin);
            count -= done;
        }
    }
}

/// Number of blocks at the front of `blocks`, which is not empty, that lie side by side, upwards or
/// downwards, and the lowest of their addresses.
fn side_by_side(stride: usize, blocks: &[*mut Block]) -> (usize, usize) {
    let first = blocks[0] as usize;
    let mut count = 1;
    let Some(&second) = blocks.get(1) else { return (first, count) };
    let step = (second as usize).wrapping_sub(first);
    if step != stride && step != stride.wrapping_neg() {
        return (first, count);
    }
    let mut last = first;
    while let Some(&next) = blocks.get(count)
        && (next as usize).wrapping_sub(last) == step
    {
        last = next as usize;
        count += 1;
    }
    (first.min(last), count)
}
