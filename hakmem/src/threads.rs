//! Assigns heaps to threads: first use, thread exit, fork, and the time after.
//!
//! A thread's word of thread-local storage is the address of its heap, or of one of two sentinels:
//! [`fresh`] before the thread's first call, [`late`] after its lists went back to the central
//! store. Both read as zeros, so every fast path fails on them and the slow path calls this module.
//!
//! Heaps and slots are mapped together in groups of [`GROUP_SLOTS`]. The first slot is the
//! process's own and serves late threads, one at a time.
//!
//! # Fork
//! A child must never write into its parent's segment. The kernel wipes heaps on fork
//! (`MADV_WIPEONFORK`), however the child was made, so the child's first call finds a heap of
//! zeros, takes the slow path and reaches `fork::begin_child`. Where `pthread_atfork` is honoured,
//! the lists of the forking thread are kept for the child.
//!
//! # Safety
//! A heap's memory stays mapped as long as its process lives. A heap belongs to the thread whose
//! word names it.
#![allow(unsafe_code)]

pub(crate) mod fork;
mod groups;
mod housekeeping;
mod repair;
mod truncation;
mod vacant;

use core::ffi::c_void;
use core::ptr::NonNull;

use hakmem_segment::Slot;

use crate::finding;
use crate::heap::{Heap, slot_of};
use crate::lock::{Lock, Locked};
use crate::os::errno::ErrnoGuard;
use crate::os::{clock, loader, memory, process, thread_id, thread_local};
use crate::routing::Choice;
use crate::segment::{GROUP_SLOTS, Inherited, Live, Segment};
use crate::settings::Settings;
use crate::slot::Owner;
use crate::sync::{AtomicBool, AtomicPtr, Ordering};
use groups::Groups;
#[cfg(test)]
pub(crate) use housekeeping::for_each_slot;
pub(crate) use housekeeping::{
    details, housekeep, housekeep_if_due, live_block_bytes, segment_identity, set_label, trim,
};
use vacant::Vacant;

/// State that belongs to the process and to no single thread.
struct Process {
    started: bool,
    /// Whether the settings were read and everything that needs no memory is in place.
    prepared: bool,
    /// Attempts to start that failed for lack of memory, and calls that fail without another
    /// attempt.
    failed_starts: u32,
    calls_to_fail: u32,
    /// Whether the process (a new one, or a child) has begun while no thread has a heap yet.
    awaits_first_thread: bool,
    /// Key whose destructor runs at thread exit.
    exit_key: Option<u32>,
    settings: Settings,
    segment: Option<Segment>,
    groups: Groups,
    vacant: Vacant,
    /// Live blocks, by bin, that the parent had when it forked this process.
    inherited_blocks: [i64; hakmem_segment::BINS],
}

static PROCESS: Locked<Process> = Locked::new(Process {
    started: false,
    prepared: false,
    failed_starts: 0,
    calls_to_fail: 0,
    awaits_first_thread: false,
    exit_key: None,
    settings: Settings::DEFAULT,
    segment: None,
    groups: Groups::NONE,
    vacant: Vacant::NONE,
    inherited_blocks: [0; hakmem_segment::BINS],
});

/// Guards the process's own heap, the one of slot 0.
static LATE: Lock = Lock::new();
/// The process's own heap, which a child process finds wiped.
static FIRST_HEAP: AtomicPtr<Heap> = AtomicPtr::new(core::ptr::null_mut());
/// Whether the loader was asked, or is just being asked, to keep this library loaded.
static STAYS: AtomicBool = AtomicBool::new(false);
/// Whether the hooks for fork and exit are in place.
static HOOKED: AtomicBool = AtomicBool::new(false);
/// Rounds of thread-exit destructors to let pass first, because other destructors may free memory.
/// POSIX guarantees 4 rounds.
const EXIT_ROUNDS: u32 = 2;

/// The sentinel of threads that have made no call yet.
pub(crate) fn fresh() -> *mut Heap {
    thread_local::sentinel().cast()
}

/// The sentinel of threads whose lists went back to the central store.
pub(crate) fn late() -> *mut Heap {
    thread_local::sentinel().wrapping_add(memory::PAGE_MIN).cast()
}

