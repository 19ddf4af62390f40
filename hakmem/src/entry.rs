//! malloc, free and their family: the fast paths, and the semantics of glibc around them.
//!
//! # The fast paths
//!
//! [`malloc`]: size to bin by a table; pop the bin's list; subtract one from the bin's word.
//! [`free`]: the class map names the bin; test the word's guards; push; add a constant to the word.
//! The guards say at once that the list is full and that a free is due for a check. Both words are
//! telemetry and bookkeeping at once, so telemetry costs no instruction. Everything else is out of
//! line, in `entry::slow` and `entry::slow_free`; the frees of the other routings in `entry::routed`.
//!
//! # Safety
//! Functions that take a pointer demand that it is null or came from this allocator and was not
//! freed since, as C does. Sizes told to the sized frees are those that were asked for.
#![allow(unsafe_code)]

mod cxx;
mod routed;
mod slow;
mod slow_free;

use core::ffi::c_int;
use core::{hint, ptr};

use hakmem_segment::{BIN_LARGE, ListWord};

use crate::bins::{self, MID_MAX, TINY_MAX};
use crate::gate;
use crate::heap::magazine::{ENTRY, entry_of, top_of};
use crate::heap::{Heap, capacity_of, map_of, slot_of, tiny_bin_of};
use crate::os::{memory::PAGE, process, thread_local};
use crate::routing::{Choice, Layout};
use crate::sync::Ordering;

pub use cxx::{call_cxx_new_handler, retry_cxx_nothrow, throw_cxx_bad_alloc};
pub use slow::{exit_process, print_stats, start, trim};

/// Largest request, as in glibc: differences of pointers must not overflow.
const REQUEST_MAX: usize = isize::MAX as usize;

#[inline(always)]
fn thread_heap() -> *mut Heap {
    thread_local::get().cast()
}

/// Pops a block off a bin's list; null if the list is empty.
#[inline(always)]
fn pop(heap: *mut Heap, bin: usize) -> *mut u8 {
    let top = top_of(heap, bin);
    let offset = top.load(Ordering::Relaxed);
    // SAFETY: the topmost block's entry or a null: that in front of a magazine, or a sentinel's.
    let block = unsafe { *entry_of(heap, offset) };
    if block.is_null() {
        return ptr::null_mut();
    }
    top.store(offset.wrapping_sub(ENTRY), Ordering::Relaxed);
    let word = slot_of(heap).list_word(bin);
    word.store(word.load(Ordering::Relaxed).wrapping_sub(ListWord::POP), Ordering::Relaxed);
    block.cast()
}

