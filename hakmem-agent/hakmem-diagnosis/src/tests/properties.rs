//! Properties that hold whatever the samples are.

use hakmem_proto::v1::{
    ClassCounters, DurationBucket, DurationHistogram, Identity, Loss, Process, ReasonCount, Thread,
    Totals,
};
use proptest::prelude::*;

use crate::evidence::Evidence;
use crate::side::{Series, Side};
use crate::{Options, diagnose};

fn options() -> Options {
    Options { replicates: 50, operations_min: 1, intervals_min: 1, ..Options::default() }
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100, 0_u64..1_000_000, Just(u64::MAX), any::<u64>()]
}

fn reason() -> impl Strategy<Value = ReasonCount> {
    let words = ["refill_central", "flush_full", "routed", "out_of_memory", "check", "odd", ""];
    (prop::sample::select(words.to_vec()), count())
        .prop_map(|(reason, count)| ReasonCount { reason: reason.to_owned(), count })
}

fn counters() -> impl Strategy<Value = ClassCounters> {
    let words = ["C0", "C7", "mid", "large", "none", "new"];
    let reasons = || prop::collection::vec(reason(), 0..3);
    let buckets = prop::collection::vec((count(), count()), 0..3);
    (prop::sample::select(words.to_vec()), count(), count(), reasons(), reasons(), buckets)
        .prop_map(|(class, allocations, frees, slow_allocations, slow_frees, buckets)| {
            ClassCounters {
                class: class.to_owned(),
                allocations,
                frees,
                slow_allocations,
                slow_frees,
                slow_durations: Some(DurationHistogram {
                    buckets: buckets
                        .into_iter()
                        .map(|(start_ns, count)| DurationBucket { start_ns, count })
                        .collect(),
                    ..DurationHistogram::default()
                }),
                ..ClassCounters::default()
            }
        })
}

fn sample() -> impl Strategy<Value = Process> {
    let time = prop::option::of((any::<i64>(), any::<i32>()));
    let threads = prop::collection::vec((any::<u32>(), count(), count()), 0..3);
    let classes = prop::collection::vec(counters(), 0..4);
    (time, classes, threads, any::<i64>(), any::<bool>()).prop_map(
        |(time, classes, threads, live_bytes, torn)| Process {
            sampled_at: time.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }),
            classes,
            threads: threads
                .into_iter()
                .map(|(slot, allocations, frees)| Thread {
                    slot,
                    allocations,
                    frees,
                    ..Thread::default()
                })
                .collect(),
            totals: Some(Totals { live_bytes, ..Totals::default() }),
            loss: Some(Loss { torn, ..Loss::default() }),
            ..Process::default()
        },
    )
}

fn wild_side() -> impl Strategy<Value = Side> {
    let series = (prop::collection::vec(sample(), 0..6), count(), count(), any::<u32>());
    let series = series.prop_map(|(samples, lost_events, lost_samples, list_bytes_max)| Series {
        identity: Identity { list_bytes_max, ..Identity::default() },
        samples,
        lost_events,
        lost_samples,
        ..Series::default()
    });
    prop::collection::vec(series, 0..4).prop_map(|series| Side { name: "wild".to_owned(), series })
}

/// Samples in the order of time whose counters rise, as they should.
fn tame_side() -> impl Strategy<Value = Side> {
    prop::collection::vec(prop::collection::vec(0_u64..50_000, 24), 2..12).prop_map(|rows| {
        let mut sums = [0_u64; 24];
        let mut samples = Vec::new();
        for (second, row) in rows.iter().enumerate() {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            let classes = ["C1", "C7", "mid"].iter().zip(sums.chunks(8));
            let classes = classes.map(|(class, n)| ClassCounters {
                class: (*class).to_owned(),
                allocations: n[0] + n[2] + n[3],
                frees: n[1] + n[4] + n[5],
                slow_allocations: vec![
                    ReasonCount { reason: "refill_central".to_owned(), count: n[2] },
                    ReasonCount { reason: "refill_spare".to_owned(), count: n[3] },
                ],
                slow_frees: vec![
                    ReasonCount { reason: "flush_full".to_owned(), count: n[4] },
                    ReasonCount { reason: "check".to_owned(), count: n[5] },
                ],
                slow_durations: Some(DurationHistogram {
                    buckets: vec![
                        DurationBucket { start_ns: 64, count: n[6] },
                        DurationBucket { start_ns: 1024, count: n[7] },
                    ],
                    ..DurationHistogram::default()
                }),
                ..ClassCounters::default()
            });
            samples.push(Process {
                sampled_at: Some(prost_types::Timestamp { seconds: second as i64, nanos: 0 }),
                classes: classes.collect(),
                ..Process::default()
            });
        }
        Side { series: vec![Series { samples, ..Series::default() }], ..Side::default() }
    })
}

