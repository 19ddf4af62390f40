//! The preload library: `malloc` and its family, C++'s `operator new` and `delete`, and functions
//! that note in the segment how the process ended.
//!
//! ```text
//! LD_PRELOAD=target/release/libhakmem_preload.so PROGRAM
//! ```
//!
//! Nothing else may depend on this crate: a program that links it gets its `malloc`. `hakmem-c` is
//! built of the same files but `front` and `variant`.
//!
//! # Layers, bottom to top
//!
//! A module may use those above it in this list (the lower ones) and none below it.
//!
//! - `cache_line`: the alignment of functions.
//! - `answers`: what a program may ask the allocator; knows no symbol.
//! - `front`: answers for a `libhakmem.so` that the program is linked with.
//! - `variant`: what differs between this library and `libhakmem`, built of the same files.
//! - `c`: C's allocation functions; knows no C++.
//! - `cxx`: C++'s `operator new` and `operator delete`; knows nothing of `c`.
//! - `reports`: functions that report on the allocator, and `malloc_trim`; serves no request.
//! - `aliases`: the C library's other names for `c` and `reports`; does nothing itself.
//! - `loading`: stands in front of `dlopen`, so that libraries find this one first.
//! - `process`: the constructor, and `_exit`, which notes the end in the segment.

pub mod aliases;
pub mod answers;
pub mod c;
mod cache_line;
pub mod cxx;
mod front;
pub mod loading;
pub mod process;
pub mod reports;
mod variant;

pub(crate) use cache_line::begin_at_cache_line;
