//! Prepares for `fork` and sets up the child, whichever way the process forks.
//!
//! No fork waits for a lock, and none is held across a fork: the C library takes locks of its own
//! between the handlers and the fork, whose holders may call `malloc`, and a signal handler may
//! fork while its thread holds any of the allocator's locks. The child repairs the structures that
//! its parent's other threads had locked (`repair`).
//!
//! # The thread that forks
//! [`prepare`] copies the thread's heap to memory that is not wiped (`heap::legacy`) and makes the
//! thread a late one while the fork lasts. Other libraries' handlers, which may run after ours
//! before the fork and before ours after it, may then allocate without touching the copied lists.
//! Meanwhile the thread's second word of thread-local storage keeps the value of its first, and
//! counts in its lowest bits the further forks that are under way: a signal handler may fork in the
//! middle of a fork.
//!
//! In the child, [`child`] or the first slow call does the urgent work ([`enter_child`]): it
//! releases and repairs what other threads had locked, puts the thread's heap back in its place,
//! for a call that the fork may have interrupted, and makes the thread a fresh one. The next call
//! notices that, makes the child's segment and heaps, and adopts the lists ([`begin_child`]). This
//! waits for a call because many children only `exec`.
//!
//! A fork that bypasses libc (`_Fork`, the system calls) copies nothing, so the child loses the
//! lists of all threads, and counts the bytes that were on them.
//!
//! # Safety
//! A new child process has one thread.
#![allow(unsafe_code)]

use core::ptr;

use super::vacant::Vacant;
use super::{PROCESS, Process, fresh, late, repair};
use crate::heap::{Heap, legacy, slot_of};
use crate::lock::Locked;
use crate::os::{fork_word, thread_local};
use crate::segment::Inherited;
use crate::sync::{AtomicBool, AtomicPtr, Ordering};
use crate::{bins, central, large};

/// Whether this is a child process that has released its locks and has no segment yet.
static IS_CHILD: AtomicBool = AtomicBool::new(false);
/// The heap that the thread had in the parent, until a heap of the child has adopted its lists.
static OLD_HEAP: AtomicPtr<Heap> = AtomicPtr::new(ptr::null_mut());
/// What the child inherited. Only the first thread of a child uses it.
static INHERITED: Locked<Inherited> = Locked::new(Inherited::NOTHING);

/// Bits of the second word that count further forks; heaps and sentinels have a greater alignment.
const FURTHER: usize = 63;

/// Runs before `fork`, in the parent.
pub(super) unsafe extern "C" fn prepare() {
    let under_way = fork_word::get();
    if under_way != 0 {
        let further = (under_way & FURTHER) + 1;
        fork_word::set(under_way & !FURTHER | further.min(FURTHER));
        return;
    }
    let word = thread_local::get().cast::<Heap>();
    let heap = own_heap(word);
    if !heap.is_null() {
        // SAFETY: alive, and this thread's; in a child that has not begun, the only thread's.
        let legacy = unsafe { legacy::leave(heap) };
        // A child that has not begun passes on what it inherited.
        if !IS_CHILD.load(Ordering::Relaxed)
            && let Some(process) = PROCESS.try_lock()
        {
            measure(&process, heap, &mut legacy.inherited);
            legacy.is_measured = true;
        }
    }
    // The order matters: a signal handler that forks between the two finds the state either as
    // before or as after.
    fork_word::set(word as usize);
    thread_local::set(late().cast());
}

/// The heap whose lists the calling thread has, given its word of thread-local storage, `word`;
/// null if it has none.
fn own_heap(word: *mut Heap) -> *mut Heap {
    // SAFETY: a sentinel or this thread's heap.
    if unsafe { Heap::is_alive(word) } { word } else { OLD_HEAP.load(Ordering::Relaxed) }
}

/// Runs after `fork`, in the parent.
pub(super) unsafe extern "C" fn parent() {
    let under_way = fork_word::get();
    if under_way & FURTHER != 0 {
        fork_word::set(under_way - 1);
    } else if under_way != 0 {
        // A child that was forked in the middle of `prepare` begins anew.
        let is_child = IS_CHILD.load(Ordering::Relaxed);
        let word = if is_child { fresh() } else { under_way as *mut Heap };
        thread_local::set(word.cast());
        fork_word::set(0);
    }
}

/// Runs after `fork`, in the child.
pub(super) unsafe extern "C" fn child() {
    // Nothing is left to do if a handler of another library has already made a call: then the
    // child's life has begun, and no fork is under way.
    if fork_word::get() != 0 || IS_CHILD.load(Ordering::Relaxed) {
        enter_child();
    }
}

