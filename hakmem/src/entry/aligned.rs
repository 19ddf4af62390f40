//! The entry points that take an alignment.
//!
//! # Safety
//! The rules of `entry` apply.
#![allow(unsafe_code)]

use core::ffi::c_int;
use core::ptr;

use hakmem_segment::BIN_LARGE;

use super::{REQUEST_MAX, pop, slow, thread_heap, zero, zeroed_span};
use crate::bins;
use crate::hint::cold_path;
use crate::os::errno::{self, ErrnoGuard};
use crate::os::memory;
use crate::routing::{Choice, Layout};

/// The bin that serves `size` bytes at `alignment`, a power of two.
#[inline(always)]
pub(super) fn aligned_bin(size: usize, alignment: usize) -> usize {
    if Choice::is_direct() {
        bins::of_aligned(size, alignment)
    } else {
        Layout::current().bin_of_aligned(size, alignment)
    }
}

/// Allocates `size` bytes at `alignment`, a power of two. Null, with `ENOMEM`, if there is no
/// memory.
#[inline(always)]
#[must_use]
pub fn allocate_aligned(alignment: usize, size: usize) -> *mut u8 {
    debug_assert!(alignment.is_power_of_two());
    let block = pop_aligned(alignment, size);
    if block.is_null() { allocate_aligned_slow(alignment, size) } else { block }
}

#[cold]
#[inline(never)]
extern "C" fn allocate_aligned_slow(alignment: usize, size: usize) -> *mut u8 {
    let (heap, bin) = (thread_heap(), aligned_bin(size, alignment));
    if bin == BIN_LARGE {
        return slow::large(heap, size, alignment)
            .map_or(ptr::null_mut(), |span| span.address.as_ptr());
    }
    // Under the layouts with headers this is the first look at the list.
    let block = pop(heap, bin);
    if block.is_null() { slow::malloc_in_bin(bin, heap) } else { block }
}

/// [`allocate_aligned`] of zeroed memory.
#[inline(always)]
#[must_use]
pub fn allocate_aligned_zeroed(alignment: usize, size: usize) -> *mut u8 {
    debug_assert!(alignment.is_power_of_two());
    let block = pop_aligned(alignment, size);
    if block.is_null() {
        cold_path();
        return allocate_aligned_zeroed_slow(alignment, size);
    }
    zero(block, size)
}

#[inline(never)]
extern "C" fn allocate_aligned_zeroed_slow(alignment: usize, size: usize) -> *mut u8 {
    if aligned_bin(size, alignment) == BIN_LARGE {
        return zeroed_span(size, alignment);
    }
    let block = allocate_aligned_slow(alignment, size);
    if block.is_null() { block } else { zero(block, size) }
}

/// The fast path of [`allocate_aligned`] alone. Null where the request needs the slow path.
#[inline(always)]
pub(crate) fn allocate_aligned_fast(alignment: usize, size: usize) -> *mut u8 {
    pop_aligned(alignment, size)
}

/// Pops a block off the list that serves `size` bytes at `alignment`, a power of two. Null if that
/// list is empty, if no list serves them, or if the routing in force is not `direct`.
#[inline(always)]
fn pop_aligned(alignment: usize, size: usize) -> *mut u8 {
    if !Choice::is_direct() {
        cold_path();
        return ptr::null_mut();
    }
    // The bin of large spans has no list to pop from.
    pop(thread_heap(), bins::of_aligned(size, alignment))
}

/// Allocates at `alignment` and stores the pointer in `*out`. Returns 0, or `EINVAL` if `alignment`
/// is not a power of two or not a multiple of a pointer's size, or `ENOMEM` if there is no memory;
/// on failure `*out` keeps its value. Leaves `errno` unchanged.
///
/// # Safety
/// `out` can be written.
#[inline(always)]
pub unsafe fn posix_memalign(out: *mut *mut u8, alignment: usize, size: usize) -> c_int {
    if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<usize>()) {
        return libc::EINVAL;
    }
    let block = pop_aligned(alignment, size);
    if block.is_null() {
        cold_path();
        // SAFETY: the caller passes an `out` that can be written.
        return unsafe { posix_memalign_slow(out, alignment, size) };
    }
    // SAFETY: the caller passes an `out` that can be written.
    unsafe { *out = block };
    0
}

/// [`posix_memalign`] where the list is empty or no list serves the request.
///
/// # Safety
/// `out` can be written.
#[inline(never)]
unsafe extern "C" fn posix_memalign_slow(
    out: *mut *mut u8,
    alignment: usize,
    size: usize,
) -> c_int {
    let guard = ErrnoGuard::new();
    let block = allocate_checked_slow(alignment, size);
    drop(guard);
    if block.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller passes an `out` that can be written.
    unsafe { *out = block };
    0
}

/// Allocates at `alignment`. Null, with `EINVAL`, if it is not a power of two; null, with `ENOMEM`,
/// if there is no memory.
#[inline(always)]
#[must_use]
pub fn aligned_alloc(alignment: usize, size: usize) -> *mut u8 {
    if !alignment.is_power_of_two() {
        errno::set(libc::EINVAL);
        return ptr::null_mut();
    }
    allocate_checked(alignment, size)
}

/// [`aligned_alloc`] that rounds an `alignment` up to the next power of two, as glibc does.
#[inline(always)]
#[must_use]
pub fn memalign(alignment: usize, size: usize) -> *mut u8 {
    match alignment.checked_next_power_of_two() {
        Some(alignment) => allocate_checked(alignment, size),
        None => aligned_alloc(0, size),
    }
}

/// Allocates at page alignment.
#[must_use]
pub fn valloc(size: usize) -> *mut u8 {
    allocate_checked(memory::page_bytes(), size)
}

/// Allocates whole pages at page alignment.
#[must_use]
pub fn pvalloc(size: usize) -> *mut u8 {
    match memory::round_to_pages(size.max(1)) {
        Some(size) => allocate_checked(memory::page_bytes(), size),
        None => slow::refuse(size),
    }
}

#[inline(always)]
fn allocate_checked(alignment: usize, size: usize) -> *mut u8 {
    let block = pop_aligned(alignment, size);
    if block.is_null() {
        cold_path();
        return allocate_checked_slow(alignment, size);
    }
    block
}

#[inline(never)]
extern "C" fn allocate_checked_slow(alignment: usize, size: usize) -> *mut u8 {
    match size.checked_add(alignment) {
        Some(sum) if sum <= REQUEST_MAX => allocate_aligned_slow(alignment, size),
        _ => slow::refuse(size),
    }
}
