//! The last minutes of one process, thinned by age.
//!
//! What is compared is two windows: the current one, and the longer one before it. Confidence
//! intervals need some samples of each and gain little from many, so that the samples of the
//! current window are kept a thirtieth of it apart, and the older ones a thirty-sixth of
//! the baseline. That is some seventy samples a process, whatever the windows are, and comparing
//! them needs none of the history's blocks. They are kept encoded, which takes a fraction of the
//! memory of a message with all its words.

use std::collections::VecDeque;

use hakmem_diagnosis::Series;
use hakmem_proto::v1::{Identity, Process};
use hakmem_recording::window::seconds;
use prost::Message as _;

/// Samples of the current window.
const RECENT: f64 = 30.0;
/// Samples of the baseline.
const OLDER: f64 = 36.0;
/// What a sampler may be early by, as a share of the distance.
const EARLY: f64 = 0.1;

/// Lengths of the two windows, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) window: f64,
    /// Between the baseline and the current window. Without it, the baseline would reach into a
    /// regression as soon as the window is full of it, before several answers have told.
    pub(super) gap: f64,
    pub(super) baseline: f64,
    /// The least of the baseline that must be there.
    pub(super) baseline_min: f64,
}

impl Pace {
    /// Seconds between two samples of the current window.
    pub(super) fn step(self) -> f64 {
        self.window / RECENT
    }

    fn older_step(self) -> f64 {
        (self.baseline / OLDER).max(self.step())
    }
}

/// Samples of one process, oldest first.
#[derive(Debug, Default)]
pub(super) struct Past {
    older: VecDeque<Kept>,
    recent: VecDeque<Kept>,
}

/// A sample, encoded.
#[derive(Debug)]
struct Kept {
    /// When it was taken, in seconds of Unix time.
    at: f64,
    bytes: Box<[u8]>,
}

impl Past {
    /// Whether a sample of a moment is to be taken in: it is not too near to the last one, or it
    /// is the last of its process.
    pub(super) fn is_due(&self, at: f64, pace: Pace, is_last: bool) -> bool {
        let gap = self.newest().map_or(f64::INFINITY, |newest| at - newest);
        gap > 1e-6 && (gap >= pace.step() * (1.0 - EARLY) || is_last)
    }

    /// Takes in a sample that is due.
    pub(super) fn push(&mut self, sample: &Process, pace: Pace) {
        let at = moment(sample);
        self.recent.push_back(Kept { at, bytes: sample.encode_to_vec().into() });
        // The sample before the window tells its first difference.
        let begin = at - pace.window - pace.step();
        while self.recent.front().is_some_and(|first| first.at < begin)
            && let Some(first) = self.recent.pop_front()
        {
            let last = self.older.back().map_or(f64::NEG_INFINITY, |it| it.at);
            if first.at - last >= pace.older_step() * (1.0 - EARLY) {
                self.older.push_back(first);
            }
        }
        let begin = begin - pace.gap - pace.baseline - pace.older_step();
        while self.older.front().is_some_and(|first| first.at < begin) {
            self.older.pop_front();
        }
    }

    /// When the oldest sample was taken.
    pub(super) fn oldest(&self) -> Option<f64> {
        self.older.front().or(self.recent.front()).map(|it| it.at)
    }

    /// When the newest sample was taken.
    pub(super) fn newest(&self) -> Option<f64> {
        self.recent.back().or(self.older.back()).map(|it| it.at)
    }

    /// The samples from one moment to another, if they are enough for one difference.
    pub(super) fn series(&self, identity: &Identity, from: f64, to: f64) -> Option<Series> {
        let all = self.older.iter().chain(&self.recent);
        let within = all.filter(|it| (from..=to).contains(&it.at));
        // What was encoded here can be decoded.
        let samples: Vec<Process> =
            within.filter_map(|it| Process::decode(&*it.bytes).ok()).collect();
        let lost = |it: Option<&Process>| it.and_then(|it| it.loss).map_or(0, |it| it.lost_events);
        let lost_events = lost(samples.last()).saturating_sub(lost(samples.first()));
        let identity = identity.clone();
        let is_enough = samples.len() >= 2;
        is_enough.then_some(Series { identity, samples, lost_events, ..Series::default() })
    }
}

/// When a sample was taken, in seconds of Unix time.
pub(super) fn moment(sample: &Process) -> f64 {
    sample.sampled_at.as_ref().map_or(0.0, seconds)
}

#[cfg(test)]
mod tests;
