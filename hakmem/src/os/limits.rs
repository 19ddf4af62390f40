//! The limits that the system sets to the process.
//!
//! # Safety
//! Asking for a limit has no precondition.
#![allow(unsafe_code)]

use super::syscall::call;

/// A resource that the system may limit.
#[derive(Clone, Copy)]
pub(crate) enum Limited {
    /// Bytes of address space.
    AddressSpace,
    /// Bytes of a file.
    FileSize,
}

/// The process's limit on `of`; `usize::MAX` if there is none.
pub(crate) fn limit(of: Limited) -> usize {
    let resource = match of {
        Limited::AddressSpace => libc::RLIMIT_AS,
        Limited::FileSize => libc::RLIMIT_FSIZE,
    };
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let arguments = [0, resource as usize, 0, &raw mut limit as usize];
    // SAFETY: the kernel fills `limit`, whose fields have 64 bits on these targets.
    match unsafe { call(libc::SYS_prlimit64, arguments) } {
        Ok(_) => usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX),
        Err(_) => usize::MAX,
    }
}
