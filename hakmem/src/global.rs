//! The global allocator for Rust programs.
//!
//! # Safety
//! A `Layout` gives size and alignment at every free, so frees are sized ones.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};

#[cfg(not(all(miri, not(test))))]
use crate::entry;
use crate::settings;

/// Serves a Rust program's allocations:
///
/// ```
/// #[global_allocator]
/// static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Hakmem;

// Under Miri the system's allocator serves a program, for Miri knows the bounds of its blocks; the
// crate's own tests run over a simulated kernel.
#[cfg(all(miri, not(test)))]
// SAFETY: the system's allocator keeps the contract.
unsafe impl GlobalAlloc for Hakmem {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { std::alloc::System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { std::alloc::System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { std::alloc::System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { std::alloc::System.realloc(block, layout, new_size) }
    }
}

#[cfg(not(all(miri, not(test))))]
// SAFETY: `entry` keeps the contract of `GlobalAlloc`: blocks are disjoint, large and aligned
// enough, and valid until freed, and nothing unwinds.
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
            entry::allocate_zeroed(layout.size())
        } else {
            entry::allocate_aligned_zeroed(layout.align(), layout.size())
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() <= 8 {
            // SAFETY: the caller's block came from `alloc` with this layout.
            unsafe { entry::free_sized(block, layout.size()) }
        } else {
            // SAFETY: the caller's block came from `alloc` with this layout.
            unsafe { entry::free_aligned_sized(block, layout.align(), layout.size()) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's block came from `alloc` with this layout, and Rust never asks for
        // size 0.
        unsafe { entry::resize_counted(block, new_size, layout.align()) }
    }
}

/// [`Hakmem`] for programs that display others and should not appear themselves. It makes no
/// segment and ignores the `HAKMEM_` settings, which are meant for the programs that they start.
///
/// ```
/// #[global_allocator]
/// static GLOBAL: hakmem::Silent = hakmem::Silent;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

// SAFETY: all calls are served by `Hakmem`, which keeps the contract.
unsafe impl GlobalAlloc for Silent {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        settings::keep_silent();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { Hakmem.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        settings::keep_silent();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { Hakmem.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { Hakmem.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { Hakmem.realloc(block, layout, new_size) }
    }
}

#[cfg(test)]
mod tests;
