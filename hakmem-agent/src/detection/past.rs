//! The last minutes of one process, thinned by age.
//!
//! A comparison needs two windows: the current one, and the longer one before it. Confidence
//! intervals need some samples of each and gain little from many. So samples of the current window
//! are kept at a distance of a thirtieth of the window, and older ones at a thirty-sixth of the
//! baseline. That is some seventy samples per process, however long the windows are, and comparing
//! them needs no blocks of the history. Samples are kept encoded, which takes a fraction of the
//! memory of a decoded message with all its strings.

use std::collections::VecDeque;

use hakmem_diagnosis::Series;
use hakmem_proto::v1::{Identity, Process};
use hakmem_recording::window::seconds;
use prost::Message as _;

/// Number of samples in the current window.
const RECENT: f64 = 30.0;
/// Number of samples in the baseline.
const OLDER: f64 = 36.0;
/// Share of the distance by which a sampler may be early.
const EARLY: f64 = 0.1;

/// Lengths of the two windows, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) window: f64,
    /// Length of the gap between the baseline and the current window. Without it, the baseline
    /// would reach into a regression as soon as the window is full of it, before enough answers
    /// have shown it.
    pub(super) gap: f64,
    pub(super) baseline: f64,
    /// The least length of the baseline for a comparison.
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
    /// Time of the sample, in seconds of Unix time.
    at: f64,
    bytes: Box<[u8]>,
}

impl Past {
    /// Whether to take a sample of time `at`: it is not too close to the previous one, or it is the
    /// last of its process.
    pub(super) fn is_due(&self, at: f64, pace: Pace, is_last: bool) -> bool {
        let gap = self.newest().map_or(f64::INFINITY, |newest| at - newest);
        gap > 1e-6 && (gap >= pace.step() * (1.0 - EARLY) || is_last)
    }

    /// Takes a sample that is due.
    pub(super) fn push(&mut self, sample: &Process, pace: Pace) {
        let at = moment(sample);
        self.recent.push_back(Kept { at, bytes: sample.encode_to_vec().into() });
        // The first difference in the window needs the sample before it.
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

    /// Time of the oldest sample.
    pub(super) fn oldest(&self) -> Option<f64> {
        self.older.front().or(self.recent.front()).map(|it| it.at)
    }

    /// Time of the newest sample.
    pub(super) fn newest(&self) -> Option<f64> {
        self.recent.back().or(self.older.back()).map(|it| it.at)
    }

    /// The samples between two times, if there are enough for a difference.
    pub(super) fn series(&self, identity: &Identity, from: f64, to: f64) -> Option<Series> {
        let all = self.older.iter().chain(&self.recent);
        let within = all.filter(|it| (from..=to).contains(&it.at));
        // Decoding cannot fail, because the bytes were encoded here.
        let samples: Vec<Process> =
            within.filter_map(|it| Process::decode(&*it.bytes).ok()).collect();
        let lost = |it: Option<&Process>| it.and_then(|it| it.loss).map_or(0, |it| it.lost_events);
        let lost_events = lost(samples.last()).saturating_sub(lost(samples.first()));
        let identity = identity.clone();
        let is_enough = samples.len() >= 2;
        is_enough.then_some(Series { identity, samples, lost_events, ..Series::default() })
    }
}

/// Time of a sample, in seconds of Unix time.
pub(super) fn moment(sample: &Process) -> f64 {
    sample.sampled_at.as_ref().map_or(0.0, seconds)
}

#[cfg(test)]
mod tests;
