//! All forms of C++'s `operator new` and `operator delete`, by their mangled names (Itanium C++
//! ABI, 5.1.3): `_Znw` new, `_Zna` new[], `_Zdl` delete, `_Zda` delete[]; `m` a size,
//! `St11align_val_t` an alignment, `RKSt9nothrow_t` without exceptions.
//!
//! A request that cannot be served is left to the C++ library's form of the same name.
//!
//! # Safety
//! Each function's duties are those that C++ gives to its form.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use core::ffi::{CStr, c_void};

use hakmem::entry::{self, FailedNew};

use crate::variant;

crate::begin_at_cache_line!("_Znwm" "_Znam" "_ZdlPv" "_ZdaPv" "_ZdlPvm" "_ZdaPvm");

/// An identifier as a C string.
macro_rules! name {
    ($name:ident) => {
        CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()).unwrap_or_default()
    };
}

/// Lets a C++ library handle a failed request.
fn retry(failed: FailedNew<'_>) -> *mut u8 {
    entry::retry_cxx_new(failed, variant::cxx_runtime())
}

macro_rules! operator_new {
    ($($name:ident $nothrow:ident;)*) => {$(
        #[doc = "`operator new(size)`, plain or array form."]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!(".text.hakmem.", stringify!($name)))]
        pub extern "C-unwind" fn $name(size: usize) -> *mut c_void {
            /// The slow path, out of line so that `operator new` needs no stack frame.
            #[inline(never)]
            extern "C-unwind" fn slow(size: usize) -> *mut c_void {
                let block = entry::malloc(size);
                if !block.is_null() {
                    return block.cast();
                }
                let name = name!($name);
                retry(FailedNew { name, plain: name, size, alignment: None }).cast()
            }
            let block = entry::malloc_fast(size);
            if block.is_null() { slow(size) } else { block.cast() }
        }
        #[doc = "The same without exceptions."]
        #[unsafe(no_mangle)]
        pub extern "C" fn $nothrow(size: usize, nothrow: *const c_void) -> *mut c_void {
            let block = entry::malloc(size);
            if !block.is_null() {
                return block.cast();
            }
            let name = name!($nothrow);
            let failed = FailedNew { name, plain: name, size, alignment: None };
            entry::retry_cxx_nothrow(failed, nothrow).cast()
        }
    )*};
}
operator_new! {
    _Znwm _ZnwmRKSt9nothrow_t;
    _Znam _ZnamRKSt9nothrow_t;
}

macro_rules! operator_new_aligned {
    ($($name:ident of $plain:ident, $nothrow:ident of $plain_nothrow:ident;)*) => {$(
        #[doc = "`operator new(size, alignment)`, plain or array form."]
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $name(size: usize, alignment: usize) -> *mut c_void {
            let block = entry::aligned_alloc(alignment, size);
            if !block.is_null() {
                return block.cast();
            }
            let (name, plain) = (name!($name), name!($plain));
            let alignment = Some(alignment);
            retry(FailedNew { name, plain, size, alignment }).cast()
        }
        #[doc = "The same without exceptions."]
        #[unsafe(no_mangle)]
        pub extern "C" fn $nothrow(
            size: usize,
            alignment: usize,
            nothrow: *const c_void,
        ) -> *mut c_void {
            let block = entry::aligned_alloc(alignment, size);
            if !block.is_null() {
                return block.cast();
            }
            let (name, plain) = (name!($nothrow), name!($plain_nothrow));
            let failed = FailedNew { name, plain, size, alignment: Some(alignment) };
            entry::retry_cxx_nothrow(failed, nothrow).cast()
        }
    )*};
}
operator_new_aligned! {
    _ZnwmSt11align_val_t of _Znwm, _ZnwmSt11align_val_tRKSt9nothrow_t of _ZnwmRKSt9nothrow_t;
    _ZnamSt11align_val_t of _Znam, _ZnamSt11align_val_tRKSt9nothrow_t of _ZnamRKSt9nothrow_t;
}

macro_rules! operator_delete {
    ($($name:ident($($rest:ident: $type:ty),*);)*) => {$(
        #[doc = "`operator delete(pointer, …)` without a size."]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!(".text.hakmem.", stringify!($name)))]
        pub unsafe extern "C" fn $name(pointer: *mut c_void, $(_: $type),*) {
            // SAFETY: the caller keeps the duties of `operator delete`.
            unsafe { entry::free(pointer.cast()) }
        }
    )*};
}
operator_delete! {
    _ZdlPv();
    _ZdaPv();
    _ZdlPvRKSt9nothrow_t(nothrow: *const c_void);
    _ZdaPvRKSt9nothrow_t(nothrow: *const c_void);
    _ZdlPvSt11align_val_t(alignment: usize);
    _ZdaPvSt11align_val_t(alignment: usize);
    _ZdlPvSt11align_val_tRKSt9nothrow_t(alignment: usize, nothrow: *const c_void);
    _ZdaPvSt11align_val_tRKSt9nothrow_t(alignment: usize, nothrow: *const c_void);
}

macro_rules! operator_delete_sized {
    ($($name:ident $aligned:ident;)*) => {$(
        #[doc = "`operator delete(pointer, size)`, plain or array form."]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!(".text.hakmem.", stringify!($name)))]
        pub unsafe extern "C" fn $name(pointer: *mut c_void, size: usize) {
            // SAFETY: the caller keeps the duties of `operator delete`; the size may be wrong.
            unsafe { entry::free_claimed(pointer.cast(), size) }
        }
        #[doc = "`operator delete(pointer, size, alignment)`, plain or array form."]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $aligned(pointer: *mut c_void, size: usize, alignment: usize) {
            // SAFETY: the caller keeps the duties of `operator delete`; size and alignment may be
            // wrong.
            unsafe { entry::free_aligned_claimed(pointer.cast(), alignment, size) }
        }
    )*};
}
operator_delete_sized! {
    _ZdlPvm _ZdlPvmSt11align_val_t;
    _ZdaPvm _ZdaPvmSt11align_val_t;
}
