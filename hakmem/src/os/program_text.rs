//! What a C program may define for this library: `const char *hakmem_settings`.
//!
//! # Safety
//! The word in assembly holds the address of the program's variable, or null; the variable is a C
//! string or null.
#![allow(unsafe_code)]

#[cfg(not(miri))]
core::arch::global_asm!(
    ".weak hakmem_settings",
    ".pushsection .data.rel.ro.hakmem_settings_at, \"aw\", %progbits",
    ".p2align 3",
    ".globl hakmem_settings_at",
    ".hidden hakmem_settings_at",
    "hakmem_settings_at:",
    ".quad hakmem_settings",
    ".popsection",
);

/// The settings that the program gives itself as text; empty if it gives none.
#[cfg(not(miri))]
pub(crate) fn settings() -> &'static [u8] {
    use core::ffi::{CStr, c_char};
    use core::ptr;

    unsafe extern "C" {
        /// Address of the program's variable. The linker or the loader fills it in.
        static hakmem_settings_at: *const *const c_char;
    }
    // SAFETY: the word above.
    let at = unsafe { (&raw const hakmem_settings_at).read_volatile() };
    // SAFETY: null, or the program's variable.
    let text = unsafe { at.as_ref() }.copied().unwrap_or(ptr::null());
    if text.is_null() {
        return &[];
    }
    // SAFETY: the program's string, which is a constant.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

/// Nothing: Miri links no C program.
#[cfg(miri)]
pub(crate) fn settings() -> &'static [u8] {
    &[]
}
