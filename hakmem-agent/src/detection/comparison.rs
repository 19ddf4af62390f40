//! One program against one baseline, again and again.
//!
//! While a finding goes on, its baseline is held: a window that moves along would soon lie within
//! the regression and take it for normal. After an hour it is let go, because what lasts that long
//! is how the program is now.

use std::collections::BTreeMap;
use std::sync::Arc;

use hakmem_diagnosis::{Diagnosis, FindingKey, Options, Side, Turn, Verdict, Watch, diagnose};

use super::command::Place;

/// How long a baseline is held, in seconds.
const HELD_MAX: f64 = 3600.0;

/// What the current window is compared with.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    pub(super) side: Arc<Side>,
    pub(super) place: Place,
}

/// What an answer changed, with a number that stays the finding's.
#[derive(Debug)]
pub(super) struct NumberedTurn {
    pub(super) id: u64,
    pub(super) turn: Turn,
    /// What it was compared with.
    pub(super) baseline: Baseline,
}

/// The state of comparing a program with one kind of baseline.
#[derive(Debug)]
pub(super) struct Comparison {
    watch: Watch,
    end_after: u32,
    ids: BTreeMap<FindingKey, u64>,
    /// The baseline of the last answer.
    last: Option<Baseline>,
    /// Since when `last` is held, in seconds of Unix time.
    held_since: Option<f64>,
    /// Answers in a row without enough data.
    silent: u32,
}

impl Comparison {
    pub(super) fn new(begin_after: u32, end_after: u32) -> Self {
        Self {
            watch: Watch::new(begin_after, end_after),
            end_after: end_after.max(1),
            ids: BTreeMap::new(),
            last: None,
            held_since: None,
            silent: 0,
        }
    }

    /// Whether any finding goes on.
    pub(super) fn is_ongoing(&self) -> bool {
        self.held_since.is_some()
    }

    /// Compares `current`, whose window began at `from`, with the baseline that is held or else
    /// with `fresh`. `None` for either means that there is not enough of it.
    pub(super) fn hear(
        &mut self,
        current: Option<&Side>,
        fresh: impl FnOnce() -> Option<Baseline>,
        from: f64,
        options: &Options,
        next_id: &mut u64,
    ) -> Vec<NumberedTurn> {
        if self.held_since.is_some_and(|since| from - since > HELD_MAX) {
            return self.end(from);
        }
        let answer = current.and_then(|current| {
            if self.held_since.is_none() {
                self.last = fresh();
            }
            let baseline = self.last.as_ref()?;
            Some(diagnose(&baseline.side, current, options))
        });
        let Some(answer) = answer.filter(|it| it.verdict != Verdict::NotEnoughData) else {
            return self.hear_nothing(from);
        };
        self.silent = 0;
        self.take(&answer, from, next_id)
    }

    /// Ends everything.
    pub(super) fn end(&mut self, at: f64) -> Vec<NumberedTurn> {
        let turns = self.watch.end(at);
        let ended = self.numbered(turns, &mut 0);
        (self.held_since, self.silent, self.last) = (None, 0, None);
        ended
    }

    /// A program at rest shows neither that it is slow nor that it is not; if that lasts, there is
    /// nothing left to look into.
    fn hear_nothing(&mut self, at: f64) -> Vec<NumberedTurn> {
        self.silent = self.silent.saturating_add(1);
        let is_over = self.is_ongoing() && self.silent >= self.end_after.saturating_mul(2);
        if is_over { self.end(at) } else { Vec::new() }
    }

    fn take(&mut self, answer: &Diagnosis, from: f64, next_id: &mut u64) -> Vec<NumberedTurn> {
        let turns = self.watch.hear(answer, from);
        let numbered = self.numbered(turns, next_id);
        let is_ongoing = self.watch.ongoing().next().is_some();
        self.held_since = is_ongoing.then(|| self.held_since.unwrap_or(from));
        numbered
    }

    fn numbered(&mut self, turns: Vec<Turn>, next_id: &mut u64) -> Vec<NumberedTurn> {
        let Some(baseline) = &self.last else { return Vec::new() };
        let mut numbered = Vec::new();
        for turn in turns {
            let (Turn::Began(finding) | Turn::Changed(finding) | Turn::Ended(finding)) = &turn;
            let cause = &finding.cause;
            let key = (cause.kind, cause.class.clone(), cause.direction);
            let id = match &turn {
                Turn::Began(_) => {
                    *next_id += 1;
                    self.ids.insert(key, *next_id);
                    Some(*next_id)
                }
                Turn::Changed(_) => self.ids.get(&key).copied(),
                Turn::Ended(_) => self.ids.remove(&key),
            };
            // Every finding began once.
            let Some(id) = id else { continue };
            numbered.push(NumberedTurn { id, turn, baseline: baseline.clone() });
        }
        numbered
    }
}
