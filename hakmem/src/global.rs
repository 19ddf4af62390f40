//! The allocator for Rust programs.
//!
//! # Safety
//! `Layout` tells size and alignment at every free, so frees are sized ones.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};

use crate::{entry, settings};

/// Serves a Rust program's allocations:
///
/// ```
/// #[global_allocator]
/// static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Hakmem;

// SAFETY: `entry` keeps GlobalAlloc's contract: blocks are disjoint, large and aligned enough, stay
// valid until freed, and nothing unwinds.
unsafe impl GlobalAlloc for Hakmem {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= 8 {
            entry::malloc(layout.size())
        } else {
            entry::allocate_aligned(layout.align(), layout.size())
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= 8 {
            return entry::allocate_zeroed(layout.size());
        }
        let block = entry::allocate_aligned(layout.align(), layout.size());
        if !block.is_null() {
            // SAFETY: just allocated with that size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() <= 8 {
            // SAFETY: the caller's duty: the block came from `alloc` with this layout.
            unsafe { entry::free_sized(block, layout.size()) }
        } else {
            // SAFETY: as above.
            unsafe { entry::free_aligned_sized(block, layout.align(), layout.size()) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above; Rust asks for no size 0.
        unsafe { entry::resize(block, new_size, layout.align()) }
    }
}

/// [`Hakmem`] for programs that show others and should not show up themselves: no segment is made, and
/// `HAKMEM_` settings, which are meant for the programs that they start, are not read.
///
/// ```
/// #[global_allocator]
/// static GLOBAL: hakmem::Silent = hakmem::Silent;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

// SAFETY: as for `Hakmem`, which does it all.
unsafe impl GlobalAlloc for Silent {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        settings::keep_silent();
        // SAFETY: the caller's duty.
        unsafe { Hakmem.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        settings::keep_silent();
        // SAFETY: the caller's duty.
        unsafe { Hakmem.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's duty.
        unsafe { Hakmem.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's duty.
        unsafe { Hakmem.realloc(block, layout, new_size) }
    }
}

#[cfg(test)]
mod tests;
