//! Compares windows of one recording of a program that never changes, but whose load wanders.

use super::commands::{Answer, Bench};

/// Lengths of windows in seconds.
pub(super) const WINDOWS: [u64; 3] = [4, 6, 10];
/// Seconds from one pair of windows to the next.
const STEP: u64 = 3;
/// Length of a recording in seconds; many pairs of windows lie in it.
const SECONDS: u64 = 60;
/// Largest number of recordings.
const RECORDINGS_MAX: u64 = 4;

/// Compares windows that follow each other, in at least `times` pairs unless recordings run out.
pub(super) fn windows(bench: &Bench, window: u64, times: u64) -> Vec<Answer> {
    let starts: Vec<u64> =
        (0..).map(|it| 1 + it * STEP).take_while(|start| start + 2 * window < SECONDS).collect();
    let recordings = times.div_ceil(starts.len() as u64).clamp(1, RECORDINGS_MAX);
    let seeds: Vec<u64> = (1..=recordings).map(|it| it * 100 + window).collect();
    let recorded = bench.each(&seeds, |seed| bench.record("wander", false, seed, SECONDS));
    let pairs = recorded.iter().flat_map(|path| starts.iter().map(move |start| (path, start)));
    pairs
        .map(|(path, start)| {
            let side = |from: u64| format!("{}@+{from}..+{}", path.display(), from + window);
            bench.diff(&side(*start), &side(start + window))
        })
        .collect()
}
