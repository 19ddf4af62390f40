//! Locks that a child process found held, and what they guard.
//!
//! Other threads of the parent may have been anywhere when it forked, also between two stores of a
//! change that a lock guards. They do not exist in the child, so their locks are made free, and what
//! these guard is in doubt. It is not abandoned but walked: every change has one store that commits
//! it, after those that it needs, and what was not committed has not happened.
//!
//! - Of slabs, the commit is the class map's entry of the run's first granule, and for their blocks
//!   the bits; lists and counters are made anew from these (`central::repair`).
//! - What the class map does not name is free: the arenas' lists are made anew (`arena::repair`).
//! - The registry is brought in line with the class map; each entry is one word.
//! - Spans are found again from their table (`large::repair`).
//! - The pool of batches counts up in single words, and the stacks of batches have no lock.
//! - Groups of heaps are the parent's, and are replaced as a whole.
//!
//! A child is a copy of the parent at one moment of each of its threads: stores that a thread made are
//! there up to some one, and none behind it. So the order of stores is all that matters, and it is the
//! compiler's alone (`steps`).
//!
//! Locks that the child's own thread holds stay with it: a signal handler forked in the middle of a
//! slow path, which will go on and finish its change. What such a path has taken and not committed
//! stays its own.

use super::{LATE, PROCESS};
use crate::{arena, batches, bins, central, large, registry};

/// What was found in doubt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Locks that threads held which do not exist.
    pub(super) doubts: u32,
    /// Bytes that were free and are lost.
    pub(super) abandoned_bytes: u64,
}

/// Makes the locks free that threads hold which do not exist, and repairs what they guard.
pub(super) fn release_abandoned() -> Found {
    let others = [&PROCESS.lock, &LATE, batches::lock()];
    let mut doubts = others.into_iter().filter(|lock| lock.release_abandoned()).count() as u32;
    let mut abandoned_bytes = 0;
    if large::lock().release_abandoned() {
        doubts += 1;
        abandoned_bytes = large::repair(true) as u64;
    }
    let mut in_doubt = 0_u64;
    for bin in bins::in_use() {
        in_doubt |= u64::from(central::lock(bin).release_abandoned()) << bin;
    }
    let are_arenas_in_doubt = arena::lock().release_abandoned();
    let is_registry_in_doubt = registry::lock().release_abandoned();
    doubts += in_doubt.count_ones();
    doubts += u32::from(are_arenas_in_doubt) + u32::from(is_registry_in_doubt);
    if in_doubt != 0 || are_arenas_in_doubt {
        // A bin's holder may have had a run in hand, so the arenas' lists are not all that is free.
        arena::repair(&|bin| central::lock(bin).is_mine());
    }
    if in_doubt != 0 {
        central::repair(in_doubt);
    }
    if is_registry_in_doubt || in_doubt != 0 {
        central::repair_registry();
    }
    Found { doubts, abandoned_bytes }
}

#[cfg(test)]
mod tests;
