//! Reports the memory that the process holds, and returns unused memory to the system.

use core::iter;

use super::thread_heap;
use crate::heap::Heap;
use crate::os::{loader, message};
use crate::{bins, central, finding, threads, totals};

/// Blocks of one bin that wait in the central store for a thread to refill from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingBlocks {
    /// Smallest request that the bin serves.
    pub smallest_bytes: usize,
    /// Bytes of a block, which is the largest request that the bin serves without headers.
    pub block_bytes: usize,
    /// Number of blocks that wait.
    pub blocks: usize,
}

/// The blocks that wait in the central store, by bin; bins without waiting blocks are left out.
pub fn waiting_blocks() -> impl Iterator<Item = WaitingBlocks> {
    let mut below = 0;
    let mut bins = bins::in_use();
    iter::from_fn(move || {
        let bin = bins.next()?;
        let smallest_bytes = below + 1;
        below = bins::stride(bin);
        let blocks = central::stacked(bin) as usize;
        Some(WaitingBlocks { smallest_bytes, block_bytes: below, blocks })
    })
    .filter(|waiting| waiting.blocks > 0)
}

/// Bytes of all blocks in slabs that the program holds. Exact only if no other thread allocates or
/// frees meanwhile.
#[must_use]
pub fn live_block_bytes() -> usize {
    // Before the sum, so that a new child process counts the blocks that it inherited.
    threads::access(thread_heap());
    threads::live_block_bytes()
}

/// Returns all unused memory to the system; false if there was none. Blocks on the lists of another
/// thread follow when that thread next leaves its fast paths, some milliseconds later at the
/// earliest; if it makes no further call, they stay.
pub fn trim() -> bool {
    let trim_and_tell = |heap: &Heap| {
        let has_freed = threads::trim(heap);
        finding::report_strays(heap);
        has_freed
    };
    threads::with_heap(thread_heap(), trim_and_tell).unwrap_or(false)
}

/// Warns a program that uses glibc's hooks that neither hakmem nor glibc calls them. Such a program
/// was linked long ago: linking against the hooks is no longer possible.
pub fn tell_of_hooks() {
    for hook in [c"__malloc_hook", c"__free_hook", c"__malloc_initialize_hook"] {
        if loader::executable_uses(hook) {
            message::print(format_args!(
                "the program uses {}, which neither hakmem nor glibc since 2.34 calls",
                hook.to_str().unwrap_or_default()
            ));
            return;
        }
    }
}

/// Prints to standard error the memory that the process holds.
pub fn print_stats() {
    let totals = totals::totals();
    message::print(format_args!(
        "slabs {} bytes ({} kept for reuse), large spans {} bytes ({} kept for reuse)",
        totals.slab_bytes, totals.slab_cached_bytes, totals.large_bytes, totals.large_cached_bytes
    ));
}
