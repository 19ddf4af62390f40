//! Start and end of the process.
//!
//! # Safety
//! The constructor has the type that the dynamic loader calls.
#![allow(unsafe_code)]

use core::ffi::c_int;

use hakmem::entry;

/// Registers the hooks for fork, exit and thread exit once libc is up, which it is when
/// constructors run; then looks whether the program has hooks of its own that nobody calls.
extern "C" fn construct() {
    entry::start();
    entry::tell_of_hooks();
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

/// `_exit(2)`: a normal end, but one that runs no hooks.
#[unsafe(no_mangle)]
pub extern "C" fn _exit(code: c_int) -> ! {
    entry::exit_process(code)
}

/// `_Exit(3)`.
#[unsafe(no_mangle)]
pub extern "C" fn _Exit(code: c_int) -> ! {
    entry::exit_process(code)
}
