//! Time: monotonic nanoseconds, and the cheap ticks that slow paths are timed with.
//!
//! On x86-64 a tick is one count of the time-stamp counter, which Linux only uses where it is
//! constant; its rate is measured against `CLOCK_MONOTONIC` over the time that start-up takes
//! anyway. Elsewhere a tick is a nanosecond.
//!
//! Clocks are read through the vDSO, which is found once at the start, and before that or without
//! it by the system call. libc's function is not used: libfaketime wraps it, and allocates.
//!
//! # Safety
//! Reading clocks has no precondition.
//!
//! # Orderings
//! The rate is one relaxed word: readers need no other memory with it. So is the address of the
//! vDSO's function, which the kernel wrote before the process began.
#![allow(unsafe_code)]

use super::syscall::call;
use super::vdso::{self, ClockGettime};
use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// The vDSO's function; null until [`start`], and where there is none.
static CLOCK_GETTIME: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Nanoseconds per tick as a fraction of 2^24; 0 until [`calibrate`] ran.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(0);
/// Ticks and nanoseconds when the process's allocator started.
static START_TICKS: AtomicU64 = AtomicU64::new(0);
static START_NS: AtomicU64 = AtomicU64::new(0);
const FRACTION_BITS: u32 = 24;

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let function = CLOCK_GETTIME.load(Ordering::Relaxed);
    let mut is_read = false;
    if !function.is_null() {
        // SAFETY: `start` stored a function of this type.
        let function = unsafe { core::mem::transmute::<*mut (), ClockGettime>(function) };
        // SAFETY: fills the structure that it is given.
        is_read = unsafe { function(clock, &mut time) } == 0;
    }
    if !is_read {
        let arguments = [clock as usize, &raw mut time as usize];
        // SAFETY: fills the structure that it is given.
        let _ = unsafe { call(libc::SYS_clock_gettime, arguments) };
    }
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` in nanoseconds since 1970.
pub(crate) fn unix_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// The tick counter.
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 has the counter, and Linux lets user mode read it unless the program
    // asked for a SIGSEGV with PR_SET_TSC.
    return unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    monotonic_ns()
}

/// Finds the clock and notes where the clocks stand; to be called at the start of start-up.
pub(crate) fn start() {
    if let Some(function) = vdso::clock_gettime() {
        CLOCK_GETTIME.store(function as *mut (), Ordering::Relaxed);
    }
    START_NS.store(monotonic_ns(), Ordering::Relaxed);
    START_TICKS.store(ticks(), Ordering::Relaxed);
}

/// Measures the rate of ticks since [`start`]; the longer ago that was, the better.
pub(crate) fn calibrate() {
    let ns = monotonic_ns().saturating_sub(START_NS.load(Ordering::Relaxed));
    let passed = ticks().wrapping_sub(START_TICKS.load(Ordering::Relaxed));
    if passed > 0 && ns > 0 {
        let rate = (u128::from(ns) << FRACTION_BITS) / u128::from(passed);
        NS_PER_TICK.store(rate as u64, Ordering::Relaxed);
    }
}

/// Nanoseconds in a number of ticks; 0 before the first calibration.
#[inline]
pub(crate) fn ticks_to_ns(passed: u64) -> u64 {
    let rate = NS_PER_TICK.load(Ordering::Relaxed);
    ((u128::from(passed) * u128::from(rate)) >> FRACTION_BITS) as u64
}
