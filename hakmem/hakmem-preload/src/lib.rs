//! The preload library: `malloc` and its family, C++'s `operator new` and `delete`, and what tells
//! the segment how the process ended.
//!
//! ```text
//! LD_PRELOAD=target/release/libhakmem_preload.so PROGRAM
//! ```
//!
//! Nothing else may depend on this crate: whoever links it gets its `malloc`.

/// Makes functions begin at a cache line, whose `link_section` is `.text.hakmem.` and these names.
///
/// `malloc` and `free` fill a line and a bit. One that begins in the middle of a line reaches into
/// a third, which costs a loop of allocations and frees a tenth of its throughput. Compilers have no
/// stable way to ask for that, but an assembler has: a section is aligned as its strictest part.
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
