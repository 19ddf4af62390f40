//! One executable in one build: its processes' last minutes, and what they are compared with.

use std::collections::BTreeMap;
use std::sync::Arc;

use hakmem_diagnosis::{Options, Series, Side};
use hakmem_proto::v1::{ClassCounters, Identity, Process};
use hakmem_recording::delta::{Detail, whole};
use hakmem_recording::window::seconds;

use super::command::Place;
use super::comparison::{Baseline, Comparison, NumberedTurn};
use super::past::{Pace, Past, moment};
use crate::state::ProcessRecord;

/// Threads of a process that are kept; what more of them did to each other is not told apart.
const THREADS_MAX: usize = 32;

/// The last minutes of a program.
#[derive(Debug)]
pub(super) struct Program {
    /// Name without its directory, as the metrics have it.
    pub(super) executable_name: String,
    /// When the first of its processes started, in seconds of Unix time.
    pub(super) started: f64,
    processes: BTreeMap<Arc<str>, Followed>,
    against_past: Comparison,
    against_recording: Comparison,
}

#[derive(Debug)]
struct Followed {
    identity: Identity,
    past: Past,
    is_running: bool,
}

/// The current window.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) side: Side,
    pub(super) place: Place,
}

impl Program {
    pub(super) fn new(record: &ProcessRecord, begin_after: u32, end_after: u32) -> Self {
        Self {
            executable_name: record.facts.executable_name.clone(),
            started: started(record.identity()),
            processes: BTreeMap::new(),
            against_past: Comparison::new(begin_after, end_after),
            against_recording: Comparison::new(begin_after, end_after),
        }
    }

    /// Takes in a sample of one of its processes, of which so many are followed at most.
    pub(super) fn observe(&mut self, record: &ProcessRecord, pace: Pace, processes_max: usize) {
        let is_running = !record.has_ended();
        if !self.processes.contains_key(&record.key)
            && (!is_running || !self.has_room(processes_max))
        {
            return;
        }
        self.started = self.started.min(started(record.identity()));
        let followed = self.processes.entry(Arc::clone(&record.key)).or_insert_with(|| Followed {
            identity: record.identity().clone(),
            past: Past::default(),
            is_running,
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
        // Who it is, is kept once.
        kept.identity = None;
        followed.past.push(&kept, pace);
    }

    /// Makes room for another process if one has ended.
    fn has_room(&mut self, processes_max: usize) -> bool {
        if self.processes.len() < processes_max {
            return true;
        }
        let ended = self.processes.iter().filter(|(_, it)| !it.is_running);
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
        self.against_past.is_ongoing() || self.against_recording.is_ongoing()
    }

    /// When its newest sample was taken.
    pub(super) fn newest(&self) -> f64 {
        let newest = self.processes.values().filter_map(|it| it.past.newest());
        newest.fold(0.0, f64::max)
    }

    /// The current window, if enough happened in it.
    pub(super) fn current(&self, now: f64, pace: Pace, options: &Options) -> Option<Current> {
        let from = now - pace.window;
        let series = self.series(from, now);
        let operations: u64 = series.iter().map(operations).sum();
        if operations < options.operations_min {
            return None;
        }
        let place = place(&series)?;
        Some(Current { side: side(format!("the last {:.0} s", pace.window), series), place })
    }

    /// What was some time before the current window, if that is long enough.
    pub(super) fn own_past(&self, now: f64, pace: Pace) -> Option<Baseline> {
        let to = now - pace.window - pace.gap;
        let series = self.series(to - pace.baseline, to);
        baseline(format!("the {:.0} s before", pace.baseline), series, pace.baseline_min * 0.9)
    }

    /// The last windows of this build, as the baseline of the one that came after it.
    pub(super) fn last_windows(&self, pace: Pace) -> Option<Baseline> {
        let to = self.newest();
        let series = self.series(to - pace.baseline, to);
        baseline("the build before".to_owned(), series, 0.0)
    }

    /// Compares with its past or `previous`, the build before it, and with a recording.
    pub(super) fn compare(
        &mut self,
        now: f64,
        pace: Pace,
        options: &Options,
        baselines: (Option<Baseline>, Option<&Baseline>),
        next_id: &mut u64,
    ) -> (Option<Current>, Vec<NumberedTurn>) {
        let from = now - pace.window;
        let current = self.current(now, pace, options);
        let side = current.as_ref().map(|it| &it.side);
        let (previous, recording) = baselines;
        let own = if self.against_past.is_ongoing() { None } else { self.own_past(now, pace) };
        let mut turns = self.against_past.hear(side, || previous.or(own), from, options, next_id);
        if recording.is_some() {
            let fresh = || recording.cloned();
            turns.extend(self.against_recording.hear(side, fresh, from, options, next_id));
        }
        (current, turns)
    }

    /// Ends everything that was found, because the program is gone.
    pub(super) fn end(&mut self, at: f64) -> Vec<NumberedTurn> {
        let mut turns = self.against_past.end(at);
        turns.extend(self.against_recording.end(at));
        turns
    }

    fn series(&self, from: f64, to: f64) -> Vec<Series> {
        let all = self.processes.values();
        all.filter_map(|it| it.past.series(&it.identity, from, to)).collect()
    }
}

/// The process in which a class, or all, left the fast path most, and its number.
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

/// A baseline of some series, if one of them spans enough seconds.
pub(super) fn baseline(name: String, series: Vec<Series>, span_min: f64) -> Option<Baseline> {
    let place = place(&series)?;
    let Place::Kept { from, to, .. } = place else { return None };
    let is_enough = to - from >= span_min;
    is_enough.then(|| Baseline { side: Arc::new(side(name, series)), place })
}

fn side(name: String, series: Vec<Series>) -> Side {
    Side { name, series }
}

/// Where series are kept; `None` if there is none.
fn place(series: &[Series]) -> Option<Place> {
    let ends = series.iter().filter_map(|it| Some((it.samples.first()?, it.samples.last()?)));
    let (from, to) = ends
        .map(|(first, last)| (moment(first), moment(last)))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    Some(Place::Kept { pids: series.iter().map(|it| it.identity.pid).collect(), from, to })
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
