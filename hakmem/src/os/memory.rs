//! Address space: mapping, protection, purging and unmapping.
//!
//! No refusal is lost: functions that the system can refuse return it in a result that the caller
//! must use, and [`refusals`] counts those that leave the process with more than it wanted to keep.
//!
//! # Orderings
//! Relaxed: the counts of refusals and the page size order nothing.
//!
//! # Safety
//!
//! A range that these functions return belongs to the caller until it unmaps it. Functions that
//! take a range require that the caller owns all of it, and that it is page-aligned.
#![allow(unsafe_code)]

#[cfg(test)]
pub(crate) mod faults;

use core::ptr::NonNull;

use super::limits::{self, Limited};
use super::syscall::Errno;
#[cfg(not(test))]
use super::syscall::call;
use super::{auxiliary_vector, file};
use crate::sync::{AtomicU64, AtomicUsize, Ordering};
#[cfg(test)]
use faults::call;

/// Bytes of the largest page of any kernel of the target. Structures at addresses of our own choice
/// are laid out in these pages, and so suit kernels with smaller pages.
pub(crate) const PAGE: usize = if cfg!(target_arch = "aarch64") { 64 << 10 } else { PAGE_MIN };
/// Bytes of the smallest page: every mapping of the kernel begins at a multiple of this.
pub(crate) const PAGE_MIN: usize = 4096;

/// Bytes of the running kernel's pages.
#[inline]
pub(crate) fn page_bytes() -> usize {
    if PAGE == PAGE_MIN {
        return PAGE;
    }
    match PAGE_BYTES.load(Ordering::Relaxed) {
        0 => ask_for_page_bytes(),
        bytes => bytes,
    }
}

static PAGE_BYTES: AtomicUsize = AtomicUsize::new(0);

#[cold]
fn ask_for_page_bytes() -> usize {
    let told = auxiliary_vector::page_bytes();
    let bytes = if told == 0 { PAGE } else { told.max(PAGE_MIN) };
    PAGE_BYTES.store(bytes, Ordering::Relaxed);
    bytes
}

static UNMAPS_REFUSED: AtomicU64 = AtomicU64::new(0);
static PURGES_REFUSED: AtomicU64 = AtomicU64::new(0);
static ADVICE_REFUSED: AtomicU64 = AtomicU64::new(0);

/// How often the system has refused to take something back since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    /// Address space that stayed mapped, as at the limit `vm.max_map_count`.
    pub(crate) unmaps: u64,
    /// Memory that kept its contents, as when the program locked it.
    pub(crate) purges: u64,
    /// Advice that had no effect: huge pages remain possible, or a child inherits contents.
    pub(crate) advice: u64,
}

/// The counts of refusals so far.
pub(crate) fn refusals() -> Refusals {
    Refusals {
        unmaps: UNMAPS_REFUSED.load(Ordering::Relaxed),
        purges: PURGES_REFUSED.load(Ordering::Relaxed),
        advice: ADVICE_REFUSED.load(Ordering::Relaxed),
    }
}

/// Counts a refusal in `refused` unless the call was done, and returns `is_done`.
fn counted(is_done: bool, refused: &AtomicU64) -> bool {
    if !is_done {
        refused.fetch_add(1, Ordering::Relaxed);
    }
    is_done
}

/// Rounds up to whole pages; `None` on overflow.
pub(crate) fn round_to_pages(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(page_bytes())
}

/// The access that a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Memory that can only be read is not accounted for, so this works under
    /// `vm.overcommit_memory=2`.
    Read,
    ReadWrite,
}

impl Access {
    fn protection(self) -> i32 {
        match self {
            Self::Read => libc::PROT_READ,
            Self::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        }
    }
}

/// Why memory was refused at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The address is in use, or the kernel gives out no such address.
    Taken,
    /// There is no memory, or a limit has been reached.
    NoMemory,
}

