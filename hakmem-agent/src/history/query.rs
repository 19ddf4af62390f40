//! Answers a query from blocks that are shared with the history.

use std::collections::VecDeque;

use hakmem_proto::v1::{
    HistoryCoverage, Identity, Process, RecordingEntry, WatchProcessesResponse,
    recording_entry::Entry,
};
use hakmem_recording::Window;
use hakmem_recording::block::{decode, decode_raw};
use hakmem_recording::replay::Replay;
use hakmem_recording::window::seconds;

use super::process_history::Block;
use crate::time::timestamp_of_unix_ns;

/// The past of a process at the time of the query.
#[derive(Debug)]
pub(crate) struct Query {
    pub(super) blocks: VecDeque<Block>,
    pub(super) open: Vec<u8>,
    pub(super) at_rest_ns: Option<u64>,
    /// Times of the oldest and the newest sample.
    pub(super) range_ns: Option<(u64, u64)>,
    pub(super) samples: u64,
    pub(super) dropped_samples: u64,
}

/// Iterates over the samples of a window, block by block.
pub(crate) struct Samples {
    blocks: std::vec::IntoIter<Block>,
    open: Option<Vec<u8>>,
    at_rest_ns: Option<u64>,
    replay: Replay<fn(&Identity) -> bool, Vec<Process>>,
    thinner: Thinner,
    is_over: bool,
}

impl Query {
    /// The extent of the history.
    pub(crate) fn coverage(&self) -> HistoryCoverage {
        HistoryCoverage {
            oldest: self.range_ns.map(|(oldest, _)| timestamp_of_unix_ns(oldest)),
            newest: self.range_ns.map(|(_, newest)| timestamp_of_unix_ns(newest)),
            samples: self.samples,
            dropped_samples: self.dropped_samples,
        }
    }

    /// The samples of `window`, at least `step` seconds apart except for the last one.
    pub(crate) fn samples(self, window: Window, step: f64) -> Samples {
        let nanoseconds = |at: f64| (at.max(0.0) * 1e9) as u64;
        let from_ns = window.from.map_or(0, nanoseconds);
        let to_ns = window.to.map_or(u64::MAX, nanoseconds);
        let mut blocks: Vec<Block> = self.blocks.into_iter().collect();
        // The block before the window has the state at its beginning.
        let first = blocks.iter().position(|block| block.to_ns >= from_ns);
        blocks.drain(..first.unwrap_or(blocks.len()).saturating_sub(1));
        blocks.retain(|block| block.from_ns <= to_ns);
        let everybody: fn(&Identity) -> bool = |_| true;
        Samples {
            blocks: blocks.into_iter(),
            open: Some(self.open),
            at_rest_ns: self.at_rest_ns,
            replay: Replay::new(window, 1000, everybody, Vec::new()).with_exact_moments(),
            thinner: Thinner::new(step),
            is_over: false,
        }
    }
}

/// Yields the samples of one block at a time. An unreadable block, which the agent never makes,
/// counts as a gap.
impl Iterator for Samples {
    type Item = Vec<Process>;

    fn next(&mut self) -> Option<Vec<Process>> {
        if self.is_over {
            return None;
        }
        let entries = match self.blocks.next() {
            Some(block) => decode(&block.payload, block.raw_bytes).ok(),
            None => {
                self.is_over = true;
                decode_raw(&self.open.take().unwrap_or_default()).ok()
            }
        };
        match entries {
            Some(entries) => entries.into_iter().for_each(|entry| self.replay.entry(entry)),
            None => self.replay.gap(),
        }
        if self.is_over {
            if let Some(at_ns) = self.at_rest_ns {
                self.replay.entry(at_rest(at_ns));
            }
            self.replay.finish();
        }
        let samples = std::mem::take(&mut self.replay.audience);
        let mut kept: Vec<Process> =
            samples.into_iter().filter_map(|sample| self.thinner.push(sample)).collect();
        if self.is_over {
            kept.extend(self.thinner.last.take());
        }
        Some(kept)
    }
}

/// An update in which nothing changed.
fn at_rest(at_ns: u64) -> RecordingEntry {
    let update = WatchProcessesResponse {
        sampled_at: Some(timestamp_of_unix_ns(at_ns)),
        complete: true,
        ..WatchProcessesResponse::default()
    };
    RecordingEntry { entry: Some(Entry::Update(update)) }
}

/// Leaves out samples that are closer than `step` to the previous one, except for the last.
struct Thinner {
    step: f64,
    kept_at: Option<f64>,
    last: Option<Process>,
}

impl Thinner {
    fn new(step: f64) -> Self {
        Self { step, kept_at: None, last: None }
    }

    /// Takes the next sample and returns the previous one if it is to be kept.
    fn push(&mut self, sample: Process) -> Option<Process> {
        let before = self.last.replace(sample)?;
        let at = before.sampled_at.as_ref().map_or(0.0, seconds);
        // Samplers do not keep their interval exactly.
        if self.kept_at.is_some_and(|kept| at - kept < self.step * 0.95) {
            return None;
        }
        self.kept_at = Some(at);
        Some(before)
    }
}
