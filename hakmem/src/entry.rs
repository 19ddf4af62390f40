//! `malloc`, `free` and their family: the fast paths, with the semantics of glibc.
//!
//! # The fast paths
//!
//! - [`malloc`] looks the bin up by size in a table, pops a block off the bin's list and subtracts
//!   one from the bin's word.
//! - [`free`] looks the bin up by address in the class map, tests the guards in the bin's word,
//!   pushes the block and adds a constant to the word.
//!
//! One test of the guards tells that the list is full and that a free is due for a check. The word
//! bounds the list and counts for telemetry in one store, so telemetry costs no instruction.
//! Everything else is out of line: slow paths in `entry::slow` and `entry::slow_free`, and in
//! `entry::routed` the frees that leave the fast path, with those under routings other than
//! `direct`.
//!
//! # Safety
//! Functions that take a pointer demand, as C does, that it is null or came from this allocator and
//! has not been freed since. Sizes passed to [`free_sized`] and [`free_aligned_sized`] must be
//! those that the program requested.
#![allow(unsafe_code)]

mod aligned;
mod cxx;
mod original;
mod report;
mod resize;
mod routed;
mod slow;
mod slow_free;

use core::ptr;

use hakmem_segment::ListWord;

use crate::bins::{self, MID_MAX, SMALL_MAX};
use crate::block::{self, Block};
use crate::check;
use crate::gate;
use crate::heap::fast_list::FastList;
use crate::heap::{Heap, capacity_of, map_of, slot_of, small_bin_of};
use crate::hint::cold_path;
use crate::large;
use crate::os::{memory::PAGE_MIN, thread_local};
use crate::sync::{AtomicU64, Ordering};

pub use crate::segment::note_namespace;
#[cfg_attr(miri, allow(unused_imports))]
pub(crate) use aligned::allocate_aligned_fast;
pub use aligned::{
    aligned_alloc, allocate_aligned, allocate_aligned_zeroed, memalign, posix_memalign, pvalloc,
    valloc,
};
pub use cxx::{CxxRuntime, FailedNew, retry_cxx_new, retry_cxx_nothrow};
pub use report::{
    WaitingBlocks, live_block_bytes, print_stats, tell_of_hooks, trim, waiting_blocks,
};
#[cfg_attr(miri, allow(unused_imports))]
pub(crate) use resize::resize_counted;
pub use resize::{realloc, realloc_counted, reallocarray};
pub use slow::{exit_process, is_own, start};

/// Largest request, as in glibc: the difference of two pointers must not overflow.
const REQUEST_MAX: usize = isize::MAX as usize;

/// Assembly without an instruction: a note, in the executable that it becomes part of, which says
/// that hakmem is the executable's own allocator. A hakmem in a library, preloaded or loaded, then
/// publishes no segment of its own. A program may have several of these notes.
#[doc(hidden)]
#[macro_export]
macro_rules! own_allocator_note {
    () => {
        ".pushsection .note.hakmem, \"a\", %note
         .p2align 2
         .long 7, 0, 1
         .asciz \"hakmem\"
         .byte 0
         .popsection"
    };
}

#[inline(always)]
fn thread_heap() -> *mut Heap {
    thread_local::get().cast()
}

/// Pops a block off the list of `bin`; null if the list is empty.
#[inline(always)]
fn pop(heap: *mut Heap, bin: usize) -> *mut u8 {
    let list = FastList::of(heap, bin);
    let top = list.top().load(Ordering::Relaxed);
    if top.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `top` points to the list's topmost entry, or to the null in front of its magazine.
    let block = unsafe { *top };
    if block.is_null() {
        return ptr::null_mut();
    }
    block::prefetch(block);
    // Computed in a register, unlike the word: the next call waits for the top, and an addition in
    // memory forwards its result one or two cycles later.
    list.top().store(top.wrapping_sub(1), Ordering::Relaxed);
    subtract_pop(list.word());
    block.cast()
}

/// Counts a pop in a bin's word. The subtraction is a single instruction on memory, which a signal
/// handler cannot split.
#[inline(always)]
fn subtract_pop(word: &AtomicU64) {
    word.store(word.load(Ordering::Relaxed).wrapping_sub(ListWord::POP), Ordering::Relaxed);
}

/// Counts a fast free in a bin's word. The store is a release store so that readers who see it also
/// see the count of sized frees that precedes it; it compiles to the same instruction as a relaxed
/// one.
#[inline(always)]
fn add_push(word: &AtomicU64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(ListWord::PUSH), Ordering::Release);
}