/// Maps zeroed memory at `address` if that range is free. Kernels before 4.17 and valgrind do not
/// know `MAP_FIXED_NOREPLACE` and take the address as a hint: a mapping elsewhere is unmapped
/// again.
pub(crate) fn map_at(address: usize, bytes: usize, access: Access) -> Result<(), Refusal> {
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let no_file = -1_isize as usize;
    let protection = access.protection() as usize;
    let arguments = [address, bytes, protection, flags as usize, no_file, 0];
    // SAFETY: a mapping that replaces no other one touches nothing that exists.
    match unsafe { call(libc::SYS_mmap, arguments) } {
        Ok(found) if found == address => Ok(()),
        Ok(elsewhere) => {
            if let Some(elsewhere) = NonNull::new(elsewhere as *mut u8) {
                // A refusal is counted; a mapping that stays costs address space only.
                // SAFETY: just mapped, and nothing is in it.
                let _ = unsafe { unmap(elsewhere, bytes) };
            }
            Err(Refusal::Taken)
        }
        Err(Errno(libc::EEXIST)) => Err(Refusal::Taken),
        Err(_) => Err(Refusal::NoMemory),
    }
}

fn map_anonymous(hint: usize, bytes: usize, protection: i32, flags: i32) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    let no_file = -1_isize as usize;
    let arguments = [hint, bytes, protection as usize, flags as usize, no_file, 0];
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let address = unsafe { call(libc::SYS_mmap, arguments) }.ok()?;
    NonNull::new(address as *mut u8)
}

/// Maps zeroed memory to read and write.
pub(crate) fn map(bytes: usize) -> Option<NonNull<u8>> {
    map_near(0, bytes)
}

/// Like [`map`], at the address `hint` if the system has nothing there and accepts it.
pub(crate) fn map_near(hint: usize, bytes: usize) -> Option<NonNull<u8>> {
    map_anonymous(hint, bytes, libc::PROT_READ | libc::PROT_WRITE, 0)
}

/// Reserves address space without access, aligned to `alignment` (a power of two of at least a
/// page).
pub(crate) fn reserve(bytes: usize, alignment: usize) -> Option<NonNull<u8>> {
    let raw = map_anonymous(0, bytes + alignment, libc::PROT_NONE, libc::MAP_NORESERVE)?;
    Some(trim_to_alignment(raw, bytes, alignment))
}

/// Maps zeroed memory to read and write, with an inaccessible page on either side.
pub(crate) fn map_guarded(bytes: usize) -> Option<NonNull<u8>> {
    let whole = bytes.checked_next_multiple_of(PAGE)?.checked_add(2 * PAGE)?;
    let outer = map_anonymous(0, whole, libc::PROT_NONE, libc::MAP_NORESERVE)?;
    let inner = NonNull::new(outer.as_ptr().wrapping_add(PAGE))?;
    // SAFETY: inside the reservation.
    if unsafe { make_accessible(inner, whole - 2 * PAGE, Access::ReadWrite) } {
        return Some(inner);
    }
    // A refusal is counted; a reservation that stays costs address space only.
    // SAFETY: just reserved, and nothing points into it.
    let _ = unsafe { unmap(outer, whole) };
    None
}

/// Unmaps memory from [`map_guarded`], with its guard pages; false if the system refuses.
///
/// # Safety
/// `base` came from [`map_guarded`] for `bytes`, and nothing uses the range any more.
#[must_use]
pub(crate) unsafe fn unmap_guarded(base: NonNull<u8>, bytes: usize) -> bool {
    let Some(outer) = NonNull::new(base.as_ptr().wrapping_sub(PAGE)) else { return false };
    // SAFETY: the caller's duty.
    unsafe { unmap(outer, bytes.next_multiple_of(PAGE) + 2 * PAGE) }
}

/// Unmaps the parts before and behind the aligned part of a mapping of `bytes + alignment`.
fn trim_to_alignment(raw: NonNull<u8>, bytes: usize, alignment: usize) -> NonNull<u8> {
    let lead = raw.as_ptr().align_offset(alignment);
    // SAFETY: `lead < alignment`, so the sum stays inside the mapping.
    let base = unsafe { raw.add(lead) };
    if lead > 0 {
        // A refusal is counted; a mapping that stays costs address space only.
        // SAFETY: the caller handed over the whole mapping, and this part of it is not returned.
        let _ = unsafe { unmap(raw, lead) };
    }
    // SAFETY: `lead + bytes <= alignment + bytes`, the end of the mapping.
    let end = unsafe { base.add(bytes) };
    if lead < alignment {
        // SAFETY: as for the part before `base`.
        let _ = unsafe { unmap(end, alignment - lead) };
    }
    base
}

