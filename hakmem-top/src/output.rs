//! Writes to standard output, standard error and files.
//!
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`saying`]: lines to standard output and standard error, and what happens after a panic
//! - [`replacement`]: files that are created or replaced in one step

#[macro_use]
pub mod saying;

pub mod replacement;
