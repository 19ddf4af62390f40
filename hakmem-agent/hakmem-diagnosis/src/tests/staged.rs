//! Regressions staged by one change each, with the cause that must come first.

use super::synthetic::{ClassLoad, Program, class, usual};
use crate::diagnosis::{CauseKind, Diagnosis, Unchanged, Verdict};
use crate::{Options, Side, diagnose};

/// Changes one thing in a program and compares the result with the original.
fn staged(change: impl FnOnce(&mut Program)) -> Diagnosis {
    let before = usual();
    let mut after = Program { seed: 2, ..before.clone() };
    change(&mut after);
    diagnose(&before.side(), &after.side(), &Options::default())
}

fn first(diagnosis: &Diagnosis) -> Option<(CauseKind, Option<&str>, Option<&str>)> {
    let cause = diagnosis.causes.first()?;
    Some((cause.kind, cause.class.as_deref(), cause.reason.as_deref()))
}

fn check(
    diagnosis: &Diagnosis,
    verdict: Verdict,
    expected: Option<(CauseKind, Option<&str>, Option<&str>)>,
) {
    println!("{}", diagnosis.headline);
    let found = (diagnosis.verdict, first(diagnosis));
    assert_eq!(found, (verdict, expected), "{diagnosis:#?}");
}

fn exchange_more(class: &mut ClassLoad, factor: f64) {
    class.slow_allocations.iter_mut().for_each(|(_, share)| *share *= factor);
    let flushes = class.slow_frees.iter_mut().filter(|(reason, _)| *reason != "check");
    flushes.for_each(|(_, share)| *share *= factor);
}

#[test]
fn nothing_changed() {
    let diagnosis = staged(|_| ());
    check(&diagnosis, Verdict::Unchanged, None);
    assert!(diagnosis.headline.starts_with("no path became slower"), "{}", diagnosis.headline);
}

#[test]
fn routing_switched_from_direct_to_exclude() {
    let diagnosis = staged(|program| {
        program.identity.routing = "exclude".to_owned();
        let c7 = program.class("C7");
        c7.slow_frees = vec![("routed", 0.998), ("check", 0.001)];
        c7.slow_allocations = vec![("refill_slab", 1.0)];
        exchange_more(program.class("C3"), 1.3);
    });
    let expected = (CauseKind::Routing, Some("C7"), Some("routed"));
    check(&diagnosis, Verdict::Regressed, Some(expected));
    assert_eq!(diagnosis.causes.len(), 1, "{:#?}", diagnosis.causes);
    let text = &diagnosis.causes[0].text;
    assert!(text.contains("C7 frees went from 99"), "{text}");
    assert!(text.ends_with("routing direct -> exclude"), "{text}");
}

#[test]
fn check_left_on() {
    let diagnosis = staged(|program| {
        program.identity.check = "full".to_owned();
        for class in &mut program.classes {
            if class.class != "large" {
                class.slow_frees = vec![("check", 1.0)];
            }
        }
    });
    let expected = (CauseKind::Check, Some("C3"), Some("check"));
    check(&diagnosis, Verdict::Regressed, Some(expected));
    assert_eq!(diagnosis.causes.len(), 1, "{:#?}", diagnosis.causes);
}

#[test]
fn capacity_lowered_by_a_setting() {
    let diagnosis = staged(|program| {
        program.identity.list_bytes_max = 4096;
        program.classes.iter_mut().for_each(|class| exchange_more(class, 4.0));
        for class in &mut program.classes {
            class.capacity_blocks = 64;
        }
    });
    check(&diagnosis, Verdict::Regressed, first(&diagnosis));
    assert_eq!(diagnosis.causes[0].kind, CauseKind::Capacity, "{:#?}", diagnosis.causes);
    assert!(diagnosis.causes[0].text.contains("4.00 KiB instead of 256 KiB"));
}

