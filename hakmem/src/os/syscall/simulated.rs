//! A kernel in a few lines, for Miri, which has no memory mappings and runs no machine code.
//!
//! Mappings are blocks of the system's allocator, so that Miri knows their ends, sees what uses
//! them after they are unmapped, and takes a purge for the write of zeros that it is. Protection is
//! not simulated. A wait for a word is Miri's own, so a deadlock ends the test. Time passes only as the
//! clock is read, so what falls due after some milliseconds does so after as many slow paths, however
//! slow Miri is. There are no files, so there is no segment either; what else is asked for is refused.
//!
//! # Safety
//! Callers pass addresses whose provenance they exposed, as they do to the kernel.
#![allow(unsafe_code)]

extern crate std;

use core::ptr;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, PoisonError};

use crate::sync::{AtomicU64, Ordering};

/// Large mappings are aligned to granules, so that no caller has to trim their starts.
const LARGE_ALIGNMENT: usize = 64 << 10;
const PAGE: usize = 4096;
/// The limit on address space that the allocator sees: arenas are small then.
const ADDRESS_SPACE: u64 = 1 << 30;
/// A larger mapping is refused, so arenas and class map become as small as that allows: Miri writes
/// the zeros of each one by one.
const MAPPING_BYTES_MAX: usize = 16 << 20;
/// Mappings at a time.
const MAPPINGS_MAX: usize = 1024;
/// How far a reading of a clock moves it. A slow path reads one twice, and a thread's housekeeping is
/// due after 2^26 ns, so one slow path in thirty or so is followed by it.
const READING_NS: u64 = 1_000_000;

/// A block of the system's allocator: where it is, its bytes, and those that are still mapped.
#[derive(Clone, Copy)]
struct Mapping {
    base: usize,
    bytes: usize,
    left: usize,
}

const NO_MAPPING: Mapping = Mapping { base: 0, bytes: 0, left: 0 };

/// In a table of fixed size: the allocator under test may be the program's.
static MAPPINGS: Mutex<[Mapping; MAPPINGS_MAX]> = Mutex::new([NO_MAPPING; MAPPINGS_MAX]);

/// The simulated kernel's answer.
///
/// # Safety
/// As the call that it stands for.
pub(super) unsafe fn call(number: usize, arguments: [usize; 6]) -> usize {
    let [first, second, third, fourth, ..] = arguments;
    let result = match number as libc::c_long {
        // No address can be chosen.
        libc::SYS_mmap if fourth as i32 & libc::MAP_FIXED_NOREPLACE != 0 => Err(libc::EEXIST),
        libc::SYS_mmap if fourth as i32 & libc::MAP_ANONYMOUS != 0 => map(second),
        // SAFETY: the caller's duty.
        libc::SYS_munmap => unsafe { unmap(first, second) },
        // SAFETY: the caller's duty.
        libc::SYS_mremap => unsafe { remap(first, second, third) },
        libc::SYS_mprotect => Ok(0),
        // SAFETY: the caller's duty.
        libc::SYS_madvise => unsafe { advise(first, second, third as i32) },
        // SAFETY: the caller's duty.
        libc::SYS_futex => unsafe { futex(first, second, third as u32) },
        // SAFETY: the caller's duty.
        libc::SYS_clock_gettime => unsafe { read_clock(second) },
        // SAFETY: the caller's duty.
        libc::SYS_prlimit64 => unsafe { tell_limit(second, fourth) },
        // SAFETY: the caller's duty.
        libc::SYS_write => unsafe { write(second, third) },
        libc::SYS_gettid => Ok(thread_number()),
        libc::SYS_getpid => Ok(1),
        // Every thread exists, and names are of zeros.
        libc::SYS_tkill | libc::SYS_prctl => Ok(0),
        libc::SYS_exit_group => std::process::exit(first as i32),
        libc::SYS_tgkill => std::process::abort(),
        _ => Err(libc::ENOSYS),
    };
    match result {
        Ok(answer) => answer,
        Err(errno) => (errno as usize).wrapping_neg(),
    }
}

fn layout(bytes: usize) -> Layout {
    let alignment = if bytes >= LARGE_ALIGNMENT { LARGE_ALIGNMENT } else { PAGE };
    Layout::from_size_align(bytes, alignment).expect("whole pages of some size")
}

fn map(bytes: usize) -> Result<usize, i32> {
    if bytes > MAPPING_BYTES_MAX {
        return Err(libc::ENOMEM);
    }
    let mut mappings = MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let free = mappings.iter_mut().find(|mapping| mapping.bytes == 0).ok_or(libc::ENOMEM)?;
    // SAFETY: callers ask for one page or more.
    let block = unsafe { System.alloc_zeroed(layout(bytes)) };
    if block.is_null() {
        return Err(libc::ENOMEM);
    }
    *free = Mapping { base: block.expose_provenance(), bytes, left: bytes };
    Ok(free.base)
}

