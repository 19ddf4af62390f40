//! The samples of one process, thinned to a bound of memory.

use std::collections::BTreeMap;

use hakmem_proto::v1::{Identity, Process};
use prost::Message as _;

use crate::replay::{Audience, Sample};
use crate::window::seconds;

/// Limit of the encoded bytes of the samples of all series together; in memory they take a few
/// times as much. Beyond the limit samples are thinned: counters are cumulative, so only resolution
/// is lost.
const BYTES_MAX: usize = 64 << 20;

/// The samples of one process in a window.
#[derive(Clone, Debug, Default)]
pub struct RecordedSeries {
    /// The identity of the process, with its last labels.
    pub identity: Identity,
    /// Oldest first, each whole except for `identity`, with cumulative counters; `sampled_at`
    /// rises. A rest has only its first and its last moment. A very long series is thinned evenly
    /// to stay within memory.
    pub samples: Vec<Process>,
    /// Events of the process that were overwritten between the first and the last sample.
    pub lost_events: u64,
    /// Missing samples: in damaged parts of the file, and in updates that the writer was too slow
    /// to receive.
    pub lost_samples: u64,
}

/// Samples at a minimum distance.
#[derive(Clone, Debug, Default)]
pub struct Thinned {
    samples: Vec<Process>,
    /// Minimum distance between two samples in seconds; the last sample may be closer.
    step: f64,
}

impl Thinned {
    /// An empty series whose samples will be at least `step` seconds apart; 0 keeps all.
    pub fn new(step: f64) -> Self {
        Self { samples: Vec::new(), step }
    }

    /// Adds a sample, which must be the newest. It replaces the last one if that was too close to
    /// the one before, so that the newest is always kept. Returns the replaced sample.
    pub fn push(&mut self, sample: Process) -> Option<Process> {
        let left_out = match self.samples.as_slice() {
            [.., before, last] if !self.is_far(before, last) => self.samples.pop(),
            _ => None,
        };
        self.samples.push(sample);
        left_out
    }

    /// Increases the distance, also between the samples already there.
    pub fn thin(&mut self, step: f64) {
        let mut thinned = Self::new(step);
        for sample in std::mem::take(&mut self.samples) {
            thinned.push(sample);
        }
        *self = thinned;
    }

    /// The samples.
    pub fn into_samples(self) -> Vec<Process> {
        self.samples
    }

    fn is_far(&self, before: &Process, last: &Process) -> bool {
        // Samplers do not keep their interval exactly.
        moment(last) - moment(before) >= self.step * 0.95
    }
}

fn moment(process: &Process) -> f64 {
    process.sampled_at.as_ref().map_or(0.0, seconds)
}

/// Collects the samples of a replay.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    series: BTreeMap<String, Collected>,
    interval: f64,
    step: f64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Collected {
    identity: Identity,
    samples: Thinned,
    lost_samples: u64,
}

impl Collector {
    pub(crate) fn new(interval_ms: u32) -> Self {
        Self::bounded(interval_ms, BYTES_MAX)
    }

    fn bounded(interval_ms: u32, bytes_max: usize) -> Self {
        let interval = f64::from(interval_ms.max(1)) / 1000.0;
        Self { interval, bytes_max, ..Self::default() }
    }

    /// One series per process that has a sample, in the order in which they started.
    pub(crate) fn into_series(self) -> Vec<RecordedSeries> {
        let with_samples = self.series.into_values().filter(|it| !it.samples.samples.is_empty());
        let mut all: Vec<RecordedSeries> = with_samples.map(Collected::into_series).collect();
        let started = |it: &RecordedSeries| it.identity.started_at.as_ref().map_or(0.0, seconds);
        all.sort_by(|a, b| started(a).total_cmp(&started(b)));
        all
    }

    fn thin(&mut self) {
        self.step = (self.step * 2.0).max(self.interval * 2.0);
        self.bytes = 0;
        for collected in self.series.values_mut() {
            collected.samples.thin(self.step);
            self.bytes += collected.samples.samples.iter().map(Process::encoded_len).sum::<usize>();
        }
    }
}

impl Collected {
    fn into_series(self) -> RecordedSeries {
        let samples = self.samples.into_samples();
        let lost = |it: Option<&Process>| it.and_then(|it| it.loss).map_or(0, |it| it.lost_events);
        let lost_events = lost(samples.last()).saturating_sub(lost(samples.first()));
        let (identity, lost_samples) = (self.identity, self.lost_samples);
        RecordedSeries { identity, samples, lost_events, lost_samples }
    }
}

impl Audience for Collector {
    fn sample(&mut self, sample: Sample<'_>) {
        let step = self.step;
        let process = sample.to_process();
        self.bytes += process.encoded_len();
        let collected = self.series.entry(process.key.clone()).or_insert_with(|| Collected {
            identity: sample.identity.clone(),
            samples: Thinned::new(step),
            lost_samples: 0,
        });
        if collected.identity.labels != sample.identity.labels {
            collected.identity.labels.clone_from(&sample.identity.labels);
        }
        let left_out = collected.samples.push(process);
        self.bytes -= left_out.map_or(0, |it| it.encoded_len());
        if self.bytes > self.bytes_max {
            self.thin();
        }
    }

    fn lost_samples(&mut self, key: &str, count: u64) {
        if let Some(collected) = self.series.get_mut(key) {
            collected.lost_samples = collected.lost_samples.saturating_add(count);
        }
    }
}

#[cfg(test)]
mod tests;
