//! Limits the rate of a loop.

use std::time::{Duration, Instant};

/// Pauses per second of a limited loop: enough for its rate to look steady on a screen.
const PAUSES_PER_SECOND: u64 = 100;

/// Is called before each iteration of a loop.
pub trait Pace {
    /// May wait before the iteration begins.
    fn before_iteration(&mut self);
}

/// No limit; costs the loop nothing.
#[derive(Debug)]
pub(crate) struct Unlimited;

impl Pace for Unlimited {
    #[inline(always)]
    fn before_iteration(&mut self) {}
}

/// At most `per_second` iterations a second, in bursts of a hundredth of a second.
#[derive(Debug)]
pub struct Limited {
    per_second: u64,
    started: Instant,
    begun: u64,
    left_in_burst: u64,
}

impl Limited {
    /// Starts the clock. `per_second` must be more than 0.
    pub fn new(per_second: u64) -> Self {
        Self { per_second, started: Instant::now(), begun: 0, left_in_burst: 0 }
    }

    fn burst(&self) -> u64 {
        (self.per_second / PAUSES_PER_SECOND).max(1)
    }

    /// Time after the start at which the iterations begun so far are due.
    fn due(&self) -> Duration {
        Duration::from_secs_f64(self.begun as f64 / self.per_second as f64)
    }
}

impl Pace for Limited {
    fn before_iteration(&mut self) {
        if self.left_in_burst == 0 {
            std::thread::sleep(self.due().saturating_sub(self.started.elapsed()));
            self.left_in_burst = self.burst();
        }
        self.left_in_burst -= 1;
        self.begun += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_loop_takes_its_time_and_no_more_pauses_than_it_must() {
        for (per_second, iterations) in [(20, 4), (10_000, 1_500)] {
            let mut pace = Limited::new(per_second);
            (0..iterations).for_each(|_| pace.before_iteration());
            // The last burst begins when those before it are due.
            let begun = iterations - pace.burst().min(iterations);
            let least = Duration::from_secs_f64(begun as f64 / per_second as f64);
            let elapsed = pace.started.elapsed();
            assert!(elapsed >= least, "{per_second} a second: {elapsed:?} is less than {least:?}");
            assert!(elapsed < least + Duration::from_secs(2), "{per_second}: {elapsed:?}");
        }
    }
}
