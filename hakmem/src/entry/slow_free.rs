//! The slow paths of `free`: the gate's slow door classifies the pointer, a check inspects it if
//! one is due, and the free counts as slow, with its reason.
//!
//! # Safety
//! The rules of `entry` apply. Functions that end a fast path are `extern "C"`, as in
//! `entry::slow`.
#![allow(unsafe_code)]

use hakmem_segment::{BIN_LARGE, BIN_NONE, Check, EventKind, FreeReason, Outcome};

use super::push;
use crate::check::{self, Look};
use crate::finding::{self, Finding};
use crate::gate::{self, Verdict};
use crate::heap::{Heap, SlowFree, Stopwatch};
use crate::large;
use crate::routing::{Choice, Layout};
use crate::threads::{self, Access};

/// The caller's statement about the block that it frees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// A size that leads to this bin; the fast path did not look at it.
    Claim(usize),
    /// A size that leads to this bin; the fast path would have trusted it.
    Trust(usize),
}

impl Told {
    /// The bin that the size leads to.
    fn bin(self) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::Claim(bin) | Self::Trust(bin) => Some(bin),
        }
    }

    /// The bin that the fast path takes the block to be in, if it trusts the caller.
    fn trusted(self) -> Option<usize> {
        match self {
            Self::Trust(bin) => Some(bin),
            Self::Nothing | Self::Claim(_) => None,
        }
    }

    /// How the block's class was found: by the caller's size if that is trusted, else as in
    /// `otherwise`.
    fn outcome(self, otherwise: Outcome) -> Outcome {
        if self.trusted().is_some() { Outcome::Sized } else { otherwise }
    }
}

/// Frees a pointer that no fast path could.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_exactly(pointer: *mut u8, heap: *mut Heap) {
    free_as(heap, pointer, |_| Told::Nothing);
}

/// Frees a block that the caller claims to be in the bin that `claimed` finds.
#[inline(always)]
pub(super) fn free_claimed(
    pointer: *mut u8,
    heap: *mut Heap,
    claimed: impl FnOnce(Layout) -> usize,
) {
    free_as(heap, pointer, |layout| Told::Claim(claimed(layout)));
}

/// Frees a block whose caller knows the size. It asks the gate nevertheless: on a slow path this
/// costs nothing, and then a wrong size does no harm.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_sized(pointer: *mut u8, heap: *mut Heap, size: usize) {
    free_as(heap, pointer, |layout| Told::Trust(layout.bin_of_size(size)));
}

/// Frees a block whose caller knows size and alignment, which lead to the bin `told`.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_in_bin(pointer: *mut u8, heap: *mut Heap, told: usize) {
    // The fast path also names mid bins that this layout does not use.
    free_as(heap, pointer, |layout| Told::Trust(layout.serving(told)));
}

fn free_as(heap: *mut Heap, pointer: *mut u8, told: impl FnOnce(Layout) -> Told) {
    if pointer.is_null() {
        return;
    }
    let watch = Stopwatch::start();
    let told = told(Layout::current());
    let verdict = gate::classify(pointer);
    match threads::access(heap) {
        Access::Own(heap, _) => free_own(heap, pointer, &verdict, told, watch),
        Access::Late => {
            threads::with_late_heap(|heap| free_late(heap, pointer, &verdict, told, watch));
        }
    }
}

/// Frees for a thread with lists.
fn free_own(heap: &Heap, pointer: *mut u8, verdict: &Verdict, told: Told, watch: Stopwatch) {
    let bin = verdict.bin;
    if bin == BIN_NONE {
        return free_span(heap, pointer, told, watch);
    }
    let look = look_due(heap, verdict, told);
    if let Some(finding) = check::inspect(heap, pointer, verdict, told.bin(), look) {
        return free_found(heap, pointer, &finding, watch);
    }
    let reason = match (look, verdict.front, told.trusted()) {
        (Look::Sample | Look::Full, _, _) => Some(FreeReason::Check),
        (Look::Glance, None, None) => Some(FreeReason::Routed),
        (Look::Glance, _, _) => None,
    };
    // The thread may have got its lists just now, or its countdown may have restarted.
    let pushed = reason.is_none()
        && match told.trusted() {
            Some(_) => push::<true>(heap.address(), bin, pointer),
            None => push::<false>(heap.address(), bin, pointer),
        };
    if pushed {
        return;
    }
    let outcome = told.outcome(verdict.outcome);
    // SAFETY: the program has given the block up; the gate says that it belongs to this bin.
    unsafe { heap.free_slow(bin, pointer.cast(), SlowFree { reason, outcome, watch }) };
    threads::housekeep_if_due(heap, watch);
    finding::report_strays(heap);
}

