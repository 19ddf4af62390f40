use super::*;
use crate::model::sample;

/// A process that ran from `from` to `to`, marked as part of `run`.
fn series(run: u32, pid: u32, from: f64, to: f64) -> Series {
    let sample = |at: f64, state: &str| proto::Process {
        sampled_at: Some(sample::timestamp(at)),
        state: state.into(),
        ..sample::process(pid, "cc1", at - from, 100.0)
    };
    let mut identity = sample::identity(pid, "cc1");
    identity.started_at = Some(sample::timestamp(from));
    let samples = vec![sample(from, "running"), sample(to, "exited")];
    let mut series = Series { identity, samples, lost_events: 1, ..Series::default() };
    mark(&mut series, run);
    series
}

#[test]
fn processes_of_one_run_become_one_series() {
    let all = vec![series(2, 3, 20.0, 25.0), series(1, 2, 12.0, 18.0), series(1, 1, 10.0, 20.0)];
    let joined = join(all);
    let pids: Vec<u32> = joined.iter().map(|it| it.identity.pid).collect();
    assert_eq!(pids, [1, 3], "each run is named after the process that did most");
    assert!(joined.iter().all(|it| it.identity.labels.is_empty()), "marks are gone");
    let sampled: Vec<usize> = joined.iter().map(|it| it.samples.len()).collect();
    assert_eq!(sampled, [2, 2], "samples of several processes in a row are of one moment");
    assert_eq!(joined[0].lost_events, 2);
}

#[test]
fn without_marks_descendants_and_replacements_are_of_one_run() {
    let process = |pid: u32, parent: u32, from: f64| {
        let mut series = series(0, pid, from, from + 5.0);
        series.identity.labels.clear();
        series.identity.parent_pid = parent;
        series
    };
    // A shell that was `env` before, its child and grandchild; and an unrelated process.
    let all = vec![
        process(12, 11, 3.0),
        process(10, 1, 1.0),
        process(11, 10, 2.0),
        process(10, 1, 0.0),
        process(40, 1, 0.5),
    ];
    let roots = roots(&all.iter().map(|it| &it.identity).collect::<Vec<_>>());
    assert_eq!(roots, [3, 3, 3, 3, 4]);
    assert!(are_runs(&all) && !are_runs(&all[4..]));
    assert_eq!(join(all).len(), 2);
}

#[test]
fn a_process_that_was_there_before_the_window_adds_nothing_when_it_is_first_seen() {
    let mut late = series(1, 2, 0.0, 30.0);
    late.samples[0] = late.samples[1].clone();
    late.samples[0].sampled_at = Some(sample::timestamp(11.0));
    let joined = join(vec![series(1, 1, 10.0, 20.0), late]);
    let allocations: Vec<u64> =
        joined[0].samples.iter().map(|it| it.totals.unwrap_or_default().allocations).collect();
    let own = series(1, 1, 10.0, 20.0).samples[1].totals.unwrap_or_default().allocations;
    assert_eq!(allocations.len(), 2);
    assert_eq!(allocations[1] - allocations[0], own, "only the other one has done anything");
}

#[test]
fn very_many_moments_are_thinned_and_the_last_one_stays() {
    let mut long = series(1, 1, 0.0, 1.0);
    let sample = long.samples[1].clone();
    long.samples = (0..5000)
        .map(|at| proto::Process {
            sampled_at: Some(sample::timestamp(f64::from(at))),
            ..sample.clone()
        })
        .collect();
    let joined = join(vec![long, series(1, 2, 0.0, 1.0)]);
    let samples = &joined[0].samples;
    assert_eq!(samples.len(), 1000);
    assert_eq!(samples[999].sampled_at, Some(sample::timestamp(4999.0)));
}

#[test]
fn counters_never_fall_and_what_ended_processes_held_is_gone() {
    let parts = [series(1, 1, 10.0, 20.0), series(1, 2, 12.0, 18.0)];
    let alone: Vec<proto::Totals> =
        parts.iter().map(|it| it.samples[1].totals.unwrap_or_default()).collect();
    let joined = join(parts.to_vec());
    let totals = |at: usize| joined[0].samples[at].totals.unwrap_or_default();
    let allocations: Vec<u64> = (0..2).map(|at| totals(at).allocations).collect();
    assert!(allocations.is_sorted(), "{allocations:?}");
    assert_eq!(totals(1).allocations, alone[0].allocations + alone[1].allocations);
    assert_eq!((totals(1).live_bytes, totals(1).threads), (0, 0));
    let class = &joined[0].samples[1].classes[0];
    let durations = class.slow_durations.as_ref().unwrap();
    assert_eq!(durations.count, durations.buckets.iter().map(|it| it.count).sum::<u64>());
    let outcomes: u64 = class.outcomes.iter().map(|it| it.count).sum();
    assert_eq!(outcomes, class.frees, "the sum conserves what its parts do");
    let mut slots: Vec<u32> = joined[0].samples[1].threads.iter().map(|it| it.slot).collect();
    let count = slots.len();
    slots.dedup();
    assert_eq!(slots.len(), count, "threads of two processes are two threads");
}

#[test]
fn processes_that_are_sampled_in_turn_make_no_empty_intervals() {
    let of = |pid: u32, phase: f64| {
        let mut series = series(1, pid, 0.0, 1.0);
        let sample = |at: u32| proto::Process {
            sampled_at: Some(sample::timestamp(f64::from(at) + phase)),
            ..sample::process(pid, "cc1", f64::from(at + 1), 100.0)
        };
        series.samples = (0..20).map(sample).collect();
        series
    };
    let joined = join(vec![of(1, 0.0), of(2, 0.4)]);
    let allocations: Vec<u64> =
        joined[0].samples.iter().map(|it| it.totals.unwrap_or_default().allocations).collect();
    let steps: Vec<u64> = allocations.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps.len(), 19);
    // Numbers of the synthetic processes are rounded.
    assert!(steps.iter().all(|step| step.abs_diff(steps[0]) <= 4), "{steps:?}");
}
