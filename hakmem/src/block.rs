//! A block's memory while it is free.
//!
//! # Safety
//! A hint to the processor is no access: it may name any address.
#![allow(unsafe_code)]

/// A free block, only ever handled by pointer. A block is at least this large. While it is free its
/// contents are not read, except under `e3`, whose lists run through their blocks.
#[repr(C)]
pub(crate) struct Block {
    /// Next block of an `e3` list, or null.
    pub(crate) next: *mut Block,
}

/// Asks the processor to fetch the first cache line of `block`, which the program is about to get
/// and to write.
///
/// Lists are arrays of pointers, so nothing reads a block when it is popped, and the line of a
/// block that has left the first-level cache would be fetched by the program's first store.
/// Processors make stores visible in order and fetch few lines ahead for them, but many for loads
/// and hints. 1000 blocks of 64 bytes, allocated and freed again and again, take 5.4 ns a pair with
/// the hint and 7.2 without, 10 000 of 256 bytes in random order 10 and 16 (Intel Xeon with AMX).
#[inline(always)]
pub(crate) fn prefetch(block: *const Block) {
    // Not `prefetchw`, which the first processors of this architecture lack.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the instruction is a hint, which never faults.
    unsafe {
        core::arch::asm!(
            "prefetcht0 byte ptr [{block}]",
            block = in(reg) block,
            options(readonly, nostack, preserves_flags)
        );
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "prfm pstl1keep, [{block}]",
            block = in(reg) block,
            options(readonly, nostack, preserves_flags)
        );
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = block;
}
