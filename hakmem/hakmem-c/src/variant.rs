//! What differs between `libhakmem` and the preload library.
//!
//! # Safety
//! The words in assembly hold the addresses of functions of the C++ ABI, or null.
#![allow(unsafe_code)]

use core::mem;

use hakmem::entry::{self, CxxRuntime};

/// Counts reallocations, for which programs can ask.
pub(crate) use hakmem::entry::realloc_counted as realloc;

core::arch::global_asm!(
    ".weak _ZSt15get_new_handlerv",
    ".weak _ZSt17__throw_bad_allocv",
    ".pushsection .data.rel.ro.hakmem_cxx_runtime, \"aw\", %progbits",
    ".p2align 3",
    ".globl hakmem_cxx_runtime",
    ".hidden hakmem_cxx_runtime",
    "hakmem_cxx_runtime:",
    ".quad _ZSt15get_new_handlerv",
    ".quad _ZSt17__throw_bad_allocv",
    ".popsection",
);

unsafe extern "C" {
    /// Addresses of `std::get_new_handler` and of `std::__throw_bad_alloc`. The linker fills them
    /// in, if a program has the functions.
    static hakmem_cxx_runtime: [usize; 2];
}

/// The C++ runtime that this library is linked with.
pub(crate) fn cxx_runtime() -> Option<CxxRuntime> {
    // SAFETY: the words above.
    let [handler, throw] = unsafe { (&raw const hakmem_cxx_runtime).read_volatile() };
    if throw == 0 {
        return None;
    }
    let new_handler = (handler != 0).then(|| {
        // SAFETY: the function of that name has this type.
        unsafe {
            mem::transmute::<usize, extern "C" fn() -> Option<extern "C-unwind" fn()>>(handler)
        }
    });
    // SAFETY: the function of that name takes nothing, and never returns.
    let throw = unsafe { mem::transmute::<usize, extern "C-unwind" fn() -> *mut u8>(throw) };
    Some(CxxRuntime { new_handler, throw })
}

/// Whether this library serves the program's `malloc`, and no other one in front of it.
pub(crate) fn is_serving() -> bool {
    // The address that the loader finds for the name, which need not be that of the function here.
    entry::is_own(libc::malloc as *const () as usize)
}

/// Starts the allocator, if it serves the program, and warns a program with malloc hooks that they
/// are never called.
pub(crate) fn start() {
    if is_serving() {
        entry::start();
        entry::tell_of_hooks();
    }
}
