//! The points between two stores whose order matters to a child process.
//!
//! A child finds the data that other threads of its parent were changing as it was after one of
//! their stores (`threads::repair`). The processor keeps a thread's stores in order as far as a
//! fork can see; these points keep the compiler from reordering them. They cost no instruction.
//! Tests can end a thread for good at each of them.

#[cfg(not(test))]
use core::sync::atomic::{Ordering, compiler_fence};

/// A point that no store may cross, in either direction.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn next() {
    compiler_fence(Ordering::SeqCst);
}

/// A point where the order of stores does not matter, because a repair does not rely on them.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn any() {}

#[cfg(test)]
pub(crate) use tests::{any, next, stop_at_each};

#[cfg(test)]
pub(crate) mod tests;