/// The heap that a slow path uses.
pub(crate) enum Access {
    /// The thread's own heap; true if the thread has just got it.
    Own(&'static Heap, bool),
    /// No heap: the thread is ending, or there is no memory for a heap.
    Late,
}

/// Finds the calling thread's heap, or makes one. `heap` is the word that the fast path read.
#[cold]
#[inline(never)]
pub(crate) fn access(heap: *mut Heap) -> Access {
    if heap == late() {
        return Access::Late;
    }
    // SAFETY: a sentinel or the thread's heap.
    if unsafe { Heap::is_alive(heap) } {
        // SAFETY: alive, and this thread's.
        return Access::Own(unsafe { &*heap }, false);
    }
    match first_use() {
        // SAFETY: just claimed for this thread.
        Some(heap) => Access::Own(unsafe { heap.as_ref() }, true),
        None => Access::Late,
    }
}

/// Gives the calling thread a heap.
fn first_use() -> Option<NonNull<Heap>> {
    fork::begin_child_if_wiped();
    let current = thread_local::get().cast::<Heap>();
    // SAFETY: a sentinel or the thread's heap, which is alive if the child has adopted its lists.
    if unsafe { Heap::is_alive(current) } {
        return NonNull::new(current);
    }
    claim_for_thread()
}

/// Takes a heap for the calling thread.
fn claim_for_thread() -> Option<NonNull<Heap>> {
    // This comes before any hook is registered, including the one for thread exit.
    if process::is_libc_ready() && !STAYS.swap(true, Ordering::Relaxed) {
        loader::stay_loaded();
    }
    let mut process = PROCESS.lock();
    process.start_if_needed()?;
    let heap = process.claim(true)?;
    thread_local::set(heap.as_ptr().cast());
    let exit_key = process.exit_key;
    let is_first = core::mem::take(&mut process.awaits_first_thread);
    drop(process);
    if fork::is_wiped() {
        // A signal handler has forked meanwhile, and this process is the child: the heap is its
        // parent's.
        thread_local::set(fresh().cast());
        return None;
    }
    let owner = if is_first { Owner::FirstThread } else { Owner::LaterThread };
    slot_of(heap.as_ptr()).set_owner(owner);
    // From here on this thread can allocate, as libc may do in the two calls below, which may also
    // change `errno`.
    let _errno = ErrnoGuard::new();
    if let Some(key) = exit_key {
        process::arm_exit_key(key, heap.as_ptr().cast());
    }
    hook();
    Some(heap)
}

/// Registers the hooks for fork and exit, once libc is ready.
pub(crate) fn hook() {
    if process::is_libc_ready() && !HOOKED.swap(true, Ordering::Relaxed) {
        process::at_fork(fork::prepare, fork::parent, fork::child);
        process::at_exit(on_exit);
        process::at_quick_exit(on_quick_exit);
    }
}

/// Calls `work` with the process's own heap. `None` if the process has none, for lack of memory.
pub(crate) fn with_late_heap<R>(work: impl FnOnce(&Heap) -> R) -> Option<R> {
    fork::begin_child_if_wiped();
    let heap = {
        let mut process = PROCESS.lock();
        process.start_if_needed()?;
        process.groups.first()?
    };
    LATE.take();
    // SAFETY: the process's own heap, whose lock is held.
    let result = work(unsafe { heap.as_ref() });
    LATE.give();
    Some(result)
}

/// Runs `work` with the thread's heap, or with the process's own if the thread has none.
pub(crate) fn with_heap<R>(heap: *mut Heap, work: impl FnOnce(&Heap) -> R) -> Option<R> {
    match access(heap) {
        Access::Own(heap, _) => Some(work(heap)),
        Access::Late => with_late_heap(work),
    }
}

/// Runs at each thread exit; `value` is the thread's heap.
unsafe extern "C" fn on_thread_exit(value: *mut c_void) {
    let heap = value.cast::<Heap>();
    if thread_local::get() != heap.cast() {
        // A child process has begun since; the heap is gone.
        return;
    }
    // SAFETY: the thread's heap; if it was wiped, the next call begins a child.
    if !unsafe { Heap::is_alive(heap) } {
        return;
    }
    // SAFETY: alive, and this thread's.
    let heap = unsafe { &*heap };
    if heap.exit_rounds.get() < EXIT_ROUNDS {
        heap.exit_rounds.set(heap.exit_rounds.get() + 1);
        let key = PROCESS.lock().exit_key;
        let _errno = ErrnoGuard::new();
        if let Some(key) = key {
            process::arm_exit_key(key, value);
        }
        return;
    }
    heap.slot().clear_owner();
    let stays = heap.vacate();
    if !stays {
        heap.close();
    }
    finding::report_strays(heap);
    thread_local::set(late().cast());
    if stays {
        if PROCESS.lock().keep(heap) {
            return;
        }
        heap.close();
    }
    PROCESS.lock().release(heap);
}

/// Runs at `exit`; `code` is the exit code, or -1 if it is not known.
pub(crate) extern "C" fn on_exit(code: i32, _: *mut c_void) {
    // A child that never allocated still has its parent's segment mapped, and a child of `vfork`
    // runs in its parent's memory: neither may write to the segment.
    if !fork::is_wiped()
        && let Some(header) = Live::current()
        && header.pid() == process::process_id()
    {
        report_repeated();
        housekeep();
        header.exited(code);
    }
}

/// Reports blocks that are still on this thread's lists twice: most wrong frees happen at the end.
fn report_repeated() {
    let heap = thread_local::get().cast::<Heap>();
    // SAFETY: a sentinel or this thread's heap.
    if unsafe { Heap::is_alive(heap) } {
        // SAFETY: alive, and this thread's. The process is ending, so a call that this one may have
        // interrupted in a signal handler never resumes.
        let heap = unsafe { &*heap };
        heap.note_repeated();
        finding::report_strays(heap);
    }
}

/// Runs at `quick_exit`, which does not pass the exit code.
extern "C" fn on_quick_exit(_: *mut c_void) {
    on_exit(-1, core::ptr::null_mut());
}

/// Runs when a slow path finds that `slot` reads as zeros.
fn on_zeros(slot: *mut Slot) {
    // In a child, an interrupted call counts in private memory, which reads as zeros at first.
    if !fork::is_wiped() {
        truncation::look_at(slot);
    }
}

impl Process {
    /// Starts the allocator in this process, at the very first call. If there is no memory for
    /// that, fewer and fewer of the following calls try again.
    fn start_if_needed(&mut self) -> Option<()> {
        if self.started {
            return Some(());
        }
        if self.calls_to_fail > 0 {
            self.calls_to_fail -= 1;
            return None;
        }
        self.prepare();
        let begun = self.begin(None);
        if begun.is_none() {
            self.failed_starts += 1;
            self.calls_to_fail = (1 << self.failed_starts.min(8)) - 1;
        }
        begun
    }

