//! Around `fork`, in all its forms.
//!
//! # Safety
//! In a new child process there is one thread. What other threads' lists held in the parent is
//! lost to the child, as with every allocator; its own segment says so by not counting it.
#![allow(unsafe_code)]

use hakmem_segment::BINS;

use super::{LATE, PROCESS, Process, fresh};
use crate::heap::legacy::Lists;
use crate::heap::{Heap, slot_of};
use crate::lock::{Lock, Locked};
use crate::os::thread_local;
use crate::segment::Inherited;
use crate::sync::{AtomicBool, Ordering};
use crate::{arena, batches, bins, central, large, registry};

/// What the parent leaves to the child. Filled by [`prepare`], in memory that is not wiped.
pub(super) struct Legacy {
    /// Whether `prepare` ran for this fork.
    valid: bool,
    /// Whether the forking thread had lists, which are in [`LISTS`].
    has_lists: bool,
    inherited: Inherited,
}

impl Legacy {
    pub(super) const NONE: Self = Self {
        valid: false,
        has_lists: false,
        inherited: Inherited { blocks: [0; BINS], large_bytes: 0 },
    };
}

/// Copies of the forking thread's lists. Used where all locks are held, or by the only thread.
static LISTS: Locked<Lists> = Locked::new(Lists::NONE);

/// Whether this is a child that [`child`] was called in and that has not begun yet.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// All locks, in the order in which they are taken.
fn for_each_lock(visit: &mut dyn FnMut(&'static Lock)) {
    visit(&PROCESS.lock);
    visit(&LATE);
    visit(large::lock());
    for bin in bins::in_use() {
        visit(central::lock(bin));
    }
    visit(batches::lock());
    visit(arena::lock());
    visit(registry::lock());
}

/// Before `fork`, in the parent.
pub(super) unsafe extern "C" fn prepare() {
    for_each_lock(&mut |lock| lock.take());
    // SAFETY: this thread has just taken the lock, and holds no guard.
    let process = unsafe { PROCESS.held() };
    // SAFETY: all locks are held.
    process.legacy = unsafe { make_legacy(process) };
}

/// After `fork`, in the parent.
pub(super) unsafe extern "C" fn parent() {
    // SAFETY: this thread has held the lock since `prepare`.
    unsafe { PROCESS.held() }.legacy.valid = false;
    for_each_lock(&mut |lock| lock.give());
}

/// After `fork`, in the child. The segment is made at the first call: many children only `exec`.
pub(super) unsafe extern "C" fn child() {
    for_each_lock(&mut |lock| lock.force_free());
    IS_CHILD.store(true, Ordering::Relaxed);
    thread_local::set(fresh().cast());
}

/// The forking thread's lists and the live blocks.
///
/// # Safety
/// The calling thread holds all locks, or is the only one.
unsafe fn make_legacy(process: &Process) -> Legacy {
    let heap = thread_local::get().cast::<Heap>();
    // SAFETY: a sentinel or this thread's heap.
    let is_own = unsafe { Heap::is_alive(heap) };
    if is_own {
        // SAFETY: alive, and this thread's.
        unsafe { &*heap }.copy_lists(&mut LISTS.lock());
    }
    // SAFETY: the caller's duty.
    let inherited = unsafe { measure_inheritance(process) };
    Legacy { valid: true, has_lists: is_own, inherited }
}

/// Adds up the live blocks of all slots, and those that this process inherited itself.
///
/// # Safety
/// The calling thread holds all locks, or is the only one.
unsafe fn measure_inheritance(process: &Process) -> Inherited {
    let mut blocks = process.inherited_blocks;
    process.groups.for_each_heap(&mut |heap| {
        for bin in bins::in_use() {
            blocks[bin] += slot_of(heap).live_blocks(bin);
        }
    });
    // SAFETY: the caller's duty.
    Inherited { blocks, large_bytes: unsafe { large::usage_held() }.live }
}

/// Whether this is a child process that has made no call to the allocator yet.
pub(super) fn is_wiped() -> bool {
    if IS_CHILD.load(Ordering::Relaxed) {
        return true;
    }
    // No lock: in a child of a raw `fork` it may be taken for ever.
    let first = super::FIRST_HEAP.load(Ordering::Relaxed);
    // SAFETY: the process's own heap stays mapped.
    !first.is_null() && !unsafe { Heap::is_alive(first) }
}

/// If this is a new child process, gives it a segment and heaps of its own.
pub(super) fn begin_child_if_wiped() {
    if is_wiped() {
        begin_child();
    }
}

/// Begins the child's life. Only one thread exists.
#[cold]
fn begin_child() {
    // Held only in a child of a raw `fork`, by a thread that does not exist here.
    let is_in_doubt = large::lock().is_taken();
    for_each_lock(&mut |lock| lock.force_free());
    super::truncation::begin_child();
    let mut legacy;
    // What is given up is address space that the child shares with nobody and does not use.
    let _ = large::repair(is_in_doubt);
    thread_local::set(fresh().cast());
    {
        let mut process = PROCESS.lock();
        legacy = core::mem::replace(&mut process.legacy, Legacy::NONE);
        if !legacy.valid {
            // `fork` went past libc: the parent may have moved on, so this is an estimate.
            // SAFETY: the only thread.
            legacy.inherited = unsafe { measure_inheritance(&process) };
        }
        super::FIRST_HEAP.store(core::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the only thread's word names no heap, so nothing uses the groups.
        unsafe { process.groups.unmap_all() };
        if let Some(segment) = process.segment.take() {
            // SAFETY: the only thread; `begin` replaces it.
            unsafe { segment.forget() };
        }
        IS_CHILD.store(false, Ordering::Relaxed);
        if process.begin(Some(&legacy.inherited)).is_none() {
            process.started = false;
            return;
        }
    }
    if legacy.valid
        && legacy.has_lists
        && let Some(heap) = super::claim_for_thread()
    {
        // SAFETY: just claimed by this thread.
        unsafe { &mut *heap.as_ptr() }.adopt(&LISTS.lock());
    }
}
