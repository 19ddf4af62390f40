//! The failure of `operator new`: C++ demands that it call the program's new-handler and then
//! throw.
//!
//! Handler and exception belong to a C++ library, and a process may have several: a plugin may load
//! one that no other code sees, or contain one. The library asked is that of the code that called
//! `operator new`. It exports the same forms of `operator new` as hakmem does; each calls `malloc`
//! once more and then does all that C++ demands.
//!
//! # Safety
//! The symbols are those of `operator new`, with the types that the C++ ABI gives them.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_void};
use core::{mem, ptr};

use super::REQUEST_MAX;
use crate::os::errno::ErrnoGuard;
use crate::os::{loader, message, process};

/// C++ libraries that a program may have loaded where only a plugin sees them.
const LIBRARIES: [&CStr; 2] = [c"libstdc++.so.6", c"libc++.so.1"];

/// The C++ library's form of `operator new` with the mangled name `name`; null if there is no such
/// library.
fn form(name: &CStr) -> *mut c_void {
    let _errno = ErrnoGuard::new();
    let found = loader::symbol_for(loader::caller(), name, &LIBRARIES);
    found.map_or(ptr::null_mut(), ptr::NonNull::as_ptr)
}

/// A form of `operator new` and the request that it failed to serve.
#[derive(Clone, Copy, Debug)]
pub struct FailedNew<'a> {
    /// Mangled name of the form.
    pub name: &'a CStr,
    /// Mangled name of the form without an alignment; equal to `name` for such a form.
    pub plain: &'a CStr,
    /// Bytes that were requested.
    pub size: usize,
    /// The alignment, if the form takes one.
    pub alignment: Option<usize>,
}

impl FailedNew<'_> {
    /// The request as it is passed to the C++ library.
    ///
    /// Forms with an alignment round the size up to a multiple of it. In libstdc++ 12 the largest
    /// sizes overflow to 0 there, and the program gets a block that is too small. So a request that
    /// can never be served goes to the form without an alignment.
    fn to_be_asked(self) -> Self {
        match self.alignment {
            Some(alignment)
                if self.size.checked_add(alignment).is_none_or(|sum| sum > REQUEST_MAX) =>
            {
                let size = self.size.max(REQUEST_MAX + 1);
                Self { name: self.plain, plain: self.plain, size, alignment: None }
            }
            _ => self,
        }
    }
}

/// The parts of a C++ runtime that is linked with this allocator and has no form of `operator new`,
/// because this allocator has them all: that of a static program.
#[derive(Clone, Copy, Debug)]
pub struct CxxRuntime {
    /// `std::get_new_handler`, if it is linked.
    pub new_handler: Option<extern "C" fn() -> Option<extern "C-unwind" fn()>>,
    /// The function that throws `std::bad_alloc`.
    pub throw: extern "C-unwind" fn() -> *mut u8,
}

impl CxxRuntime {
    /// Does what C++ demands of `operator new`.
    fn retry(self, failed: FailedNew<'_>) -> *mut u8 {
        while let Some(handler) = self.new_handler.and_then(|handler| handler()) {
            handler();
            let block = match failed.alignment {
                None => super::malloc(failed.size),
                Some(alignment) => super::aligned_alloc(alignment, failed.size),
            };
            if !block.is_null() {
                return block;
            }
        }
        (self.throw)()
    }
}

/// Lets the C++ library handle a failed request: it calls the new-handler as long as there is one,
/// and throws. Aborts if there is neither a C++ library nor a `linked` runtime.
#[must_use]
pub fn retry_cxx_new(failed: FailedNew<'_>, linked: Option<CxxRuntime>) -> *mut u8 {
    let failed = failed.to_be_asked();
    let form = form(failed.name);
    if form.is_null() {
        if let Some(runtime) = linked {
            return runtime.retry(failed);
        }
        message::print(format_args!(
            "out of memory in operator new, and no C++ library to throw std::bad_alloc"
        ));
        process::abort();
    }
    match failed.alignment {
        None => {
            // SAFETY: the function of that name has this type.
            let form: extern "C-unwind" fn(usize) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(failed.size)
        }
        Some(alignment) => {
            // SAFETY: the function of that name has this type.
            let form: extern "C-unwind" fn(usize, usize) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(failed.size, alignment)
        }
    }
}

/// [`retry_cxx_new`] for the forms that do not throw: returns null instead, also if there is no C++
/// library. `nothrow` is the form's last argument.
#[must_use]
pub fn retry_cxx_nothrow(failed: FailedNew<'_>, nothrow: *const c_void) -> *mut u8 {
    let failed = failed.to_be_asked();
    let form = form(failed.name);
    if form.is_null() {
        return ptr::null_mut();
    }
    match failed.alignment {
        None => {
            // SAFETY: the function of that name has this type.
            let form: extern "C" fn(usize, *const c_void) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(failed.size, nothrow)
        }
        Some(alignment) => {
            // SAFETY: the function of that name has this type.
            let form: extern "C" fn(usize, usize, *const c_void) -> *mut u8 =
                unsafe { mem::transmute::<*mut c_void, _>(form) };
            form(failed.size, alignment, nothrow)
        }
    }
}