#[test]
fn a_limit_of_lists_that_is_not_known_is_not_another_limit() {
    let mut before = usual();
    let mut after = Program { seed: 2, ..before.clone() };
    before.identity.list_bytes_max = 0;
    after.classes.iter_mut().for_each(|class| exchange_more(class, 4.0));
    let diagnosis = diagnose(&before.side(), &after.side(), &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Regressed);
    assert!(diagnosis.causes.iter().all(|it| it.kind != CauseKind::Capacity), "{diagnosis:#?}");
}

#[test]
fn capacity_lowered_without_a_word() {
    let diagnosis = staged(|program| {
        exchange_more(program.class("C5"), 4.0);
        program.class("C5").capacity_blocks = 64;
    });
    let expected = (CauseKind::Capacity, Some("C5"), Some("flush_full"));
    check(&diagnosis, Verdict::Regressed, Some(expected));
}

#[test]
fn sizes_shifted_with_unchanged_paths() {
    let diagnosis = staged(|program| {
        program.class("C2").allocations = 10_000.0;
        program.class("C2").frees = 10_000.0;
        for (name, factor) in [("C5", 1.7), ("C7", 1.3)] {
            program.class(name).allocations *= factor;
            program.class(name).frees *= factor;
        }
    });
    check(&diagnosis, Verdict::Unchanged, Some((CauseKind::Mix, Some("C5"), None)));
    assert!(diagnosis.headline.starts_with("the program allocates other sizes"));
}

#[test]
fn a_size_crossed_from_c7_to_mid() {
    let diagnosis = staged(|program| {
        let moved = program.class("C7").allocations * 0.6;
        program.class("C7").allocations -= moved;
        program.class("C7").frees -= moved;
        program.class("mid").allocations += moved;
        program.class("mid").frees += moved;
    });
    check(&diagnosis, Verdict::Unchanged, Some((CauseKind::SizeCrossing, Some("mid"), None)));
}

#[test]
fn two_crossings_at_once_are_other_sizes_and_no_crossing() {
    let diagnosis = staged(|program| {
        for (from, to) in [("C2", "C3"), ("C5", "C7")] {
            for (name, change) in [(from, -8_000.0), (to, 8_000.0)] {
                program.class(name).allocations += change;
                program.class(name).frees += change;
            }
        }
    });
    let kinds: Vec<CauseKind> = diagnosis.causes.iter().map(|it| it.kind).collect();
    assert!(!kinds.contains(&CauseKind::SizeCrossing), "{kinds:?}");
    assert!(kinds.contains(&CauseKind::Mix), "{kinds:?}");
}

#[test]
fn a_thread_split_into_producer_and_consumer() {
    let diagnosis = staged(|program| {
        program.threads = vec![("reader", 0.98, 0.02), ("writer", 0.02, 0.98)];
        program.classes.iter_mut().for_each(|class| {
            if class.class != "large" {
                exchange_more(class, 3.0);
            }
        });
    });
    check(&diagnosis, Verdict::Regressed, first(&diagnosis));
    assert_eq!(diagnosis.causes[0].kind, CauseKind::Handover, "{:#?}", diagnosis.causes);
    assert!(diagnosis.causes[0].text.contains("`reader` mostly allocates, `writer` mostly frees"));
}

#[test]
fn a_leak() {
    let diagnosis = staged(|program| {
        program.class("C5").block_bytes = 256.0;
        program.class("C5").frees *= 0.9;
        program.class("C5").slow_allocations[1].1 *= 3.0;
    });
    check(&diagnosis, Verdict::Regressed, Some((CauseKind::Leak, Some("C5"), Some("refill_slab"))));
}

#[test]
fn a_burst_of_new_threads() {
    let diagnosis = staged(|program| {
        program.starts = 40.0;
        for name in ["C2", "C3", "C5"] {
            exchange_more(program.class(name), 2.0);
            program.class(name).slow_frees.push(("late", 0.001));
        }
        program.class("C3").slow_allocations.push(("first_use", 0.001));
    });
    check(&diagnosis, Verdict::Regressed, first(&diagnosis));
    assert_eq!(diagnosis.causes[0].kind, CauseKind::ThreadChurn, "{:#?}", diagnosis.causes);
}

