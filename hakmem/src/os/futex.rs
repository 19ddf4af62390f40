//! Waiting for a word to change.
//!
//! # Safety
//! The word outlives the call because it is borrowed.
#![allow(unsafe_code)]

use core::ptr;

/// Sleeps while `*word == expected`, or returns at once; may return for no reason.
pub(crate) fn wait(word: &crate::sync::AtomicU32, expected: u32) {
    let flags = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    let (at, no_timeout) = (word.as_ptr(), ptr::null::<libc::timespec>());
    // SAFETY: the kernel only reads the borrowed word.
    unsafe { libc::syscall(libc::SYS_futex, at, flags, expected, no_timeout) };
}

/// Wakes one sleeper.
pub(crate) fn wake_one(word: &crate::sync::AtomicU32) {
    let flags = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel uses the address as a name only.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), flags, 1) };
}
