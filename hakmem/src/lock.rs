//! The one kind of lock, and values behind it.
//!
//! A lock's word names its holder, so that a new child process can tell the locks that its only
//! thread holds, because a signal handler forked in the middle of a slow path, from those of threads
//! that do not exist there. Nobody waits for the latter: [`Lock::release_abandoned`].
//!
//! A thread that comes for a lock that it holds has interrupted itself: its signal handler allocates, or
//! has jumped out of a slow path (`longjmp`). What the lock guards may be half changed, and nobody can
//! tell whether the interrupted path will go on with it. To wait would be for ever, so after a second the
//! process ends, with a line that says why.
//!
//! # Orderings
//! [`Lock`]: taking it is an Acquire that pairs with the Release of giving it back, and publishes
//! what the last holder wrote. `ON_STALL` is stored before the first thread is started.
//!
//! # Safety
//! [`Locked`] gives out its content only through a guard that holds the lock.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

use crate::os::{clock, futex, message, process, thread_local};
use crate::sync::{AtomicPtr, AtomicU32, Ordering};

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

/// A lock of one word that sleeps in the kernel when it has waited a little.
///
/// 0: free; otherwise the holder's number, which is even, and [`SLEEPERS`] if somebody sleeps.
/// (U. Drepper, "Futexes Are Tricky", mutex 2, whose word does not name the holder.)
pub(crate) struct Lock(AtomicU32);

const SPINS: u32 = 100;
/// Set in the word of a lock for which somebody sleeps.
const SLEEPERS: u32 = 1;

/// What a thread does before it waits for a lock: a `fn()`, or null. In a child process that nobody
/// has told so, it releases what threads of the parent hold.
static ON_STALL: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets what a thread does before it waits for a lock.
pub(crate) fn on_stall(act: fn()) {
    ON_STALL.store(act as *mut (), Ordering::Relaxed);
}

/// The calling thread's number, even and not 0: the page that its thread pointer points to. No two
/// threads share one, but those of the main thread and of the first that it starts may lie side by
/// side. Two numbers are equal where pages are a multiple of 4 TiB apart, and then a child may wait for
/// a thread that does not exist.
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
        // Acquire: pairs with `give`, publishes the last holder's writes.
        self.0.compare_exchange(0, holder(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn take_slow(&self) {
        #[cfg(test)]
        tests::WAITS.fetch_add(1, Ordering::Relaxed);
        if let Some(act) = NonNull::new(ON_STALL.load(Ordering::Relaxed)) {
            // SAFETY: `on_stall` stored a `fn()`.
            let act = unsafe { mem::transmute::<*mut (), fn()>(act.as_ptr()) };
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
            // Who may have slept does not know whether others still do.
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

    /// Waits for a lock that the calling thread holds by its number, and ends the process if that lasts:
    /// a program may switch contexts in a signal handler, or have threads whose numbers are equal.
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

    /// Gives the lock back.
    pub(crate) fn give(&self) {
        // Release: pairs with the Acquires above, publishes this holder's writes.
        if self.0.swap(0, Ordering::Release) & SLEEPERS != 0 {
            futex::wake_one(&self.0);
        }
    }

    /// Whether the calling thread holds the lock.
    pub(crate) fn is_mine(&self) -> bool {
        self.0.load(Ordering::Relaxed) & !SLEEPERS == holder()
    }

    /// Makes the lock, if the calling thread holds it, one that another thread holds.
    #[cfg(test)]
    pub(crate) fn leave_to_nobody(&self) {
        if self.is_mine() {
            self.0.store(holder() ^ 4, Ordering::Relaxed);
        }
    }

    /// Makes the lock free if another thread holds it; whether one did. Only right in a new child
    /// process, where no other thread exists.
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

// SAFETY: the value is reached by the lock's holder only, one thread at a time, and may be handed
// from thread to thread.
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

    /// The value, for whoever has taken the lock without a guard, as around a fork.
    ///
    /// # Safety
    /// The calling thread holds the lock, and no other reference to the value exists.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn held(&self) -> &mut T {
        // SAFETY: the caller's duty.
        unsafe { &mut *self.value.get() }
    }

    /// The guard if the lock is free.
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