/// Pushes a block on a bin's list; false if the list is full, or if the free is due for a check.
/// `SIZED` says that the caller told the size.
///
/// The heap must be the thread's own, or the bin 0 or of a closed list.
#[inline(always)]
fn push<const SIZED: bool>(heap: *mut Heap, bin: usize, block: *mut u8) -> bool {
    let word = slot_of(heap).list_word(bin);
    let value = word.load(Ordering::Relaxed);
    // One test for both: the capacity, which is needed anyway, and the countdown to the next check.
    if value & ListWord::GUARDS != 0 {
        return false;
    }
    let top = top_of(heap, bin);
    let offset = top.load(Ordering::Relaxed);
    // SAFETY: the thread's own list, as the words of bin 0 and of closed lists have a guard set; it is
    // not full, so its magazine has room.
    unsafe { *entry_of(heap, offset).wrapping_add(1) = block.cast() };
    top.store(offset.wrapping_add(ENTRY), Ordering::Relaxed);
    if SIZED {
        // Before the word, so that no reader takes this free for one that was classified.
        let sized = slot_of(heap).sized_frees_fast(bin);
        sized.store(sized.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
    // Release: the sized count is seen before the free. The same instruction as Relaxed here.
    word.store(value.wrapping_add(ListWord::PUSH), Ordering::Release);
    true
}

/// The bin of a tiny request, from the heap's own table; 0 under a sentinel.
#[inline(always)]
fn tiny_bin(heap: *mut Heap, size: usize) -> usize {
    debug_assert!(size <= TINY_MAX);
    // SAFETY: a sentinel or the thread's heap; the size is at most TINY_MAX.
    let bin = unsafe { *tiny_bin_of(heap, size) };
    usize::from(bin)
}

/// Allocates `size` bytes, aligned for any type of that size. Null, with `ENOMEM`, if there is no
/// memory. A request of 0 bytes gets a pointer of its own.
#[inline(always)]
#[must_use]
pub fn malloc(size: usize) -> *mut u8 {
    let heap = thread_heap();
    if size > TINY_MAX {
        // Keeps the tiny path free of taken branches.
        hint::cold_path();
        return malloc_above_tiny(size, heap);
    }
    let block = pop(heap, tiny_bin(heap, size));
    if block.is_null() { slow::malloc(size, heap) } else { block }
}

#[inline(never)]
extern "C" fn malloc_above_tiny(size: usize, heap: *mut Heap) -> *mut u8 {
    if size > MID_MAX {
        return slow::large(heap, size, PAGE).map_or(ptr::null_mut(), |span| span.address.as_ptr());
    }
    let bin = bins::of_size(size);
    let block = pop(heap, bin);
    if block.is_null() { slow::malloc_in_bin(bin, heap) } else { block }
}

/// What [`malloc`] does where its fast path serves the request: a block off the list of a tiny size.
/// Null where only [`malloc`] itself can tell what there is. Callers with an end of their own for
/// that need no frame.
#[inline(always)]
#[must_use]
pub fn malloc_fast(size: usize) -> *mut u8 {
    let heap = thread_heap();
    if size > TINY_MAX {
        hint::cold_path();
        return ptr::null_mut();
    }
    pop(heap, tiny_bin(heap, size))
}

/// Frees what [`malloc`] and its family returned; null is ignored. `errno` stays as it is.
///
/// # Safety
/// As the module says.
#[inline(always)]
pub unsafe fn free(pointer: *mut u8) {
    let heap = thread_heap();
    // SAFETY: a sentinel, whose map finds nothing, or the thread's heap.
    let map = unsafe { &*map_of(heap) };
    let Some(bin) = gate::bin(map, pointer) else { return slow_free::free(pointer, heap) };
    if !push::<false>(heap, bin, pointer) {
        slow_free::free(pointer, heap);
    }
}

/// Frees a block whose size the caller knows: no classification is needed.
///
/// # Safety
/// As the module says; `size` is what was asked for, without an alignment above 16.
#[inline(always)]
pub unsafe fn free_sized(pointer: *mut u8, size: usize) {
    let heap = thread_heap();
    if size > TINY_MAX {
        hint::cold_path();
        return free_in_bin(heap, bins::of_size(size), pointer);
    }
    let bin = tiny_bin(heap, size);
    // Where the thread has no heap of its own the bin is 0, whose list is closed.
    if pointer.is_null() || !push::<true>(heap, bin, pointer) {
        slow_free::free_sized(pointer, heap, size);
    }
}

/// Frees a block whose size and alignment the caller knows.
///
/// # Safety
/// As the module says; `size` and `alignment` are what was asked for.
#[inline]
pub unsafe fn free_aligned_sized(pointer: *mut u8, alignment: usize, size: usize) {
    free_in_bin(thread_heap(), aligned_bin(size, alignment), pointer);
}

/// Frees a block of a bin that the heap's own table did not name.
#[inline(always)]
fn free_in_bin(heap: *mut Heap, bin: usize, pointer: *mut u8) {
    // SAFETY: a sentinel or the thread's heap; `bin` is below BINS. Only a thread's own has
    // capacities.
    let is_open = unsafe { *capacity_of(heap, bin) } != 0;
    if pointer.is_null() || !is_open || !push::<true>(heap, bin, pointer) {
        slow_free::free_in_bin(pointer, heap, bin);
    }
}

/// The bin that serves a size at an alignment, a power of two.
#[inline(always)]
fn aligned_bin(size: usize, alignment: usize) -> usize {
    if Choice::is_direct() {
        bins::of_aligned(size, alignment)
    } else {
        Layout::current().bin_of_aligned(size, alignment)
    }
}

/// Allocates `size` bytes at an alignment, a power of two. Null, with `ENOMEM`, if there is no
/// memory.
#[inline(always)]
#[must_use]
pub fn allocate_aligned(alignment: usize, size: usize) -> *mut u8 {
    debug_assert!(alignment.is_power_of_two());
    let heap = thread_heap();
    let bin = aligned_bin(size, alignment);
    // Of the bins, that of large spans has no list.
    let block = pop(heap, bin);
    if block.is_null() { allocate_aligned_slow(alignment, size, heap) } else { block }
}

#[cold]
#[inline(never)]
extern "C" fn allocate_aligned_slow(alignment: usize, size: usize, heap: *mut Heap) -> *mut u8 {
    let bin = aligned_bin(size, alignment);
    if bin == BIN_LARGE {
        return slow::large(heap, size, alignment)
            .map_or(ptr::null_mut(), |span| span.address.as_ptr());
    }
    slow::malloc_in_bin(bin, heap)
}

/// Allocates `count * size` zeroed bytes. Null, with `ENOMEM`, if there is no memory or the product
/// overflows.
#[inline(always)]
#[must_use]
pub fn calloc(count: usize, size: usize) -> *mut u8 {
    match count.checked_mul(size) {
        Some(bytes) => allocate_zeroed(bytes),
        None => slow::refuse(REQUEST_MAX),
    }
}

/// Allocates `size` zeroed bytes. Null, with `ENOMEM`, if there is no memory.
#[inline(always)]
#[must_use]
pub fn allocate_zeroed(size: usize) -> *mut u8 {
    let block = malloc_fast(size);
    if block.is_null() {
        hint::cold_path();
        return allocate_zeroed_slow(size);
    }
    zero(block, size)
}

#[inline(never)]
extern "C" fn allocate_zeroed_slow(size: usize) -> *mut u8 {
    if size > MID_MAX {
        return match slow::large(thread_heap(), size, PAGE) {
            Some(span) if span.is_fresh => span.address.as_ptr(),
            Some(span) => zero(span.address.as_ptr(), size),
            None => ptr::null_mut(),
        };
    }
    let block = malloc(size);
    if block.is_null() { block } else { zero(block, size) }
}

#[inline(always)]
fn zero(block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: just allocated with at least that size.
    unsafe { ptr::write_bytes(block, 0, size) };
    block
}

/// Changes the size of an allocation, moving it if needed; the contents up to the smaller size are
/// kept. A null pointer allocates; size 0 frees and returns null, as glibc does. Null, with
/// `ENOMEM` and the allocation unchanged, if there is no memory.
///
/// # Safety
/// As the module says.
#[must_use]
pub unsafe extern "C" fn realloc(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        return malloc(size);
    }
    if size == 0 {
        hint::cold_path();
        // SAFETY: the caller's duty.
        return unsafe { free_to_null(pointer) };
    }
    let heap = thread_heap();
    // SAFETY: a sentinel, whose map finds nothing, or the thread's heap. The map of another routing
    // than `direct` finds nothing either, nor where every free is checked.
    let map = unsafe { &*map_of(heap) };
    if let Some(bin @ 1..) = gate::bin(map, pointer)
        && size <= MID_MAX
    {
        // Only the very bin that a fresh allocation would get: a later sized free relies on it.
        if bin == bins::of_size(size) {
            return pointer;
        }
        // SAFETY: the caller's duty.
        return unsafe { move_from_bin(pointer, size, bin) };
    }
    // SAFETY: the caller's duty; no alignment was asked for.
    unsafe { resize(pointer, size, 8) }
}

/// Frees; returns null.
///
/// # Safety
/// As the module says.
#[inline(never)]
unsafe extern "C" fn free_to_null(pointer: *mut u8) -> *mut u8 {
    // SAFETY: the caller's duty.
    unsafe { free(pointer) };
    ptr::null_mut()
}

/// Moves a block of the bin that the thread's map has named to another one.
///
/// # Safety
/// As the module says; `pointer` is not null.
#[inline(never)]
unsafe extern "C" fn move_from_bin(pointer: *mut u8, size: usize, bin: usize) -> *mut u8 {
    let new = malloc(size);
    if !new.is_null() {
        // SAFETY: both blocks are live, different, and hold at least that much.
        unsafe { ptr::copy_nonoverlapping(pointer, new, bins::stride(bin).min(size)) };
        let heap = thread_heap();
        if !push::<false>(heap, bin, pointer) {
            slow_free::free(pointer, heap);
        }
    }
    new
}

/// Moves an allocation of which `old_bytes` may be used to a new one.
///
/// # Safety
/// As the module says; `pointer` is not null.
unsafe fn move_block(pointer: *mut u8, old_bytes: usize, size: usize, alignment: usize) -> *mut u8 {
    let new = allocate_aligned(alignment, size);
    if !new.is_null() {
        // SAFETY: both blocks are live, different, and hold at least that much.
        unsafe { ptr::copy_nonoverlapping(pointer, new, old_bytes.min(size)) };
        // SAFETY: the caller's duty.
        unsafe { free(pointer) };
    }
    new
}

/// Changes the size of an allocation that was made at an alignment, which is kept. `size` is not 0.
///
/// # Safety
/// As the module says; `pointer` is not null.
pub(crate) unsafe extern "C" fn resize(pointer: *mut u8, size: usize, alignment: usize) -> *mut u8 {
    let bin = gate::bin_slow(pointer);
    let new_bin = aligned_bin(size, alignment);
    // As in `realloc`.
    if bin != 0 && bin == new_bin {
        return pointer;
    }
    if bin == 0 && new_bin == BIN_LARGE && alignment <= PAGE {
        return slow::resize_large(thread_heap(), pointer, size);
    }
    let Some(old_size) = gate::usable_bytes(pointer) else {
        slow_free::report_foreign(thread_heap(), pointer);
        return slow::refuse(size);
    };
    if slow::is_known_dead(pointer, bin) {
        // SAFETY: the caller's duty, which it has failed: nothing is freed, the finding is said.
        unsafe { free(pointer) };
        return slow::refuse(size);
    }
    // SAFETY: the caller's duty.
    unsafe { move_block(pointer, old_size, size, alignment) }
}

/// [`realloc`] to `count * size` bytes; null, with `ENOMEM`, if the product overflows.
///
/// # Safety
/// As the module says.
#[must_use]
pub unsafe fn reallocarray(pointer: *mut u8, count: usize, size: usize) -> *mut u8 {
    match count.checked_mul(size) {
        // SAFETY: the caller's duty.
        Some(bytes) => unsafe { realloc(pointer, bytes) },
        None => slow::refuse(REQUEST_MAX),
    }
}

/// Allocates at an alignment, storing the pointer in `*out`. Returns 0, `EINVAL` if the alignment
/// is no power of two or no multiple of a pointer's size, or `ENOMEM`; then `*out` and `errno` are
/// left as they are.
///
/// # Safety
/// `out` can be written.
pub unsafe fn posix_memalign(out: *mut *mut u8, alignment: usize, size: usize) -> c_int {
    if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<usize>()) {
        return libc::EINVAL;
    }
    let errno = process::ErrnoGuard::new();
    let block = allocate_checked(alignment, size);
    drop(errno);
    if block.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller's duty.
    unsafe { *out = block };
    0
}

