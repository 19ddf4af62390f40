//! Waits for a word to change, by futex.
//!
//! # Safety
//! The word is borrowed, so it outlives the call.
#![allow(unsafe_code)]

use super::syscall::call;

/// Sleeps while `*word == expected`; returns at once if it differs, and may wake up spuriously.
pub(crate) fn wait(word: &crate::sync::AtomicU32, expected: u32) {
    let operation = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
    let (at, no_timeout) = (word.as_ptr() as usize, 0);
    // SAFETY: the kernel only reads the borrowed word.
    let _ = unsafe { call(libc::SYS_futex, [at, operation, expected as usize, no_timeout]) };
}

/// Wakes one sleeper.
pub(crate) fn wake_one(word: &crate::sync::AtomicU32) {
    let operation = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: the kernel uses the address only as a name.
    let _ = unsafe { call(libc::SYS_futex, [word.as_ptr() as usize, operation, 1]) };
}
