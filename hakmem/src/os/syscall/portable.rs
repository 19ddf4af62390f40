//! System calls through libc, for Miri and for machines without code of their own here.
//!
//! # Safety
//! libc's function passes what it is given to the kernel.
#![allow(unsafe_code)]

use crate::os::process;

/// The kernel's answer, put together again from libc's result and `errno`.
///
/// # Safety
/// As the call that it makes.
pub(super) unsafe fn call(number: usize, arguments: [usize; 6]) -> usize {
    let _errno = process::ErrnoGuard::new();
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let number = number as libc::c_long;
    // SAFETY: the caller's duty.
    let answer = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if answer == -1 { (process::errno() as usize).wrapping_neg() } else { answer as usize }
}
