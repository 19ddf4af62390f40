//! C's allocation functions, with glibc's semantics.
//!
//! # Safety
//! Each function's duties are those that the C library documents for its name.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use core::ffi::{c_int, c_void};

use hakmem::entry;

use crate::variant;

crate::begin_at_cache_line!(
    "malloc" "free" "calloc" "realloc" "free_sized" "posix_memalign" "aligned_alloc" "memalign"
);

/// `malloc(3)`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.malloc")]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    entry::malloc(size).cast()
}

/// `free(3)`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.free")]
pub unsafe extern "C" fn free(pointer: *mut c_void) {
    // SAFETY: the caller keeps the duties of `free`.
    unsafe { entry::free(pointer.cast()) }
}

/// `calloc(3)`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.calloc")]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    entry::calloc(count, size).cast()
}

/// `realloc(3)`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.realloc")]
pub unsafe extern "C" fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller keeps the duties of `realloc`.
    unsafe { variant::realloc(pointer.cast(), size) }.cast()
}

/// `reallocarray(3)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(
    pointer: *mut c_void,
    count: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller keeps the duties of `reallocarray`.
    unsafe { entry::reallocarray(pointer.cast(), count, size, variant::realloc) }.cast()
}

/// C23's `free_sized`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.free_sized")]
pub unsafe extern "C" fn free_sized(pointer: *mut c_void, size: usize) {
    // SAFETY: the caller keeps the duties of `free_sized`; the size may be wrong.
    unsafe { entry::free_claimed(pointer.cast(), size) }
}

/// C23's `free_aligned_sized`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_aligned_sized(pointer: *mut c_void, alignment: usize, size: usize) {
    // SAFETY: the caller keeps the duties of `free_aligned_sized`; size and alignment may be wrong.
    unsafe { entry::free_aligned_claimed(pointer.cast(), alignment, size) }
}

/// `posix_memalign(3)`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.posix_memalign")]
pub unsafe extern "C" fn posix_memalign(
    out: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    // SAFETY: the caller keeps the duties of `posix_memalign`.
    unsafe { entry::posix_memalign(out.cast(), alignment, size) }
}

/// `aligned_alloc(3)`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.aligned_alloc")]
pub extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    entry::aligned_alloc(alignment, size).cast()
}

/// `memalign(3)`.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hakmem.memalign")]
pub extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    entry::memalign(alignment, size).cast()
}

/// `valloc(3)`.
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    entry::valloc(size).cast()
}

/// `pvalloc(3)`.
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    entry::pvalloc(size).cast()
}

/// `malloc_usable_size(3)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(pointer: *mut c_void) -> usize {
    // SAFETY: the caller keeps the duties of `malloc_usable_size`.
    unsafe { entry::usable_size(pointer.cast()) }
}
