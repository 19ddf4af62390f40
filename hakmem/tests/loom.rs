//! The protocols that work without locks, in all interleavings that loom explores: the stack of
//! batches, compiled from the allocator's own source against loom's atomics, and, in miniature, the
//! sequence by which a slot's writer and its readers agree, and the growth of the registry.
//!
//! Numbers are small so that races show: two or three threads, two or three batches.

// `batch_stack.rs` imports its atomics from `crate::sync` and nothing else from the crate.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}

#[path = "../src/batch_stack.rs"]
#[allow(dead_code)]
mod batch_stack;

#[path = "loom/batches.rs"]
mod batches;
#[path = "loom/growth.rs"]
mod growth;
#[path = "loom/sequence.rs"]
mod sequence;
