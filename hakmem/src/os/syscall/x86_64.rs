//! The instruction `syscall`: the number and the answer in `rax`; `rcx` and `r11` are lost.
//!
//! # Safety
//! The kernel preserves all other registers.
#![allow(unsafe_code)]

/// The kernel's answer.
///
/// # Safety
/// As the call that it makes.
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
