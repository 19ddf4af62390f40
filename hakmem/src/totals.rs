//! What the whole process holds, in the terms of `mallinfo2`.

use crate::{arena, large};

/// Bytes held by the process's allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Memory for slabs, in use or kept.
    pub slab_bytes: usize,
    /// Part of `slab_bytes` that is in empty slabs, kept for reuse.
    pub slab_cached_bytes: usize,
    /// Large spans in use.
    pub large_bytes: usize,
    /// Freed large spans, kept for reuse.
    pub large_cached_bytes: usize,
}

/// What the process holds now.
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
