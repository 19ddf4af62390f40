//! A handover that goes on for seconds, with a thread beside it that watches resident memory.
//!
//! A load whose threads keep pace holds the same few batches all the time. Memory that still grows
//! after some seconds is memory that the frees of one side never return to the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::c_heap::{Block, FilledBlock};
use crate::report::{Holding, Tally};
use crate::run_error::RunError;
use crate::stopwatch::Stopwatch;
use crate::threads::handover::Handover;

/// Time after which memory should not grow any more, unless the run is shorter than twice this.
const SETTLED: Duration = Duration::from_secs(5);
/// Measurements before memory has settled.
const LOOKS: u32 = 5;

/// Runs the load for `duration`, more than 0, and returns the resident memory when it had settled,
/// and the highest later. The load ends earlier if it has fewer blocks.
pub fn run(
    load: Handover,
    duration: Duration,
    verify: bool,
) -> Result<(Tally, Vec<Holding>), RunError> {
    let stop = AtomicBool::new(false);
    let (start, stopwatch) = (Instant::now(), Stopwatch::start());
    let (blocks, holdings) = thread::scope(|scope| {
        let stop = &stop;
        let running = scope.spawn(move || match verify {
            true => load.calls_until::<FilledBlock>(stop),
            false => load.calls_until::<Block>(stop),
        });
        let holdings = watch(start, duration, || running.is_finished());
        stop.store(true, Ordering::Relaxed);
        (running.join().expect("the load does not panic"), holdings)
    });
    let (blocks, spent) = (blocks?, stopwatch.spent());
    let tally = Tally { mallocs: blocks, frees: blocks, timed_operations: 2 * blocks, spent };
    Ok((tally, holdings))
}

fn watch(start: Instant, duration: Duration, has_ended: impl Fn() -> bool) -> Vec<Holding> {
    let settled = SETTLED.min(duration / 2);
    let interval = settled / LOOKS;
    let look = |look: u32| {
        thread::sleep((interval * look).saturating_sub(start.elapsed()));
        Holding::now(format!("highest after {:.1} s", settled.as_secs_f64()), 0)
    };
    // The early measurements make sure that measuring is not what makes memory grow.
    (1..LOOKS).for_each(|early| drop(look(early)));
    let after = look(LOOKS);
    let mut highest = after.clone();
    let mut next = LOOKS + 1;
    while start.elapsed() < duration && !has_ended() {
        let later = look(next);
        if later.resident_kib > highest.resident_kib {
            highest = later;
        }
        next += 1;
    }
    vec![Holding { moment: format!("after {:.1} s", settled.as_secs_f64()), ..after }, highest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_looked_at_twice_and_every_block_is_freed() {
        let duration = Duration::from_millis(100);
        for verify in [false, true] {
            let load = Handover { producers: 2, consumers: 1, blocks: 1 << 50 };
            let (tally, holdings) = run(load, duration, verify).expect("runs");
            assert!(tally.mallocs > 0 && tally.mallocs == tally.frees, "{tally:?}");
            assert!(tally.spent.wall >= duration);
            let [after, highest] = &holdings[..] else { panic!("{holdings:?}") };
            assert!(after.moment.starts_with("after 0.1 s"), "{after}");
            assert!(highest.resident_kib >= after.resident_kib);
        }
    }

    #[test]
    fn a_load_that_ends_early_ends_the_looking() {
        let load = Handover { producers: 1, consumers: 1, blocks: 10 };
        let (tally, _) = run(load, Duration::from_millis(200), false).expect("runs");
        assert_eq!(tally.mallocs, 10);
    }
}
