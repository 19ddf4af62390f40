//! The instruction `syscall`: it takes the number and returns the answer in `rax`, and overwrites
//! `rcx` and `r11`.
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
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            in("r8") fifth,
            in("r9") sixth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, preserves_flags)
        );
    }
    answer
}
