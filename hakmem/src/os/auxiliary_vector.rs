//! The auxiliary vector, in which the kernel describes the process that it has made.
//!
//! # Safety
//! libc keeps the vector from the start of the process, and reading it has no precondition.
#![allow(unsafe_code)]

/// The entry of the vector with the tag `kind`; 0 if there is none, as under Miri.
fn entry(kind: libc::c_ulong) -> usize {
    if cfg!(miri) {
        return 0;
    }
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(kind) as usize }
}

/// Whether the program runs with more rights than its caller, so the environment cannot be trusted.
pub(crate) fn is_privileged() -> bool {
    entry(libc::AT_SECURE) != 0
}

/// Bytes of the kernel's pages; 0 if the kernel does not report them.
pub(crate) fn page_bytes() -> usize {
    entry(libc::AT_PAGESZ)
}

/// Address of the vDSO's image; 0 if the kernel mapped none.
pub(crate) fn vdso_address() -> usize {
    entry(libc::AT_SYSINFO_EHDR)
}

/// The executable's program headers: their address, the size of one, and their number.
pub(crate) fn program_headers() -> (usize, usize, usize) {
    (entry(libc::AT_PHDR), entry(libc::AT_PHENT), entry(libc::AT_PHNUM))
}
