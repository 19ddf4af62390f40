//! How often chance looks like a regression, and a regression like chance.

use super::synthetic::{Program, usual};
use crate::diagnosis::Verdict;
use crate::{Options, diagnose};

/// Shares of comparisons by verdict, of programs that differ by `change` and in their noise.
fn rates(times: u64, noise: (f64, f64), intervals: usize, change: fn(&mut Program)) -> [f64; 3] {
    let options = Options { replicates: 200, ..Options::default() };
    let mut counts = [0.0; 3];
    for seed in 0..times {
        let mut before = Program { seed: 2 * seed + 1_000, noise, intervals, ..usual() };
        before.classes.retain(|class| class.class != "large");
        // So slow that a tenth of the cost is more than the least number of nanoseconds.
        before.classes.iter_mut().for_each(|class| class.slow_ns = 1_000);
        let mut after = Program { seed: 2 * seed + 1_001, ..before.clone() };
        change(&mut after);
        let diagnosis = diagnose(&before.side(), &after.side(), &options);
        match diagnosis.verdict {
            Verdict::Regressed => counts[0] += 1.0,
            Verdict::Improved => counts[1] += 1.0,
            Verdict::NotEnoughData => counts[2] += 1.0,
            Verdict::Unchanged => (),
        }
    }
    counts.map(|count| count / times as f64)
}

#[test]
fn chance_is_seldom_a_regression() {
    // Deviation of the slow shares, how much of it stays for the next interval, intervals, and the
    // most that may be called a change. The last one is a window of no more than two or three
    // independent values, which nobody can judge well: mostly the answer is that.
    let cases = [
        ((0.05, 0.0), 50, 0.02),
        ((0.1, 0.5), 50, 0.02),
        ((0.3, 0.7), 50, 0.02),
        ((0.3, 0.9), 240, 0.02),
        ((0.5, 0.9), 50, 0.06),
    ];
    for (noise, intervals, most) in cases {
        let [regressed, improved, silent] = rates(150, noise, intervals, |_| ());
        println!(
            "noise {noise:?}, {intervals} intervals, nothing changed: regressed {regressed:.3}, \
             improved {improved:.3}, not enough data {silent:.3}"
        );
        assert!(regressed + improved <= most, "{noise:?}: {regressed} and {improved}");
    }
}

#[test]
fn a_fifth_more_slow_paths_is_found() {
    for noise in [(0.05, 0.0), (0.1, 0.5), (0.1, 0.7)] {
        let [regressed, _, _] = rates(100, noise, 50, |program| {
            for class in &mut program.classes {
                class.slow_allocations.iter_mut().for_each(|(_, share)| *share *= 1.2);
                class.slow_frees[0].1 *= 1.2;
            }
        });
        println!("noise {noise:?}, 50 intervals, a fifth more: found {regressed:.3}");
        assert!(regressed >= 0.95, "{noise:?}: {regressed}");
    }
}
