//! Address space.
//!
//! # Safety
//!
//! Addresses that these functions return belong to the caller until it unmaps them; functions that
//! take a range demand that the caller owns it, wholly, and that it is page-aligned.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

/// Bytes of a page on the supported targets.
pub(crate) const PAGE: usize = 4096;

/// Rounds up to whole pages; `None` on overflow.
pub(crate) const fn round_to_pages(bytes: usize) -> Option<usize> {
    match bytes.checked_add(PAGE - 1) {
        Some(sum) => Some(sum & !(PAGE - 1)),
        None => None,
    }
}

fn map_anonymous(bytes: usize, protection: i32, flags: i32) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let address = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED { None } else { NonNull::new(address.cast()) }
}

/// Zeroed memory to read and write.
pub(crate) fn map(bytes: usize) -> Option<NonNull<u8>> {
    map_anonymous(bytes, libc::PROT_READ | libc::PROT_WRITE, 0)
}

/// Address space that reads as zeros. Read-only memory is not accounted, so this works under
/// `vm.overcommit_memory=2`; [`make_writable`] later accounts for the part it is asked for.
pub(crate) fn map_readable(bytes: usize) -> Option<NonNull<u8>> {
    map_anonymous(bytes, libc::PROT_READ, libc::MAP_NORESERVE)
}

/// Address space that cannot be touched yet, aligned to `alignment` (a power of two of at least a
/// page).
pub(crate) fn reserve(bytes: usize, alignment: usize) -> Option<NonNull<u8>> {
    let raw = map_anonymous(bytes + alignment, libc::PROT_NONE, libc::MAP_NORESERVE)?;
    Some(trim_to_alignment(raw, bytes, alignment))
}

/// Zeroed memory to read and write, aligned to `alignment` (a power of two of at least a page).
pub(crate) fn map_aligned(bytes: usize, alignment: usize) -> Option<NonNull<u8>> {
    if alignment <= PAGE {
        return map(bytes);
    }
    let raw = map(bytes.checked_add(alignment)?)?;
    Some(trim_to_alignment(raw, bytes, alignment))
}

/// Unmaps what lies before and behind the aligned part of a mapping of `bytes + alignment`.
fn trim_to_alignment(raw: NonNull<u8>, bytes: usize, alignment: usize) -> NonNull<u8> {
    let lead = raw.as_ptr().align_offset(alignment);
    // SAFETY: `lead < alignment`, so the sum stays inside the mapping.
    let base = unsafe { raw.add(lead) };
    if lead > 0 {
        // SAFETY: the caller handed over the whole mapping; this part of it is not returned.
        unsafe { unmap(raw, lead) };
    }
    // SAFETY: `lead + bytes <= alignment + bytes`, the end of the mapping.
    let end = unsafe { base.add(bytes) };
    if lead < alignment {
        // SAFETY: as above.
        unsafe { unmap(end, alignment - lead) };
    }
    base
}

/// Gives address space back.
///
/// # Safety
/// The caller owns the range and nothing uses it any more.
pub(crate) unsafe fn unmap(base: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's duty.
    unsafe { libc::munmap(base.as_ptr().cast(), bytes) };
}

/// Makes reserved space usable; false if the system refuses the memory.
///
/// # Safety
/// The caller owns the range.
pub(crate) unsafe fn make_writable(base: NonNull<u8>, bytes: usize) -> bool {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the caller's duty; raising the protection breaks no reference.
    unsafe { libc::mprotect(base.as_ptr().cast(), bytes, protection) == 0 }
}

/// Drops the contents of private memory; it reads as zeros afterwards.
///
/// # Safety
/// The caller owns the range and needs nothing of its contents.
pub(crate) unsafe fn discard(base: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's duty.
    unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_DONTNEED) };
}

/// Keeps transparent huge pages out of a range: a bin that needs one page must not cost 2 MiB.
pub(crate) fn refuse_huge_pages(base: NonNull<u8>, bytes: usize) {
    // SAFETY: advice without effect on contents.
    unsafe { libc::madvise(base.as_ptr().cast(), bytes, libc::MADV_NOHUGEPAGE) };
}

/// Makes a range read as zeros in a child process after `fork`, however the fork was made.
pub(crate) fn wipe_on_fork(base: NonNull<u8>, bytes: usize) -> bool {
    const MADV_WIPEONFORK: i32 = 18;
    // SAFETY: no effect on this process; the child is told by the zeros.
    unsafe { libc::madvise(base.as_ptr().cast(), bytes, MADV_WIPEONFORK) == 0 }
}

/// Whether a shared range has memory behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Populated {
    /// It has; touching it cannot fail.
    Yes,
    /// The file system has no space.
    NoSpace,
    /// The kernel is older than 5.14 and cannot tell.
    Unsupported,
}

/// Backs a shared range with memory now, so that no later touch can be answered with SIGBUS.
pub(crate) fn populate(base: NonNull<u8>, bytes: usize) -> Populated {
    const MADV_POPULATE_WRITE: i32 = 23;
    // SAFETY: faults the pages in for writing, as a write would, but reports failure.
    if unsafe { libc::madvise(base.as_ptr().cast(), bytes, MADV_POPULATE_WRITE) } == 0 {
        return Populated::Yes;
    }
    if super::process::errno() == libc::EINVAL {
        Populated::Unsupported
    } else {
        Populated::NoSpace
    }
}

/// Grows or shrinks a private mapping, moving it if it must; `None` leaves it as it was.
///
/// # Safety
/// The caller owns the range, and no pointer into it is used after a success.
pub(crate) unsafe fn remap(
    base: NonNull<u8>,
    old_bytes: usize,
    new_bytes: usize,
) -> Option<NonNull<u8>> {
    let flags = libc::MREMAP_MAYMOVE;
    // SAFETY: the caller's duty.
    let address = unsafe { libc::mremap(base.as_ptr().cast(), old_bytes, new_bytes, flags) };
    if address == libc::MAP_FAILED { None } else { NonNull::new(address.cast()) }
}

/// Maps part of a file, shared, replacing reserved space at `base`.
///
/// # Safety
/// The caller owns the range and nothing is in it; `descriptor` is open for reading and writing.
pub(crate) unsafe fn map_file_over(
    base: NonNull<u8>,
    bytes: usize,
    descriptor: i32,
    offset: usize,
) -> bool {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_FIXED;
    let (at, offset) = (base.as_ptr().cast(), offset as libc::off_t);
    // SAFETY: the caller's duty.
    unsafe { libc::mmap(at, bytes, protection, flags, descriptor, offset) != libc::MAP_FAILED }
}

/// The limit on address space, in bytes; `usize::MAX` if there is none.
pub(crate) fn address_space_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills the structure that it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } != 0 {
        return usize::MAX;
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
