//! The points between two stores whose order matters to a child process.
//!
//! A child finds what other threads of its parent were changing as it was after some store of theirs
//! (`threads::repair`). The processor keeps a thread's stores in order as far as a fork can see; the
//! compiler does so across these points. They cost no instruction. In tests, a thread can be made to
//! cease to exist at each of them.

#[cfg(not(test))]
use core::sync::atomic::{Ordering, compiler_fence};

/// A point: the stores before it are not moved behind it, nor those behind it before it.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn next() {
    compiler_fence(Ordering::SeqCst);
}

/// A point where the order does not matter: whatever was stored, a repair finds the truth elsewhere.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn any() {}

#[cfg(test)]
pub(crate) use tests::{any, next, stop_at_each};

#[cfg(test)]
pub(crate) mod tests;
