//! Compares one subject, a program or one of its processes, with one baseline, again and again.
//!
//! From the first sight of a symptom on, its baseline is held: a window that moves along would soon
//! lie within the regression and take it for normal. After an hour the baseline is released,
//! because a change that lasts so long is the program's normal state now. A leak's baseline is held
//! until memory no longer grows: a leak must never become normal.

use std::path::PathBuf;
use std::sync::Arc;

use hakmem_diagnosis::diagnosis::{Cause, CauseKind};
use hakmem_diagnosis::{Diagnosis, Options, Side, Turn, Verdict, Watch, diagnose};
use hakmem_proto::v1::Process;

/// Time for which a baseline is held, in seconds.
const HELD_MAX: f64 = 3600.0;
/// A leak goes on while live memory grows by at least this share of its first growth.
const LEAK_GOES_ON: f64 = 0.5;

/// Numbers of successive answers that begin a symptom, begin a leak, and end either.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hysteresis {
    pub(super) begin_after: u32,
    pub(super) leak_after: u32,
    pub(super) end_after: u32,
}

/// A baseline for the current window.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    pub(super) side: Arc<Side>,
    /// The recording that it comes from; `None` if the agent sampled it.
    pub(super) recording: Option<PathBuf>,
}

/// A change of a symptom that an answer caused.
#[derive(Clone, Debug)]
pub(super) struct Symptom {
    pub(super) turn: Turn,
    /// The baseline of the comparison that last showed it.
    pub(super) baseline: Baseline,
    /// The current window of that comparison; `None` if there is none any more.
    pub(super) current: Option<Arc<Side>>,
}

/// The state of comparing a subject with one kind of baseline.
#[derive(Debug)]
pub(super) struct Comparison {
    watch: Watch,
    end_after: u32,
    /// The baseline of the last answer.
    last: Option<Baseline>,
    /// Time since which `last` is held, in seconds of Unix time.
    held_since: Option<f64>,
    /// Bytes by which live memory grew in the window in which a leak was first seen.
    leaked: Option<f64>,
    /// Answers in a row without enough data.
    silent: u32,
}

impl Comparison {
    pub(super) fn new(hysteresis: Hysteresis) -> Self {
        let Hysteresis { begin_after, leak_after, end_after } = hysteresis;
        Self {
            watch: Watch::new(begin_after, end_after).with_leaks_after(leak_after),
            end_after: end_after.max(1),
            last: None,
            held_since: None,
            leaked: None,
            silent: 0,
        }
    }

    /// Whether any symptom goes on.
    pub(super) fn is_ongoing(&self) -> bool {
        self.held_since.is_some()
    }

    /// Compares `current`, whose window began at `from`, with the held baseline, or with `fresh` if
    /// none is held. `None` for either means that there is too little data.
    pub(super) fn hear(
        &mut self,
        current: Option<&Arc<Side>>,
        fresh: impl FnOnce() -> Option<Baseline>,
        from: f64,
        options: &Options,
    ) -> Vec<Symptom> {
        let is_leaking = self.leak().is_some();
        if self.held_since.is_some_and(|since| from - since > HELD_MAX) && !is_leaking {
            return self.end(from);
        }
        let answer = current.and_then(|current| {
            if self.held_since.is_none() && self.watch.pending().next().is_none() {
                self.last = fresh();
            }
            let baseline = self.last.as_ref()?;
            let answer = diagnose(&baseline.side, current, options);
            Some(self.with_the_leak_that_goes_on(answer, current))
        });
        let Some(answer) = answer.filter(|it| it.verdict != Verdict::NotEnoughData) else {
            return self.hear_nothing(from);
        };
        self.silent = 0;
        self.take(&answer, current, from)
    }

    /// Ends all symptoms.
    pub(super) fn end(&mut self, at: f64) -> Vec<Symptom> {
        let turns = self.watch.end(at);
        let ended = self.symptoms(turns, None);
        (self.held_since, self.silent, self.last, self.leaked) = (None, 0, None, None);
        ended
    }

    /// Counts an answer without enough data: a program at rest shows neither that it is slow nor
    /// that it is not. If this lasts, the symptoms end, because there is nothing left to
    /// investigate.
    fn hear_nothing(&mut self, at: f64) -> Vec<Symptom> {
        self.silent = self.silent.saturating_add(1);
        let is_over = self.is_ongoing() && self.silent >= self.end_after.saturating_mul(2);
        if is_over { self.end(at) } else { Vec::new() }
    }

    fn take(&mut self, answer: &Diagnosis, current: Option<&Arc<Side>>, from: f64) -> Vec<Symptom> {
        let turns = self.watch.hear(answer, from);
        let symptoms = self.symptoms(turns, current);
        let is_ongoing = self.watch.ongoing().next().is_some();
        self.held_since = is_ongoing.then(|| self.held_since.unwrap_or(from));
        self.leaked = match (self.leak(), current) {
            (Some(_), Some(current)) => self.leaked.or_else(|| Some(growth(current))),
            (Some(_), None) => self.leaked,
            (None, _) => None,
        };
        symptoms
    }

    /// The leak that goes on, or that may become one.
    fn leak(&self) -> Option<&Cause> {
        let all = self.watch.ongoing().chain(self.watch.pending());
        all.map(|finding| &finding.cause).find(|cause| cause.kind == CauseKind::Leak)
    }

    /// Adds an ongoing leak to an answer that no longer shows it. The growth in a window becomes an
    /// ever smaller share of the live memory, until no comparison of shares shows it, so a known
    /// leak goes on for as long as memory grows as it did.
    fn with_the_leak_that_goes_on(&self, mut answer: Diagnosis, current: &Side) -> Diagnosis {
        let (Some(leak), Some(leaked)) = (self.leak(), self.leaked) else { return answer };
        let is_known = answer.verdict == Verdict::Regressed
            && answer.causes.iter().any(|it| it.kind == CauseKind::Leak);
        if !is_known && leaked > 0.0 && growth(current) >= leaked * LEAK_GOES_ON {
            if answer.verdict != Verdict::Regressed {
                answer.causes.clear();
            }
            answer.verdict = Verdict::Regressed;
            answer.causes.push(leak.clone());
        }
        answer
    }

    fn symptoms(&self, turns: Vec<Turn>, current: Option<&Arc<Side>>) -> Vec<Symptom> {
        let Some(baseline) = &self.last else { return Vec::new() };
        let symptom =
            |turn| Symptom { turn, baseline: baseline.clone(), current: current.cloned() };
        turns.into_iter().map(symptom).collect()
    }
}

/// Bytes by which the live memory of all processes grew within a window.
fn growth(side: &Side) -> f64 {
    let live = |sample: &Process| sample.totals.as_ref().map_or(0, |it| it.live_bytes);
    let ends = side.series.iter().filter_map(|it| it.samples.first().zip(it.samples.last()));
    ends.map(|(first, last)| live(last).saturating_sub(live(first)) as f64).sum()
}
