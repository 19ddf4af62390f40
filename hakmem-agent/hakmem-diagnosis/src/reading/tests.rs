use super::*;

#[test]
fn thinned_samples_keep_both_ends() {
    let thin = |samples: usize, most: usize| -> Vec<usize> {
        thinned((0..samples).collect(), most).collect()
    };
    assert!(thin(0, 3).is_empty());
    assert_eq!(thin(1, 3), [0]);
    assert_eq!(thin(4, 3), [0, 1, 2, 3]);
    assert_eq!(thin(8, 3), [0, 1, 4, 7]);
    assert_eq!(thin(1_000, 60).len(), 60);
}

#[test]
fn a_long_series_loses_no_operation() {
    let class = |count: u64| hakmem_proto::v1::ClassCounters {
        class: "C1".to_owned(),
        allocations: count * 3,
        ..Default::default()
    };
    let sample = |second: u64| Process {
        sampled_at: Some(prost_types::Timestamp { seconds: second as i64, nanos: 0 }),
        classes: vec![class(second)],
        ..Process::default()
    };
    let series = Series { samples: (0..1_000).map(sample).collect(), ..Series::default() };
    let side = Side { series: vec![series], ..Side::default() };
    let layout = Layout::of(&side, &Side::default());
    let reading = Reading::of(&side, &layout, 60);
    assert_eq!(reading.samples, 1_000);
    assert!(reading.intervals_count() <= 60);
    let operations: f64 = reading.intervals().map(|it| it.operations(&layout)).sum();
    assert_eq!((operations, reading.seconds()), (2_997.0, 999.0));
}
