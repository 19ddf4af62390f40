//! The calling thread's `errno`, which the program must not see changed by a call that succeeds.
//!
//! # Safety
//! libc's location of `errno` is valid for the calling thread.
#![allow(unsafe_code)]

use core::ffi::c_int;

/// Restores `errno` when dropped.
pub(crate) struct ErrnoGuard(c_int);

/// The calling thread's `errno`.
pub(crate) fn get() -> c_int {
    // SAFETY: no precondition.
    let location = unsafe { libc::__errno_location() };
    // SAFETY: libc's location is valid for the calling thread.
    unsafe { *location }
}

/// Sets the calling thread's `errno`.
pub(crate) fn set(value: c_int) {
    // SAFETY: no precondition.
    let location = unsafe { libc::__errno_location() };
    // SAFETY: libc's location is valid for the calling thread.
    unsafe { *location = value };
}

impl ErrnoGuard {
    /// Remembers `errno`.
    pub(crate) fn new() -> Self {
        Self(get())
    }
}

impl Drop for ErrnoGuard {
    fn drop(&mut self) {
        set(self.0);
    }
}