/// How closely the free of a block is inspected now.
fn look_due(heap: &Heap, verdict: &Verdict, told: Told) -> Look {
    // The countdown is that of the list that the fast path would have pushed to.
    let is_due = match told.trusted().or(verdict.front) {
        Some(bin) => heap.take_check_due(bin),
        None => heap.take_slow_check_due(),
    };
    match Choice::current().check {
        Check::Full => Look::Full,
        Check::Sample if is_due => Look::Sample,
        _ => Look::Glance,
    }
}

/// Frees the block of `finding` as what it is, if it is a live block, and reports the finding. The
/// report comes last because it may end the process, and by then the finding should be counted.
#[cold]
fn free_found(heap: &Heap, pointer: *mut u8, finding: &Finding, watch: Stopwatch) {
    let (bin, outcome, reason) = (finding.bin, finding.outcome, finding.reason());
    if finding.is_live_block() {
        gate::repair(pointer, bin);
        let free = SlowFree { reason: Some(reason), outcome, watch };
        // SAFETY: the program has given the block up, which is live and belongs to this bin.
        unsafe { heap.free_slow(bin, pointer.cast(), free) };
    } else {
        heap.finish_free(bin, reason, outcome, watch, pointer as usize, |_| ());
    }
    finding::report(heap, pointer, finding);
}

/// Frees for a thread without lists, with the process's own heap.
fn free_late(heap: &Heap, pointer: *mut u8, verdict: &Verdict, told: Told, watch: Stopwatch) {
    let bin = verdict.bin;
    if bin == BIN_NONE {
        return free_span(heap, pointer, told, watch);
    }
    let look = if check::is_full() { Look::Full } else { Look::Glance };
    if let Some(finding) = check::inspect(heap, pointer, verdict, told.bin(), look) {
        return free_found(heap, pointer, &finding, watch);
    }
    let outcome = told.outcome(verdict.outcome);
    let free = SlowFree { reason: Some(FreeReason::Late), outcome, watch };
    // SAFETY: the program has given the block up; the gate says that it belongs to this bin.
    unsafe { heap.free_to_slab(bin, pointer.cast(), free) };
    finding::report_strays(heap);
}

/// Frees a large span, or reports a pointer that is the start of neither a block nor a span.
fn free_span(heap: &Heap, pointer: *mut u8, told: Told, watch: Stopwatch) {
    threads::housekeep_if_due(heap, watch);
    let Some(freed) = large::free(pointer as usize, heap.now_ms.get()) else {
        let finding = Finding::of_stray(pointer);
        return free_found(heap, pointer, &finding, watch);
    };
    let mismatch = told.bin().filter(|&bin| bin != BIN_LARGE).map(Finding::of_span_size);
    let outcome = mismatch.map_or(told.outcome(Outcome::Large), |finding| finding.outcome);
    let address = pointer as usize;
    heap.finish_free(BIN_LARGE, FreeReason::LargeUnmap, outcome, watch, address, |update| {
        update.add_large_freed(freed.bytes);
    });
    if freed.unmapped {
        heap.write_large_event(EventKind::LargeUnmapped, address, freed.bytes);
    }
    if let Some(finding) = mismatch {
        finding::report(heap, pointer, &finding);
    }
}

/// Refuses a `realloc` of a pointer that is known not to be a live allocation. It is reported, and
/// counted as the free that it would have been.
#[cold]
pub(super) fn refuse_realloc(heap: *mut Heap, pointer: *mut u8) {
    let watch = Stopwatch::start();
    let address = pointer as usize;
    threads::with_heap(heap, |heap| {
        let finding = check::find_wrong(pointer);
        let (bin, outcome) = (finding.bin, finding.outcome);
        heap.finish_free(bin, FreeReason::Rejected, outcome, watch, address, |_| ());
        finding::report_of("realloc", heap, pointer, &finding);
    });
}

/// Reports a `malloc_usable_size` of a pointer that is known not to be a live allocation.
#[cold]
pub(super) fn refuse_usable_size(heap: *mut Heap, pointer: *mut u8) -> usize {
    threads::with_heap(heap, |heap| {
        let finding = check::find_wrong(pointer);
        finding::report_of("malloc_usable_size", heap, pointer, &finding);
    });
    0
}