#[test]
fn threads_that_a_program_begins_with_are_no_churn() {
    // Whole runs: three threads instead of two start in them, and stay.
    let before = usual();
    let mut after = Program { seed: 2, ..before.clone() };
    after.threads = vec![("main", 0.0, 0.0), ("reader", 0.98, 0.02), ("writer", 0.02, 0.98)];
    after.classes.iter_mut().for_each(|class| {
        if class.class != "large" {
            exchange_more(class, 3.0);
        }
    });
    let whole = |program: &Program| {
        let mut side = program.side();
        side.series[0].samples[0].threads.clear();
        for class in &mut side.series[0].samples.iter_mut().flat_map(|it| &mut it.classes) {
            // Few operations, so that even a handful of threads is a high rate.
            class.allocations /= 50;
            class.frees /= 50;
            let reasons = class.slow_allocations.iter_mut().chain(&mut class.slow_frees);
            reasons.for_each(|reason| reason.count /= 50);
        }
        side
    };
    let diagnosis = diagnose(&whole(&before), &whole(&after), &Options::default());
    let kinds: Vec<CauseKind> = diagnosis.causes.iter().map(|cause| cause.kind).collect();
    assert!(!kinds.contains(&CauseKind::ThreadChurn), "{diagnosis:#?}");
}

#[test]
fn large_buffers_resized_in_a_loop() {
    let diagnosis = staged(|program| {
        program.class("large").allocations = 400.0;
        program.class("large").frees = 400.0;
    });
    check(&diagnosis, Verdict::Regressed, first(&diagnosis));
    assert_eq!(diagnosis.causes[0].kind, CauseKind::LargeSpans, "{:#?}", diagnosis.causes);
}

#[test]
fn memory_that_is_not_returned() {
    let diagnosis = staged(|program| program.idle_bytes = 80e6);
    check(&diagnosis, Verdict::Regressed, Some((CauseKind::Retention, None, None)));
}

#[test]
fn double_frees() {
    let diagnosis = staged(|program| program.double_frees = 3);
    let expected = (CauseKind::Anomalies, Some("C7"), Some("double_free"));
    check(&diagnosis, Verdict::Regressed, Some(expected));
}

#[test]
fn a_reason_of_its_own() {
    let diagnosis = staged(|program| {
        program.class("C3").slow_allocations.push(("aligned", 0.02));
    });
    check(&diagnosis, Verdict::Regressed, Some((CauseKind::Reason, Some("C3"), Some("aligned"))));
}

#[test]
fn a_reason_that_took_the_place_of_another_is_told_with_it() {
    let text = |less: f64| {
        let mut before = usual();
        before.class("C3").slow_allocations[0].1 = 0.04;
        let mut after = Program { seed: 2, ..before.clone() };
        after.class("C3").slow_allocations[0].1 -= less;
        after.class("C3").slow_allocations.push(("aligned", 0.04));
        let diagnosis = diagnose(&before.side(), &after.side(), &Options::default());
        let told = |it: &&crate::diagnosis::Cause| it.reason.as_deref() == Some("aligned");
        diagnosis.causes.iter().find(told).expect("it is a cause").text.clone()
    };
    assert!(text(0.036).contains(" instead of `refill_central`"), "{}", text(0.036));
    assert!(!text(0.015).contains(" instead of "), "{}", text(0.015));
}

#[test]
fn a_cause_counts_the_operations_of_its_class_and_direction_on_both_sides() {
    let diagnosis = staged(|program| {
        program.class("C3").allocations *= 2.0;
        program.class("C3").slow_allocations.push(("aligned", 0.02));
    });
    let reason = Some("aligned");
    let cause = diagnosis.causes.iter().find(|it| it.reason.as_deref() == reason).unwrap();
    let expected = [40.0 * 40_000.0, 40.0 * 80_000.0];
    for (counted, expected) in cause.operations.into_iter().zip(expected) {
        assert!((counted as f64 / expected - 1.0).abs() < 0.15, "{counted} of {expected}");
    }
}

