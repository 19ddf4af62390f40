//! `dlopen` and `dlmopen`, in front of the C library's.
//!
//! A library that is loaded with `RTLD_DEEPBIND` finds the C library before this one, which comes
//! first for all others. It allocates with the C library, and the other allocator frees the blocks
//! that it passes to the program or receives from it. PHP loads its extensions in this way, and
//! dies at its start. So the flag is removed; the price is that the library no longer prefers its
//! own symbols to those of the program.
//!
//! A library in another namespace has a C library of its own, and nothing in front of it. Its
//! program asked for that; it is noted, because pointers that cross are foreign.
//!
//! The loader looks at the return address to find its caller, on which it depends where the library
//! is searched and in which namespace. So both functions end with a jump that leaves the caller's
//! return address in place, and cannot be written in Rust.
//!
//! # Safety
//! The jumps lead to functions of the same names and types, and pass on all arguments but the flags
//! unchanged.
#![allow(unsafe_code, clippy::missing_safety_doc)]
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use hakmem::entry;

/// The next function of this name, to which the jump leads.
static DLOPEN: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static DLMOPEN: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// `RTLD_DEEPBIND`. A C library that does not know the bit ignores it.
const DEEPBIND: c_int = 8;
/// glibc's `LM_ID_BASE`: the namespace of the program.
const PROGRAM: c_long = 0;

/// The flags to pass on to the next `dlopen`.
extern "C" fn flags_of_dlopen(_name: *const c_char, flags: c_int) -> c_int {
    find(&DLOPEN, c"dlopen");
    flags & !DEEPBIND
}

/// The flags to pass on to the next `dlmopen`.
extern "C" fn flags_of_dlmopen(namespace: c_long, _name: *const c_char, flags: c_int) -> c_int {
    find(&DLMOPEN, c"dlmopen");
    if namespace == PROGRAM {
        return flags & !DEEPBIND;
    }
    entry::note_namespace();
    flags
}

/// Finds the function that a jump leads to.
fn find(function: &AtomicPtr<c_void>, name: &CStr) {
    if !function.load(Ordering::Relaxed).is_null() {
        return;
    }
    // SAFETY: `name` is a C string.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    let next = if next.is_null() { unavailable as *mut c_void } else { next };
    function.store(next, Ordering::Relaxed);
}

/// Stands in for the function where the C library has none.
extern "C" fn unavailable() -> *mut c_void {
    ptr::null_mut()
}

/// `dlopen(3)`.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void {
    core::arch::naked_asm!(
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "call {flags}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "mov esi, eax",
        "jmp qword ptr [rip + {next}]",
        flags = sym flags_of_dlopen,
        next = sym DLOPEN,
    )
}

/// `dlmopen(3)`.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlmopen(
    namespace: c_long,
    name: *const c_char,
    flags: c_int,
) -> *mut c_void {
    core::arch::naked_asm!(
        "push rdi",
        "push rsi",
        "push rdx",
        "call {flags}",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "mov edx, eax",
        "jmp qword ptr [rip + {next}]",
        flags = sym flags_of_dlmopen,
        next = sym DLMOPEN,
    )
}

/// `dlopen(3)`.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void {
    core::arch::naked_asm!(
        "stp x29, x30, [sp, -32]!",
        "mov x29, sp",
        "str x0, [sp, 16]",
        "bl {flags}",
        "mov w1, w0",
        "ldr x0, [sp, 16]",
        "ldp x29, x30, [sp], 32",
        "adrp x16, {next}",
        "ldr x16, [x16, :lo12:{next}]",
        "br x16",
        flags = sym flags_of_dlopen,
        next = sym DLOPEN,
    )
}

/// `dlmopen(3)`.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlmopen(
    namespace: c_long,
    name: *const c_char,
    flags: c_int,
) -> *mut c_void {
    core::arch::naked_asm!(
        "stp x29, x30, [sp, -32]!",
        "mov x29, sp",
        "stp x0, x1, [sp, 16]",
        "bl {flags}",
        "mov w2, w0",
        "ldp x0, x1, [sp, 16]",
        "ldp x29, x30, [sp], 32",
        "adrp x16, {next}",
        "ldr x16, [x16, :lo12:{next}]",
        "br x16",
        flags = sym flags_of_dlmopen,
        next = sym DLMOPEN,
    )
}
