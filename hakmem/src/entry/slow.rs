//! The slow paths of allocation: each call here counts as slow, with its reason.
//!
//! # Safety
//! Heaps come from the fast path: a sentinel or the thread's own. Functions that end a fast path
//! are `extern "C"`: they cannot unwind, so the compiler makes tail calls of them and the fast
//! paths need no stack frame. Their first argument is the program's, so that the fast paths need
//! not move it.
#![allow(unsafe_code)]

use core::ffi::c_int;
use core::ptr;

use hakmem_segment::{AllocReason, BIN_LARGE, Class, EventKind, FreeReason, Outcome};

use super::{REQUEST_MAX, original, pop, slow_free};
use crate::arena::live;
use crate::heap::{Heap, Stopwatch};
use crate::large::{self, Allocated};
use crate::os::memory::{PAGE, PAGE_MIN};
use crate::os::{errno, loader, process};
use crate::routing::Layout;
use crate::threads::{self, Access};
use crate::{bins, central, check, finding};

fn out_of_memory() -> *mut u8 {
    errno::set(libc::ENOMEM);
    ptr::null_mut()
}

/// Allocates a block of a size whose list is empty, or a span.
#[cold]
#[inline(never)]
pub(super) extern "C" fn malloc(size: usize, heap: *mut Heap) -> *mut u8 {
    if size > bins::MID_MAX {
        return large(heap, size, PAGE_MIN).map_or(ptr::null_mut(), |span| span.address.as_ptr());
    }
    malloc_in_bin(Layout::current().bin_of_size(size), heap)
}

/// Allocates a block of `bin`, whose list is empty.
#[cold]
#[inline(never)]
pub(super) extern "C" fn malloc_in_bin(bin: usize, heap: *mut Heap) -> *mut u8 {
    let watch = Stopwatch::start();
    let bin = Layout::current().serving(bin);
    let block = match threads::access(heap) {
        Access::Own(heap, first_use) => {
            let left = if first_use { heap.take_left(bin, watch) } else { ptr::null_mut() };
            let block = if left.is_null() {
                // The list may belong to another bin than the one the fast path looked at.
                let mut block = pop(heap.address(), bin);
                if block.is_null() && heap.is_original() {
                    block = original::pop(heap, bin).cast();
                }
                if !block.is_null() {
                    return block;
                }
                heap.refill_slow(bin, watch, first_use).cast()
            } else {
                left.cast()
            };
            threads::housekeep_if_due(heap, watch);
            finding::report_strays(heap);
            block
        }
        Access::Late => {
            threads::with_late_heap(|heap| malloc_late(heap, bin, watch)).unwrap_or(ptr::null_mut())
        }
    };
    if block.is_null() {
        return out_of_memory();
    }
    if check::is_full() {
        live::set(block as usize);
    }
    block
}

/// Allocates for a thread without lists.
fn malloc_late(heap: &Heap, bin: usize, watch: Stopwatch) -> *mut u8 {
    threads::housekeep_if_due(heap, watch);
    let mut block = [ptr::null_mut()];
    let Some(refill) = central::take(bin, &mut block) else {
        heap.count_out_of_memory(bin, bins::stride(bin));
        return ptr::null_mut();
    };
    heap.finish_allocation(bin, refill.reason, watch, block[0] as usize, |_| ());
    block[0].cast()
}

/// Allocates a span. `None`, with `ENOMEM`, if there is no memory.
#[cold]
#[inline(never)]
pub(super) fn large(heap: *mut Heap, size: usize, alignment: usize) -> Option<Allocated> {
    let watch = Stopwatch::start();
    let span = threads::with_heap(heap, |heap| large_with(heap, size, alignment, watch)).flatten();
    if span.is_none() {
        out_of_memory();
    }
    span
}

fn large_with(heap: &Heap, size: usize, alignment: usize, watch: Stopwatch) -> Option<Allocated> {
    // The system refuses a span for lack of address space. Free spans may hold some, but lists and
    // slabs do not: giving their blocks back would cost much and help nothing.
    let span = if size <= REQUEST_MAX { large::allocate(size, alignment) } else { None };
    let Some(span) = span else {
        heap.count_out_of_memory(BIN_LARGE, size);
        return None;
    };
    let reason = if size <= bins::MID_MAX { AllocReason::Aligned } else { AllocReason::LargeMap };
    let address = span.address.as_ptr() as usize;
    heap.finish_allocation(BIN_LARGE, reason, watch, address, |update| {
        update.add_large_allocated(span.bytes);
    });
    if span.is_fresh {
        heap.write_large_event(EventKind::LargeMapped, address, span.bytes);
    }
    threads::housekeep_if_due(heap, watch);
    Some(span)
}

/// Changes the size of a span; `COUNTED` says that the program counts its reallocations. A pointer
/// that is not the start of a span is foreign.
#[cold]
#[inline(never)]
pub(super) extern "C" fn resize_large<const COUNTED: bool>(
    heap: *mut Heap,
    pointer: *mut u8,
    size: usize,
) -> *mut u8 {
    let watch = Stopwatch::start();
    let Some(old_bytes) = large::bytes(pointer as usize) else {
        slow_free::refuse_realloc(heap, pointer);
        return out_of_memory();
    };
    if crate::os::memory::round_to_pages(size) == Some(old_bytes) {
        if COUNTED {
            threads::with_heap(heap, Heap::count_in_place);
        }
        return pointer;
    }
    let block = threads::with_heap(heap, |heap| {
        let now_ms = heap.now_ms.get();
        let resize = || large::resize(pointer as usize, size, now_ms);
        let resized = if size <= REQUEST_MAX { resize() } else { None };
        let Some((new, bytes)) = resized else {
            heap.count_out_of_memory(BIN_LARGE, size);
            return ptr::null_mut();
        };
        // In place or moved, the change counts as one allocation and one free: pages were mapped or
        // unmapped, and the bytes must add up.
        heap.finish_free(
            BIN_LARGE,
            FreeReason::LargeUnmap,
            Outcome::Large,
            watch,
            pointer as usize,
            |update| update.add_large_freed(old_bytes),
        );
        heap.finish_allocation(
            BIN_LARGE,
            AllocReason::LargeMap,
            watch,
            new.as_ptr() as usize,
            |update| update.add_large_allocated(bytes),
        );
        if COUNTED {
            let is_in_place = new.as_ptr() == pointer;
            if is_in_place {
                heap.count_in_place()
            } else {
                heap.count_moved()
            }
            heap.count_as_pair(Class::Large, Class::Large);
        }
        new.as_ptr()
    })
    .unwrap_or(ptr::null_mut());
    if block.is_null() { out_of_memory() } else { block }
}

/// Fails a request that can never be served.
#[cold]
pub(super) extern "C" fn refuse(size: usize) -> *mut u8 {
    threads::with_heap(super::thread_heap(), |heap| heap.count_out_of_memory(BIN_LARGE, size));
    out_of_memory()
}

/// Starts the allocator before the program's first call and registers its hooks. The preload
/// library calls this from its constructor.
pub fn start() {
    threads::access(super::thread_heap());
    threads::hook();
}

/// Whether `function` lies in the same object, executable or library, as the allocator.
pub fn is_own(function: usize) -> bool {
    loader::is_in_own_object(function)
}

/// Ends the process as `_exit` does, after noting in the segment that it ended normally.
pub fn exit_process(code: c_int) -> ! {
    threads::on_exit(code, ptr::null_mut());
    process::exit_now(code)
}

const _: () = assert!(PAGE <= bins::GRANULE);
