//! Measures the clock frequency of the core, which converts nanoseconds into cycles.
//!
//! A chain of multiplications and exclusive ors, each dependent on the one before, takes a known
//! number of cycles on every x86-64 processor of the last ten years, however wide it is. So the
//! time that the chain takes gives the frequency at which the core really runs. The time-stamp
//! counter would give another one: it ticks at a nominal rate, whatever the core does.

use std::hint::black_box;
use std::time::Instant;

/// Latency of a 64-bit multiplication (3) and of an exclusive or (1).
const CYCLES_PER_LINK: f64 = 4.0;
/// Links of one chain. It takes a tenth of a millisecond, so that the scheduler leaves many chains
/// uninterrupted even on a busy machine.
const LINKS: u64 = 100_000;
/// Number of chains; the shortest one counts, because every disturbance makes a chain longer.
const CHAINS: usize = 500;

/// Frequency of the core that ran the measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreClock {
    /// Cycles per nanosecond.
    pub gigahertz: f64,
}

impl CoreClock {
    /// Measures for some dozens of milliseconds. `None` on processors whose latencies are not
    /// known.
    pub fn measure() -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            return None;
        }
        let shortest_ns = (0..CHAINS).map(|_| chain_ns()).fold(f64::INFINITY, f64::min);
        Some(Self { gigahertz: LINKS as f64 * CYCLES_PER_LINK / shortest_ns })
    }

    /// Number of cycles in `nanoseconds`.
    pub fn cycles(self, nanoseconds: f64) -> f64 {
        self.gigahertz * nanoseconds
    }
}

fn chain_ns() -> f64 {
    // Hidden from the compiler, so that it cannot fold links into one.
    let (factor, mask) = (black_box(0x9e37_79b9_7f4a_7c15_u64), black_box(0x55_u64));
    let start = Instant::now();
    let mut value = black_box(1_u64);
    for _ in 0..LINKS {
        value = value.wrapping_mul(factor) ^ mask;
    }
    black_box(value);
    start.elapsed().as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_clock_is_that_of_a_processor() {
        let clock = CoreClock::measure().expect("x86-64 is known");
        assert!((0.2..8.0).contains(&clock.gigahertz), "{} GHz", clock.gigahertz);
        assert_eq!(CoreClock { gigahertz: 2.5 }.cycles(4.0), 10.0);
    }
}
