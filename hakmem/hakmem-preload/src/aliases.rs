//! The C library's other names for the family.
//!
//! A program that finds one of them in the C library mixes two allocators: what one returned is
//! freed by the other. Old programs call `cfree`, which is no longer declared but still there;
//! wrappers that were made before `dlsym` could be relied upon call `__libc_malloc` and the like.
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
            // SAFETY: the caller's duty.
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
