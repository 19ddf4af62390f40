//! How often the diagnosis raises a false alarm, and how often it misses a change.

use std::time::Duration;

use hakmem_diagnosis::diagnosis::CauseKind;
use hakmem_diagnosis::{Diagnosis, Options, Verdict, diagnose};

use super::observed::{Load, observe};
use super::{changed, setting, side};

/// Comparisons that run side by side: loads are paced, so they do not disturb each other.
const AT_ONCE: usize = 5;

/// Compares two programs, each observed for `window`.
fn compared(before: Load, after: Load, window: Duration) -> Diagnosis {
    let seen = std::thread::scope(|scope| {
        let run = |load| scope.spawn(move || observe(&load, window));
        let runs = [run(before), run(after)];
        runs.map(|run| run.join().expect("the load can be observed"))
    });
    let [before, after] = seen;
    diagnose(&side("before", before), &side("after", after), &Options::default())
}

/// Makes the same comparison `times` times.
fn repeated(load: Load, window: Duration, times: usize) -> Vec<Diagnosis> {
    let mut found = Vec::with_capacity(times);
    while found.len() < times {
        let batch = AT_ONCE.min(times - found.len());
        std::thread::scope(|scope| {
            let run = |_| scope.spawn(move || compared(unchanged(load), load, window));
            let runs: Vec<_> = (0..batch).map(run).collect();
            found.extend(runs.into_iter().map(|run| run.join().expect("a comparison is made")));
        });
    }
    found
}

/// The load before the change.
fn unchanged(load: Load) -> Load {
    Load { blocks: load.blocks, ..Load::default() }
}

/// The load with requests too large for the threads' lists, so that a good part of all calls is
/// slow.
fn busy(load: Load) -> Load {
    Load { blocks: "3000", ..load }
}

/// Whether the diagnosis of an unchanged load names a change. Too little data to tell is neither an
/// alarm nor an answer; and on a busy machine it is true that durations changed.
fn is_alarm(diagnosis: &Diagnosis) -> bool {
    matches!(diagnosis.verdict, Verdict::Regressed | Verdict::Improved)
        || diagnosis.causes.iter().any(|cause| cause.kind != CauseKind::Duration)
}

/// Prints a wrong answer and its grounds.
fn tell(diagnosis: &Diagnosis) {
    println!("  {:?}: {}", diagnosis.verdict, diagnosis.headline);
    println!("    {} ns before; {:.3?}", diagnosis.before.cost_ns, diagnosis.change);
    for cause in &diagnosis.causes {
        println!("    {:?} {:.3?} {}", cause.kind, cause.cost_ns, cause.text);
    }
}

#[test]
fn nothing_changed_twenty_times() {
    let mut found = repeated(Load::default(), Duration::from_secs(2), 10);
    found.extend(repeated(busy(Load::default()), Duration::from_secs(2), 10));
    let alarms: Vec<&Diagnosis> = found.iter().filter(|it| is_alarm(it)).collect();
    alarms.iter().for_each(|alarm| tell(alarm));
    assert!(alarms.len() <= 1, "{} false alarms of 20", alarms.len());
    let silent = found.iter().filter(|it| it.verdict == Verdict::NotEnoughData).count();
    assert!(silent <= 5, "{silent} of 20 without an answer: is the machine very busy?");
}

/// `.ci/diagnosis` runs this by hand; `DIAGNOSIS_REPETITIONS` sets the number of repetitions.
#[test]
#[ignore = "takes minutes; .ci/diagnosis runs it"]
fn rates_of_false_alarms_and_misses() {
    let times = std::env::var("DIAGNOSIS_REPETITIONS").ok().and_then(|it| it.parse().ok());
    let times = times.unwrap_or(20);
    let staged = [
        (Load::default(), None),
        (busy(Load::default()), None),
        (setting("HAKMEM_ROUTING", "exclude"), Some((Verdict::Regressed, CauseKind::Routing))),
        (setting("HAKMEM_CHECK", "full"), Some((Verdict::Regressed, CauseKind::Check))),
        (setting("HAKMEM_LIST_BYTES", "4096"), Some((Verdict::Regressed, CauseKind::Capacity))),
        (changed("sizes"), Some((Verdict::Unchanged, CauseKind::Mix))),
        (changed("crossing"), Some((Verdict::Unchanged, CauseKind::SizeCrossing))),
        (changed("handover"), Some((Verdict::Regressed, CauseKind::Handover))),
        (changed("leak"), Some((Verdict::Regressed, CauseKind::Leak))),
        (changed("new-threads"), Some((Verdict::Regressed, CauseKind::ThreadChurn))),
        (changed("resize"), Some((Verdict::Regressed, CauseKind::LargeSpans))),
        (busy(changed("sizes")), Some((Verdict::Unchanged, CauseKind::Mix))),
        (busy(changed("crossing")), Some((Verdict::Unchanged, CauseKind::SizeCrossing))),
        (busy(changed("handover")), Some((Verdict::Regressed, CauseKind::Handover))),
        (busy(changed("leak")), Some((Verdict::Regressed, CauseKind::Leak))),
    ];
    for (load, expected) in staged {
        let found = repeated(load, Duration::from_secs(3), times);
        let is_wrong = |it: &&Diagnosis| {
            let first = it.causes.first().map(|cause| cause.kind);
            let or_silent = is_alarm(it) || it.verdict == Verdict::NotEnoughData;
            expected
                .map_or(or_silent, |(verdict, kind)| (it.verdict, first) != (verdict, Some(kind)))
        };
        let wrong: Vec<&Diagnosis> = found.iter().filter(is_wrong).collect();
        println!("{load:?}: {} wrong of {times}", wrong.len());
        wrong.iter().for_each(|it| tell(it));
    }
}
