//! The preload library: `malloc` and its family, C++'s `operator new` and `delete`, and functions
//! that note in the segment how the process ended.
//!
//! ```text
//! LD_PRELOAD=target/release/libhakmem_preload.so PROGRAM
//! ```
//!
//! Nothing else may depend on this crate: a program that links it gets its `malloc`.
//!
//! # Layers, bottom to top
//!
//! A module may use those above it in this list (the lower ones) and none below it.
//!
//! - `c`: C's allocation functions; knows no C++.
//! - `cxx`: C++'s `operator new` and `operator delete`; knows nothing of `c`.
//! - `reports`: functions that report on the allocator, and `malloc_trim`; serves no request.
//! - `aliases`: the C library's other names for `c` and `reports`; does nothing itself.
//! - `loading`: stands in front of `dlopen`, so that libraries find this one first.
//! - `process`: the constructor, and `_exit`, which notes the end in the segment.

/// Makes the functions whose `link_section` is `.text.hakmem.` and one of these names begin at a
/// cache line.
///
/// `malloc` and `free` fill a little more than one cache line. A function that begins in the middle
/// of a line reaches into a third, which costs a loop of allocations and frees a tenth of its
/// throughput. Compilers offer no stable way to ask for the alignment, but the assembler does: a
/// section has the alignment of its strictest part.
macro_rules! begin_at_cache_line {
    ($($name:literal)*) => {
        core::arch::global_asm!($(
            concat!(".pushsection .text.hakmem.", $name, ", \"ax\", @progbits"),
            ".p2align 6",
            ".popsection",
        )*);
    };
}
pub(crate) use begin_at_cache_line;

pub mod aliases;
pub mod c;
pub mod cxx;
pub mod loading;
pub mod process;
pub mod reports;
