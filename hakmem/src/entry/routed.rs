//! Frees under the routings with headers: a fast path for each routing and form of push.
//!
//! The class map in the heap is empty under such a routing, so [`super::free`], which is built for
//! `direct`, ends up here for every block. That detour is the price of not costing `direct` an
//! instruction. `direct` pays it too where the heap's copy of the class map is too short.
//!
//! # Safety
//! The rules of `entry` apply. `e3` breaks them on purpose: it is the ancestor's bug, and may do
//! anything.
#![allow(unsafe_code)]

use hakmem_segment::{Check, FreeReason, ListWord, Outcome};

use super::{add_push, push, slow_free, subtract_pop};
use crate::block::Block;
use crate::class_map::WholeMap;
use crate::finding::{self, Finding};
use crate::gate::{self, Behind, ByRegistry, E3, Exclude, FrontGate, Hybrid, Uniform};
use crate::header::HEADER_BYTES;
use crate::heap::fast_list::FastList;
use crate::heap::{Heap, Stopwatch, Way, map_of, slot_of};
use crate::routing::{Choice, Layout};
use crate::sync::Ordering;
use crate::threads::{self, Access};

/// Frees `pointer` by the code that `way` names.
#[inline(always)]
pub(super) fn free(way: Way, pointer: *mut u8, heap: *mut Heap) {
    match way {
        Way::Slow => slow_free::free_exactly(pointer, heap),
        Way::Direct => push_behind(pointer, heap),
        Way::RegistryDirect => direct_push::<ByRegistry>(pointer, heap),
        Way::RegistryBoxed => boxed_push::<ByRegistry>(pointer, heap),
        Way::ExcludeDirect => direct_push::<Exclude>(pointer, heap),
        Way::ExcludeBoxed => boxed_push::<Exclude>(pointer, heap),
        Way::UniformDirect => direct_push::<Uniform>(pointer, heap),
        Way::UniformBoxed => boxed_push::<Uniform>(pointer, heap),
        Way::HybridDirect => direct_push::<Hybrid>(pointer, heap),
        Way::HybridBoxed => boxed_push::<Hybrid>(pointer, heap),
        Way::E3 => original_push(pointer, heap),
    }
}

/// Frees a pointer whose bin the heap's copy of the class map does not name, though the map itself
/// may.
#[inline(never)]
extern "C" fn push_behind(pointer: *mut u8, heap: *mut Heap) {
    if complete_map(heap) {
        direct_push::<Behind>(pointer, heap);
    } else {
        slow_free::free_exactly(pointer, heap);
    }
}

/// Brings the heap's copy of the class map up to date; false if it already was. The heap's way is
/// [`Way::Direct`].
pub(super) fn complete_map(heap: *mut Heap) -> bool {
    // SAFETY: only a thread's heap has this way, and `heap` is this thread's.
    if unsafe { *map_of(heap) }.is_complete() {
        return false;
    }
    // SAFETY: only a thread's heap has this way, and `heap` is this thread's.
    unsafe { *map_of(heap) = WholeMap::current() };
    true
}

/// Pushes with no check but that of the capacity.
#[inline(never)]
extern "C" fn direct_push<G: FrontGate>(pointer: *mut u8, heap: *mut Heap) {
    let Some(bin) = G::bin(pointer) else { return slow_free::free_exactly(pointer, heap) };
    if !push::<false>(heap, bin, pointer) {
        slow_free::free_exactly(pointer, heap);
    }
}

/// Pushes with the ancestor's checks: rejects a block of C7 where that class has no header, the
/// block that was pushed last, and any block if the list is full.
#[inline(never)]
extern "C" fn boxed_push<G: FrontGate>(pointer: *mut u8, heap: *mut Heap) {
    let Some(bin) = G::bin(pointer) else { return slow_free::free_exactly(pointer, heap) };
    let top = FastList::of(heap, bin).top().load(Ordering::Relaxed);
    // SAFETY: `heap` is the thread's, since a sentinel's way is the slow path; `top` points to the
    // list's topmost entry, or to the null in front of its magazine.
    let last = unsafe { *top };
    let is_rejected = G::LAYOUT.is_routed(bin) || last == pointer.cast();
    if is_rejected || !push::<false>(heap, bin, pointer) {
        slow_free::free_exactly(pointer, heap);
    }
}

/// Phase E3 as it was: trusts any byte that looks like a header, and pushes without a check.
///
/// [`original_push_checked`] takes over if a check is due, or if checks are on and the answer rests
/// on a byte that may be a neighbour's contents.
#[inline(never)]
extern "C" fn original_push(pointer: *mut u8, heap: *mut Heap) {
    let Some(bin) = E3::bin(pointer) else { return slow_free::free_exactly(pointer, heap) };
    let word = slot_of(heap).list_word(bin);
    let value = word.load(Ordering::Relaxed);
    let is_doubtful = E3::is_doubtful(pointer) && Choice::current().check != Check::Off;
    // SAFETY: only a thread's heap has this way, and `heap` is this thread's.
    let own = unsafe { &*heap };
    if is_doubtful || ListWord(value).is_check_due() || !own.has_original_room(bin) {
        return original_push_checked(pointer, heap, bin);
    }
    link_as_original(own, bin, pointer);
    add_push(word);
}

/// Pops a block off a list that [`original_push`] pushes to; null if it is empty. `malloc` has no
/// other fast path under `e3`.
pub(super) fn original_pop(heap: &Heap, bin: usize) -> *mut Block {
    let block = heap.take_original(bin);
    if !block.is_null() {
        subtract_pop(heap.slot().list_word(bin));
    }
    block
}

/// Puts a block on a list as the original did: it took `pointer - 1` for the block's base and wrote
/// the link at `base + 1`, right behind a header. The list of a class without headers holds bases,
/// so there the block stands on the list one byte off, and the next pop reads a byte of a
/// neighbour's contents as part of the link.
fn link_as_original(heap: &Heap, bin: usize, pointer: *mut u8) {
    let base = pointer.wrapping_sub(HEADER_BYTES);
    let header = if Layout::Mixed.header(bin).is_some() { HEADER_BYTES } else { 0 };
    // SAFETY: the program has given the block up.
    unsafe { heap.put_original(bin, base.wrapping_add(header).cast(), pointer.cast()) };
}

/// [`original_push`] after a check. It reports a wrong answer, and then the bug takes its course,
/// for that is what `e3` is there to show.
#[cold]
#[inline(never)]
extern "C" fn original_push_checked(pointer: *mut u8, heap: *mut Heap, bin: usize) {
    let watch = Stopwatch::start();
    let Access::Own(heap, _) = threads::access(heap) else { return };
    heap.take_check_due(bin);
    if Choice::current().check == Check::Off {
        link_as_original(heap, bin, pointer);
        heap.slot().update(|update| update.add_fast_free(bin));
        return;
    }
    let verdict = gate::classify(pointer);
    let is_believed_wrongly = verdict.bin != bin || verdict.outcome == Outcome::HeaderFalsePositive;
    let outcome = if is_believed_wrongly { Outcome::HeaderFalsePositive } else { verdict.outcome };
    link_as_original(heap, bin, pointer);
    heap.finish_free(verdict.bin, FreeReason::Check, outcome, watch, pointer as usize, |update| {
        update.add_block(bin);
    });
    if is_believed_wrongly {
        let finding = Finding::of_block(&verdict, outcome, verdict.claimed_class(), true);
        finding::report(heap, pointer, &finding);
    }
}