/// Unmaps a range. Returns false, having changed nothing, if the system refuses, as it does when
/// that would split a mapping and there are `vm.max_map_count` of them.
///
/// # Safety
/// The caller owns the range and nothing uses it any more.
#[must_use]
pub(crate) unsafe fn unmap(base: NonNull<u8>, bytes: usize) -> bool {
    // SAFETY: the caller's duty.
    let result = unsafe { call(libc::SYS_munmap, [base.as_ptr() as usize, bytes]) };
    counted(result.is_ok(), &UNMAPS_REFUSED)
}

/// Extends the access to a range; false if the system refuses.
///
/// # Safety
/// The caller owns the range, and `access` takes away no access that it has now.
pub(crate) unsafe fn make_accessible(base: NonNull<u8>, bytes: usize, access: Access) -> bool {
    let arguments = [base.as_ptr() as usize, bytes, access.protection() as usize];
    // SAFETY: the caller's duty; raising the protection breaks no reference.
    unsafe { call(libc::SYS_mprotect, arguments) }.is_ok()
}

/// Advises the kernel about the future of a range.
///
/// # Safety
/// The conditions of `advice` hold.
unsafe fn advise(base: NonNull<u8>, bytes: usize, advice: i32) -> Result<usize, Errno> {
    let arguments = [base.as_ptr() as usize, bytes, advice as usize];
    // SAFETY: the caller's duty.
    unsafe { call(libc::SYS_madvise, arguments) }
}

/// Purges private memory, which reads as zeros afterwards. Returns false if the system refuses, as
/// it does where the program locked the memory: then each page may have kept its contents.
///
/// # Safety
/// The caller owns the range and needs none of its contents.
#[must_use]
pub(crate) unsafe fn discard(base: NonNull<u8>, bytes: usize) -> bool {
    // SAFETY: the caller's duty.
    let result = unsafe { advise(base, bytes, libc::MADV_DONTNEED) };
    counted(result.is_ok(), &PURGES_REFUSED)
}

/// Keeps transparent huge pages out of a range: a bin that needs one page must not cost 2 MiB. A
/// kernel without huge pages does not know this advice, which is just as good. If it is refused for
/// another reason, the process may use more memory than necessary; only the count shows that.
pub(crate) fn refuse_huge_pages(base: NonNull<u8>, bytes: usize) {
    // SAFETY: advice without effect on contents.
    let result = unsafe { advise(base, bytes, libc::MADV_NOHUGEPAGE) };
    let is_as_wanted = result.is_ok() || result == Err(Errno(libc::EINVAL));
    counted(is_as_wanted, &ADVICE_REFUSED);
}

