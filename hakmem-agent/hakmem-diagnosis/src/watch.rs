//! Turns many answers in a row into findings that have a beginning and an end.
//!
//! A program that is compared with its past every few seconds is compared so often that chance
//! alone makes some answers wrong, and a load that comes in waves makes them flicker. A finding
//! begins when its cause was present in a given number of answers in a row, and ends when it was
//! absent from a given number; answers without enough data count for neither. A leak takes longer
//! to begin, because a cache looks like a leak until it is full.

use std::collections::BTreeMap;

use crate::diagnosis::{Cause, CauseKind, Diagnosis, Direction, Verdict};

/// Identifies a finding of one program: the kind of its cause and its place. The reason that shows
/// most may change while a finding goes on, and so may the class in which a leak shows.
pub type FindingKey = (CauseKind, Option<String>, Option<Direction>);

/// Hysteresis over the answers about one program.
#[derive(Clone, Debug)]
pub struct Watch {
    begin_after: u32,
    leak_after: u32,
    end_after: u32,
    states: BTreeMap<FindingKey, State>,
}

#[derive(Clone, Debug)]
struct State {
    finding: Finding,
    has_begun: bool,
    present: u32,
    absent: u32,
}

/// A cause that was present often enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Start of the window in which the cause was first seen, in seconds of Unix time.
    pub since: f64,
    /// Start of the first window in which the cause was absent; `None` while the finding goes on.
    pub until: Option<f64>,
    /// Nanoseconds in slow paths per operation, in the baseline and now.
    pub cost_ns: [f64; 2],
    /// The cause, as last seen.
    pub cause: Cause,
}

impl Finding {
    /// The key by which later answers recognise the finding.
    pub fn key(&self) -> FindingKey {
        key_of(&self.cause)
    }
}

/// A change that an answer caused.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// A finding began.
    Began(Finding),
    /// A finding goes on, with new numbers.
    Changed(Finding),
    /// A finding is over.
    Ended(Finding),
}

impl Default for Watch {
    /// Three answers in a row begin a finding, five end it.
    fn default() -> Self {
        Self::new(3, 5)
    }
}

impl Watch {
    /// A finding begins after `begin_after` answers in a row that have its cause, and ends after
    /// `end_after` that do not; each at least 1.
    pub fn new(begin_after: u32, end_after: u32) -> Self {
        Self {
            begin_after: begin_after.max(1),
            leak_after: begin_after.max(1),
            end_after: end_after.max(1),
            states: BTreeMap::new(),
        }
    }

    /// Makes leaks begin after `answers` answers instead.
    pub fn with_leaks_after(self, answers: u32) -> Self {
        Self { leak_after: answers.max(1), ..self }
    }

    /// Findings that go on.
    pub fn ongoing(&self) -> impl Iterator<Item = &Finding> {
        self.states.values().filter(|state| state.has_begun).map(|state| &state.finding)
    }

    /// Causes that the last answer has, but that have not been present often enough.
    pub fn pending(&self) -> impl Iterator<Item = &Finding> {
        let is_pending = |state: &&State| !state.has_begun && state.present > 0;
        self.states.values().filter(is_pending).map(|state| &state.finding)
    }

    /// Takes an answer about the window that began at `at`, in seconds of Unix time.
    pub fn hear(&mut self, diagnosis: &Diagnosis, at: f64) -> Vec<Turn> {
        let causes: &[Cause] = match diagnosis.verdict {
            Verdict::NotEnoughData => return Vec::new(),
            Verdict::Regressed => &diagnosis.causes,
            Verdict::Improved | Verdict::Unchanged => &[],
        };
        let cost_ns = [diagnosis.before.cost_ns, diagnosis.after.cost_ns];
        let mut turns = Vec::new();
        let mut seen = Vec::new();
        for cause in causes.iter().filter(|cause| is_finding(cause)) {
            let key = key_of(cause);
            if seen.contains(&key) {
                continue;
            }
            let finding = Finding { since: at, until: None, cost_ns, cause: cause.clone() };
            turns.extend(self.see(key.clone(), finding));
            seen.push(key);
        }
        turns.extend(self.miss(&seen, at));
        turns
    }

    /// Ends all findings, e.g. because the program is gone.
    pub fn end(&mut self, at: f64) -> Vec<Turn> {
        let states = std::mem::take(&mut self.states).into_values();
        let begun = states.filter(|state| state.has_begun);
        begun.map(|state| Turn::Ended(Finding { until: Some(at), ..state.finding })).collect()
    }

    fn see(&mut self, key: FindingKey, finding: Finding) -> Option<Turn> {
        let state = self.states.entry(key).or_insert_with(|| State {
            finding: finding.clone(),
            has_begun: false,
            present: 0,
            absent: 0,
        });
        state.present = state.present.saturating_add(1);
        state.absent = 0;
        state.finding = Finding { since: state.finding.since, ..finding };
        if state.has_begun {
            return Some(Turn::Changed(state.finding.clone()));
        }
        let is_leak = state.finding.cause.kind == CauseKind::Leak;
        let needed = if is_leak { self.leak_after } else { self.begin_after };
        state.has_begun = state.present >= needed;
        state.has_begun.then(|| Turn::Began(state.finding.clone()))
    }

    fn miss(&mut self, seen: &[FindingKey], at: f64) -> Vec<Turn> {
        let mut turns = Vec::new();
        let end_after = self.end_after;
        self.states.retain(|key, state| {
            if seen.contains(key) {
                return true;
            }
            if state.absent == 0 {
                state.finding.until = Some(at);
            }
            state.present = 0;
            state.absent = state.absent.saturating_add(1);
            let is_over = !state.has_begun || state.absent >= end_after;
            if is_over && state.has_begun {
                turns.push(Turn::Ended(state.finding.clone()));
            }
            !is_over
        });
        turns
    }
}

fn key_of(cause: &Cause) -> FindingKey {
    match cause.kind {
        CauseKind::Leak => (cause.kind, None, None),
        _ => (cause.kind, cause.class.clone(), cause.direction),
    }
}

/// Whether a cause deserves a finding. Other sizes do not, nor do longer durations, which other
/// load on the machine can cause.
fn is_finding(cause: &Cause) -> bool {
    match cause.kind {
        CauseKind::Mix | CauseKind::SizeCrossing | CauseKind::Duration => false,
        CauseKind::Leak | CauseKind::Retention | CauseKind::Anomalies => true,
        _ => cause.cost_ns.value > 0.0,
    }
}

#[cfg(test)]
mod tests;
