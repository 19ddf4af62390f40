//! Time: monotonic nanoseconds, and the cheap ticks that slow paths are timed with.
//!
//! On x86-64 a tick is one count of the time-stamp counter, which Linux only uses where it is
//! constant; its rate is measured against `CLOCK_MONOTONIC` over the time that start-up takes
//! anyway. Elsewhere a tick is a nanosecond.
//!
//! # Safety
//! Reading clocks has no precondition.
//!
//! # Orderings
//! The rate is one relaxed word: readers need no other memory with it.
#![allow(unsafe_code)]

use crate::sync::{AtomicU64, Ordering};

/// Nanoseconds per tick as a fraction of 2^24; 0 until [`calibrate`] ran.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(0);
/// Ticks and nanoseconds when the process's allocator started.
static START_TICKS: AtomicU64 = AtomicU64::new(0);
static START_NS: AtomicU64 = AtomicU64::new(0);
const FRACTION_BITS: u32 = 24;

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the structure that it is given.
    unsafe { libc::clock_gettime(clock, &mut time) };
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
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the counter, and Linux lets user mode read it unless the program
    // asked for a SIGSEGV with PR_SET_TSC.
    return unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(not(target_arch = "x86_64"))]
    monotonic_ns()
}

/// Notes where the clocks stand; to be called at the start of start-up.
pub(crate) fn start() {
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
