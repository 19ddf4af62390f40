//! The instruction `svc 0`: it takes the number in `x8` and returns the answer in `x0`.
//!
//! # Safety
//! The kernel preserves all other registers.
#![allow(unsafe_code)]

/// Makes a system call and returns the kernel's answer.
///
/// # Safety
/// As for the system call `number`.
#[inline(always)]
pub(super) unsafe fn call(number: usize, arguments: [usize; 6]) -> usize {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let answer;
    // SAFETY: the caller's duty; the registers are the kernel's convention.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") first => answer,
            in("x1") second,
            in("x2") third,
            in("x3") fourth,
            in("x4") fifth,
            in("x5") sixth,
            options(nostack)
        );
    }
    answer
}
