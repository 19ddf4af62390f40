//! System calls through libc, for processor architectures that have no assembly here.
//!
//! # Safety
//! libc's function passes its arguments to the kernel unchanged.
#![allow(unsafe_code)]

use crate::os::errno::{self, ErrnoGuard};

/// Makes a system call and reassembles the kernel's answer from libc's result and `errno`.
///
/// # Safety
/// As for the system call `number`.
pub(super) unsafe fn call(number: usize, arguments: [usize; 6]) -> usize {
    let _errno = ErrnoGuard::new();
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let number = number as libc::c_long;
    // SAFETY: the caller's duty.
    let answer = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if answer == -1 { (errno::get() as usize).wrapping_neg() } else { answer as usize }
}