/// The cost of a side at its own prices, computed directly from its sums.
fn own_cost(evidence: &Evidence, side: usize) -> f64 {
    let sums = evidence.sums(side);
    let strata = evidence.strata().map(|it| {
        let price = sums.price(it.class).unwrap_or(evidence.prices.ns[it.class]);
        price * sums.timed(it)
    });
    if sums.all() > 0.0 { strata.sum::<f64>() / sums.all() } else { 0.0 }
}

fn near(a: f64, b: f64, scale: f64) -> bool {
    (a - b).abs() <= 1e-9 * scale.abs().max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn nothing_panics_and_every_number_is_one(before in wild_side(), after in wild_side()) {
        let diagnosis = diagnose(&before, &after, &options());
        let text = serde_json::to_string(&diagnosis).unwrap();
        // JSON has no infinities: they would become `null`, which is reserved for missing values.
        prop_assert!(!text.contains("\"value\":null"), "{}", text);
        prop_assert!(!text.contains("_ns\":null,\"f"), "{}", text);
    }

    #[test]
    fn the_parts_sum_to_the_whole(before in tame_side(), after in tame_side()) {
        let diagnosis = diagnose(&before, &after, &options());
        let change = diagnosis.change;
        let evidence = Evidence::of(&before, &after, &options());
        let total = own_cost(&evidence, 1) - own_cost(&evidence, 0);
        let scale = own_cost(&evidence, 1) + own_cost(&evidence, 0);
        prop_assert!(near(change.total.value, total, scale), "{change:?} is not {total}");
        prop_assert_eq!(change.path.value, change.frequency.value + change.duration.value);
        prop_assert_eq!(change.total.value, change.mix.value + change.path.value);
        let sum = |of: fn(&crate::diagnosis::Stratum) -> f64| diagnosis.strata.iter().map(of).sum();
        prop_assert!(near(sum(|it| it.mix_ns), change.mix.value, scale));
        prop_assert!(near(sum(|it| it.frequency_ns), change.frequency.value, scale));
        prop_assert!(near(sum(|it| it.duration_ns), change.duration.value, scale));
        for stratum in &diagnosis.strata {
            let reasons: f64 = stratum.reasons.iter().map(|it| it.frequency_ns).sum();
            prop_assert!(near(reasons, stratum.frequency_ns, scale));
        }
    }

    #[test]
    fn the_other_way_round_is_the_opposite(before in tame_side(), after in tame_side()) {
        let [there, back] = [(&before, &after), (&after, &before)]
            .map(|(before, after)| diagnose(before, after, &options()).change);
        let scale = there.total.value.abs() + there.mix.value.abs() + there.path.value.abs();
        prop_assert!(near(there.mix.value, -back.mix.value, scale));
        prop_assert!(near(there.frequency.value, -back.frequency.value, scale));
        prop_assert!(near(there.duration.value, -back.duration.value, scale));
    }

    #[test]
    fn a_program_is_like_itself(side in tame_side()) {
        let diagnosis = diagnose(&side, &side, &options());
        prop_assert!(diagnosis.causes.is_empty(), "{:#?}", diagnosis.causes);
        prop_assert_eq!(diagnosis.change.total.value, 0.0);
        prop_assert_eq!(&diagnosis, &diagnose(&side, &side, &options()));
    }
}
