//! The one kind of lock, and values behind it.
//!
//! # Orderings
//! [`Lock`]: taking it is an Acquire that pairs with the Release of giving it back, and publishes
//! what the last holder wrote.
//!
//! # Safety
//! [`Locked`] gives out its content only through a guard that holds the lock.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use crate::os::futex;
use crate::sync::{AtomicU32, Ordering};

/// A lock of one word that sleeps in the kernel when it has waited a little.
///
/// 0: free, 1: taken, 2: taken and somebody sleeps. (U. Drepper, "Futexes Are Tricky", mutex 2.)
/// It can be forced free after a fork, when its holder does not exist any more.
pub(crate) struct Lock(AtomicU32);

const SPINS: u32 = 100;

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
        self.0.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn take_slow(&self) {
        for _ in 0..SPINS {
            if self.0.load(Ordering::Relaxed) == 0 && self.try_take() {
                return;
            }
            core::hint::spin_loop();
        }
        // Acquire: as in `try_take`; 2 because others may sleep too.
        while self.0.swap(2, Ordering::Acquire) != 0 {
            futex::wait(&self.0, 2);
        }
    }

    /// Gives the lock back.
    pub(crate) fn give(&self) {
        // Release: pairs with the Acquires above, publishes this holder's writes.
        if self.0.swap(0, Ordering::Release) == 2 {
            futex::wake_one(&self.0);
        }
    }

    /// Whether somebody holds the lock.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Makes the lock free whoever held it: only right in a new child process, where the calling
    /// thread is the only one.
    pub(crate) fn force_free(&self) {
        self.0.store(0, Ordering::Relaxed);
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
mod tests;
