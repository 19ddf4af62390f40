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
//! freed since, as C does. Sizes told to [`free_sized`] and [`free_aligned_sized`] are those that were
//! asked for.
#![allow(unsafe_code)]

mod aligned;
mod cxx;
mod report;
mod resize;
mod routed;
mod slow;
mod slow_free;

use core::{hint, ptr};

use hakmem_segment::ListWord;

use crate::bins::{self, MID_MAX, SMALL_MAX};
use crate::block::Block;
use crate::gate;
use crate::heap::fast_list::FastList;
use crate::heap::{Heap, capacity_of, map_of, slot_of, small_bin_of};
use crate::os::{memory::PAGE_MIN, thread_local};
use crate::sync::{AtomicU64, Ordering};

pub use crate::segment::note_namespace;
pub use aligned::{aligned_alloc, allocate_aligned, memalign, posix_memalign, pvalloc, valloc};
pub use cxx::{FailedNew, retry_cxx_new, retry_cxx_nothrow};
pub use report::{
    WaitingBlocks, live_block_bytes, print_stats, tell_of_hooks, trim, waiting_blocks,
};
pub(crate) use resize::resize;
pub use resize::{realloc, reallocarray};
pub use slow::{exit_process, start};

/// Largest request, as in glibc: differences of pointers must not overflow.
const REQUEST_MAX: usize = isize::MAX as usize;

#[inline(always)]
fn thread_heap() -> *mut Heap {
    thread_local::get().cast()
}

/// Pops a block off a bin's list; null if the list is empty.
#[inline(always)]
fn pop(heap: *mut Heap, bin: usize) -> *mut u8 {
    let list = FastList::of(heap, bin);
    let top = list.top().load(Ordering::Relaxed);
    if top.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the topmost block's entry, or the null in front of a magazine.
    let block = unsafe { *top };
    if block.is_null() {
        return ptr::null_mut();
    }
    // Not in memory, as the word: the next call waits for the top, and an addition in memory forwards
    // its result a cycle or two later.
    list.top().store(top.wrapping_sub(1), Ordering::Relaxed);
    subtract_pop(list.word());
    block.cast()
}

/// Notes a pop in a bin's word. In memory, which a signal handler cannot come between.
#[inline(always)]
fn subtract_pop(word: &AtomicU64) {
    word.store(word.load(Ordering::Relaxed).wrapping_sub(ListWord::POP), Ordering::Relaxed);
}

/// Notes a fast free in a bin's word. Release: the count of sized frees is seen before it. The same
/// instruction as Relaxed here.
#[inline(always)]
fn add_push(word: &AtomicU64) {
    word.store(word.load(Ordering::Relaxed).wrapping_add(ListWord::PUSH), Ordering::Release);
}

