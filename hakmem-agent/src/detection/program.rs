//! One program: the last minutes of its processes, and their comparisons.
//!
//! The program as a whole is compared with its past, because its processes come and go, and each
//! process with its own, because one of several may go wrong while the others do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use hakmem_diagnosis::{Options, Series, Side};
use hakmem_proto::delta::{Detail, whole};
use hakmem_proto::v1::{ClassCounters, Identity, Process};
use hakmem_recording::window::seconds;

use super::changes::{Changes, Source, Told};
use super::comparison::{Baseline, Comparison, Hysteresis, Symptom};
use super::past::{Pace, Past, moment};
use crate::state::ProcessRecord;

/// Number of threads above which a process's samples are kept without threads.
const THREADS_MAX: usize = 32;
/// The comparisons of the whole program.
const WITH_PAST: Source = 0;
const WITH_RECORDING: Source = 1;
/// The first number for the comparisons of processes.
const OF_PROCESSES: Source = 2;

/// The parameters with which programs are followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    pub(super) pace: Pace,
    pub(super) hysteresis: Hysteresis,
    /// Seconds within which the symptoms of one change begin.
    pub(super) together: f64,
}

/// The last minutes of a program.
#[derive(Debug)]
pub(super) struct Program {
    /// The name by which people know it, as in the metrics.
    pub(super) program_name: String,
    /// Start of the first of its processes, in seconds of Unix time.
    pub(super) started: f64,
    processes: BTreeMap<Arc<str>, Followed>,
    with_past: Comparison,
    with_recording: Comparison,
    changes: Changes,
    /// Number of processes followed so far.
    followed: u64,
}

#[derive(Debug)]
struct Followed {
    identity: Identity,
    past: Past,
    is_running: bool,
    source: Source,
    with_itself: Comparison,
}

impl Program {
    pub(super) fn new(record: &ProcessRecord, habits: Habits) -> Self {
        let comparison = || Comparison::new(habits.hysteresis);
        Self {
            program_name: record.facts.program_name.clone(),
            started: started(record.identity()),
            processes: BTreeMap::new(),
            with_past: comparison(),
            with_recording: comparison(),
            changes: Changes::new(habits.together),
            followed: 0,
        }
    }

    /// Takes a sample of one of its processes, at most `processes_max` of which are followed.
    pub(super) fn observe(&mut self, record: &ProcessRecord, habits: Habits, processes_max: usize) {
        let pace = habits.pace;
        let is_running = !record.has_ended();
        if !self.processes.contains_key(&record.key)
            && (!is_running || !self.has_room(processes_max))
        {
            return;
        }
        self.started = self.started.min(started(record.identity()));
        let followed = self.processes.entry(Arc::clone(&record.key)).or_insert_with(|| {
            self.followed += 1;
            Followed {
                identity: record.identity().clone(),
                past: Past::default(),
                is_running,
                source: OF_PROCESSES + self.followed,
                with_itself: Comparison::new(habits.hysteresis),
            }
        });
        if !followed.is_running {
            return;
        }
        followed.is_running = is_running;
        let at = record.sample.unix_ns as f64 / 1e9;
        if !followed.past.is_due(at, pace, !is_running) {
            return;
        }
        let sample = record.message();
        let threads = sample.threads.len() <= THREADS_MAX;
        let mut kept = whole(&sample, Detail { threads, classes: true });
        // The identity is kept once for all samples.
        kept.identity = None;
        followed.past.push(&kept, pace);
    }

    /// Makes room for another process by forgetting an ended one without ongoing symptoms, if
    /// necessary.
    fn has_room(&mut self, processes_max: usize) -> bool {
        if self.processes.len() < processes_max {
            return true;
        }
        let is_over = |it: &Followed| !it.is_running && !it.with_itself.is_ongoing();
        let ended = self.processes.iter().filter(|(_, it)| is_over(it));
        let newest = |it: &Followed| it.past.newest().unwrap_or(0.0);
        let oldest = ended.min_by(|(_, a), (_, b)| newest(a).total_cmp(&newest(b)));
        let oldest = oldest.map(|(key, _)| Arc::clone(key));
        oldest.is_some_and(|key| self.processes.remove(&key).is_some())
    }