#[test]
fn slow_paths_that_take_four_times_as_long() {
    let runs = |seeds: std::ops::Range<u64>, times: u64, count: usize| {
        let run = |seed| {
            let mut run = Program { seed, ..usual() };
            run.classes.iter_mut().for_each(|class| class.slow_ns *= times);
            run.series()
        };
        Side { series: seeds.map(run).take(count).collect(), ..Side::default() }
    };
    for (count, verdict) in [(1, Verdict::Unchanged), (3, Verdict::Regressed)] {
        let (before, after) = (runs(0..9, 1, count), runs(10..19, 4, count));
        let diagnosis = diagnose(&before, &after, &Options::default());
        println!("{}", diagnosis.headline);
        assert_eq!(diagnosis.verdict, verdict, "{diagnosis:#?}");
        assert_eq!(diagnosis.causes[0].kind, CauseKind::Duration, "{diagnosis:#?}");
        assert!(!diagnosis.change.frequency.is_change(0.0), "{:?}", diagnosis.change);
    }
}

#[test]
fn a_busy_machine_is_no_regression() {
    let before = usual().side();
    let mut after = Program { seed: 2, ..usual() }.side();
    for (place, sample) in after.series[0].samples.iter_mut().enumerate() {
        for class in &mut sample.classes {
            let histogram = class.slow_durations.as_mut().unwrap();
            let held_up = hakmem_proto::v1::DurationBucket {
                start_ns: 1 << 20,
                count: histogram.buckets[0].count / 30 + place as u64,
            };
            histogram.buckets.push(held_up);
        }
    }
    let diagnosis = diagnose(&before, &after, &Options::default());
    assert!(diagnosis.change.duration.low > diagnosis.before.cost_ns, "{:?}", diagnosis.change);
    check(&diagnosis, Verdict::Unchanged, None);
    assert!(diagnosis.caveats.iter().any(|it| it.text.contains("not at the median")));
}

#[test]
fn an_improvement_is_one() {
    let diagnosis = staged(|program| {
        program.classes.iter_mut().for_each(|class| exchange_more(class, 0.5));
        *program.class("large") = class("large", 20.0, 0.0);
    });
    assert_eq!(diagnosis.verdict, Verdict::Improved, "{diagnosis:#?}");
}

#[test]
fn a_little_of_everything_is_one_cause() {
    let before = Program { classes: many_classes(0.01), ..usual() };
    let after = Program { classes: many_classes(0.0125), seed: 2, ..usual() };
    let diagnosis = diagnose(&before.side(), &after.side(), &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Regressed, "{diagnosis:#?}");
    assert_eq!(diagnosis.causes.len(), 1, "{:#?}", diagnosis.causes);
    assert_eq!(diagnosis.causes[0].kind, CauseKind::Reason);
}

fn many_classes(slow: f64) -> Vec<ClassLoad> {
    let names = ["C0", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "mid"];
    let classes = names.map(|name| ClassLoad { slow_ns: 400, ..class(name, 20_000.0, slow) });
    classes.into()
}

#[test]
fn memory_that_follows_the_load_is_no_leak() {
    let before = usual().side();
    let mut after = Program { seed: 2, ..usual() }.side();
    // At the end the program is twice as busy as at the beginning, and has twice the memory.
    let start = after.series[0].samples[0].sampled_at.unwrap().seconds as f64;
    for (place, sample) in after.series[0].samples.iter_mut().enumerate() {
        let load = 1.0 + place as f64 / 40.0;
        // Samples move closer together, so that the same operations take less time.
        let at = start + 4.0 * load.ln();
        sample.sampled_at = Some(prost_types::Timestamp {
            seconds: at.floor() as i64,
            nanos: (at.fract() * 1e9) as i32,
        });
        sample.totals.as_mut().unwrap().live_bytes = (10e6 * load) as i64;
    }
    check(&diagnose(&before, &after, &Options::default()), Verdict::Unchanged, None);
}

