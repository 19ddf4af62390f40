//! Frees that no fast path could serve: they are classified by the gate's slow door, looked at if a
//! check is due, and counted with their reason.
//!
//! # Safety
//! As in `entry`. Functions that fast paths end with are `extern "C"`, as in `entry::slow`.
#![allow(unsafe_code)]

use hakmem_segment::{BIN_LARGE, BIN_NONE, Check, EventKind, FreeReason, Outcome, Push};

use super::slow::{checks_all, with_heap};
use super::{push, routed};
use crate::check::{self, Finding, Look};
use crate::gate::{self, Verdict};
use crate::heap::{Heap, SlowFree, Stopwatch, Way, way_of};
use crate::large;
use crate::routing::{Choice, Layout};
use crate::threads::{self, Access};

/// Frees what the fast path could not: the class map does not name the bin, which under the other
/// routings it never does, or the list is full, or the free is due for a check.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free(pointer: *mut u8, heap: *mut Heap) {
    // SAFETY: a sentinel or the thread's heap.
    match unsafe { way_of(heap) } {
        Way::Slow => free_exactly(pointer, heap),
        way => routed::free(way, pointer, heap),
    }
}

/// Frees what no fast path could.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_exactly(pointer: *mut u8, heap: *mut Heap) {
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
    if is_boxed && look != Look::Full && heap.last(bin) == pointer.cast() {
        let finding = Finding::of_block(verdict, Outcome::DoubleFree, None, false);
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
    threads::housekeep_if_due(heap, watch);
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

/// Frees the block of a finding as what it is, if it is one, and reports it: last, because the
/// report may end the process, and what it found should be counted then.
#[cold]
fn free_found(heap: &mut Heap, pointer: *mut u8, finding: &Finding, watch: Stopwatch) {
    let (bin, outcome, reason) = (finding.bin, finding.outcome, finding.reason());
    if finding.is_live_block() {
        gate::repair(pointer, bin);
        let free = SlowFree { reason: Some(reason), outcome, watch };
        // SAFETY: the program gave the block up, which is live and of this bin.
        unsafe { heap.free_slow(bin, pointer.cast(), free) };
    } else {
        heap.finish_free(bin, reason, outcome, watch, pointer as usize, |_| ());
    }
    check::report(heap, pointer, finding);
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
    let outcome = if told.is_some() { Outcome::Sized } else { verdict.outcome };
    let free = SlowFree { reason: Some(FreeReason::Late), outcome, watch };
    // SAFETY: the program gave the block up; the gate says that it is of this bin.
    unsafe { heap.free_to_slab(bin, pointer.cast(), free) };
}

/// Frees a large span, or reports a pointer that is the start of nothing.
fn free_span(heap: &mut Heap, pointer: *mut u8, is_sized: bool, watch: Stopwatch) {
    threads::housekeep_if_due(heap, watch);
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
    let watch = Stopwatch::start();
    with_heap(heap, |heap| free_found(heap, pointer, &Finding::of_stray(pointer), watch));
}
