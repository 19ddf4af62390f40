use hakmem_proto::v1::{ClassCounters, Process, ReasonCount};
use prost_types::Timestamp;

use super::*;
use crate::side::Series;

/// A run of a dozen seconds that makes `allocations` of each class a second, `slow` of them slow.
fn side(classes: &[(&str, u64, u64)]) -> Side {
    let counters = |at: u64, &(class, allocations, slow): &(&str, u64, u64)| ClassCounters {
        class: class.to_owned(),
        allocations: at * allocations,
        slow_allocations: vec![ReasonCount {
            reason: "refill_central".to_owned(),
            count: at * slow,
        }],
        ..ClassCounters::default()
    };
    let sample = |at: u64| Process {
        sampled_at: Some(Timestamp { seconds: 1_000_000 + at as i64, nanos: 0 }),
        classes: classes.iter().map(|class| counters(at, class)).collect(),
        ..Process::default()
    };
    let series = Series { samples: (0..=12).map(sample).collect(), ..Series::default() };
    Side { series: vec![series], ..Side::default() }
}

fn has_fewer_slow(before: u64, after: u64) -> bool {
    let [before, after] = [before, after].map(|slow| side(&[("C2", 10_000, slow)]));
    Evidence::of(&before, &after, &Options::default()).has_fewer_slow()
}

#[test]
fn a_program_has_fewer_slow_calls_only_if_it_had_some() {
    assert!(has_fewer_slow(100, 10));
    assert!(!has_fewer_slow(100, 90));
    assert!(!has_fewer_slow(10, 100));
    assert!(!has_fewer_slow(0, 0));
}

#[test]
fn a_class_that_no_side_uses_makes_no_estimate_less_sure() {
    let widened = |classes: &[(&str, u64, u64)]| {
        let side = side(classes);
        Evidence::of(&side, &side, &Options::default()).widened
    };
    let one = widened(&[("C2", 10_000, 100)]);
    assert_eq!(widened(&[("C2", 10_000, 100), ("C5", 0, 0)]), one);
    assert!(widened(&[("C2", 10_000, 100), ("C5", 10_000, 100)]) > one);
}

#[test]
fn one_of_many_estimates_is_sure_if_its_wider_interval_excludes_nothing() {
    let side = side(&[("C2", 10_000, 100), ("C5", 10_000, 100)]);
    let evidence = Evidence::of(&side, &side, &Options::default());
    let is_sure = |share: f64, floor: f64| {
        let low = 10.0 - share * 10.0 / evidence.widened;
        evidence.is_sure_of_many(&Estimate { value: 10.0, low, high: 20.0 - low }, floor)
    };
    assert!(evidence.widened > 1.0);
    assert!(is_sure(0.9, 5.0));
    assert!(!is_sure(1.1, 5.0), "the wider interval begins below 0");
    assert!(!is_sure(0.9, 11.0), "it is below the floor");
}

#[test]
fn a_change_counts_from_the_floor_on_if_its_interval_excludes_nothing() {
    let check = |[low, value, high]: [f64; 3], rise: bool, fall: bool| {
        let estimate = Estimate { value, low, high };
        let found = [estimate.is_rise(2.0), estimate.is_fall(2.0), estimate.is_change(2.0)];
        assert_eq!(found, [rise, fall, rise || fall], "{estimate:?}");
    };
    check([1.0, 2.0, 3.0], true, false);
    check([0.5, 1.9, 3.0], false, false);
    check([0.0, 5.0, 10.0], false, false);
    check([-1.0, 5.0, 11.0], false, false);
    check([-3.0, -2.0, -1.0], false, true);
    check([-3.0, -1.9, -0.5], false, false);
    check([-10.0, -5.0, 0.0], false, false);
    check([-11.0, -5.0, 1.0], false, false);
}
