//! Starts programs under the allocator, and follows signals and runs.
//!
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`library`]: finds the allocator library
//! - [`signals`]: signals to this program, and from it to others
//! - [`program`]: starts a program and waits for its end
//! - [`baseline_file`]: writes the recording of several runs of a program

pub mod baseline_file;
pub mod library;
pub mod program;
pub mod signals;
