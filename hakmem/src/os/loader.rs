//! The dynamic loader: staying loaded, and functions of other libraries.
//!
//! Called outside of locks: the loader takes its own, and may allocate.
//!
//! # Safety
//! The loader checks what it is asked for; addresses are only compared and looked up.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::slice;

use super::process;

#[cfg(test)]
mod tests;

/// Keeps this code mapped for the rest of the process's life, because hooks lead to it that libc
/// calls much later. Where it is part of the executable, or of a library that was linked to stay,
/// that is so already, and nothing is called.
pub(crate) fn stay_loaded() {
    let own = Headers::own();
    if own.are_executables() || own.say_nodelete() {
        return;
    }
    #[cfg(not(target_feature = "crt-static"))]
    if let Some(object) = object_of(stay_loaded as *const () as usize) {
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: the loader's name of this object. It cannot fail for what is loaded by that name,
        // and if it does, the library stays as long as its program lets it.
        unsafe { libc::dlopen(object.dli_fname, flags) };
    }
}

/// The ELF headers of the object that this code is part of.
struct Headers {
    file: &'static libc::Elf64_Ehdr,
    program: &'static [libc::Elf64_Phdr],
}

unsafe extern "C" {
    /// Defined by the linker: the start of this object, which is its ELF header.
    static __ehdr_start: libc::Elf64_Ehdr;
}

impl Headers {
    fn own() -> Self {
        // SAFETY: linkers define it where the header is mapped, which it is in all that is loaded.
        let file = unsafe { &__ehdr_start };
        let program = ptr::from_ref(file).cast::<u8>().wrapping_add(file.e_phoff as usize);
        // SAFETY: linkers put the program headers behind the file's, into the same page.
        let program = unsafe { slice::from_raw_parts(program.cast(), file.e_phnum.into()) };
        Self { file, program }
    }

    /// Whether they are those that the kernel has told.
    fn are_executables(&self) -> bool {
        self.program.as_ptr() as usize == process::program_headers().0
    }

    /// Whether the object was linked with `-z nodelete`.
    fn say_nodelete(&self) -> bool {
        const DT_NULL: usize = 0;
        const DT_FLAGS_1: usize = 0x6fff_fffb;
        const DF_1_NODELETE: usize = 8;
        let segment = |kind| self.program.iter().find(|header| header.p_type == kind);
        let (Some(first), Some(dynamic)) = (segment(libc::PT_LOAD), segment(libc::PT_DYNAMIC))
        else {
            return false;
        };
        let from_first = (dynamic.p_vaddr - (first.p_vaddr - first.p_offset)) as usize;
        let start = ptr::from_ref(self.file).cast::<u8>().wrapping_add(from_first);
        let count = dynamic.p_memsz as usize / size_of::<[usize; 2]>();
        // SAFETY: the object's dynamic section, which is mapped with it.
        let entries = unsafe { slice::from_raw_parts(start.cast::<[usize; 2]>(), count) };
        let mut entries = entries.iter().take_while(|[tag, _]| *tag != DT_NULL);
        entries.any(|&[tag, flags]| tag == DT_FLAGS_1 && flags & DF_1_NODELETE != 0)
    }
}

/// What the loader knows of an address; `None` if no object that it loaded holds it.
fn object_of(address: usize) -> Option<libc::Dl_info> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: fills the structure that it is given.
    let found = unsafe { libc::dladdr(address as *const c_void, info.as_mut_ptr()) } != 0;
    // SAFETY: all zeros is a value of this structure of pointers, too.
    found.then(|| unsafe { info.assume_init() })
}

/// Whether an address is in the same object as this function.
fn is_own(address: usize) -> bool {
    let base = |address| object_of(address).map(|object| object.dli_fbase);
    base(address) == base(is_own as *const () as usize)
}

unsafe extern "C-unwind" {
    // The unwinder's, which the C++ ABI defines (Itanium C++ ABI, "Exception handling", 1.6).
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// `_URC_NO_REASON` and `_URC_NORMAL_STOP` of the unwinder.
const GO_ON: c_int = 0;
const STOP: c_int = 4;

/// An address in the code that called this library; `None` if it cannot be told.
pub(crate) fn caller() -> Option<usize> {
    extern "C" fn visit(context: *mut c_void, found: *mut c_void) -> c_int {
        // SAFETY: the unwinder's context. An address of return may be the next function's.
        let address = unsafe { _Unwind_GetIP(context) }.wrapping_sub(1);
        if is_own(address) {
            return GO_ON;
        }
        // SAFETY: the variable below.
        unsafe { *found.cast::<usize>() = address };
        STOP
    }
    let mut found = 0_usize;
    // SAFETY: `visit` is of the type that the unwinder calls, and writes what it is given.
    unsafe { _Unwind_Backtrace(visit, (&raw mut found).cast()) };
    (found != 0).then_some(found)
}

/// A function by its symbol, as code at an address would find it if this library were not there:
/// in what that code's object is linked with, in what the program is, or in a library that is
/// loaded by one of these names.
pub(crate) fn symbol_for(
    code: Option<usize>,
    name: &CStr,
    libraries: &[&CStr],
) -> Option<NonNull<c_void>> {
    let near = code.and_then(object_of).and_then(|object| {
        // SAFETY: the loader's name of an object that is loaded, as its code runs.
        symbol_of(unsafe { CStr::from_ptr(object.dli_fname) }, name)
    });
    near.or_else(|| symbol_in(libc::RTLD_NEXT, name))
        .or_else(|| libraries.iter().find_map(|library| symbol_of(library, name)))
}

/// The version in which the C library has had its symbols from the start.
#[cfg(all(target_env = "gnu", target_arch = "x86_64"))]
const FIRST_VERSION: &CStr = c"GLIBC_2.2.5";
#[cfg(all(target_env = "gnu", target_arch = "aarch64"))]
const FIRST_VERSION: &CStr = c"GLIBC_2.17";

/// Whether the executable has a copy of one of the C library's variables, as it does if it uses it.
#[cfg(all(target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn executable_uses(variable: &CStr) -> bool {
    let _errno = process::ErrnoGuard::new();
    let (name, version) = (variable.as_ptr(), FIRST_VERSION.as_ptr());
    // SAFETY: two C strings.
    let address = unsafe { libc::dlvsym(libc::RTLD_DEFAULT, name, version) } as usize;
    let base = |address| object_of(address).map(|object| object.dli_fbase);
    address != 0 && base(address) == base(process::program_headers().0)
}

/// A C library without versions is not asked.
#[cfg(not(all(target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) fn executable_uses(_variable: &CStr) -> bool {
    false
}

/// A function that a library and what it is linked with has, if the library is loaded.
fn symbol_of(library: &CStr, name: &CStr) -> Option<NonNull<c_void>> {
    let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD;
    // SAFETY: a C string.
    let library = unsafe { libc::dlopen(library.as_ptr(), flags) };
    if library.is_null() {
        return None;
    }
    let symbol = symbol_in(library, name);
    // SAFETY: opened above. The code that made it be loaded goes on to keep it so.
    unsafe { libc::dlclose(library) };
    symbol
}

/// A function that is not this library's own.
fn symbol_in(library: *mut c_void, name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: a loaded library or one of libc's constants, and a C string.
    let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
    NonNull::new(symbol).filter(|symbol| !is_own(symbol.as_ptr() as usize))
}