/// Makes a range read as zeros in a child process, however the child was forked; false if the
/// system refuses, in which case a child finds the contents.
#[must_use]
pub(crate) fn wipe_on_fork(base: NonNull<u8>, bytes: usize) -> bool {
    // SAFETY: no effect on this process; a child recognises the zeros.
    let result = unsafe { advise(base, bytes, libc::MADV_WIPEONFORK) };
    counted(result.is_ok(), &ADVICE_REFUSED)
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

/// Backs a shared range with memory now, so that no later access can cause a SIGBUS.
pub(crate) fn populate(base: NonNull<u8>, bytes: usize) -> Populated {
    // SAFETY: the kernel faults the pages in for writing, as a write would, but reports failure.
    match unsafe { advise(base, bytes, libc::MADV_POPULATE_WRITE) } {
        Ok(_) => Populated::Yes,
        Err(Errno(libc::EINVAL)) => Populated::Unsupported,
        Err(_) => Populated::NoSpace,
    }
}

/// Grows or shrinks a private mapping, and moves it if it must. Returns `None`, and leaves the
/// mapping as it was, if the system refuses.
///
/// # Safety
/// The caller owns the range, and no pointer into it is used after a success.
pub(crate) unsafe fn remap(
    base: NonNull<u8>,
    old_bytes: usize,
    new_bytes: usize,
) -> Option<NonNull<u8>> {
    let flags = libc::MREMAP_MAYMOVE as usize;
    let arguments = [base.as_ptr() as usize, old_bytes, new_bytes, flags];
    // SAFETY: the caller's duty.
    let address = unsafe { call(libc::SYS_mremap, arguments) }.ok()?;
    NonNull::new(address as *mut u8)
}

/// Moves a mapping to the address of another one, which it replaces; false leaves both as they
/// were.
///
/// # Safety
/// The caller owns both ranges, and no pointer into either is used after a success.
pub(crate) unsafe fn move_over(from: NonNull<u8>, bytes: usize, target: NonNull<u8>) -> bool {
    let (from, target) = (from.as_ptr() as usize, target.as_ptr() as usize);
    let flags = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as usize;
    // SAFETY: the caller's duty.
    unsafe { call(libc::SYS_mremap, [from, bytes, bytes, flags, target]) }.is_ok()
}

/// Keeps a range out of child processes: its addresses are free there.
pub(crate) fn keep_from_children(base: NonNull<u8>, bytes: usize) -> bool {
    let arguments = [base.as_ptr() as usize, bytes, libc::MADV_DONTFORK as usize];
    // SAFETY: no effect on this process.
    unsafe { call(libc::SYS_madvise, arguments) }.is_ok()
}

/// Maps the first page of a file without access, so that the open file and its lock stay alive;
/// replaces reserved space at `base`.
///
/// # Safety
/// The caller owns the page and nothing is in it; `descriptor` is open for reading.
pub(crate) unsafe fn hold_file_over(base: NonNull<u8>, descriptor: i32) -> bool {
    let protection = libc::PROT_NONE as usize;
    let flags = (libc::MAP_SHARED | libc::MAP_FIXED) as usize;
    let arguments = [base.as_ptr() as usize, PAGE, protection, flags, descriptor as usize, 0];
    // SAFETY: the caller's duty.
    unsafe { call(libc::SYS_mmap, arguments) }.is_ok()
}

/// Maps part of a file, shared, in place of reserved space at `base`.
///
/// # Safety
/// The caller owns the range and nothing is in it; `descriptor` is open for reading and writing.
pub(crate) unsafe fn map_file_over(
    base: NonNull<u8>,
    bytes: usize,
    descriptor: i32,
    offset: usize,
) -> bool {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let flags = (libc::MAP_SHARED | libc::MAP_FIXED) as usize;
    let at = base.as_ptr() as usize;
    let arguments = [at, bytes, protection, flags, descriptor as usize, offset];
    // SAFETY: the caller's duty.
    unsafe { call(libc::SYS_mmap, arguments) }.is_ok()
}

/// Maps new private memory of zeros in place of a range. Returns false, having changed nothing, if
/// there is no memory.
///
/// # Safety
/// The caller owns the range and needs none of its contents.
pub(crate) unsafe fn map_over(base: NonNull<u8>, bytes: usize) -> bool {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED) as usize;
    let no_file = -1_isize as usize;
    let arguments = [base.as_ptr() as usize, bytes, protection, flags, no_file, 0];
    // SAFETY: the caller's duty.
    unsafe { call(libc::SYS_mmap, arguments) }.is_ok()
}

/// The limit on address space, in bytes; `usize::MAX` if there is none.
pub(crate) fn address_space_limit() -> usize {
    limits::limit(Limited::AddressSpace)
}

/// How many mappings the system allows the process, `vm.max_map_count`; `None` if it does not say.
#[inline(never)]
pub(crate) fn mappings_max() -> Option<usize> {
    let mut text = [0; 24];
    let length = file::read_start(c"/proc/sys/vm/max_map_count", &mut text);
    core::str::from_utf8(&text[..length]).ok()?.trim_ascii().parse().ok()
}

#[cfg(test)]
mod tests;
