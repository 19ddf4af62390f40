//! The start and the end of the process.
//!
//! # Safety
//! The constructor has the type that the dynamic loader calls.
#![allow(unsafe_code)]

use core::ffi::c_int;

use hakmem::entry;

use crate::variant;

/// Registers the hooks for fork, exit and thread exit: libc is ready when constructors run.
extern "C" fn construct() {
    variant::start();
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = construct;

/// `_exit(2)`: a normal end, but one that runs no exit handlers.
#[unsafe(no_mangle)]
pub extern "C" fn _exit(code: c_int) -> ! {
    entry::exit_process(code)
}

/// `_Exit(3)`.
#[unsafe(no_mangle)]
pub extern "C" fn _Exit(code: c_int) -> ! {
    entry::exit_process(code)
}