/// Allocates at an alignment. Null, with `EINVAL`, if it is no power of two; null, with `ENOMEM`, if
/// there is no memory.
#[must_use]
pub fn aligned_alloc(alignment: usize, size: usize) -> *mut u8 {
    if !alignment.is_power_of_two() {
        process::set_errno(libc::EINVAL);
        return ptr::null_mut();
    }
    allocate_checked(alignment, size)
}

/// As [`aligned_alloc`], but an alignment that is no power of two is rounded up to one, as glibc
/// does.
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
    allocate_checked(PAGE, size)
}

/// Allocates whole pages at page alignment.
#[must_use]
pub fn pvalloc(size: usize) -> *mut u8 {
    match crate::os::memory::round_to_pages(size.max(1)) {
        Some(size) => allocate_checked(PAGE, size),
        None => slow::refuse(size),
    }
}

fn allocate_checked(alignment: usize, size: usize) -> *mut u8 {
    match size.checked_add(alignment) {
        Some(sum) if sum <= REQUEST_MAX => allocate_aligned(alignment, size),
        _ => slow::refuse(size),
    }
}

/// Bytes that an allocation has room for; 0 for null and for a foreign pointer.
///
/// # Safety
/// As the module says.
#[must_use]
pub unsafe fn usable_size(pointer: *mut u8) -> usize {
    if pointer.is_null() { 0 } else { gate::usable_bytes(pointer).unwrap_or(0) }
}
