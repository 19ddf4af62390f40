use super::*;
use crate::time::timestamp_of_unix_ns;

const PACE: Pace = Pace { window: 30.0, gap: 30.0, baseline: 300.0, baseline_min: 60.0 };

fn sample(at: u64) -> Process {
    let sampled_at = Some(timestamp_of_unix_ns(at * 1_000_000_000));
    Process { sampled_at, ..Process::default() }
}

fn push(past: &mut Past, at: u64, is_last: bool) {
    if past.is_due(at as f64, PACE, is_last) {
        past.push(&sample(at), PACE);
    }
}

fn moments(past: &Past, from: f64, to: f64) -> Vec<f64> {
    let series = past.series(&Identity::default(), from, to);
    series.map(|it| it.samples.iter().map(moment).collect()).unwrap_or_default()
}

#[test]
fn an_hour_takes_no_more_samples_than_some_minutes() {
    let mut past = Past::default();
    (1..=3600).for_each(|at| push(&mut past, at, false));
    assert!(past.recent.len() <= 34 && past.older.len() <= 43, "{past:?}");
    let current = moments(&past, 3570.0, 3600.0);
    assert!(current.len() >= 30, "{current:?}");
    let before = moments(&past, 3240.0, 3540.0);
    assert!(before.len() >= 28 && before[0] < 3255.0, "{before:?}");
    assert!(before.is_sorted());
}

#[test]
fn the_last_sample_counts_and_the_same_one_only_once() {
    let mut past = Past::default();
    for (at, is_last) in [(1, false), (2, false), (2, true), (2, true), (1, true)] {
        push(&mut past, at, is_last);
    }
    assert_eq!(moments(&past, 0.0, 9.0), [1.0, 2.0]);
    assert!(moments(&past, 2.0, 9.0).is_empty(), "one sample has no difference");
}
