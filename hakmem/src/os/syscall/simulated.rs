//! A small simulated kernel for Miri, which has no memory mappings and executes no machine code.
//!
//! Mappings are blocks of the system's allocator, so Miri knows their bounds, detects uses after
//! they are unmapped, and sees a purge as the write of zeros that it is. Page protection is not
//! simulated. Futex waits are Miri's own, so a deadlock ends the test. Time advances only when a
//! clock is read: work that falls due after some milliseconds falls due after a fixed number of
//! slow paths, however slow Miri is. There are no files, hence no segment; every other call is
//! refused.
//!
//! # Safety
//! Callers pass addresses whose provenance they exposed, as they do for the real kernel.
#![allow(unsafe_code)]

extern crate std;

use core::ptr;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, PoisonError};

use crate::sync::{AtomicU64, Ordering};

/// Large mappings are aligned to granules, so that no caller has to trim their starts.
const LARGE_ALIGNMENT: usize = 64 << 10;
const PAGE: usize = 4096;
/// The limit on address space that the simulated kernel reports, so that arenas are small.
const ADDRESS_SPACE: u64 = 1 << 30;
/// A larger mapping is refused, which makes arenas and the class map as small as possible: Miri
/// writes the zeros of each mapping one by one.
const MAPPING_BYTES_MAX: usize = 16 << 20;
/// How many mappings may exist at a time.
const MAPPINGS_MAX: usize = 1024;
/// How far each reading advances the clock. A slow path reads a clock twice, and a thread's
/// housekeeping is due after 2^26 ns, so about one slow path in thirty is followed by housekeeping.
const READING_NS: u64 = 1_000_000;

/// A block of the system's allocator: its address, its bytes, and how many of these are still
/// mapped.
#[derive(Clone, Copy)]
struct Mapping {
    base: usize,
    bytes: usize,
    left: usize,
}

const NO_MAPPING: Mapping = Mapping { base: 0, bytes: 0, left: 0 };

/// The table has a fixed size because the allocator under test may be the program's.
static MAPPINGS: Mutex<[Mapping; MAPPINGS_MAX]> = Mutex::new([NO_MAPPING; MAPPINGS_MAX]);

/// Simulates a system call and returns the kernel's answer.
///
/// # Safety
/// As for the system call `number`.
pub(super) unsafe fn call(number: usize, arguments: [usize; 6]) -> usize {
    let [first, second, third, fourth, ..] = arguments;
    let result = match number as libc::c_long {
        // The caller cannot choose an address here.
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
        // Every thread exists, and every thread's name is all zeros.
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
    // SAFETY: callers ask for at least one page.
    let block = unsafe { System.alloc_zeroed(layout(bytes)) };
    if block.is_null() {
        return Err(libc::ENOMEM);
    }
    *free = Mapping { base: block.expose_provenance(), bytes, left: bytes };
    Ok(free.base)
}

/// Removes a range from the mappings that it overlaps, and leaves the rest of them mapped.
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
            // SAFETY: `map` allocated the block, and every part of it has been unmapped.
            unsafe { System.dealloc(block, layout(mapping.bytes)) };
            *mapping = NO_MAPPING;
        }
    }
    Ok(0)
}

/// Moves a mapping, if the range is exactly one mapping.
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
    // SAFETY: two distinct mappings, each at least as long as the copy.
    unsafe { ptr::copy_nonoverlapping(from, to, bytes.min(new_bytes)) };
    // SAFETY: the caller's duty.
    unsafe { unmap(address, bytes) }?;
    Ok(new)
}

/// # Safety
/// The caller owns the range and does not need the contents that the advice drops.
unsafe fn advise(address: usize, bytes: usize, advice: i32) -> Result<usize, i32> {
    if advice == libc::MADV_DONTNEED {
        // SAFETY: the caller's duty.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_bytes(0, bytes) };
    }
    Ok(0)
}

/// # Safety
/// `address` is that of a 32-bit word.
unsafe fn futex(address: usize, operation: usize, value: u32) -> Result<usize, i32> {
    let word = ptr::with_exposed_provenance::<u32>(address);
    let no_timeout = ptr::null::<libc::timespec>();
    // SAFETY: the caller's duty.
    let answer = unsafe {
        libc::syscall(libc::SYS_futex, word, operation as libc::c_int, value, no_timeout)
    };
    usize::try_from(answer).map_err(|_| libc::EAGAIN)
}

/// Reads a clock. All clocks show the same time, which each reading advances by [`READING_NS`].
///
/// # Safety
/// `address` has room for a `timespec`.
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
/// `address` has room for an `rlimit`.
unsafe fn tell_limit(resource: usize, address: usize) -> Result<usize, i32> {
    let is_limited = resource == libc::RLIMIT_AS as usize;
    let most = if is_limited { ADDRESS_SPACE } else { u64::MAX };
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the caller's duty.
    unsafe { ptr::with_exposed_provenance_mut::<libc::rlimit>(address).write(limit) };
    Ok(0)
}

/// # Safety
/// `address` is the start of `bytes` readable bytes.
unsafe fn write(address: usize, bytes: usize) -> Result<usize, i32> {
    let from = ptr::with_exposed_provenance::<core::ffi::c_void>(address);
    // SAFETY: the caller's duty.
    unsafe { libc::write(libc::STDERR_FILENO, from, bytes) };
    Ok(bytes)
}

/// A number that differs from thread to thread.
fn thread_number() -> usize {
    std::thread_local! {
        static PLACE: u8 = const { 0 };
    }
    PLACE.with(|place| ptr::from_ref(place).addr() >> 3) & 0x7fff_ffff
}
