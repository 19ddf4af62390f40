//! What the fast paths leave to others: each call here counts as slow, with its reason.
//!
//! # Safety
//! Heaps come from the fast path: a sentinel or the thread's own. Functions that fast paths end with
//! are `extern "C"`: such calls cannot unwind, so they become jumps and the fast paths need no
//! frame. The program's argument stays their first, so that the fast paths need not move it.
#![allow(unsafe_code)]

use core::ffi::c_int;
use core::ptr;

use hakmem_segment::{
    AllocReason, BIN_LARGE, BIN_NONE, Check, EventKind, FreeReason, Outcome, Push,
};

use super::{REQUEST_MAX, pop, push, routed};
use crate::arena::live;
use crate::block::{Block, Chain};
use crate::check::{self, Finding, Look};
use crate::gate::{self, Verdict};
use crate::heap::{Heap, SlowFree, Stopwatch, Way, way_of};
use crate::large::{self, Allocated};
use crate::os::memory::PAGE;
use crate::os::{message, process};
use crate::routing::{Choice, Layout};
use crate::threads::{self, Access};
use crate::{bins, central};

fn out_of_memory() -> *mut u8 {
    process::set_errno(libc::ENOMEM);
    ptr::null_mut()
}

/// Allocates a block of a tiny size whose list is empty.
#[cold]
#[inline(never)]
pub(super) extern "C" fn malloc(size: usize, heap: *mut Heap) -> *mut u8 {
    malloc_in_bin(Layout::current().bin_of_size(size), heap)
}

/// Allocates a block of a bin whose list is empty.
#[cold]
#[inline(never)]
pub(super) extern "C" fn malloc_in_bin(bin: usize, heap: *mut Heap) -> *mut u8 {
    let watch = Stopwatch::start();
    let errno = process::ErrnoGuard::new();
    let bin = Layout::current().serving(bin);
    let block = match threads::access(heap) {
        Access::Own(heap, first_use) => {
            // The list may be that of another bin than the fast path's, and a child process may
            // have got its parent's lists just now.
            let block = pop(heap, bin);
            if !block.is_null() {
                return block;
            }
            let block = heap.refill_slow(bin, watch, first_use).cast();
            threads::housekeep_if_due(heap);
            block
        }
        Access::Late => {
            threads::with_late_heap(|heap| malloc_late(heap, bin, watch)).unwrap_or(ptr::null_mut())
        }
    };
    drop(errno);
    if block.is_null() {
        return out_of_memory();
    }
    if checks_all() {
        live::set(block as usize);
    }
    block
}

/// Whether every free is checked, for which live blocks are noted.
fn checks_all() -> bool {
    Choice::current().check == Check::Full
}

/// Whether a block is known not to be live, because every free is checked.
pub(super) fn is_known_dead(pointer: *mut u8, bin: usize) -> bool {
    bin != BIN_NONE && checks_all() && !live::is_set(pointer as usize)
}

/// Allocates for a thread without lists: one block, the rest of its batch goes back at once.
fn malloc_late(heap: &mut Heap, bin: usize, watch: Stopwatch) -> *mut u8 {
    threads::housekeep_if_due(heap);
    let Some(mut refill) = central::take(bin, 1) else {
        heap.count_out_of_memory(bin, bins::stride(bin));
        return ptr::null_mut();
    };
    let Some(block) = refill.chain.pop() else { return ptr::null_mut() };
    if refill.chain.count > 0 {
        // SAFETY: the batch is this thread's.
        unsafe { central::give(bin, refill.chain, heap.now_ms) };
    }
    heap.finish_allocation(bin, refill.reason, watch, block as usize, |_| ());
    block.cast()
}

/// Runs with the thread's heap, or the process's own if the thread has none.
fn with_heap<R>(heap: *mut Heap, work: impl FnOnce(&mut Heap) -> R) -> Option<R> {
    match threads::access(heap) {
        Access::Own(heap, _) => Some(work(heap)),
        Access::Late => threads::with_late_heap(work),
    }
}

/// Allocates a span of its own. `None`, with `ENOMEM`, if there is no memory.
#[cold]
#[inline(never)]
pub(super) fn large(heap: *mut Heap, size: usize, alignment: usize) -> Option<Allocated> {
    let watch = Stopwatch::start();
    let errno = process::ErrnoGuard::new();
    let span = with_heap(heap, |heap| large_with(heap, size, alignment, watch)).flatten();
    drop(errno);
    if span.is_none() {
        out_of_memory();
    }
    span
}

fn large_with(
    heap: &mut Heap,
    size: usize,
    alignment: usize,
    watch: Stopwatch,
) -> Option<Allocated> {
    let allocate = || if size <= REQUEST_MAX { large::allocate(size, alignment) } else { None };
    let span = allocate().or_else(|| {
        heap.reclaim();
        allocate()
    });
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
    threads::housekeep_if_due(heap);
    Some(span)
}