/// Pushes `block` on the list of `bin`; false if the list is full or the free is due for a check.
/// `SIZED` says that the caller passed the block's size.
///
/// `heap` must be the thread's own, or else `bin` must be 0 or have a closed list.
#[inline(always)]
fn push<const SIZED: bool>(heap: *mut Heap, bin: usize, block: *mut u8) -> bool {
    let list = FastList::of(heap, bin);
    if !list.takes_free() {
        return false;
    }
    let last = list.top().load(Ordering::Relaxed);
    if SIZED {
        // Stored before the word, so that no reader takes this free for one that the gate
        // classified.
        let sized = slot_of(heap).sized_frees_fast(bin);
        sized.store(sized.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
    put(list, last, block);
    true
}

/// Stores `block` above `last`, the topmost entry of `list`, which has room.
#[inline(always)]
fn put(list: FastList, last: *mut *mut Block, block: *mut u8) {
    let entry = last.wrapping_add(1);
    // SAFETY: the list is the thread's own, since the words of bin 0 and of closed lists have a
    // guard set; it is not full, so its magazine has room.
    unsafe { *entry = block.cast() };
    add_push(list.word());
    // Stored last: a signal handler that jumps out in between leaves a word that counts one block
    // too many.
    list.top().store(entry, Ordering::Relaxed);
}

/// [`push`] with one more test: also false if `block` is the topmost entry of the list, so that a
/// double free right after the first free is detected.
#[inline(always)]
fn push_unless_last(heap: *mut Heap, bin: usize, block: *mut u8) -> bool {
    let list = FastList::of(heap, bin);
    if !list.takes_free() {
        return false;
    }
    let last = list.top().load(Ordering::Relaxed);
    // SAFETY: `last` points to the list's topmost entry, or to the null in front of its magazine.
    if unsafe { *last } == block.cast() {
        cold_path();
        return false;
    }
    put(list, last, block);
    true
}

/// Bin of a small request, from the table in the heap; 0 under a sentinel.
#[inline(always)]
fn small_bin(heap: *mut Heap, size: usize) -> usize {
    debug_assert!(size <= SMALL_MAX);
    // SAFETY: `heap` is a sentinel or the thread's heap; `size` is at most `SMALL_MAX`.
    let bin = unsafe { *small_bin_of(heap, size) };
    usize::from(bin)
}

/// Allocates `size` bytes, aligned for any type of that size. Null, with `ENOMEM`, if there is no
/// memory. A request for 0 bytes gets a distinct pointer.
#[inline(always)]
#[must_use]
pub fn malloc(size: usize) -> *mut u8 {
    let heap = thread_heap();
    let block = pop_of_size(heap, size);
    if block.is_null() { slow::malloc(size, heap) } else { block }
}

/// The fast path of [`malloc`] alone. Null where the request needs the slow path; a caller that
/// then makes a tail call of its own needs no stack frame.
#[inline(always)]
#[must_use]
pub fn malloc_fast(size: usize) -> *mut u8 {
    pop_of_size(thread_heap(), size)
}

/// Pops a block off the list that serves `size`; null if that list is empty or no list serves
/// `size`.
#[inline(always)]
fn pop_of_size(heap: *mut Heap, size: usize) -> *mut u8 {
    if size > SMALL_MAX {
        // Keeps the path of small sizes free of taken branches.
        cold_path();
        // The bin of large spans has no list to pop from.
        return if size > MID_MAX { ptr::null_mut() } else { pop(heap, bins::of_size(size)) };
    }
    pop(heap, small_bin(heap, size))
}

/// Frees an allocation of [`malloc`] or its family; ignores null. Leaves `errno` unchanged.
///
/// # Safety
/// As the module says.
#[inline(always)]
pub unsafe fn free(pointer: *mut u8) {
    let heap = thread_heap();
    if !free_mapped_unless_last(heap, pointer) {
        routed::free(pointer, heap);
    }
}

/// The bin that the heap's copy of the class map names for `pointer`. It is 0 or `None` for a
/// pointer into no slab, under a routing other than `direct`, and where every free is checked.
#[inline(always)]
fn mapped_bin(heap: *mut Heap, pointer: *mut u8) -> Option<usize> {
    // SAFETY: `heap` is a sentinel, whose map finds nothing, or the thread's heap.
    let map = unsafe { &*map_of(heap) };
    gate::bin(map, pointer)
}

/// Frees a block of `bin`, which [`mapped_bin`] has named. Detects a double free right after the
/// first free.
#[inline(always)]
fn free_mapped(heap: *mut Heap, bin: usize, pointer: *mut u8) {
    if !push_unless_last(heap, bin, pointer) {
        routed::free(pointer, heap);
    }
}

/// [`free`] for a caller that passes a size which may be wrong, as C++ does where a base class
/// lacks a virtual destructor. The bin comes from the class map, which takes no more instructions
/// than a lookup by size; slow paths compare the size with it. A double free right after the first
/// free is detected at once.
///
/// # Safety
/// As the module says, except that `size` may be wrong.
#[inline(always)]
pub unsafe fn free_claimed(pointer: *mut u8, size: usize) {
    let heap = thread_heap();
    if !free_mapped_unless_last(heap, pointer) {
        routed::free_claimed(pointer, size, heap);
    }
}

/// [`free_claimed`] for a caller that passes an alignment too.
///
/// # Safety
/// As the module says, except that `size` and `alignment` may be wrong.
#[inline(always)]
pub unsafe fn free_aligned_claimed(pointer: *mut u8, alignment: usize, size: usize) {
    let heap = thread_heap();
    if !free_mapped_unless_last(heap, pointer) {
        routed::free_aligned_claimed(pointer, alignment, size, heap);
    }
}

/// Frees a block whose bin the heap's copy of the class map names. False if the map names no bin,
/// or if [`push_unless_last`] refuses the block.
#[inline(always)]
fn free_mapped_unless_last(heap: *mut Heap, pointer: *mut u8) -> bool {
    mapped_bin(heap, pointer).is_some_and(|bin| push_unless_last(heap, bin, pointer))
}

/// Frees a block whose size the caller knows, without classifying the pointer. It is meant for
/// Rust, where the `Layout` is part of the contract; sizes from C and C++ are not trusted
/// ([`free_claimed`]).
///
/// # Safety
/// As the module says; `size` is the size that was requested, without an alignment above 16.
#[inline(always)]
pub unsafe fn free_sized(pointer: *mut u8, size: usize) {
    let heap = thread_heap();
    if size > SMALL_MAX {
        cold_path();
        return free_in_bin(heap, bins::of_size(size), pointer);
    }
    let bin = small_bin(heap, size);
    // Without a heap of its own the thread gets bin 0, whose list is closed.
    if pointer.is_null() || !push::<true>(heap, bin, pointer) {
        slow_free::free_sized(pointer, heap, size);
    }
}

/// Frees a block whose size and alignment the caller knows.
///
/// # Safety
/// As the module says; `size` and `alignment` are those that were requested.
#[inline]
pub unsafe fn free_aligned_sized(pointer: *mut u8, alignment: usize, size: usize) {
    free_in_bin(thread_heap(), aligned::aligned_bin(size, alignment), pointer);
}

/// Frees a block of `bin`, which did not come from the heap's own table.
#[inline(always)]
fn free_in_bin(heap: *mut Heap, bin: usize, pointer: *mut u8) {
    // SAFETY: `heap` is a sentinel or the thread's heap; `bin` is below `BINS`. Only a thread's own
    // heap has capacities other than 0.
    let is_open = unsafe { *capacity_of(heap, bin) } != 0;
    if pointer.is_null() || !is_open || !push::<true>(heap, bin, pointer) {
        slow_free::free_in_bin(pointer, heap, bin);
    }
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
        cold_path();
        return allocate_zeroed_slow(size);
    }
    zero(block, size)
}

#[inline(never)]
extern "C" fn allocate_zeroed_slow(size: usize) -> *mut u8 {
    if size > MID_MAX {
        return zeroed_span(size, PAGE_MIN);
    }
    let block = malloc(size);
    if block.is_null() { block } else { zero(block, size) }
}

/// Allocates a span of `size` zeroed bytes at `alignment`. A fresh or a huge span is not written
/// to: the system maps zeros, so each of its pages takes memory only once the program touches it.
fn zeroed_span(size: usize, alignment: usize) -> *mut u8 {
    match slow::large(thread_heap(), size, alignment) {
        Some(span) if span.is_fresh || large::purge_huge(&span) => span.address.as_ptr(),
        Some(span) => zero(span.address.as_ptr(), size),
        None => ptr::null_mut(),
    }
}

#[inline(always)]
fn zero(block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the block was just allocated with at least `size` bytes.
    unsafe { ptr::write_bytes(block, 0, size) };
    block
}

/// Bytes that an allocation has room for; 0 for null and for a foreign pointer. It is as fast as
/// `malloc`, because some programs call it after every allocation and free (redis does).
///
/// # Safety
/// As the module says.
#[inline(always)]
#[must_use]
pub unsafe fn usable_size(pointer: *mut u8) -> usize {
    match mapped_bin(thread_heap(), pointer) {
        Some(bin @ 1..) => bins::stride_if_any(bin),
        _ => usable_size_slow(pointer),
    }
}

#[inline(never)]
extern "C" fn usable_size_slow(pointer: *mut u8) -> usize {
    if pointer.is_null() {
        return 0;
    }
    if check::is_known_dead(pointer, gate::bin_slow(pointer)) {
        return slow_free::refuse_usable_size(thread_heap(), pointer);
    }
    let refuse = || slow_free::refuse_usable_size(thread_heap(), pointer);
    gate::usable_bytes(pointer).unwrap_or_else(refuse)
}
