//! What the whole process holds, in the terms of `mallinfo2`.

use crate::{arena, large};

/// Bytes that the process's allocator holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Memory of slabs, in use or kept for reuse.
    pub slab_bytes: usize,
    /// The part of `slab_bytes` in empty slabs that are kept for reuse.
    pub slab_cached_bytes: usize,
    /// Large spans in use.
    pub large_bytes: usize,
    /// Freed large spans, kept for reuse.
    pub large_cached_bytes: usize,
}

/// Bytes that the process's allocator holds now.
#[must_use]
pub fn totals() -> Totals {
    let (arena, large) = (arena::usage(), large::usage());
    Totals {
        slab_bytes: arena.slabs + arena.cached,
        slab_cached_bytes: arena.cached,
        large_bytes: large.live,
        large_cached_bytes: large.cached,
    }
}
