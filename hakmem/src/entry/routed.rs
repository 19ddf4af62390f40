//! Frees that the fast path refused, by the heap's [`Way`]: a fast path for each routing with
//! headers and each form of push, or the slow path.
//!
//! The class map in the heap is empty under a routing with headers, so [`super::free`], which is
//! built for `direct`, ends up here for every block. That detour is the price of not costing
//! `direct` an instruction. `direct` pays it too where the heap's copy of the class map is too
//! short.
//!
//! # Safety
//! The rules of `entry` apply. Functions that end a fast path are `extern "C"`, as in
//! `entry::slow`.
#![allow(unsafe_code)]

use super::aligned::aligned_bin;
use super::{original, push, slow_free};
use crate::class_map::WholeMap;
use crate::gate::{Behind, ByRegistry, Exclude, FrontGate, Hybrid, Uniform};
use crate::heap::fast_list::FastList;
use crate::heap::{Heap, Way, map_of, way_of};
use crate::routing::Layout;
use crate::sync::Ordering;

/// Frees a block that the fast path refused: the class map does not name its bin (under routings
/// other than `direct` it never does), the list is full, or the free is due for a check.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free(pointer: *mut u8, heap: *mut Heap) {
    // SAFETY: `heap` is a sentinel or the thread's heap.
    free_by(unsafe { way_of(heap) }, pointer, heap);
}

/// Frees a block whose caller passed a size.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_claimed(pointer: *mut u8, size: usize, heap: *mut Heap) {
    free_as_claimed(pointer, heap, |layout| layout.bin_of_size(size));
}

/// Frees a block whose caller passed a size and an alignment.
#[cold]
#[inline(never)]
pub(super) extern "C" fn free_aligned_claimed(
    pointer: *mut u8,
    alignment: usize,
    size: usize,
    heap: *mut Heap,
) {
    free_as_claimed(pointer, heap, |layout| layout.serving(aligned_bin(size, alignment)));
}

/// Frees a block that the caller claims to be in the bin `claimed`. Under the routings with headers
/// their own frees do the work, which ignore sizes; if every free is checked, all frees take the
/// slow path.
#[inline(always)]
fn free_as_claimed(pointer: *mut u8, heap: *mut Heap, claimed: impl FnOnce(Layout) -> usize) {
    // SAFETY: `heap` is a sentinel or the thread's heap.
    match unsafe { way_of(heap) } {
        Way::Direct => {
            complete_map(heap);
        }
        Way::Slow | Way::E3 => {}
        way => return free_by(way, pointer, heap),
    }
    slow_free::free_claimed(pointer, heap, claimed);
}

/// Frees `pointer` by the code that `way` names.
#[inline(always)]
fn free_by(way: Way, pointer: *mut u8, heap: *mut Heap) {
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
        Way::E3 => original::push(pointer, heap),
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
fn complete_map(heap: *mut Heap) -> bool {
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