    /// Counts processes as ended whose segments are gone.
    pub(super) fn retain_running(&mut self, runs: impl Fn(&str) -> bool) {
        for (key, followed) in &mut self.processes {
            followed.is_running &= runs(key);
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.processes.values().any(|it| it.is_running)
    }

    pub(super) fn is_ongoing(&self) -> bool {
        self.with_past.is_ongoing()
            || self.with_recording.is_ongoing()
            || self.processes.values().any(|it| it.with_itself.is_ongoing())
    }

    /// Length of the kept past, in seconds.
    pub(super) fn span(&self) -> f64 {
        let oldest = self.processes.values().filter_map(|it| it.past.oldest());
        self.newest() - oldest.fold(self.newest(), f64::min)
    }

    /// Time of its newest sample.
    pub(super) fn newest(&self) -> f64 {
        let newest = self.processes.values().filter_map(|it| it.past.newest());
        newest.fold(0.0, f64::max)
    }

    /// The last windows of this build, as the baseline of the build that came after it.
    pub(super) fn last_windows(&self, pace: Pace) -> Option<Baseline> {
        let to = self.newest();
        let series = self.series(to - pace.baseline, to);
        baseline("the build before".to_owned(), series, 0.0)
    }

    /// Compares the program with its own past or with `previous`, the build before it, and with a
    /// recording, and each process with itself.
    pub(super) fn compare(
        &mut self,
        now: f64,
        pace: Pace,
        options: &Options,
        baselines: (Option<Baseline>, Option<&Baseline>),
        next_id: &mut u64,
    ) -> Vec<Told> {
        let from = now - pace.window;
        let side = current(self.series(from, now), pace, options);
        let side = side.as_ref();
        let (previous, recording) = baselines;
        let own = match self.with_past.is_ongoing() {
            true => None,
            false => own_past(|from, to| self.series(from, to), now, pace),
        };
        let heard = self.with_past.hear(side, || previous.or(own), from, options);
        let mut symptoms = of(WITH_PAST, heard);
        if recording.is_some() {
            let heard = self.with_recording.hear(side, || recording.cloned(), from, options);
            symptoms.extend(of(WITH_RECORDING, heard));
        }
        symptoms.extend(self.compare_processes(now, pace, options));
        self.changes.take(symptoms, now, next_id)
    }

    /// Compares each process with its own past; a single process is already compared as the
    /// program.
    fn compare_processes(
        &mut self,
        now: f64,
        pace: Pace,
        options: &Options,
    ) -> Vec<(Source, Symptom)> {
        let from = now - pace.window;
        let are_several = self.processes.values().filter(|it| it.is_running).count() > 1;
        let mut symptoms = Vec::new();
        for followed in self.processes.values_mut() {
            let Followed { identity, past, is_running, source, with_itself } = followed;
            let heard = if !*is_running {
                with_itself.end(past.newest().unwrap_or(now))
            } else if are_several || with_itself.is_ongoing() {
                let series = |from, to| past.series(identity, from, to).into_iter().collect();
                let side = current(series(from, now), pace, options);
                let own = || own_past(series, now, pace);
                with_itself.hear(side.as_ref(), own, from, options)
            } else {
                Vec::new()
            };
            symptoms.extend(of(*source, heard));
        }
        symptoms
    }

    /// Ends all symptoms, because the program is gone.
    pub(super) fn end(&mut self, at: f64, next_id: &mut u64) -> Vec<Told> {
        let mut symptoms = of(WITH_PAST, self.with_past.end(at));
        symptoms.extend(of(WITH_RECORDING, self.with_recording.end(at)));
        for followed in self.processes.values_mut() {
            symptoms.extend(of(followed.source, followed.with_itself.end(at)));
        }
        self.changes.take(symptoms, at, next_id)
    }

    fn series(&self, from: f64, to: f64) -> Vec<Series> {
        let all = self.processes.values();
        all.filter_map(|it| it.past.series(&it.identity, from, to)).collect()
    }
}

/// Key and pid of the process with the most slow paths, in `class` or in all classes.
pub(super) fn shows_most(side: &Side, class: Option<&str>) -> (String, u32) {
    let slow = |sample: &Process| -> u64 {
        let of_class = |it: &ClassCounters| {
            let all = it.slow_allocations.iter().chain(&it.slow_frees);
            all.map(|reason| reason.count).sum::<u64>()
        };
        let wanted = sample.classes.iter().filter(|it| class.is_none_or(|class| class == it.class));
        wanted.map(of_class).sum()
    };
    let most = side.series.iter().max_by_key(|series| difference(series, slow));
    let key = most.and_then(|it| it.samples.last()).map(|it| it.key.clone());
    (key.unwrap_or_default(), most.map_or(0, |it| it.identity.pid))
}

fn of(source: Source, symptoms: Vec<Symptom>) -> Vec<(Source, Symptom)> {
    symptoms.into_iter().map(|symptom| (source, symptom)).collect()
}

/// The current window, if it has enough operations.
fn current(series: Vec<Series>, pace: Pace, options: &Options) -> Option<Arc<Side>> {
    let operations = series.iter().map(operations).fold(0, u64::saturating_add);
    let is_enough = operations >= options.operations_min;
    is_enough.then(|| Arc::new(Side { name: format!("the last {:.0} s", pace.window), series }))
}

/// The baseline before the current window, if it is long enough.
fn own_past(series: impl Fn(f64, f64) -> Vec<Series>, now: f64, pace: Pace) -> Option<Baseline> {
    let to = now - pace.window - pace.gap;
    let name = format!("the {:.0} s before", pace.baseline);
    baseline(name, series(to - pace.baseline, to), pace.baseline_min * 0.9)
}

/// A baseline made of `series`, if they span at least `span_min` seconds.
fn baseline(name: String, series: Vec<Series>, span_min: f64) -> Option<Baseline> {
    let ends = series.iter().filter_map(|it| Some((it.samples.first()?, it.samples.last()?)));
    let (from, to) = ends
        .map(|(first, last)| (moment(first), moment(last)))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let is_enough = to - from >= span_min;
    is_enough.then(|| Baseline { side: Arc::new(Side { name, series }), recording: None })
}

fn operations(series: &Series) -> u64 {
    difference(series, |sample| {
        sample.totals.as_ref().map_or(0, |it| it.allocations.saturating_add(it.frees))
    })
}

fn difference(series: &Series, count: impl Fn(&Process) -> u64) -> u64 {
    let ends = [series.samples.first(), series.samples.last()];
    let [first, last] = ends.map(|sample| sample.map_or(0, &count));
    last.saturating_sub(first)
}

fn started(identity: &Identity) -> f64 {
    identity.started_at.as_ref().map_or(0.0, seconds)
}
