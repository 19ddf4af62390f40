//! How often chance is taken for a regression, and a regression for chance.

use super::synthetic::{Program, normal, usual};
use crate::bootstrap::Random;
use crate::diagnosis::Verdict;
use crate::side::Side;
use crate::{Options, Turn, Watch, diagnose};

/// Shares of comparisons by verdict, for programs that differ by `change` and in their noise.
fn rates(times: u64, noise: (f64, f64), intervals: usize, change: fn(&mut Program)) -> [f64; 3] {
    let options = Options { replicates: 200, ..Options::default() };
    let mut counts = [0.0; 3];
    for seed in 0..times {
        let mut before = Program { seed: 2 * seed + 1_000, noise, intervals, ..usual() };
        before.classes.retain(|class| class.class != "large");
        // Slow enough that a tenth of the cost exceeds the threshold in nanoseconds.
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
    // Deviation of the slow shares, the part of it that carries over to the next interval,
    // intervals, and the largest rate of claimed changes. The last case is a window of only two or
    // three independent values, which nobody can judge well: most answers say so.
    let cases = [
        ((0.05, 0.0), 50, 0.02),
        ((0.1, 0.5), 50, 0.02),
        ((0.3, 0.7), 50, 0.02),
        ((0.3, 0.9), 240, 0.02),
        ((0.5, 0.9), 50, 0.04),
    ];
    for (noise, intervals, most) in cases {
        let [regressed, improved, silent] = rates(100, noise, intervals, |_| ());
        println!(
            "noise {noise:?}, {intervals} intervals, nothing changed: regressed {regressed:.3}, \
             improved {improved:.3}, not enough data {silent:.3}"
        );
        assert!(regressed + improved <= most, "{noise:?}: {regressed} and {improved}");
    }
}

#[test]
fn windows_of_a_load_that_wanders_are_no_regressions_of_each_other() {
    // Part of the deviation that an interval keeps from the one before, for a load with a
    // correlation time of two seconds.
    let stays = (-0.1_f64 / 2.0).exp();
    let mut program = Program { noise: (0.4, stays), intervals: 1_500, seed: 77, ..usual() };
    program.classes.retain(|class| class.class != "large");
    program.classes.iter_mut().for_each(|class| class.slow_ns = 1_000);
    let recorded = program.recorded();
    for window in [4.0, 6.0, 10.0] {
        let starts = (0..).map(|it| f64::from(it) * 3.0);
        let starts: Vec<f64> = starts.take_while(|at| at + 2.0 * window < 150.0).collect();
        let mut wrong = 0;
        for &start in &starts {
            let before = recorded.side(start, start + window);
            let after = recorded.side(start + window, start + 2.0 * window);
            let samples = (window * 10.0) as usize;
            assert!(before.series[0].samples.len().abs_diff(samples) <= 1);
            let verdict = diagnose(&before, &after, &Options::default()).verdict;
            wrong += usize::from(matches!(verdict, Verdict::Regressed | Verdict::Improved));
        }
        println!("windows of {window} s: {wrong} false verdicts of {}", starts.len());
        assert!(wrong * 20 <= starts.len(), "{wrong} of {}", starts.len());
    }
}

#[test]
fn a_fifth_more_slow_paths_is_found() {
    // Where waves are nearly as long as the window, some answers say that it is too short.
    for (noise, least) in [((0.05, 0.0), 0.95), ((0.1, 0.5), 0.95), ((0.1, 0.7), 0.9)] {
        let [regressed, _, _] = rates(100, noise, 50, |program| {
            for class in &mut program.classes {
                class.slow_allocations.iter_mut().for_each(|(_, share)| *share *= 1.2);
                class.slow_frees[0].1 *= 1.2;
            }
        });
        println!("noise {noise:?}, 50 intervals, a fifth more: found {regressed:.3}");
        assert!(regressed >= least, "{noise:?}: {regressed}");
    }
}

#[test]
fn runs_that_differ_as_a_whole_are_no_regression() {
    let options = Options { replicates: 200, ..Options::default() };
    let mut random = Random::new(5);
    let mut side = |times: usize, worse: f64| Side {
        series: (0..times)
            .map(|_| {
                let mut run = Program { seed: random.below(1 << 40) as u64, ..usual() };
                run.intervals = 10;
                // Each run has its own luck with addresses, neighbours and timing.
                let luck = (1.0 + 0.15 * normal(&mut random)) * worse;
                for class in run.classes.iter_mut().filter(|class| class.class != "large") {
                    class.slow_ns = 1_000;
                    class.slow_allocations.iter_mut().for_each(|(_, share)| *share *= luck);
                    class.slow_frees[0].1 *= luck;
                }
                run.series()
            })
            .collect(),
        ..Side::default()
    };
    for (runs, worse) in [(3, 1.0), (5, 1.0), (5, 1.8), (10, 1.5)] {
        let answers = (0..100).map(|_| diagnose(&side(runs, 1.0), &side(runs, worse), &options));
        let regressed = answers.filter(|it| it.verdict == Verdict::Regressed).count();
        println!(
            "noise of 15 % between runs, {runs} runs, {worse} times as slow: {regressed} of 100"
        );
        assert!(if worse > 1.0 { regressed >= 85 } else { regressed <= 2 }, "{regressed}");
    }
}

/// A program is compared with its past again and again, and its findings are counted.
#[test]
fn a_program_that_is_watched_for_long_raises_no_finding_until_something_happens() {
    let noise = (0.2, 0.6);
    let program = |seed: u64, intervals: usize| Program { seed, noise, intervals, ..usual() };
    let before = program(1, 300).side();
    let mut watch = Watch::default();
    let mut alarms = 0;
    let start = std::time::Instant::now();
    for window in 0..100 {
        let after = program(window + 2, 30).side();
        let diagnosis = diagnose(&before, &after, &Options::live());
        alarms += u32::from(diagnosis.verdict == Verdict::Regressed);
        assert!(watch.hear(&diagnosis, window as f64).is_empty(), "{}", diagnosis.headline);
    }
    let each = start.elapsed() / 100;
    println!("noise {noise:?}: {alarms} of 100 live windows raise an alarm; each takes {each:?}");
    let mut worse = program(7, 30);
    worse.class("C3").slow_allocations[0].1 *= 5.0;
    let diagnosis = diagnose(&before, &worse.side(), &Options::live());
    let turns: Vec<Turn> = (0..3).flat_map(|at| watch.hear(&diagnosis, f64::from(at))).collect();
    assert!(matches!(turns.as_slice(), [Turn::Began(_)]), "{}", diagnosis.headline);
}
