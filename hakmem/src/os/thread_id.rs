//! The calling thread's id, and whether another thread has ended, by means that a sandbox allows.
//!
//! A thread's first call may come in a sandbox that allows neither `gettid` nor `tkill`. But the
//! kernel keeps the id in memory: glibc registers a word in each thread's descriptor
//! (`CLONE_CHILD_CLEARTID`), which holds the id while the thread lives and which the kernel clears
//! when it ends. The word's distance from the thread pointer is looked up once, at the start. If
//! libc registers something else, as musl does, or if the kernel does not report the word, the
//! system calls are used.
//!
//! # Safety
//! The distance was verified for the thread that looked it up. All of glibc's descriptors have the
//! same layout, and every thread that reaches its thread-local storage has one.
//!
//! # Orderings
//! Accesses are relaxed: only the single thread at the start and in a new child writes these words.
#![allow(unsafe_code)]

use super::syscall::{Errno, call};
use super::thread_local;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};

/// Bytes from the thread pointer to the word with the id; 0 if unknown.
static DISTANCE: AtomicUsize = AtomicUsize::new(0);
/// Thread pointer of the one thread whose word is wrong: a raw `fork` leaves the parent's id in it.
static STALE_POINTER: AtomicUsize = AtomicUsize::new(0);
/// The id of that thread.
static STALE_ID: AtomicU32 = AtomicU32::new(0);

/// Asks the kernel for the id; 0 if a filter refuses the call.
fn ask() -> u32 {
    // SAFETY: no precondition.
    unsafe { call(libc::SYS_gettid, []) }.unwrap_or(0) as u32
}

/// Reads the word of the calling thread.
fn read(word: usize) -> u32 {
    // SAFETY: the word is aligned, lies in the thread's descriptor, and changes only when the
    // thread ends.
    unsafe { (*(word as *const AtomicU32)).load(Ordering::Relaxed) }
}

/// Finds the word. Called at the start and in each new child process, by the only thread.
pub(crate) fn find() {
    let (pointer, id) = (thread_local::pointer(), ask());
    if DISTANCE.load(Ordering::Relaxed) == 0 {
        DISTANCE.store(verified_distance(pointer, id), Ordering::Relaxed);
    }
    let distance = DISTANCE.load(Ordering::Relaxed);
    let is_stale = distance != 0 && read(pointer.wrapping_add(distance)) != id;
    STALE_ID.store(id, Ordering::Relaxed);
    STALE_POINTER.store(if is_stale { pointer } else { 0 }, Ordering::Relaxed);
}

/// The distance of the word that the kernel clears, if it lies in the calling thread's descriptor
/// and holds `id`; otherwise 0.
fn verified_distance(pointer: usize, id: u32) -> usize {
    /// A descriptor is smaller than this, and lies before or behind the thread pointer.
    const DESCRIPTOR_BYTES_MAX: isize = 4096;
    let mut word = 0_usize;
    let arguments = [libc::PR_GET_TID_ADDRESS as usize, &raw mut word as usize];
    // SAFETY: the kernel stores one address.
    let asked = unsafe { call(libc::SYS_prctl, arguments) };
    let distance = word.wrapping_sub(pointer);
    let is_inside = (distance as isize).abs() < DESCRIPTOR_BYTES_MAX;
    let is_word = asked.is_ok() && word != 0 && word.is_multiple_of(4) && is_inside && pointer != 0;
    if is_word && read(word) == id { distance } else { 0 }
}

/// The calling thread's id.
pub(crate) fn thread_id() -> u32 {
    let life = Life::of_this_thread();
    if life.word != 0 && STALE_POINTER.load(Ordering::Relaxed) == thread_local::pointer() {
        return STALE_ID.load(Ordering::Relaxed);
    }
    life.id
}

/// A record of a thread, from which another thread can tell whether it has ended.
#[derive(Clone, Copy)]
pub(crate) struct Life {
    /// Address of the word that holds `id` while the thread lives; 0 if unknown.
    word: usize,
    /// The value of the word, or the thread's id; 0 for no thread.
    id: u32,
}

impl Life {
    /// Stands for no thread and never counts as ended.
    pub(crate) const NONE: Self = Self { word: 0, id: 0 };

    /// The calling thread.
    pub(crate) fn of_this_thread() -> Self {
        match DISTANCE.load(Ordering::Relaxed) {
            0 => Self { word: 0, id: ask() },
            distance => {
                let word = thread_local::pointer().wrapping_add(distance);
                Self { word, id: read(word) }
            }
        }
    }

    /// Whether the thread has ended. Never true for a thread that lives.
    pub(crate) fn has_ended(&self) -> bool {
        match (self.word, self.id) {
            (_, 0) => false,
            (0, id) => is_unknown(id),
            (word, id) => !holds(word, id),
        }
    }
}

/// Whether the system knows no thread with the id `id`, in any process: a new task may share this
/// memory.
fn is_unknown(id: u32) -> bool {
    // SAFETY: signal 0 only asks.
    let asked = unsafe { call(libc::SYS_tkill, [id as usize, 0]) };
    asked == Err(Errno(libc::ESRCH))
}

/// Whether a word of another thread holds `value`. The thread's descriptor may have been unmapped,
/// so the kernel reads the word: `FUTEX_CMP_REQUEUE` compares it before it moves sleepers, and is
/// asked to move none.
fn holds(word: usize, value: u32) -> bool {
    let target = AtomicU32::new(0);
    let operation = (libc::FUTEX_CMP_REQUEUE | libc::FUTEX_PRIVATE_FLAG) as usize;
    let (wake, requeue) = (0, 0);
    let arguments = [word, operation, wake, requeue, target.as_ptr() as usize, value as usize];
    // SAFETY: the kernel reads the word if it is mapped, and changes nothing.
    let answer = unsafe { call(libc::SYS_futex, arguments) };
    // Unmapped (`EFAULT`) or changed (`EAGAIN`): it does not. Every other answer proves nothing.
    !matches!(answer, Err(Errno(libc::EFAULT | libc::EAGAIN)))
}

#[cfg(test)]
mod tests;
