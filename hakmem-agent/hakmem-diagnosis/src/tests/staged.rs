//! Regressions that are made by changing one thing, each with the cause that must come first.

use super::synthetic::{ClassLoad, Program, class, usual};
use crate::diagnosis::{CauseKind, Diagnosis, Verdict};
use crate::{Options, Side, diagnose};

/// Changes one thing in a program and compares it with how it was.
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
    // Twice as busy in the end as in the beginning, with twice as much in memory.
    let start = after.series[0].samples[0].sampled_at.unwrap().seconds as f64;
    for (place, sample) in after.series[0].samples.iter_mut().enumerate() {
        let load = 1.0 + place as f64 / 40.0;
        // Samples come closer to each other, so that the same operations take less time.
        let at = start + 4.0 * load.ln();
        sample.sampled_at = Some(prost_types::Timestamp {
            seconds: at.floor() as i64,
            nanos: (at.fract() * 1e9) as i32,
        });
        sample.totals.as_mut().unwrap().live_bytes = (10e6 * load) as i64;
    }
    check(&diagnose(&before, &after, &Options::default()), Verdict::Unchanged, None);
}