/// Pushes a block on a bin's list; false if the list is full, or if the free is due for a check.
/// `SIZED` says that the caller told the size.
///
/// The heap must be the thread's own, or the bin 0 or of a closed list.
#[inline(always)]
fn push<const SIZED: bool>(heap: *mut Heap, bin: usize, block: *mut u8) -> bool {
    let list = FastList::of(heap, bin);
    if !list.takes_free() {
        return false;
    }
    let last = list.top().load(Ordering::Relaxed);
    if SIZED {
        // Before the word, so that no reader takes this free for one that was classified.
        let sized = slot_of(heap).sized_frees_fast(bin);
        sized.store(sized.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
    put(list, last, block);
    true
}

/// Puts a block above the topmost entry of a list, which takes it.
#[inline(always)]
fn put(list: FastList, last: *mut *mut Block, block: *mut u8) {
    let entry = last.wrapping_add(1);
    // SAFETY: the thread's own list, as the words of bin 0 and of closed lists have a guard set; it is
    // not full, so its magazine has room.
    unsafe { *entry = block.cast() };
    add_push(list.word());
    // Last: a signal handler that jumps out in between leaves a word that says too much.
    list.top().store(entry, Ordering::Relaxed);
}

/// [`push`] with one test more: false also for the block that is on top of the list, which was freed
/// just now and is being freed again.
#[inline(always)]
fn push_unless_last(heap: *mut Heap, bin: usize, block: *mut u8) -> bool {
    let list = FastList::of(heap, bin);
    if !list.takes_free() {
        return false;
    }
    let last = list.top().load(Ordering::Relaxed);
    // SAFETY: the topmost block's entry, or the null in front of a magazine.
    if unsafe { *last } == block.cast() {
        hint::cold_path();
        return false;
    }
    put(list, last, block);
    true
}

/// The bin of a small request, from the heap's own table; 0 under a sentinel.
#[inline(always)]
fn small_bin(heap: *mut Heap, size: usize) -> usize {
    debug_assert!(size <= SMALL_MAX);
    // SAFETY: a sentinel or the thread's heap; the size is at most SMALL_MAX.
    let bin = unsafe { *small_bin_of(heap, size) };
    usize::from(bin)
}

/// Allocates `size` bytes, aligned for any type of that size. Null, with `ENOMEM`, if there is no
/// memory. A request of 0 bytes gets a pointer of its own.
#[inline(always)]
#[must_use]
pub fn malloc(size: usize) -> *mut u8 {
    let heap = thread_heap();
    let block = pop_of_size(heap, size);
    if block.is_null() { slow::malloc(size, heap) } else { block }
}

/// What [`malloc`] does where its fast path serves the request. Null where only [`malloc`] itself can
/// tell what there is: callers with an end of their own for that need no frame.
#[inline(always)]
#[must_use]
pub fn malloc_fast(size: usize) -> *mut u8 {
    pop_of_size(thread_heap(), size)
}

/// Pops a block off the list that serves a size; null if it is empty, or if there is none.
#[inline(always)]
fn pop_of_size(heap: *mut Heap, size: usize) -> *mut u8 {
    if size > SMALL_MAX {
        // Keeps the path of small sizes free of taken branches.
        hint::cold_path();
        // Of the bins, that of large spans has no list.
        return if size > MID_MAX { ptr::null_mut() } else { pop(heap, bins::of_size(size)) };
    }
    pop(heap, small_bin(heap, size))
}

/// Frees what [`malloc`] and its family returned; null is ignored. `errno` stays as it is.
///
/// # Safety
/// As the module says.
#[inline(always)]
pub unsafe fn free(pointer: *mut u8) {
    let heap = thread_heap();
    if !free_mapped_unless_last(heap, pointer) {
        slow_free::free(pointer, heap);
    }
}

/// The bin that the thread's own map names for a pointer; 0 or `None` for what is in no slab, under
/// another routing than `direct`, and where every free is checked.
#[inline(always)]
fn mapped_bin(heap: *mut Heap, pointer: *mut u8) -> Option<usize> {
    // SAFETY: a sentinel, whose map finds nothing, or the thread's heap.
    let map = unsafe { &*map_of(heap) };
    gate::bin(map, pointer)
}

/// Frees a block of the bin that [`mapped_bin`] has named. A block that was freed just now is found.
#[inline(always)]
fn free_mapped(heap: *mut Heap, bin: usize, pointer: *mut u8) {
    if !push_unless_last(heap, bin, pointer) {
        slow_free::free(pointer, heap);
    }
}

/// [`free`] for a caller that says a size and may be wrong, as C++ is where a base class lacks a
/// virtual destructor. The class map names the bin, at no more instructions than to look the size up;
/// the size is compared with it on slow paths. A block that was freed just now is found at once.
///
/// # Safety
/// As the module says, except for the size.
#[inline(always)]
pub unsafe fn free_claimed(pointer: *mut u8, size: usize) {
    let heap = thread_heap();
    if !free_mapped_unless_last(heap, pointer) {
        slow_free::free_claimed(pointer, size, heap);
    }
}

/// [`free_claimed`] for a caller that says an alignment too.
///
/// # Safety
/// As the module says, except for size and alignment.
#[inline(always)]
pub unsafe fn free_aligned_claimed(pointer: *mut u8, alignment: usize, size: usize) {
    let heap = thread_heap();
    if !free_mapped_unless_last(heap, pointer) {
        slow_free::free_aligned_claimed(pointer, alignment, size, heap);
    }
}

/// Frees what the thread's map names a bin for; false for what it does not, and as
/// [`push_unless_last`] says.
#[inline(always)]
fn free_mapped_unless_last(heap: *mut Heap, pointer: *mut u8) -> bool {
    mapped_bin(heap, pointer).is_some_and(|bin| push_unless_last(heap, bin, pointer))
}

/// Frees a block whose size the caller knows: no classification is needed. For Rust, whose `Layout` is
/// part of the contract; what C and C++ say is not believed ([`free_claimed`]).
///
/// # Safety
/// As the module says; `size` is what was asked for, without an alignment above 16.
#[inline(always)]
pub unsafe fn free_sized(pointer: *mut u8, size: usize) {
    let heap = thread_heap();
    if size > SMALL_MAX {
        hint::cold_path();
        return free_in_bin(heap, bins::of_size(size), pointer);
    }
    let bin = small_bin(heap, size);
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
    free_in_bin(thread_heap(), aligned::aligned_bin(size, alignment), pointer);
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
        return match slow::large(thread_heap(), size, PAGE_MIN) {
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

/// Bytes that an allocation has room for; 0 for null and for a foreign pointer. Some programs ask
/// after every call (redis does), so it is as fast as those.
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
    if slow::is_known_dead(pointer, gate::bin_slow(pointer)) {
        return slow_free::refuse_usable_size(thread_heap(), pointer);
    }
    let refuse = || slow_free::refuse_usable_size(thread_heap(), pointer);
    gate::usable_bytes(pointer).unwrap_or_else(refuse)
}
