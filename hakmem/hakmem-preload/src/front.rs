//! Answers for a `libhakmem.so` that the program is linked with.
//!
//! This library comes before it, so this library serves the program, and that one does not start.
//! What the program asks `libhakmem.so` is answered from here.
//!
//! # Safety
//! The word in assembly holds the address of a variable of `libhakmem.so`, or null.
#![allow(unsafe_code)]

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::answers::{ANSWERS, Answers};

core::arch::global_asm!(
    ".weak hakmem_in_front",
    ".pushsection .data.rel.ro.hakmem_in_front_at, \"aw\", %progbits",
    ".p2align 3",
    ".globl hakmem_in_front_at",
    ".hidden hakmem_in_front_at",
    "hakmem_in_front_at:",
    ".quad hakmem_in_front",
    ".popsection",
);

unsafe extern "C" {
    /// Address of the variable in which `libhakmem.so` looks for answers. The loader fills it in.
    static hakmem_in_front_at: *const AtomicPtr<Answers>;
}

/// Offers the answers to `libhakmem.so`, if it is loaded.
pub(crate) fn answer() {
    // SAFETY: the word above.
    let at = unsafe { (&raw const hakmem_in_front_at).read_volatile() };
    // SAFETY: null, or a variable of a library that stays loaded.
    if let Some(variable) = unsafe { at.as_ref() } {
        // Release: pairs with the Acquire in that library.
        variable.store(ptr::from_ref(&ANSWERS).cast_mut(), Ordering::Release);
    }
}