/// A program that uses the given bins of mid, each with its own slow share.
fn with_bins(program: &Program, bins: &[(u32, f64, f64)]) -> Side {
    let mut side = program.side();
    side.series[0].identity.bins = bins
        .iter()
        .map(|&(bin, ..)| hakmem_proto::v1::Bin {
            bin,
            class: "mid".to_owned(),
            stride_bytes: 1024 * bin,
            ..Default::default()
        })
        .collect();
    for sample in &mut side.series[0].samples {
        let Some(mid) = sample.classes.iter_mut().find(|it| it.class == "mid") else { continue };
        let all = mid.allocations;
        let share = |share: f64| (all as f64 * share) as u64;
        let slow: f64 = bins.iter().map(|&(_, used, slow)| used * slow).sum();
        let count = |reason: &str, count| hakmem_proto::v1::ReasonCount {
            reason: reason.to_owned(),
            count,
        };
        mid.frees = all;
        mid.slow_allocations = vec![count("refill_slab", 0), count("refill_central", share(slow))];
        mid.slow_frees = vec![count("flush_full", share(slow))];
        mid.bins = bins
            .iter()
            .map(|&(bin, used, slow)| hakmem_proto::v1::BinCounters {
                bin,
                allocations: share(used),
                frees: share(used),
                slow_allocations: vec![0, share(used * slow)],
                slow_frees: vec![share(used * slow)],
            })
            .collect();
    }
    side
}

/// A program that mostly uses mid, whose slow paths cost `slow_ns`.
fn of_mid(seed: u64, slow_ns: u64) -> Program {
    let mid = ClassLoad { slow_ns, ..class("mid", 100_000.0, 0.02) };
    Program { classes: vec![class("C3", 20_000.0, 0.01), mid], seed, ..usual() }
}

#[test]
fn other_sizes_within_mid_are_no_slower_path() {
    let options = Options::default();
    let small = with_bins(&of_mid(1, 300), &[(10, 1.0, 0.02), (72, 0.0, 0.0)]);
    let large = with_bins(&of_mid(2, 900), &[(10, 0.0, 0.0), (72, 1.0, 0.3)]);
    let diagnosis = diagnose(&small, &large, &options);
    check(&diagnosis, Verdict::Unchanged, Some((CauseKind::Mix, Some("mid"), None)));
    assert_eq!(diagnosis.unchanged_because, Some(Unchanged::OtherSizes));
    let text = "of mid use other sizes than before: most used up to 10.0 KiB, and now use up to \
                72.0 KiB";
    assert!(diagnosis.headline.contains(text), "{}", diagnosis.headline);
    let mixed = with_bins(&of_mid(2, 300), &[(10, 0.4, 0.02), (72, 0.6, 0.3)]);
    let diagnosis = diagnose(&small, &mixed, &options);
    check(&diagnosis, Verdict::Unchanged, Some((CauseKind::Mix, Some("mid"), None)));
    // The three parts still sum to the change of the cost.
    let change = diagnosis.change;
    let parts = change.mix.value + change.frequency.value + change.duration.value;
    assert!((change.total.value - parts).abs() < 1e-9, "{change:?}");
}

#[test]
fn a_slower_path_of_one_size_within_mid_is_one() {
    let before = with_bins(&of_mid(1, 300), &[(10, 0.5, 0.02), (72, 0.5, 0.1)]);
    let after = with_bins(&of_mid(2, 300), &[(10, 0.5, 0.02), (72, 0.5, 0.4)]);
    let diagnosis = diagnose(&before, &after, &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Regressed, "{diagnosis:#?}");
    assert_eq!(diagnosis.causes[0].kind, CauseKind::Reason);
    // A recording that does not tell bins is compared by class.
    let mut old = before.clone();
    old.series[0].samples.iter_mut().flat_map(|it| &mut it.classes).for_each(|it| it.bins.clear());
    let diagnosis = diagnose(&old, &after, &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Regressed, "{diagnosis:#?}");
}

#[test]
fn a_crossing_into_large_spans_counts_by_what_it_costs() {
    let crossed = |large_ns: u64| {
        staged(|program| {
            let moved = program.class("mid").allocations * 0.9;
            for (name, by) in [("mid", -moved), ("large", moved)] {
                program.class(name).allocations += by;
                program.class(name).frees += by;
            }
            program.class("large").slow_ns = large_ns;
        })
    };
    let dear = crossed(5_000);
    check(&dear, Verdict::Regressed, Some((CauseKind::LargeSpans, Some("large"), None)));
    assert!(dear.headline.contains("moved from mid to large"), "{}", dear.headline);
}

