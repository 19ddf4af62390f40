//! Time: monotonic nanoseconds, and the cheap ticks that time the slow paths.
//!
//! On x86-64 a tick is one count of the time-stamp counter, which Linux uses as a clock only where
//! its rate is constant; the rate is measured against `CLOCK_MONOTONIC` over the duration of
//! start-up. Elsewhere a tick is a nanosecond.
//!
//! Clocks are read through the vDSO, which is looked up once at the start; before that, or without
//! a vDSO, by the system call. libc's function is not used, because libfaketime wraps it and
//! allocates.
//!
//! No clock is trusted to advance. The wall clock is set back and forward; in a virtual machine
//! that was moved or restored, the time-stamp counter may have any value, and in a restored process
//! the monotonic clock may. So callers ask [`have_passed`] and [`have_ticks_passed`] for ages,
//! which count the time as passed if the clock was set back, and a duration that ended before it
//! began is 0.
//!
//! # Safety
//! Reading clocks has no precondition.
//!
//! # Orderings
//! The rate is one relaxed word, with which readers need no other memory. So is the address of the
//! vDSO's function, which the kernel wrote before the process began.
#![allow(unsafe_code)]

use super::syscall::call;
use super::vdso::{self, ClockGettime};
use crate::hint::cold_path;
use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// The vDSO's function; null before [`start`], and for good if there is none.
static CLOCK_GETTIME: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Nanoseconds per tick, times 2^24; 0 until [`calibrate`] has run.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(0);
/// Ticks and nanoseconds at which the process's allocator started.
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
        // SAFETY: the function fills `time`.
        is_read = unsafe { function(clock, &mut time) } == 0;
    }
    if !is_read {
        let arguments = [clock as usize, &raw mut time as usize];
        // SAFETY: the kernel fills `time`.
        let _ = unsafe { call(libc::SYS_clock_gettime, arguments) };
    }
    ns_of(time.tv_sec, time.tv_nsec)
}

/// Nanoseconds of a reading; a time before the clock's beginning counts as 0 seconds.
fn ns_of(seconds: libc::time_t, nanoseconds: libc::c_long) -> u64 {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds as u64)
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
    // SAFETY: every x86-64 processor has the counter, and Linux lets user mode read it unless the
    // program asked for a SIGSEGV with PR_SET_TSC.
    return unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    monotonic_ns()
}

/// Looks up the vDSO's function and records where the clocks stand. Called first during start-up.
pub(crate) fn start() {
    if let Some(function) = vdso::clock_gettime() {
        CLOCK_GETTIME.store(function as *mut (), Ordering::Relaxed);
    }
    START_NS.store(monotonic_ns(), Ordering::Relaxed);
    START_TICKS.store(ticks(), Ordering::Relaxed);
}

/// Measures the rate of ticks since [`start`]; the longer ago that was, the more precise the rate.
pub(crate) fn calibrate() {
    let ns = monotonic_ns().saturating_sub(START_NS.load(Ordering::Relaxed));
    let passed = ticks_between(START_TICKS.load(Ordering::Relaxed), ticks());
    if let Some(rate) = rate(ns, passed) {
        NS_PER_TICK.store(rate, Ordering::Relaxed);
    }
}

/// Nanoseconds per tick as [`NS_PER_TICK`] stores them, given how many of each have passed; `None`
/// if one of the clocks stood still.
fn rate(ns: u64, ticks: u64) -> Option<u64> {
    if ns == 0 || ticks == 0 {
        return None;
    }
    u64::try_from((u128::from(ns) << FRACTION_BITS) / u128::from(ticks)).ok()
}

/// Ticks from the reading `since` to the reading `now`; 0 if the counter was set back.
#[inline]
pub(crate) fn ticks_between(since: u64, now: u64) -> u64 {
    let passed = now.wrapping_sub(since);
    if passed.cast_signed() < 0 {
        cold_path();
        return 0;
    }
    passed
}

/// Whether `ticks` have passed from the reading `since` to the reading `now`. `now` may be slightly
/// older than `since`, which was taken later in the same slow path; if it is older by more than
/// `ticks`, the counter was set back.
#[inline]
pub(crate) fn have_ticks_passed(since: u64, now: u64, ticks: u64) -> bool {
    now.wrapping_sub(since).wrapping_add(ticks) >= 2 * ticks
}

/// Whether `ms` milliseconds have passed from `since_ms` to `now_ms` on the monotonic clock.
/// `now_ms` may be slightly older than `since_ms`, which another thread read; if it is older by
/// more than a minute, the clock was set back.
#[inline]
pub(crate) fn have_passed(since_ms: u32, now_ms: u32, ms: u32) -> bool {
    const LITTLE_MS: u32 = 60_000;
    let passed = now_ms.wrapping_sub(since_ms).wrapping_add(LITTLE_MS);
    ms == 0 || passed >= ms.saturating_add(LITTLE_MS)
}

/// Nanoseconds in `passed` ticks; 0 before the first calibration.
#[inline]
pub(crate) fn ticks_to_ns(passed: u64) -> u64 {
    let rate = NS_PER_TICK.load(Ordering::Relaxed);
    ((u128::from(passed) * u128::from(rate)) >> FRACTION_BITS) as u64
}

#[cfg(test)]
mod tests;
