//! The dynamic loader: how this library stays loaded, and how it finds functions of other
//! libraries.
//!
//! Callers hold no lock: the loader takes its own, and may allocate.
//!
//! # Safety
//! The loader checks its arguments; addresses are only compared and looked up.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::slice;

use super::auxiliary_vector::program_headers;
use super::errno::ErrnoGuard;

#[cfg(test)]
mod tests;

/// Whether the program is statically linked, without a loader to ask. This library's code is part
/// of it then.
fn is_static() -> bool {
    let own = Headers::own();
    own.are_executables() && own.program.iter().all(|header| header.p_type != libc::PT_INTERP)
}

/// Whether `address` lies in the object that this code is part of. Asks no loader.
pub(crate) fn is_in_own_object(address: usize) -> bool {
    let own = Headers::own();
    let parts = own.program.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let Some(first) = parts.clone().next() else { return false };
    let start = (ptr::from_ref(own.file) as usize)
        .wrapping_add(first.p_offset as usize)
        .wrapping_sub(first.p_vaddr as usize);
    parts.into_iter().any(|part| {
        address.wrapping_sub(start.wrapping_add(part.p_vaddr as usize)) < part.p_memsz as usize
    })
}

/// Keeps this code mapped for the rest of the process's life, because libc calls its hooks much
/// later. If the code is part of the executable, or of a library that was linked so as to stay
/// (`nodelete`), it stays mapped anyway, and no function is called.
pub(crate) fn stay_loaded() {
    let own = Headers::own();
    if own.are_executables() || own.say_nodelete() {
        return;
    }
    #[cfg(not(target_feature = "crt-static"))]
    if let Some(object) = object_of(stay_loaded as *const () as usize) {
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        // SAFETY: `dli_fname` is the loader's name of this object. The call cannot fail for an
        // object that is loaded by that name; if it does, the library stays only as long as its
        // program keeps it.
        unsafe { libc::dlopen(object.dli_fname, flags) };
    }
}

/// Whether this code is part of the executable, and not of a library.
pub(crate) fn is_in_executable() -> bool {
    cfg!(miri) || Headers::own().are_executables()
}

/// The ELF headers of the object that this code is part of.
struct Headers {
    file: &'static libc::Elf64_Ehdr,
    program: &'static [libc::Elf64_Phdr],
}

unsafe extern "C" {
    /// The linker defines this symbol as the start of this object, which is its ELF header.
    static __ehdr_start: libc::Elf64_Ehdr;
}

impl Headers {
    fn own() -> Self {
        // SAFETY: linkers define the symbol where the header is mapped; every loaded object maps
        // its header.
        let file = unsafe { &__ehdr_start };
        let program = ptr::from_ref(file).cast::<u8>().wrapping_add(file.e_phoff as usize);
        // SAFETY: linkers put the program headers behind the ELF header, in the same page.
        let program = unsafe { slice::from_raw_parts(program.cast(), file.e_phnum.into()) };
        Self { file, program }
    }

    /// Whether these are the program headers of the executable, whose address the kernel reports.
    fn are_executables(&self) -> bool {
        self.program.as_ptr() as usize == program_headers().0
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

/// The loader's record of the object that contains `address`; `None` if it loaded no such object.
fn object_of(address: usize) -> Option<libc::Dl_info> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the call fills `info`.
    let found = unsafe { libc::dladdr(address as *const c_void, info.as_mut_ptr()) } != 0;
    // SAFETY: all zeros are a valid value, too, of this structure of pointers.
    found.then(|| unsafe { info.assume_init() })
}

/// Whether `address` lies in the same object as this function.
fn is_own(address: usize) -> bool {
    let base = |address| object_of(address).map(|object| object.dli_fbase);
    base(address) == base(is_own as *const () as usize)
}

unsafe extern "C-unwind" {
    // Functions of the unwinder, defined by the C++ ABI (Itanium C++ ABI, "Exception handling",
    // 1.6).
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

/// The unwinder's `_URC_NO_REASON` and `_URC_NORMAL_STOP`.
const GO_ON: c_int = 0;
const STOP: c_int = 4;

/// An address in the code that called this library; `None` if the unwinder finds none.
pub(crate) fn caller() -> Option<usize> {
    extern "C" fn visit(context: *mut c_void, found: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes its own context. The return address may already be the first
        // address of the next function, hence the subtraction.
        let address = unsafe { _Unwind_GetIP(context) }.wrapping_sub(1);
        if is_own(address) {
            return GO_ON;
        }
        // SAFETY: `found` points to the variable below.
        unsafe { *found.cast::<usize>() = address };
        STOP
    }
    let mut found = 0_usize;
    // SAFETY: `visit` has the type that the unwinder calls, and writes only to its argument.
    unsafe { _Unwind_Backtrace(visit, (&raw mut found).cast()) };
    (found != 0).then_some(found)
}

/// Finds the function `name` as the code at address `code` would find it if this library were not
/// loaded: in the object of that code and the libraries that it is linked with, in the objects that
/// follow this library in the search order, or in a loaded library whose name is in `libraries`.
pub(crate) fn symbol_for(
    code: Option<usize>,
    name: &CStr,
    libraries: &[&CStr],
) -> Option<NonNull<c_void>> {
    if is_static() {
        return None;
    }
    let near = code.and_then(object_of).and_then(|object| {
        // SAFETY: `dli_fname` is the loader's name of an object that stays loaded, since its code
        // runs.
        symbol_of(unsafe { CStr::from_ptr(object.dli_fname) }, name)
    });
    near.or_else(|| symbol_in(libc::RTLD_NEXT, name))
        .or_else(|| libraries.iter().find_map(|library| symbol_of(library, name)))
}

/// The symbol version that the C library's oldest symbols have.
#[cfg(all(target_env = "gnu", target_arch = "x86_64"))]
const FIRST_VERSION: &CStr = c"GLIBC_2.2.5";
#[cfg(all(target_env = "gnu", target_arch = "aarch64"))]
const FIRST_VERSION: &CStr = c"GLIBC_2.17";

/// Whether the executable has a copy of the C library's `variable`, as it does if it uses it.
#[cfg(all(target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn executable_uses(variable: &CStr) -> bool {
    if is_static() {
        return false;
    }
    let _errno = ErrnoGuard::new();
    let (name, version) = (variable.as_ptr(), FIRST_VERSION.as_ptr());
    // SAFETY: two C strings.
    let address = unsafe { libc::dlvsym(libc::RTLD_DEFAULT, name, version) } as usize;
    let base = |address| object_of(address).map(|object| object.dli_fbase);
    address != 0 && base(address) == base(program_headers().0)
}

/// Returns false: a C library without symbol versions is not asked.
#[cfg(not(all(target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) fn executable_uses(_variable: &CStr) -> bool {
    false
}

/// Finds the function `name` in `library` or in the libraries that it is linked with, if it is
/// loaded.
fn symbol_of(library: &CStr, name: &CStr) -> Option<NonNull<c_void>> {
    let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD;
    // SAFETY: a C string.
    let library = unsafe { libc::dlopen(library.as_ptr(), flags) };
    if library.is_null() {
        return None;
    }
    let symbol = symbol_in(library, name);
    // SAFETY: opened above. The code that loaded the library still keeps it loaded.
    unsafe { libc::dlclose(library) };
    symbol
}

/// Finds the function `name` through `library`, unless it is this library's own.
fn symbol_in(library: *mut c_void, name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: `library` is a loaded library or one of libc's constants, and `name` is a C string.
    let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
    NonNull::new(symbol).filter(|symbol| !is_own(symbol.as_ptr() as usize))
}