#[test]
fn unchanged_says_what_it_means() {
    let small = staged(|program| exchange_more(program.class("C3"), 1.02));
    assert_eq!(small.unchanged_because, Some(Unchanged::BelowThreshold), "{}", small.headline);
    assert!(small.headline.contains("is below the threshold of "), "{}", small.headline);
    // A third more, in few and noisy intervals.
    let wild = |seed: u64, worse: f64| {
        let mut program = Program { seed, noise: (0.8, 0.0), intervals: 16, ..usual() };
        program.classes.truncate(1);
        program.classes[0].slow_ns = 1_000;
        exchange_more(&mut program.classes[0], worse);
        program.side()
    };
    let found =
        (0..20).map(|seed| diagnose(&wild(seed, 1.0), &wild(seed + 50, 1.4), &Options::default()));
    let not_sure: Vec<Diagnosis> =
        found.filter(|it| it.unchanged_because == Some(Unchanged::NotSure)).collect();
    assert!(!not_sure.is_empty());
    for diagnosis in not_sure {
        let headline = &diagnosis.headline;
        assert!(headline.starts_with("not sure: "), "{headline}");
        assert!(!headline.contains("within the threshold"), "{headline}");
    }
    let longer = staged(|program| {
        program.classes.iter_mut().for_each(|class| class.slow_ns *= 2);
    });
    assert_eq!(longer.unchanged_because, Some(Unchanged::OnlyDurations), "{}", longer.headline);
    assert!(longer.headline.starts_with("only durations changed"), "{}", longer.headline);
}

#[test]
fn a_rise_of_the_fast_share_is_no_regression() {
    // Exchanges with the spare, which cost next to nothing, have become fast calls; there are a few
    // more refills.
    let before = Program {
        classes: vec![ClassLoad {
            slow_allocations: vec![("refill_spare", 0.06), ("refill_central", 0.01)],
            slow_ns: 1_000,
            ..class("C3", 100_000.0, 0.01)
        }],
        ..usual()
    };
    let mut after = Program { seed: 2, ..before.clone() };
    after.classes[0].slow_allocations = vec![("refill_spare", 0.0), ("refill_central", 0.015)];
    let diagnosis = diagnose(&before.side(), &after.side(), &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Unchanged, "{}", diagnosis.headline);
    assert_eq!(diagnosis.unchanged_because, Some(Unchanged::FewerSlow));
    assert!(diagnosis.headline.starts_with("fewer calls are slow"), "{}", diagnosis.headline);
}

#[test]
fn a_small_cost_that_rises_fivefold_counts_where_runs_are_alike() {
    let runs = |seeds: std::ops::Range<u64>, times: f64| {
        let run = |seed| {
            let mut run = Program { seed, intervals: 10, ..usual() };
            run.classes.retain(|class| class.class == "C3");
            run.classes[0].slow_ns = 20;
            exchange_more(&mut run.classes[0], 0.5 * times);
            run.series()
        };
        Side { series: seeds.map(run).collect(), ..Side::default() }
    };
    let derived = Options { is_threshold_derived: true, ..Options::default() };
    let answer =
        |times: f64, options: &Options| diagnose(&runs(0..5, 1.0), &runs(20..25, times), options);
    assert_eq!(answer(4.8, &Options::default()).verdict, Verdict::Unchanged);
    let found = answer(4.8, &derived);
    assert_eq!(found.verdict, Verdict::Regressed, "{}", found.headline);
    assert!(found.method.threshold_ns < 0.2, "{}", found.method.threshold_ns);
    assert_eq!(answer(1.0, &derived).verdict, Verdict::Unchanged);
    let told = Options { threshold_ns: 0.1, ..Options::default() };
    assert_eq!(answer(4.8, &told).verdict, Verdict::Regressed);
}
