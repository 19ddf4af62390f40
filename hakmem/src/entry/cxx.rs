//! What C++ wants when memory runs out.
//!
//! # Safety
//! The symbols are libstdc++'s, with the types that its ABI gives them.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_void};
use core::ptr;

use crate::os::{message, process};

/// Calls the program's new-handler; false if it has none or no C++ library.
pub fn call_cxx_new_handler() -> bool {
    // std::get_new_handler()
    let get = process::symbol(c"_ZSt15get_new_handlerv");
    if get.is_null() {
        return false;
    }
    // SAFETY: the function of that name takes nothing and returns the handler or null.
    let get: extern "C" fn() -> Option<extern "C-unwind" fn()> =
        unsafe { core::mem::transmute::<*mut c_void, _>(get) };
    match get() {
        Some(handler) => {
            handler();
            true
        }
        None => false,
    }
}

/// Throws `std::bad_alloc`, or aborts where there is no C++ library.
pub fn throw_cxx_bad_alloc() -> ! {
    // std::__throw_bad_alloc()
    let throw = process::symbol(c"_ZSt17__throw_bad_allocv");
    if throw.is_null() {
        message::print(format_args!("out of memory in operator new, and no C++ library to say so"));
        process::abort();
    }
    // SAFETY: the function of that name takes nothing and does not return.
    let throw: extern "C-unwind" fn() -> ! =
        unsafe { core::mem::transmute::<*mut c_void, _>(throw) };
    throw()
}

/// What libstdc++'s form of `operator new` without exceptions makes of a request that failed: it
/// asks the form that throws, which is this library's and knows the new-handler, and turns what
/// that throws into null. `name` is the form's mangled name, `nothrow` its last argument.
pub fn retry_cxx_nothrow(
    name: &CStr,
    size: usize,
    alignment: Option<usize>,
    nothrow: *const c_void,
) -> *mut u8 {
    let form = process::symbol_of(c"libstdc++.so.6", name);
    if form.is_null() {
        return ptr::null_mut();
    }
    match alignment {
        None => {
            // SAFETY: the function of that name has this type.
            let form: extern "C" fn(usize, *const c_void) -> *mut u8 =
                unsafe { core::mem::transmute::<*mut c_void, _>(form) };
            form(size, nothrow)
        }
        Some(alignment) => {
            // SAFETY: as above.
            let form: extern "C" fn(usize, usize, *const c_void) -> *mut u8 =
                unsafe { core::mem::transmute::<*mut c_void, _>(form) };
            form(size, alignment, nothrow)
        }
    }
}
