//! The only kind of lock, and values behind it.
//!
//! A lock's word names its holder. So a new child process can tell the locks that its only thread
//! holds, because a signal handler forked in the middle of a slow path, from the locks of threads
//! that do not exist in the child. [`Lock::release_abandoned`] frees the latter, so no thread waits
//! for them.
//!
//! A thread that needs a lock that it already holds has interrupted itself: its signal handler
//! allocates, or has jumped out of a slow path (`longjmp`). The data behind the lock may be half
//! changed, and whether the interrupted path will ever go on is unknown. Waiting could last for
//! ever, so after a second the process ends, with a line that says why.
//!
//! # Orderings
//! [`Lock`]: taking it is an Acquire that pairs with the Release of giving it back, and publishes
//! what the last holder wrote.
//!
//! # Safety
//! [`Locked`] gives access to its value only through a guard that holds the lock.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use crate::hook::Hook;
use crate::os::{clock, futex, message, process, thread_local};
use crate::sync::{AtomicU32, Ordering};

/// How long a thread waits for a lock that it seems to hold itself.
const PATIENCE_NS: u64 = 1_000_000_000;

/// Ends the process, which would wait for itself.
#[cold]
#[inline(never)]
fn fail() -> ! {
    message::print(format_args!(
        "a signal handler has interrupted the allocator and called it, or jumped out of it; the \
         process cannot go on"
    ));
    process::abort()
}

/// A lock of one word. A thread that has waited a little sleeps in the kernel.
///
/// The word is 0 if the lock is free, otherwise the holder's number, which is even, with
/// [`SLEEPERS`] set if a thread sleeps. (U. Drepper, "Futexes Are Tricky", mutex 2, whose word does
/// not name the holder.)
pub(crate) struct Lock(AtomicU32);

const SPINS: u32 = 100;
/// Set in a lock's word if a thread sleeps until it is free.
const SLEEPERS: u32 = 1;

/// The function that a thread calls before it waits for a lock. In a child process that has not
/// noticed yet that it is one, the function releases the locks of the parent's threads.
static ON_STALL: Hook<fn()> = Hook::none();

/// Sets the function that a thread calls before it waits for a lock.
pub(crate) fn on_stall(act: fn()) {
    ON_STALL.set(act);
}

/// The calling thread's number, even and not 0: the page that its thread pointer points to. No two
/// threads share a page, although those of the main thread and of the first thread that it starts
/// may be adjacent. The numbers of two threads are equal if their pages are a multiple of 4 TiB
/// apart; a child may then wait for a thread that does not exist.
#[inline(always)]
pub(crate) fn holder() -> u32 {
    number_of(thread_local::pointer())
}

#[inline(always)]
fn number_of(pointer: usize) -> u32 {
    const PAGE_SHIFT: u32 = 12;
    const NOT_ZERO: u32 = 1 << 31;
    (pointer >> (PAGE_SHIFT - 1)) as u32 & !SLEEPERS | NOT_ZERO
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Waits until the lock is free and takes it.
    pub(crate) fn take(&self) {
        if !self.try_take() {
            self.take_slow();
        }
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_take(&self) -> bool {
        // Acquire: pairs with `give`, and publishes the last holder's writes.
        self.0.compare_exchange(0, holder(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn take_slow(&self) {
        #[cfg(test)]
        tests::WAITS.fetch_add(1, Ordering::Relaxed);
        if let Some(act) = ON_STALL.get() {
            act();
        }
        if self.is_mine() {
            self.wait_for_oneself();
        }
        for _ in 0..SPINS {
            if self.0.load(Ordering::Relaxed) == 0 && self.try_take() {
                return;
            }
            core::hint::spin_loop();
        }
        loop {
            let word = self.0.load(Ordering::Relaxed);
            // A thread that may have slept does not know whether others still sleep.
            let wanted = if word == 0 { holder() | SLEEPERS } else { word | SLEEPERS };
            // Acquire: as in `try_take`.
            let changed =
                self.0.compare_exchange(word, wanted, Ordering::Acquire, Ordering::Relaxed);
            match changed {
                Ok(0) => return,
                Ok(_) => futex::wait(&self.0, wanted),
                Err(_) => {}
            }
        }
    }

    /// Waits for a lock whose word has the calling thread's number, and ends the process if that
    /// takes too long. The wait may succeed: a program may switch contexts in a signal handler, or
    /// have threads whose numbers are equal.
    #[cold]
    #[inline(never)]
    fn wait_for_oneself(&self) {
        let begun_ns = clock::monotonic_ns();
        while self.is_mine() {
            if clock::monotonic_ns().saturating_sub(begun_ns) >= PATIENCE_NS {
                fail();
            }
            core::hint::spin_loop();
        }
    }

    /// Frees the lock.
    pub(crate) fn give(&self) {
        // Release: pairs with the Acquires above, and publishes this holder's writes.
        if self.0.swap(0, Ordering::Release) & SLEEPERS != 0 {
            futex::wake_one(&self.0);
        }
    }

    /// Whether the calling thread holds the lock.
    pub(crate) fn is_mine(&self) -> bool {
        self.0.load(Ordering::Relaxed) & !SLEEPERS == holder()
    }

    /// If the calling thread holds the lock, makes another thread its holder.
    #[cfg(test)]
    pub(crate) fn leave_to_nobody(&self) {
        if self.is_mine() {
            self.0.store(holder() ^ 4, Ordering::Relaxed);
        }
    }

    /// Frees the lock if another thread holds it; returns whether one did. Only correct in a new
    /// child process, in which no other thread exists.
    pub(crate) fn release_abandoned(&self) -> bool {
        let is_abandoned = !self.is_mine() && self.0.load(Ordering::Relaxed) != 0;
        if is_abandoned {
            self.0.store(0, Ordering::Relaxed);
        }
        is_abandoned
    }
}

/// A value behind a [`Lock`].
pub(crate) struct Locked<T> {
    pub(crate) lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: only the lock's holder reaches the value, one thread at a time, and the value may be
// handed from thread to thread.
unsafe impl<T: Send> Sync for Locked<T> {}

impl<T> Locked<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { lock: Lock::new(), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock; the guard gives it back.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.lock.take();
        Guard(self)
    }

    /// The value, for a caller that has taken the lock without a guard, as around a fork.
    ///
    /// # Safety
    /// The calling thread holds the lock, and no other reference to the value exists.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn held(&self) -> &mut T {
        // SAFETY: the caller holds the lock, and has no other reference to the value.
        unsafe { &mut *self.value.get() }
    }

    /// A guard if the lock is free.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.lock.try_take().then(|| Guard(self))
    }
}

/// Access to the value while the lock is held.
pub(crate) struct Guard<'a, T>(&'a Locked<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock and is borrowed exclusively.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.0.lock.give();
    }
}

#[cfg(test)]
pub(crate) mod tests;
