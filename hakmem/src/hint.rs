//! Tells the compiler which paths are cold.

/// Marks the path that calls it as cold, as `core::hint::cold_path` of Rust 1.95 does: the compiler
/// takes a call of a cold function for unlikely before it inlines the call.
#[cold]
#[inline(always)]
pub(crate) const fn cold_path() {}
