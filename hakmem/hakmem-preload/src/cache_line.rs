//! The alignment of functions.

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