    /// Does, once, the part of the start that needs no memory.
    fn prepare(&mut self) {
        if self.prepared {
            return;
        }
        self.prepared = true;
        process::demand_known_pages();
        crate::lock::on_stall(fork::enter_child_if_unnoticed);
        crate::slot::on_zeros(on_zeros);
        crate::heap::on_reclaim(vacant::close_all);
        clock::start();
        if let Some(mappings) = memory::mappings_max() {
            crate::large::bound_mappings(mappings);
        }
        self.settings.read();
        // This comes before any code asks for the layout.
        Choice::of(&self.settings).set();
        crate::heap::bound_lists(self.settings.list_bytes);
        crate::heap::close_sentinel(fresh());
        crate::heap::close_sentinel(late());
        self.exit_key = process::exit_key(on_thread_exit);
    }

    /// Makes the segment, if there is none, and the process's own heap, at the start and in a new
    /// child, whose stack may be small. So this function is not inlined, and neither are the
    /// functions with buffers that it calls: their buffers lie on the stack one after the other.
    #[inline(never)]
    fn begin(&mut self, inherited: Option<&Inherited>) -> Option<()> {
        thread_id::find();
        self.awaits_first_thread = true;
        crate::arena::start();
        if self.segment.is_none() {
            let segment = Segment::create(&self.settings, inherited)?;
            if segment.is_published() && inherited.is_none() {
                truncation::guard();
            }
            self.segment = Some(segment);
        }
        if let Some(from) = inherited {
            self.inherited_blocks.copy_from_slice(&from.blocks);
        }
        let own = self.claim(false)?;
        FIRST_HEAP.store(own.as_ptr(), Ordering::Relaxed);
        clock::calibrate();
        let slot = slot_of(own.as_ptr());
        slot.set_owner(Owner::Process);
        slot.write_event(hakmem_segment::Event {
            detail: Choice::current().routing as u8,
            ..crate::slot::simple_event(hakmem_segment::EventKind::RoutingChosen, 0)
        });
        self.started = true;
        housekeep();
        Some(())
    }

    /// Takes a vacant heap for a thread, or else a free one, with its slot in the file if possible.
    #[inline(never)]
    fn claim(&mut self, is_threads: bool) -> Option<NonNull<Heap>> {
        let vacant = if is_threads { self.vacant.pop() } else { None };
        let heap = match vacant {
            Some(heap) => heap,
            None => self.groups.claim(self.segment.as_ref())?,
        };
        if fork::is_wiped() {
            // As in `claim_for_thread`: the heap just claimed is the parent's, and so is its slot
            // in the file.
            return None;
        }
        // SAFETY: claimed, so nobody else has it, and mapped.
        let it = unsafe { heap.as_ref() };
        if vacant.is_some() {
            self.groups.note_begin(it);
            it.occupy();
        } else {
            it.open(is_threads);
        }
        self.publish_groups();
        Some(heap)
    }

    /// Keeps the heap of a thread that has ended, and that has vacated it, for the next thread.
    /// False if there are enough of these.
    fn keep(&mut self, heap: &Heap) -> bool {
        let is_kept = self.vacant.push(heap);
        if is_kept {
            self.groups.note_end(heap);
            self.publish_groups();
        }
        is_kept
    }

    /// Gives back the heap of a thread that has ended.
    fn release(&mut self, heap: &Heap) {
        self.groups.note_end(heap);
        self.groups.release(heap);
        self.publish_groups();
    }

    fn publish_groups(&self) {
        if let Some(header) = Live::current() {
            header.slots_used(self.groups.slots_used());
            let (now, total) = self.groups.unpublished();
            header.threads_unpublished(now, total);
        }
    }
}

const _: () = assert!(GROUP_SLOTS <= 16, "groups keep their slots in a 16-bit set");
