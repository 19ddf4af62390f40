//! Courses of memory whose meaning is known: leaks, caches, bursts, and memory that is kept.

use hakmem_proto::v1::{Memory, Process, Totals};

use super::recorded::Recorded;
use super::synthetic::{Program, class, normal, usual};
use crate::bootstrap::Random;
use crate::diagnosis::{CauseKind, Diagnosis, Verdict};
use crate::side::{Series, Side};
use crate::{Options, diagnose};

const MIB: f64 = 1024.0 * 1024.0;
/// Number of samples of a course.
const STEPS: usize = 80;

/// Live memory and held memory beyond it, in MiB, at a step from 0 to 1.
type Course<'a> = &'a dyn Fn(f64) -> (f64, f64);

fn series(program: &Program, course: Course) -> Series {
    let mut series = program.series();
    let last = series.samples.len() - 1;
    for (place, sample) in series.samples.iter_mut().enumerate() {
        let (live, idle) = course(place as f64 / last as f64);
        sample.totals = Some(Totals {
            live_bytes: (live * MIB) as i64,
            threads: 2,
            ..sample.totals.unwrap_or_default()
        });
        let slab_bytes = ((live + idle) * MIB) as u64;
        sample.memory = Some(Memory { slab_bytes, ..Memory::default() });
    }
    series
}

fn program(seed: u64) -> Program {
    Program { seed, intervals: STEPS, ..usual() }
}

fn recorded(series: &Series) -> Side {
    Recorded::of(series, 0.1).side(0.0, f64::INFINITY)
}

/// Compares a course with a constant 20 MiB.
fn diagnosed(course: Course) -> Diagnosis {
    let before = recorded(&series(&program(1), &|_| (20.0, 2.0)));
    diagnose(&before, &recorded(&series(&program(2), course)), &Options::default())
}

fn kinds(diagnosis: &Diagnosis) -> Vec<CauseKind> {
    diagnosis.causes.iter().map(|cause| cause.kind).collect()
}

/// Moves samples in time, so that the program does `faster` times as many operations a second in
/// the second half as in the first.
fn hurry(series: &mut Series, faster: f64) {
    let mut at = 1_000_000.0;
    let half = series.samples.len() / 2;
    for (place, sample) in series.samples.iter_mut().enumerate() {
        at += if place < half { 0.1 } else { 0.1 / faster };
        sample.sampled_at =
            Some(prost_types::Timestamp { seconds: at as i64, nanos: (at.fract() * 1e9) as i32 });
    }
}

#[test]
fn a_leak_from_nothing_is_found_whichever_half_is_faster() {
    for faster in [0.5, 0.8, 0.95, 1.0, 1.05, 1.2, 1.6] {
        let before = recorded(&series(&program(1), &|_| (1.0, 2.0)));
        let mut after = series(&program(2), &|at| (8.0 * at, 2.0));
        hurry(&mut after, faster);
        let diagnosis = diagnose(&before, &recorded(&after), &Options::default());
        assert_eq!(diagnosis.verdict, Verdict::Regressed, "{faster}: {}", diagnosis.headline);
        assert_eq!(kinds(&diagnosis), [CauseKind::Leak], "{faster}");
    }
}

#[test]
fn a_few_large_blocks_that_stay_are_a_leak() {
    let few = |seed: u64, frees: f64| Program {
        classes: vec![super::synthetic::ClassLoad {
            frees,
            block_bytes: MIB,
            slow_allocations: vec![("large_map", 1.0)],
            slow_frees: vec![("large_unmap", 1.0)],
            ..class("large", 4.0, 0.0)
        }],
        intervals: 30,
        noise: (0.0, 0.0),
        seed,
        ..usual()
    };
    let options = Options::default();
    let diagnosis = diagnose(&few(1, 2.0).side(), &few(2, 0.0).side(), &options);
    assert_eq!(diagnosis.verdict, Verdict::Regressed, "{diagnosis:#?}");
    assert_eq!(kinds(&diagnosis), [CauseKind::Leak]);
    assert_eq!(diagnosis.causes[0].class.as_deref(), Some("large"));
    assert!(diagnosis.caveats.iter().any(|it| it.forbids), "paths were hardly used");
    let diagnosis = diagnose(&few(1, 2.0).side(), &few(2, 2.0).side(), &options);
    assert_eq!(diagnosis.verdict, Verdict::NotEnoughData);
}

#[test]
fn the_class_of_a_leak_is_that_of_the_bytes_that_stay_before_the_end() {
    let mut after = series(&program(2), &|at| (8.0 * at, 2.0));
    let last = after.samples.len() - 1;
    for (place, sample) in after.samples.iter_mut().enumerate() {
        let at = place as i64;
        for class in &mut sample.classes {
            // Many small blocks stay, but most bytes belong to a few large ones.
            class.live_bytes = match class.class.as_str() {
                "C5" => 1_000 * at,
                "mid" => 100_000 * at,
                _ => 0,
            };
        }
        if place == last {
            // At its end the program frees the blocks that it leaked in mid.
            sample.classes.iter_mut().for_each(|class| class.live_bytes = 0);
            sample.totals.as_mut().unwrap().live_bytes = 0;
            sample.state = "exited".to_owned();
        }
    }
    let side = |series: Series| Side { series: vec![series], ..Side::default() };
    let before = side(series(&program(1), &|_| (1.0, 2.0)));
    let diagnosis = diagnose(&before, &side(after), &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Regressed, "{}", diagnosis.headline);
    assert_eq!(diagnosis.causes[0].class.as_deref(), Some("mid"));
    assert!(diagnosis.headline.contains("most of the bytes that stay belong to mid"));
}

