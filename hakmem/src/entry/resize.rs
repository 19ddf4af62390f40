//! The entry points that change the size of an allocation.
//!
//! # Safety
//! The rules of `entry` apply.
#![allow(unsafe_code)]

use core::ptr;

use hakmem_segment::BIN_LARGE;

use super::aligned::{aligned_bin, allocate_aligned};
use super::{REQUEST_MAX, free, free_mapped, malloc, mapped_bin, slow, slow_free, thread_heap};
use crate::bins::{self, MID_MAX};
use crate::check;
use crate::gate;
use crate::heap::Heap;
use crate::hint::cold_path;
use crate::os::memory::PAGE_MIN;
use crate::threads;

/// Changes the size of an allocation, moving it if necessary; the contents up to the smaller size
/// are kept. A null `pointer` allocates; a `size` of 0 frees and returns null, as glibc does. Null,
/// with `ENOMEM` and the allocation unchanged, if there is no memory.
///
/// # Safety
/// As the module says.
#[must_use]
pub unsafe extern "C" fn realloc(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        return malloc(size);
    }
    if size == 0 {
        cold_path();
        // SAFETY: the caller vouches for `pointer`.
        return unsafe { free_to_null(pointer) };
    }
    if let Some(bin @ 1..) = mapped_bin(thread_heap(), pointer)
        && size <= MID_MAX
    {
        // The block stays only in the very bin that a fresh allocation would get: a later sized
        // free relies on that.
        if bin == bins::of_size(size) {
            return pointer;
        }
        // SAFETY: the caller vouches for `pointer`.
        return unsafe { move_from_bin(pointer, size, bin) };
    }
    // SAFETY: the caller vouches for `pointer`; no alignment was requested.
    unsafe { resize(pointer, size, 8) }
}

/// [`realloc`] for C programs that can read how many reallocations they made: it counts them.
///
/// # Safety
/// As the module says.
#[must_use]
pub unsafe extern "C" fn realloc_counted(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        return malloc(size);
    }
    if size == 0 {
        // SAFETY: the caller vouches for `pointer`.
        return unsafe { free_to_null(pointer) };
    }
    // SAFETY: the caller vouches for `pointer`; no alignment was requested.
    unsafe { resize_counted(pointer, size, 8) }
}

/// Frees `pointer` and returns null.
///
/// # Safety
/// As the module says.
#[inline(never)]
unsafe extern "C" fn free_to_null(pointer: *mut u8) -> *mut u8 {
    // SAFETY: the caller vouches for `pointer`.
    unsafe { free(pointer) };
    ptr::null_mut()
}

/// Moves a block of `bin`, which the heap's copy of the class map has named, to another bin.
///
/// # Safety
/// As the module says; `pointer` is not null.
#[inline(never)]
unsafe extern "C" fn move_from_bin(pointer: *mut u8, size: usize, bin: usize) -> *mut u8 {
    let new = malloc(size);
    if !new.is_null() {
        // SAFETY: the blocks are live and different, and each holds at least the bytes copied.
        unsafe { ptr::copy_nonoverlapping(pointer, new, bins::stride(bin).min(size)) };
        free_mapped(thread_heap(), bin, pointer);
    }
    new
}

/// Changes the size of an allocation that was made at `alignment`, and keeps the alignment. `size`
/// is not 0.
///
/// # Safety
/// As the module says; `pointer` is not null.
// Part of `realloc`, it would give that fast path a stack frame.
#[inline(never)]
unsafe extern "C" fn resize(pointer: *mut u8, size: usize, alignment: usize) -> *mut u8 {
    // SAFETY: the caller's duty.
    unsafe { resize_as::<false>(pointer, size, alignment) }
}

/// [`resize`] for programs that can read how many reallocations they made: it counts them. The fast
/// path of [`realloc`] does not, because that would cost it an instruction.
///
/// # Safety
/// As the module says; `pointer` is not null.
#[cfg_attr(miri, allow(dead_code))]
pub(crate) unsafe extern "C" fn resize_counted(
    pointer: *mut u8,
    size: usize,
    alignment: usize,
) -> *mut u8 {
    // SAFETY: the caller's duty.
    unsafe { resize_as::<true>(pointer, size, alignment) }
}

/// [`resize`], which counts the reallocation if `COUNTED`.
///
/// # Safety
/// As for [`resize`].
#[inline(always)]
unsafe fn resize_as<const COUNTED: bool>(
    pointer: *mut u8,
    size: usize,
    alignment: usize,
) -> *mut u8 {
    let bin = gate::bin_slow(pointer);
    let new_bin = aligned_bin(size, alignment);
    if check::is_known_dead(pointer, bin) {
        slow_free::refuse_realloc(thread_heap(), pointer);
        return slow::refuse(size);
    }
    // A later sized free relies on the bin, as in `realloc`.
    if bin != 0 && bin == new_bin {
        if COUNTED {
            threads::with_heap(thread_heap(), Heap::count_in_place);
        }
        return pointer;
    }
    if bin == 0 && new_bin == BIN_LARGE && alignment <= PAGE_MIN {
        return slow::resize_large::<COUNTED>(thread_heap(), pointer, size);
    }
    let Some(old_size) = gate::usable_bytes(pointer) else {
        slow_free::refuse_realloc(thread_heap(), pointer);
        return slow::refuse(size);
    };
    let new = allocate_aligned(alignment, size);
    if !new.is_null() {
        // SAFETY: the allocations are live and different, and each holds at least the bytes copied.
        unsafe { ptr::copy_nonoverlapping(pointer, new, old_size.min(size)) };
        // SAFETY: the caller vouches for `pointer`.
        unsafe { free(pointer) };
        if COUNTED {
            let from = bins::class(if bin == 0 { BIN_LARGE } else { bin });
            threads::with_heap(thread_heap(), |heap| {
                heap.count_moved();
                heap.count_as_pair(from, bins::class(new_bin));
            });
        }
    }
    new
}

/// Calls `realloc`, one of the two functions above, for `count * size` bytes; null, with `ENOMEM`,
/// if the product overflows.
///
/// # Safety
/// As the module says.
#[must_use]
pub unsafe fn reallocarray(
    pointer: *mut u8,
    count: usize,
    size: usize,
    realloc: unsafe extern "C" fn(*mut u8, usize) -> *mut u8,
) -> *mut u8 {
    match count.checked_mul(size) {
        // SAFETY: the caller vouches for `pointer`.
        Some(bytes) => unsafe { realloc(pointer, bytes) },
        None => slow::refuse(REQUEST_MAX),
    }
}