/// Takes a range off the mappings that it lies in. What is left of them stays as it is.
///
/// # Safety
/// The caller owns the range.
unsafe fn unmap(address: usize, bytes: usize) -> Result<usize, i32> {
    let mut mappings = MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner);
    for mapping in mappings.iter_mut().filter(|mapping| mapping.bytes > 0) {
        let start = address.max(mapping.base);
        let end = (address + bytes).min(mapping.base + mapping.bytes);
        mapping.left -= end.saturating_sub(start);
        if mapping.left == 0 {
            let block = ptr::with_exposed_provenance_mut(mapping.base);
            // SAFETY: made by `map`, and every part of it was given back.
            unsafe { System.dealloc(block, layout(mapping.bytes)) };
            *mapping = NO_MAPPING;
        }
    }
    Ok(0)
}

/// Moves a mapping, if the range is a whole one.
///
/// # Safety
/// The caller owns the range.
unsafe fn remap(address: usize, bytes: usize, new_bytes: usize) -> Result<usize, i32> {
    let is_whole = MAPPINGS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .any(|mapping| (mapping.base, mapping.left) == (address, bytes));
    if !is_whole {
        return Err(libc::EFAULT);
    }
    let new = map(new_bytes)?;
    let from = ptr::with_exposed_provenance::<u8>(address);
    let to = ptr::with_exposed_provenance_mut::<u8>(new);
    // SAFETY: two mappings, each at least so long.
    unsafe { ptr::copy_nonoverlapping(from, to, bytes.min(new_bytes)) };
    // SAFETY: the caller's duty.
    unsafe { unmap(address, bytes) }?;
    Ok(new)
}

/// # Safety
/// The caller owns the range, and needs nothing of what the advice drops.
unsafe fn advise(address: usize, bytes: usize, advice: i32) -> Result<usize, i32> {
    if advice == libc::MADV_DONTNEED {
        // SAFETY: the caller's duty.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_bytes(0, bytes) };
    }
    Ok(0)
}

/// # Safety
/// There is a word at the address.
unsafe fn futex(address: usize, operation: usize, value: u32) -> Result<usize, i32> {
    let word = ptr::with_exposed_provenance::<u32>(address);
    let no_timeout = ptr::null::<libc::timespec>();
    // SAFETY: the caller's duty.
    let answer = unsafe {
        libc::syscall(libc::SYS_futex, word, operation as libc::c_int, value, no_timeout)
    };
    usize::try_from(answer).map_err(|_| libc::EAGAIN)
}

/// Every clock tells the same, and is [`READING_NS`] further each time.
///
/// # Safety
/// There is room for a `timespec` at the address.
unsafe fn read_clock(address: usize) -> Result<usize, i32> {
    static NOW_NS: AtomicU64 = AtomicU64::new(1_000_000_000);
    let now_ns = NOW_NS.fetch_add(READING_NS, Ordering::Relaxed);
    let seconds = (now_ns / 1_000_000_000) as libc::time_t;
    let time = libc::timespec { tv_sec: seconds, tv_nsec: (now_ns % 1_000_000_000) as i64 };
    // SAFETY: the caller's duty.
    unsafe { ptr::with_exposed_provenance_mut::<libc::timespec>(address).write(time) };
    Ok(0)
}

/// # Safety
/// There is room for an `rlimit` at the address.
unsafe fn tell_limit(resource: usize, address: usize) -> Result<usize, i32> {
    let is_limited = resource == libc::RLIMIT_AS as usize;
    let most = if is_limited { ADDRESS_SPACE } else { u64::MAX };
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the caller's duty.
    unsafe { ptr::with_exposed_provenance_mut::<libc::rlimit>(address).write(limit) };
    Ok(0)
}

/// # Safety
/// There are so many bytes at the address.
unsafe fn write(address: usize, bytes: usize) -> Result<usize, i32> {
    let from = ptr::with_exposed_provenance::<core::ffi::c_void>(address);
    // SAFETY: the caller's duty.
    unsafe { libc::write(libc::STDERR_FILENO, from, bytes) };
    Ok(bytes)
}

/// Another number for each thread.
fn thread_number() -> usize {
    std::thread_local! {
        static PLACE: u8 = const { 0 };
    }
    PLACE.with(|place| ptr::from_ref(place).addr() >> 3) & 0x7fff_ffff
}