/// Does the urgent work in a new child process: it releases the locks and restores the heap that an
/// interrupted call may still use.
#[cold]
fn enter_child() {
    let under_way = fork_word::get() & !FURTHER;
    let word = thread_local::get().cast::<Heap>();
    super::truncation::begin_child();
    let found = repair::release_abandoned();
    if PROCESS.lock.is_mine() || super::LATE.is_mine() {
        // The signal handler that forked has interrupted its thread in the thread's first call, or
        // as a late thread: the call resumes with a heap that is not the thread's own.
        super::truncation::hide_slots();
    }
    // A child that forked before it had begun passes on the heap that was left to it.
    let heap = match under_way as *mut Heap {
        heap if heap.is_null() || heap == fresh() || heap == late() => {
            OLD_HEAP.load(Ordering::Relaxed)
        }
        heap => heap,
    };
    let mut inherited = INHERITED.lock();
    if !IS_CHILD.load(Ordering::Relaxed) {
        // SAFETY: the heap of the thread that forked; `prepare` has filled its legacy page.
        let left = if heap.is_null() { None } else { Some(unsafe { &*legacy::of(heap) }) };
        match left {
            Some(legacy) if legacy.is_measured => inherited.clone_from(&legacy.inherited),
            // The parent may have gone on since the fork, so this is an estimate.
            _ => {
                // SAFETY: the only thread; a call that was interrupted while it held the lock is
                // waiting.
                measure(unsafe { PROCESS.held() }, heap, &mut inherited);
            }
        }
        inherited.large_bytes = large::try_usage().map_or(0, |usage| usage.live);
    }
    inherited.doubts += found.doubts;
    inherited.abandoned_bytes += found.abandoned_bytes;
    drop(inherited);
    // SAFETY: the only thread; `prepare` left this heap.
    let is_restored = !heap.is_null() && unsafe { legacy::restore(heap) };
    OLD_HEAP.store(if is_restored { heap } else { ptr::null_mut() }, Ordering::Relaxed);
    IS_CHILD.store(true, Ordering::Relaxed);
    let is_late = (if under_way == 0 { word } else { under_way as *mut Heap }) == late();
    thread_local::set(if is_late { late() } else { fresh() }.cast());
    fork_word::set(0);
}

/// Adds up into `found` the live blocks of all slots and those that this process itself inherited,
/// and the bytes of the blocks on the lists of all heaps but `own`.
fn measure(process: &Process, own: *mut Heap, found: &mut Inherited) {
    found.clone_from(&Inherited::NOTHING);
    found.blocks.copy_from_slice(&process.inherited_blocks);
    process.groups.for_each_heap(&mut |heap| {
        for bin in bins::in_use() {
            let slot = slot_of(heap);
            found.blocks[bin] += slot.live_blocks(bin);
            if heap != own {
                found.abandoned_bytes += slot.listed_blocks(bin) * bins::stride(bin) as u64;
            }
        }
    });
}

/// Whether this is a child process that has made no call to the allocator yet.
pub(super) fn is_wiped() -> bool {
    IS_CHILD.load(Ordering::Relaxed) || is_unnoticed()
}

/// Whether this is a child process in which [`enter_child`] has not run yet.
fn is_unnoticed() -> bool {
    // Takes no lock: the thread that held it may not exist in a child of a raw `fork`.
    let first = super::FIRST_HEAP.load(Ordering::Relaxed);
    // SAFETY: the process's own heap stays mapped.
    !IS_CHILD.load(Ordering::Relaxed) && !first.is_null() && !unsafe { Heap::is_alive(first) }
}

/// Called before waiting for a lock: its holder may be a thread of the parent.
pub(super) fn enter_child_if_unnoticed() {
    if is_unnoticed() {
        enter_child();
    }
}

/// Gives a new child process a segment and heaps of its own.
pub(super) fn begin_child_if_wiped() {
    if is_wiped() {
        begin_child();
    }
}

/// Begins the child's life. Only one thread exists.
#[cold]
fn begin_child() {
    enter_child_if_unnoticed();
    central::recount_stacks();
    // Settles the free ranges that the parent's other threads were purging or unmapping.
    let _ = large::repair(false);
    let old = OLD_HEAP.swap(ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: mapped as long as `OLD_HEAP` names it. A heap that was wiped by a fork that bypassed
    // libc has no lists.
    let has_lists = !old.is_null() && unsafe { Heap::is_alive(old) };
    let abandoned = {
        let mut process = PROCESS.lock();
        super::FIRST_HEAP.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the only thread's word names no heap, so nothing uses the other groups.
        let abandoned = unsafe { process.groups.abandon_all(old) };
        process.vacant = Vacant::NONE;
        if let Some(segment) = process.segment.take() {
            // SAFETY: the only thread; `begin` replaces the header.
            unsafe { segment.forget() };
        }
        IS_CHILD.store(false, Ordering::Relaxed);
        if process.begin(Some(&INHERITED.lock())).is_none() {
            process.started = false;
        }
        abandoned
    };
    let has_begun = !super::FIRST_HEAP.load(Ordering::Relaxed).is_null();
    if has_lists
        && has_begun
        && let Some(heap) = super::claim_for_thread()
    {
        // SAFETY: just claimed by this thread.
        let heap = unsafe { heap.as_ref() };
        // SAFETY: restored, and nothing else uses it any more.
        heap.adopt(unsafe { &*old });
    }
    if let Some(group) = abandoned {
        // SAFETY: the lists of the only heap in it were adopted or given up.
        unsafe { group.unmap() };
    }
}
