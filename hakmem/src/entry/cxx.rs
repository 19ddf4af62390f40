//! What C++ wants when memory runs out: the program's new-handler, and then an exception.
//!
//! Both belong to a C++ library, of which a process may have several: a plugin may bring one that
//! nobody else sees, or contain one. The right one is the one of the code that called. It has a form
//! of `operator new` for each of ours, which asks us once more and then does all that is wanted.
//!
//! # Safety
//! The symbols are those of `operator new`, with the types that the C++ ABI gives them.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_void};
use core::{mem, ptr};

use crate::os::{loader, message, process};

/// C++ libraries that a program may have loaded where nobody but a plugin sees it.
const LIBRARIES: [&CStr; 2] = [c"libstdc++.so.6", c"libc++.so.1"];

/// The C++ library's form of `operator new` by its mangled name; null if there is no such library.
fn form(name: &CStr) -> *mut c_void {
    let _errno = process::ErrnoGuard::new();
    let found = loader::symbol_for(loader::caller(), name, &LIBRARIES);
    found.map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
}

/// What the C++ library makes of a request that failed: it calls the new-handler as long as there is
/// one, and throws. `name` is the mangled name of the form that was called. Aborts where there is no
/// C++ library.
pub fn retry_cxx_new(name: &CStr, size: usize, alignment: Option<usize>) -> *mut u8 {
    let form = form(name);
    if form.is_null() {
        message::print(format_args!("out of memory in operator new, and no C++ library to say so"));
        process::abort();
    }
    match alignment {
        None => {
            // SAFETY: the function of that name has this type.
            let form: extern "C-unwind" fn(usize) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(size)
        }
        Some(alignment) => {
            // SAFETY: the function of that name has this type.
            let form: extern "C-unwind" fn(usize, usize) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(size, alignment)
        }
    }
}

/// [`retry_cxx_new`] for the forms without exceptions: null in place of them, and where there is no
/// C++ library. `nothrow` is the form's last argument.
pub fn retry_cxx_nothrow(
    name: &CStr,
    size: usize,
    alignment: Option<usize>,
    nothrow: *const c_void,
) -> *mut u8 {
    let form = form(name);
    if form.is_null() {
        return ptr::null_mut();
    }
    match alignment {
        None => {
            // SAFETY: the function of that name has this type.
            let form: extern "C" fn(usize, *const c_void) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(size, nothrow)
        }
        Some(alignment) => {
            // SAFETY: the function of that name has this type.
            let form: extern "C" fn(usize, usize, *const c_void) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(size, alignment, nothrow)
        }
    }
}
