//! Both clocks of a timed loop: wall-clock time, and the processor time of this process.
//!
//! Processor time stands still while another process has the core. The program reads it itself,
//! around its loop: the kernel's account of the whole process (`getrusage`) would include the start
//! of the program and of its allocator, which take as long as a short lap.
//!
//! # Safety
//!
//! The one unsafe call writes to a local variable.

#![allow(unsafe_code)]

use std::ops::Add;
use std::time::{Duration, Instant};

/// A running stopwatch.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    processor: Duration,
}

/// The time that a loop took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Wall-clock time.
    pub wall: Duration,
    /// Processor time of all threads of the process, in the program and in the kernel.
    pub processor: Duration,
}

impl Stopwatch {
    /// Starts a stopwatch.
    pub fn start() -> Self {
        Self { processor: processor_time(), wall: Instant::now() }
    }

    /// The time spent so far.
    pub fn spent(self) -> Spent {
        let wall = self.wall.elapsed();
        Spent { wall, processor: processor_time().saturating_sub(self.processor) }
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, processor: self.processor + other.processor }
    }
}

fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable, and every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_spent_and_uses_no_processor() {
        // Other tests of this process use the processor meanwhile, so only lower bounds are
        // certain.
        let watch = Stopwatch::start();
        std::thread::sleep(Duration::from_millis(20));
        let slept = watch.spent();
        assert!(slept.wall >= Duration::from_millis(20), "{slept:?}");
        let mut sum = 0_u64;
        while watch.spent().processor < slept.processor + Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        let both = slept + watch.spent();
        assert!(both.processor >= slept.processor + Duration::from_millis(5), "{both:?}");
    }
}