#[test]
fn what_a_program_frees_while_it_ends_hides_no_leak() {
    let mut after = series(&program(2), &|at| if at < 0.95 { (8.0 * at, 2.0) } else { (0.5, 2.0) });
    after.samples.last_mut().unwrap().state = "exited".to_owned();
    let side = |series: Series| Side { series: vec![series], ..Side::default() };
    let before = side(series(&program(1), &|_| (1.0, 2.0)));
    let diagnosis = diagnose(&before, &side(after), &Options::default());
    assert_eq!(kinds(&diagnosis), [CauseKind::Leak], "{}", diagnosis.headline);
}

#[test]
fn a_cache_that_fills_is_no_leak_and_one_without_a_limit_is() {
    let fills: [(&str, Course); 5] = [
        ("to nine tenths", &|at| (20.0 + 30.0 * (1.0 - (-2.3 * at).exp()), 2.0)),
        ("to three quarters", &|at| (20.0 + 30.0 * (1.0 - (-1.4 * at).exp()), 2.0)),
        ("after three fifths", &|at| (20.0 + 30.0 * at.min(0.6), 2.0)),
        ("after four fifths", &|at| (20.0 + 30.0 * at.min(0.8), 2.0)),
        ("from nothing", &|at| (30.0 * (1.0 - (-3.0 * at).exp()), 2.0)),
    ];
    for (name, course) in fills {
        let diagnosis = diagnosed(course);
        assert_eq!(diagnosis.verdict, Verdict::Unchanged, "{name}: {}", diagnosis.headline);
        let is_told = diagnosis.caveats.iter().any(|it| it.text.contains("ever more slowly"));
        assert!(is_told, "{name}: {:#?}", diagnosis.caveats);
    }
    let grow: [(&str, Course); 4] = [
        ("slowly", &|at| (20.0 + at, 2.0)),
        ("fast", &|at| (20.0 + 200.0 * at, 2.0)),
        ("after it was loaded", &|at| (40.0 * (at * 10.0).min(1.0) + 20.0 * at, 2.0)),
        ("faster and faster", &|at| (20.0 + 10.0 * at * at + 2.0 * at, 2.0)),
    ];
    for (name, course) in grow {
        let diagnosis = diagnosed(course);
        assert_eq!(diagnosis.verdict, Verdict::Regressed, "{name}: {}", diagnosis.headline);
        assert_eq!(kinds(&diagnosis), [CauseKind::Leak], "{name}");
    }
}

/// Bursts of 130 MiB of varying height, in three of every eight steps.
fn burst(random: &mut Random, at: f64) -> f64 {
    let is_high = (at * STEPS as f64) as usize % 8 >= 5;
    if is_high { 130.0 + 10.0 * normal(random) } else { 0.0 }
}

#[test]
fn a_slow_leak_is_found_among_bursts_and_bursts_are_no_leak() {
    let mut false_alarms = 0;
    for seed in 0..20 {
        let random = std::cell::RefCell::new(Random::new(seed));
        let bursts = |at: f64| 20.0 + burst(&mut random.borrow_mut(), at);
        let before = recorded(&series(&program(1), &|at| (bursts(at), 2.0)));
        let same = recorded(&series(&program(2), &|at| (bursts(at), 2.0)));
        let leak = recorded(&series(&program(3), &|at| (bursts(at) + 5.0 * at, 2.0)));
        let options = Options { replicates: 50, ..Options::default() };
        let diagnosis = diagnose(&before, &leak, &options);
        assert_eq!(kinds(&diagnosis), [CauseKind::Leak], "{seed}: {}", diagnosis.headline);
        false_alarms +=
            usize::from(diagnose(&before, &same, &options).verdict != Verdict::Unchanged);
    }
    assert!(false_alarms <= 1, "{false_alarms} of 20");
}

#[test]
fn memory_that_bursts_leave_behind_is_held_for_nothing() {
    let mut random = Random::new(5);
    let heights: Vec<f64> =
        (0..=STEPS).map(|step| burst(&mut random, step as f64 / STEPS as f64)).collect();
    let live = |at: f64| 21.0 + heights[(at * STEPS as f64).round() as usize];
    let before = recorded(&series(&program(1), &|at| (live(at), 4.0)));
    let kept = recorded(&series(&program(2), &|at| (live(at), (174.0 - live(at)).max(4.0))));
    let diagnosis = diagnose(&before, &kept, &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Regressed, "{}", diagnosis.headline);
    assert_eq!(kinds(&diagnosis), [CauseKind::Retention]);
    let diagnosis = diagnose(&kept, &kept, &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Unchanged, "{}", diagnosis.headline);
    // The side before holds as much, but in empty slabs.
    let mut empty = kept.clone();
    for memory in empty.series[0].samples.iter_mut().filter_map(|it| it.memory.as_mut()) {
        let idle = 100 << 20;
        if memory.slab_bytes > 2 * idle || memory.slab_bytes > 170 << 20 {
            (memory.slab_bytes, memory.slab_cached_bytes) = (memory.slab_bytes - idle, idle);
        }
    }
    let diagnosis = diagnose(&empty, &kept, &Options::default());
    assert_eq!(kinds(&diagnosis), [CauseKind::Retention], "{}", diagnosis.headline);
    assert!(diagnosis.headline.contains("free in slabs that live blocks keep"));
}

#[test]
fn a_sample_without_an_account_of_memory_says_nothing_of_it() {
    let mut bare = series(&program(2), &|_| (20.0, 2.0));
    bare.samples.iter_mut().for_each(|it: &mut Process| it.memory = None);
    let before = recorded(&series(&program(1), &|_| (20.0, 2.0)));
    let after = recorded(&bare);
    let diagnosis = diagnose(&before, &after, &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Unchanged, "{}", diagnosis.headline);
}