/// Changes the size of a span; what is no span is foreign.
#[cold]
#[inline(never)]
pub(super) extern "C" fn resize_large(heap: *mut Heap, pointer: *mut u8, size: usize) -> *mut u8 {
    let watch = Stopwatch::start();
    let errno = process::ErrnoGuard::new();
    let Some(old_bytes) = large::bytes(pointer as usize) else {
        drop(errno);
        report_foreign(heap, pointer);
        return out_of_memory();
    };
    if crate::os::memory::round_to_pages(size) == Some(old_bytes) {
        return pointer;
    }
    let resized = if size <= REQUEST_MAX { large::resize(pointer as usize, size) } else { None };
    let block = with_heap(heap, |heap| {
        let Some((new, bytes)) = resized else {
            heap.count_out_of_memory(BIN_LARGE, size);
            return ptr::null_mut();
        };
        // In place or moved, it counts as one allocation and one free: pages were mapped or
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
        new.as_ptr()
    })
    .unwrap_or(ptr::null_mut());
    drop(errno);
    if block.is_null() { out_of_memory() } else { block }
}

/// Frees what the fast path could not: the class map does not name the bin, which under the other
/// routings it never does, or the list is full, or the free is due for a check.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free(pointer: *mut u8, heap: *mut Heap) {
    // SAFETY: a sentinel or the thread's heap.
    match unsafe { way_of(heap) } {
        Way::Slow => free_slow(pointer, heap),
        way => routed::free(way, pointer, heap),
    }
}

/// Frees what no fast path could.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_slow(pointer: *mut u8, heap: *mut Heap) {
    free_as(heap, pointer, None);
}

/// The same for a free whose caller told the size. The gate is asked all the same: here it costs
/// nothing, and a wrong size does no harm.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_sized(pointer: *mut u8, heap: *mut Heap, size: usize) {
    free_as(heap, pointer, Some(Layout::current().bin_of_size(size)));
}

/// The same for a free whose caller told size and alignment, which lead to the bin `told`.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_in_bin(pointer: *mut u8, heap: *mut Heap, told: usize) {
    // Of the mid bins the fast path names some that this layout does not use.
    free_as(heap, pointer, Some(Layout::current().serving(told)));
}

fn free_as(heap: *mut Heap, pointer: *mut u8, told: Option<usize>) {
    if pointer.is_null() {
        return;
    }
    let watch = Stopwatch::start();
    let _errno = process::ErrnoGuard::new();
    let verdict = gate::classify(pointer);
    match threads::access(heap) {
        Access::Own(heap, _) => free_own(heap, pointer, &verdict, told, watch),
        Access::Late => {
            threads::with_late_heap(|heap| free_late(heap, pointer, &verdict, told, watch));
        }
    }
}

/// Frees for a thread with lists.
fn free_own(
    heap: &mut Heap,
    pointer: *mut u8,
    verdict: &Verdict,
    told: Option<usize>,
    watch: Stopwatch,
) {
    let bin = verdict.bin;
    if bin == BIN_NONE {
        return free_span(heap, pointer, told.is_some(), watch);
    }
    let look = look_due(heap, verdict, told);
    if let Some(finding) = check::inspect(heap, pointer, verdict, told, look) {
        return free_found(heap, pointer, &finding, watch);
    }
    let is_boxed = Choice::current().push == Push::Boxed;
    if is_boxed && look != Look::Full && heap.head(bin) == pointer.cast() {
        let finding = Finding::double_push(verdict);
        return free_found(heap, pointer, &finding, watch);
    }
    let reason = match (look, verdict.front, told) {
        (Look::Sample | Look::Full, _, _) => Some(FreeReason::Check),
        (Look::Glance, None, None) => Some(FreeReason::Routed),
        (Look::Glance, _, _) => None,
    };
    // The thread may have got its lists just now, or its countdown have begun anew.
    let pushed = reason.is_none()
        && match told {
            Some(_) => push::<true>(heap, bin, pointer),
            None => push::<false>(heap, bin, pointer),
        };
    if pushed {
        return;
    }
    let outcome = if told.is_some() { Outcome::Sized } else { verdict.outcome };
    // SAFETY: the program gave the block up; the gate says that it is of this bin.
    unsafe { heap.free_slow(bin, pointer.cast(), SlowFree { reason, outcome, watch }) };
    threads::housekeep_if_due(heap);
}

