//! Releases the locks that a child process found held, and repairs the structures that they guard.
//!
//! Other threads of the parent may have been anywhere when it forked, even between two stores of a
//! change that a lock guards. They do not exist in the child, so their locks are released, and the
//! structures that these guard are in doubt. The child does not abandon a structure in doubt but
//! walks it: every change has one store that commits it, after the stores that it depends on, and a
//! change that was not committed has not happened.
//!
//! - A slab is committed by the class map's entry of the run's first granule, and its blocks by its
//!   bits; lists and counters are rebuilt from these (`central::repair`).
//! - Runs that the class map does not name are free: the arenas' lists are rebuilt
//!   (`arena::repair`).
//! - The registry is brought into agreement with the class map; each entry is one word.
//! - Spans are found again in their table (`large::repair`).
//! - The pool of batches only increments single words, and the stacks of batches have no lock.
//! - The groups of heaps are the parent's, and are replaced as a whole.
//!
//! A child sees each of its parent's threads at one moment: it has the stores that the thread made
//! up to some store, and none after it. So only the order of stores matters, and only the compiler
//! could change it (`steps`).
//!
//! Locks that the child's own thread holds stay with it: a signal handler forked in the middle of a
//! slow path, which will resume and finish its change. Memory that this path has taken and not
//! committed stays its own.

use super::{LATE, PROCESS};
use crate::{arena, batches, bins, central, large, registry};

/// The result of a repair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Locks whose holders do not exist in this process.
    pub(super) doubts: u32,
    /// Bytes of free memory that are lost.
    pub(super) abandoned_bytes: u64,
}

/// Releases the locks whose holders do not exist in this process, and repairs what they guard.
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
        // The thread that held a bin's lock may have had a run in hand, so the arenas' lists do not
        // contain all that is free.
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
