//! The summary of a recording's content.

use std::collections::BTreeMap;

use hakmem_proto::v1::{Event, Identity, RecordingEntry, recording_entry::Entry};

use crate::replay::{Audience, Sample};
use crate::window::seconds;

/// The summary of a recording.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Time of the first sample, in seconds of Unix time; `None` if there are no samples.
    pub from: Option<f64>,
    /// Time of the last sample.
    pub to: Option<f64>,
    /// Complete updates.
    pub updates: u64,
    /// Events.
    pub events: u64,
    /// Updates that the writer did not receive.
    pub skipped_updates: u64,
    /// Events that were overwritten or dropped before the writer received them.
    pub lost_events: u64,
    /// Length of the file, in bytes.
    pub file_bytes: u64,
    /// In the order in which they started.
    pub processes: Vec<ProcessSummary>,
}

/// The summary of one process.
#[derive(Clone, Debug, Default)]
pub struct ProcessSummary {
    /// Its key.
    pub key: String,
    /// The process and its settings.
    pub identity: Identity,
    /// Its state in the last sample.
    pub state: String,
    /// Number of samples in which it had changed.
    pub samples: u64,
    /// Number of missing samples.
    pub lost_samples: u64,
    /// Time of its first sample, in seconds of Unix time.
    pub from: f64,
    /// Time of its last sample.
    pub to: f64,
    /// Allocations and frees from the first to the last sample.
    pub operations: u64,
    first_operations: u64,
}

/// A summary in progress.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    processes: BTreeMap<String, ProcessSummary>,
    updates: u64,
    events: u64,
    /// Losses as the streams count them; each new stream counts from 0 again.
    skipped: Rising,
    lost: Rising,
}

/// The sum of a counter that may restart from 0.
#[derive(Debug, Default)]
struct Rising {
    before: u64,
    now: u64,
}

impl Rising {
    fn see(&mut self, value: u64) {
        if value < self.now {
            self.before = self.before.saturating_add(self.now);
        }
        self.now = value;
    }

    fn sum(&self) -> u64 {
        self.before.saturating_add(self.now)
    }
}

impl Tally {
    pub(crate) fn entry(&mut self, entry: &RecordingEntry) {
        match &entry.entry {
            Some(Entry::Update(update)) if update.complete => {
                self.updates += 1;
                self.skipped.see(update.skipped_updates);
            }
            Some(Entry::Events(events)) => {
                self.events += events.events.len() as u64;
                self.lost.see(events.lost_events.saturating_add(events.dropped_events));
            }
            _ => {}
        }
    }

    pub(crate) fn finish(self, summary: &mut Summary) {
        let mut processes: Vec<ProcessSummary> = self.processes.into_values().collect();
        processes.retain(|it| it.from <= it.to);
        let started =
            |it: &ProcessSummary| it.identity.started_at.as_ref().map_or(it.from, seconds);
        processes.sort_by(|a, b| started(a).total_cmp(&started(b)));
        summary.from = processes.iter().map(|it| it.from).min_by(f64::total_cmp);
        summary.to = processes.iter().map(|it| it.to).max_by(f64::total_cmp);
        summary.updates = self.updates;
        summary.events = self.events;
        summary.skipped_updates = self.skipped.sum();
        summary.lost_events = self.lost.sum();
        summary.processes = processes;
    }
}

impl Audience for Tally {
    fn sample(&mut self, sample: Sample<'_>) {
        let at = seconds(&sample.at);
        let totals = sample.process.totals.unwrap_or_default();
        let operations = totals.allocations.saturating_add(totals.frees);
        let key = &sample.process.key;
        let summary = self.processes.entry(key.clone()).or_insert_with(|| ProcessSummary {
            key: key.clone(),
            identity: sample.identity.clone(),
            from: at,
            first_operations: operations,
            ..ProcessSummary::default()
        });
        if summary.identity.labels != sample.identity.labels {
            summary.identity.labels.clone_from(&sample.identity.labels);
        }
        summary.to = at;
        summary.samples += u64::from(!sample.at_rest && !sample.is_origin());
        summary.operations = operations.saturating_sub(summary.first_operations);
        if summary.state != sample.process.state {
            summary.state.clone_from(&sample.process.state);
        }
    }

    fn lost_samples(&mut self, key: &str, count: u64) {
        if let Some(summary) = self.processes.get_mut(key) {
            summary.lost_samples = summary.lost_samples.saturating_add(count);
        }
    }

    fn event(&mut self, _: &Event) {}
}

#[cfg(test)]
mod tests;
