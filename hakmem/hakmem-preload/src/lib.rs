//! The preload library: `malloc` and its family, C++'s `operator new` and `delete`, and what tells
//! the segment how the process ended.
//!
//! ```text
//! LD_PRELOAD=target/release/libhakmem_preload.so PROGRAM
//! ```
//!
//! Nothing else may depend on this crate: whoever links it gets its `malloc`.

pub mod c;
pub mod cxx;
pub mod process;
