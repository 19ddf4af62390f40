//! System calls, made without libc.
//!
//! A libc function may be wrapped by another preloaded library that allocates in its wrapper
//! (libfaketime, fakeroot, torsocks), may be a cancellation point, or may take a lock of libc. Each
//! of these stops the program when it happens below `malloc`, so the allocator calls the kernel
//! directly. A failure is a value here, and `errno` stays as the program left it.
//!
//! # Safety
//! Pointers are passed as addresses; each caller states why the kernel may use them.
#![allow(unsafe_code)]

#[cfg(all(target_arch = "aarch64", not(miri)))]
#[path = "syscall/aarch64.rs"]
mod machine;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", miri)))]
#[path = "syscall/portable.rs"]
mod machine;
#[cfg(miri)]
#[path = "syscall/simulated.rs"]
mod machine;
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[path = "syscall/x86_64.rs"]
mod machine;

/// Why the kernel refused a call: one of libc's `E` constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

/// How often a call that a signal or another thread may interrupt is tried.
const ATTEMPTS: u32 = 64;

/// Makes the system call `number`, one of libc's `SYS_` constants.
///
/// # Safety
/// The caller allows the kernel to do what this call means, to memory and to the process.
#[inline]
pub(crate) unsafe fn call<const N: usize>(
    number: libc::c_long,
    arguments: [usize; N],
) -> Result<usize, Errno> {
    const { assert!(N <= 6, "the kernel takes six arguments") };
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    // SAFETY: the caller's duty.
    outcome(unsafe { machine::call(number as usize, all) })
}

/// Repeats [`call`] while a signal interrupts it, up to [`ATTEMPTS`] times.
///
/// # Safety
/// As for [`call`].
pub(crate) unsafe fn call_until_done<const N: usize>(
    number: libc::c_long,
    arguments: [usize; N],
) -> Result<usize, Errno> {
    for _ in 1..ATTEMPTS {
        // SAFETY: the caller's duty.
        let result = unsafe { call(number, arguments) };
        if result != Err(Errno(libc::EINTR)) {
            return result;
        }
    }
    // SAFETY: the caller's duty.
    unsafe { call(number, arguments) }
}

/// Decodes the kernel's answer: the last 4095 values are negated error numbers.
#[inline]
fn outcome(answer: usize) -> Result<usize, Errno> {
    const ERRORS: usize = 4095;
    let negated = answer.wrapping_neg();
    if negated.wrapping_sub(1) < ERRORS { Err(Errno(negated as i32)) } else { Ok(answer) }
}

#[cfg(test)]
mod tests;
