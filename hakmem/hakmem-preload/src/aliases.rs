//! The C library's other names for `malloc` and its family.
//!
//! A program that finds one of these names in the C library mixes two allocators, each of which
//! frees blocks of the other. Old programs call `cfree`, which the C library no longer declares but
//! still exports; wrappers that are older than a reliable `dlsym` call `__libc_malloc` and the
//! like.
//!
//! # Safety
//! Each function's duties are those of the function that it stands for.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use core::ffi::{c_int, c_void};

use crate::{c, reports};

macro_rules! aliases {
    ($($alias:ident = $module:ident::$function:ident(
        $($argument:ident: $type:ty),*
    ) $(-> $result:ty)?;)*) => {$(
        #[doc = concat!("`", stringify!($function), "` by another name.")]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $alias($($argument: $type),*) $(-> $result)? {
            #[allow(unused_unsafe, reason = "some of the functions are safe")]
            // SAFETY: the caller keeps the duties of this function.
            unsafe { $module::$function($($argument),*) }
        }
    )*};
}
aliases! {
    cfree = c::free(pointer: *mut c_void);
    __libc_malloc = c::malloc(size: usize) -> *mut c_void;
    __libc_free = c::free(pointer: *mut c_void);
    __libc_calloc = c::calloc(count: usize, size: usize) -> *mut c_void;
    __libc_realloc = c::realloc(pointer: *mut c_void, size: usize) -> *mut c_void;
    __libc_memalign = c::memalign(alignment: usize, size: usize) -> *mut c_void;
    __libc_valloc = c::valloc(size: usize) -> *mut c_void;
    __libc_pvalloc = c::pvalloc(size: usize) -> *mut c_void;
    __libc_mallopt = reports::mallopt(parameter: c_int, value: c_int) -> c_int;
    __posix_memalign = c::posix_memalign(
        out: *mut *mut c_void, alignment: usize, size: usize
    ) -> c_int;
}
