//! The global allocator for Rust programs.
//!
//! # Safety
//! A `Layout` gives size and alignment at every free, so frees are sized ones.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};

use hakmem_segment::{Check, OnError, Telemetry};

#[cfg(not(all(miri, not(test))))]
use crate::entry;
use crate::settings::{self, Given};

/// Serves a Rust program's allocations:
///
/// ```
/// #[global_allocator]
/// static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// ```
///
/// A program may give itself settings. Each is the default of an environment variable, which says
/// more about it (`SETTINGS.md`) and wins where it is set:
///
/// ```
/// use hakmem::{Check, Hakmem, OnError};
///
/// #[global_allocator]
/// static GLOBAL: Hakmem =
///     Hakmem::new().labels("service=api").check(Check::Full).on_error(OnError::Abort);
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(miri, allow(dead_code))]
pub struct Hakmem {
    given: Given,
}

/// The allocator without settings of its own.
#[allow(non_upper_case_globals)]
pub const Hakmem: Hakmem = Hakmem::new();

impl Default for Hakmem {
    fn default() -> Self {
        Self::new()
    }
}

impl Hakmem {
    /// The allocator without settings of its own.
    #[must_use]
    pub const fn new() -> Self {
        Self { given: Given::DEFAULT }
    }

    /// `HAKMEM_LABELS`: `key=value,key=value`, which readers show with the process.
    ///
    /// # Panics
    /// If the text has more than 511 bytes or contains a zero byte; for a `static`, compilation
    /// fails then.
    #[must_use]
    pub const fn labels(mut self, labels: &'static str) -> Self {
        settings::demand_text(labels);
        self.given.labels = labels;
        self
    }

    /// `HAKMEM_DIR`: the directory of the segment.
    ///
    /// # Panics
    /// As [`Hakmem::labels`].
    #[must_use]
    pub const fn directory(mut self, directory: &'static str) -> Self {
        settings::demand_text(directory);
        self.given.directory = directory;
        self
    }

    /// `HAKMEM_TELEMETRY`: whether the process publishes its telemetry.
    #[must_use]
    pub const fn telemetry(mut self, telemetry: Telemetry) -> Self {
        self.given.telemetry = telemetry;
        self
    }

    /// `HAKMEM_CHECK`: which frees are checked.
    #[must_use]
    pub const fn check(mut self, check: Check) -> Self {
        self.given.check = check;
        self
    }

    /// `HAKMEM_ON_ERROR`: what follows a wrong free.
    #[must_use]
    pub const fn on_error(mut self, on_error: OnError) -> Self {
        self.given.on_error = on_error;
        self
    }

    /// `HAKMEM_LIST_BYTES`: bytes of blocks that a thread's list of one bin may hold.
    ///
    /// # Panics
    /// If `bytes` is not from 1024 to 131072; for a `static`, compilation fails then.
    #[must_use]
    pub const fn list_bytes(mut self, bytes: u32) -> Self {
        settings::demand_list_bytes(bytes);
        self.given.list_bytes = bytes;
        self
    }

    /// Allocates where the fast path could not. This may be the program's first call, which needs
    /// the settings.
    ///
    /// Generic, so that it is compiled with the program whose allocator this is, and the note with
    /// it; a program that merely links the crate has no such note.
    #[cfg(not(all(miri, not(test))))]
    #[cold]
    #[inline(never)]
    fn alloc_slow<const IS_OWN: bool>(&self, layout: Layout) -> *mut u8 {
        #[cfg(not(miri))]
        if IS_OWN {
            // SAFETY: no instruction.
            unsafe {
                core::arch::asm!(
                    crate::own_allocator_note!(),
                    options(nomem, nostack, preserves_flags)
                );
            }
        }
        settings::give(&self.given);
        if layout.align() <= 8 {
            entry::malloc(layout.size())
        } else {
            entry::allocate_aligned(layout.align(), layout.size())
        }
    }

    /// [`Hakmem::alloc_slow`] of zeroed memory.
    #[cfg(not(all(miri, not(test))))]
    #[cold]
    #[inline(never)]
    fn alloc_zeroed_slow(&self, layout: Layout) -> *mut u8 {
        settings::give(&self.given);
        if layout.align() <= 8 {
            entry::allocate_zeroed(layout.size())
        } else {
            entry::allocate_aligned_zeroed(layout.align(), layout.size())
        }
    }

    /// The fast path alone; null where the request needs the slow one.
    #[cfg(not(all(miri, not(test))))]
    #[inline(always)]
    fn alloc_fast(layout: Layout) -> *mut u8 {
        if layout.align() <= 8 {
            entry::malloc_fast(layout.size())
        } else {
            entry::allocate_aligned_fast(layout.align(), layout.size())
        }
    }
}

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
        let block = Self::alloc_fast(layout);
        if block.is_null() { self.alloc_slow::<true>(layout) } else { block }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = Self::alloc_fast(layout);
        if block.is_null() {
            return self.alloc_zeroed_slow(layout);
        }
        // SAFETY: the block was just allocated with that size.
        unsafe { block.write_bytes(0, layout.size()) };
        block
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

/// [`struct@Hakmem`] for programs that display others and should not appear themselves. It makes no
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