/// How closely the free of a block is to be looked at now.
fn look_due(heap: &mut Heap, verdict: &Verdict, told: Option<usize>) -> Look {
    // The countdown is of the list that the fast path would have pushed to.
    let is_due = match told.or(verdict.front) {
        Some(bin) => heap.take_check_due(bin),
        None => heap.take_slow_check_due(),
    };
    match Choice::current().check {
        Check::Full => Look::Full,
        Check::Sample if is_due => Look::Sample,
        _ => Look::Glance,
    }
}

/// Reports a finding, and frees the block as what it is if it is one.
#[cold]
fn free_found(heap: &mut Heap, pointer: *mut u8, finding: &Finding, watch: Stopwatch) {
    check::report(heap, pointer, finding);
    let (bin, outcome, reason) = (finding.bin, finding.outcome, finding.reason());
    if !finding.is_live_block() {
        heap.finish_free(bin, reason, outcome, watch, pointer as usize, |_| ());
        return;
    }
    gate::repair(pointer, bin);
    let free = SlowFree { reason: Some(reason), outcome, watch };
    // SAFETY: the program gave the block up, which is live and of this bin.
    unsafe { heap.free_slow(bin, pointer.cast(), free) };
}

/// Frees for a thread without lists, with the process's own heap.
fn free_late(
    heap: &mut Heap,
    pointer: *mut u8,
    verdict: &Verdict,
    told: Option<usize>,
    watch: Stopwatch,
) {
    let bin = verdict.bin;
    if bin == BIN_NONE {
        return free_span(heap, pointer, told.is_some(), watch);
    }
    let look = if checks_all() { Look::Full } else { Look::Glance };
    if let Some(finding) = check::inspect(heap, pointer, verdict, None, look) {
        return free_found(heap, pointer, &finding, watch);
    }
    let chain = Chain { head: pointer.cast::<Block>(), count: 1 };
    // SAFETY: the program gave the block up; the link ends the chain.
    unsafe { (*chain.head).next = ptr::null_mut() };
    // SAFETY: as above; the gate says that it is of this bin.
    unsafe { central::give_to_slabs(bin, chain, heap.now_ms) };
    let outcome = if told.is_some() { Outcome::Sized } else { verdict.outcome };
    heap.finish_free(bin, FreeReason::Late, outcome, watch, pointer as usize, |_| ());
}

/// Frees a large span, or reports a pointer that is the start of nothing.
fn free_span(heap: &mut Heap, pointer: *mut u8, is_sized: bool, watch: Stopwatch) {
    threads::housekeep_if_due(heap);
    let Some(freed) = large::free(pointer as usize, heap.now_ms) else {
        let finding = Finding::of_stray(pointer);
        return free_found(heap, pointer, &finding, watch);
    };
    let outcome = if is_sized { Outcome::Sized } else { Outcome::Large };
    let address = pointer as usize;
    heap.finish_free(BIN_LARGE, FreeReason::LargeUnmap, outcome, watch, address, |update| {
        update.add_large_freed(freed.bytes);
    });
    if freed.unmapped {
        heap.write_large_event(EventKind::LargeUnmapped, address, freed.bytes);
    }
}

/// Counts and reports a pointer that is the start of nothing.
#[cold]
pub(super) fn report_foreign(heap: *mut Heap, pointer: *mut u8) {
    let _errno = process::ErrnoGuard::new();
    let watch = Stopwatch::start();
    with_heap(heap, |heap| free_found(heap, pointer, &Finding::of_stray(pointer), watch));
}

/// Fails a request that can never be served.
#[cold]
pub(super) fn refuse(size: usize) -> *mut u8 {
    with_heap(super::thread_heap(), |heap| heap.count_out_of_memory(BIN_LARGE, size));
    out_of_memory()
}

/// Starts the allocator before the program's first call, and registers its hooks. The preload
/// library calls this from its constructor.
pub fn start() {
    threads::access(super::thread_heap());
    threads::hook();
}

/// Gives all memory back that is not in use; whether there was any. Other threads keep what is on
/// their lists.
pub fn trim() -> bool {
    let _errno = process::ErrnoGuard::new();
    with_heap(super::thread_heap(), |heap| {
        let freed = heap.reclaim();
        threads::housekeep();
        freed > 0
    })
    .unwrap_or(false)
}

/// Prints what the process holds, on standard error.
pub fn print_stats() {
    let totals = crate::totals::totals();
    message::print(format_args!(
        "slabs {} bytes ({} kept for reuse), large spans {} bytes ({} kept for reuse)",
        totals.slab_bytes, totals.slab_cached_bytes, totals.large_bytes, totals.large_cached_bytes
    ));
}

/// Ends the process as `_exit` does, after noting in the segment that it ended normally.
pub fn exit_process(code: c_int) -> ! {
    threads::on_exit(code, ptr::null_mut());
    process::exit_now(code)
}

const _: () = assert!(PAGE <= bins::GRANULE);
