//! Reads cumulative samples as intervals.
//!
//! Samples come from files, from other machines and from processes that were killed, so nothing
//! about them is taken for granted. A torn sample, or one whose time does not rise, is left out. A
//! class that is missing from a sample keeps its last counts. Where counters fell, the interval is
//! left out and counted, because its true counts are unknown.

mod cumulative;

use std::collections::BTreeMap;

use hakmem_proto::v1::Process;

use crate::layout::Layout;
use crate::side::{Series, Side};
use cumulative::Cumulative;
pub(crate) use cumulative::Delta;

/// One side, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// One per process or run that has at least one interval.
    pub(crate) runs: Vec<Run>,
    /// Processes or runs without two samples that can be compared.
    pub(crate) unread: usize,
    /// Samples that the side has.
    pub(crate) samples: usize,
    /// Samples that were left out because they were torn.
    pub(crate) torn: usize,
    /// Samples that were left out because their time was missing or did not rise.
    pub(crate) misplaced: usize,
    /// Intervals that were left out because counters fell.
    pub(crate) resets: usize,
    /// Frees with an outcome that only a bug can cause, by class and outcome.
    pub(crate) anomalies: BTreeMap<(String, String), u64>,
    /// Start of the first sample and end of the last one, in seconds of Unix time.
    pub(crate) span: Option<(f64, f64)>,
}

/// One process or run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Oldest first.
    pub(crate) intervals: Vec<Delta>,
    /// The state of the process at each sample.
    pub(crate) moments: Vec<Moment>,
    /// The counts of each slot's threads over the whole time.
    pub(crate) threads: Vec<ThreadDelta>,
    /// Whether any sample has counts of threads.
    pub(crate) has_threads: bool,
}

/// The state of the process at one sample.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment {
    /// Seconds of Unix time.
    pub(crate) at: f64,
    /// Operations of the program since its first sample.
    pub(crate) operations: f64,
    /// Bytes of live blocks.
    pub(crate) live_bytes: f64,
    /// Bytes held for blocks, live or not; `None` if the sample does not say.
    pub(crate) held_bytes: Option<f64>,
    /// The part of the held bytes in slabs and spans in use; the rest is empty, and goes back to
    /// the system unless it is used again soon.
    pub(crate) in_use_bytes: Option<f64>,
    /// Threads alive, and how many of them have unpublished counts.
    pub(crate) threads: [f64; 2],
    /// Capacity of all threads' lists in blocks, by class.
    pub(crate) capacity_blocks: Vec<f64>,
    /// Bytes of live blocks, by class.
    pub(crate) class_live_bytes: Vec<f64>,
    /// Whether the sample does not say that the process had ended.
    pub(crate) is_running: bool,
}

/// Counts of the threads of one slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadDelta {
    /// Name of the last owner.
    pub(crate) name: String,
    /// Allocations.
    pub(crate) allocations: f64,
    /// Frees.
    pub(crate) frees: f64,
    /// Threads that took the slot over.
    pub(crate) starts: f64,
}

impl Reading {
    /// Reads a side with the words of `layout`. A series with more samples is thinned to
    /// `intervals_max` intervals: cumulative counters lose nothing by that.
    pub(crate) fn of(side: &Side, layout: &Layout, intervals_max: usize) -> Self {
        let mut reading = Self::default();
        for series in &side.series {
            let run = reading.read(series, layout, intervals_max);
            if !run.intervals.is_empty() {
                reading.runs.push(run);
            } else {
                reading.unread += 1;
            }
        }
        reading
    }

    /// All intervals of all runs.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = &Delta> {
        self.runs.iter().flat_map(|run| &run.intervals)
    }

    /// Number of intervals of all runs.
    pub(crate) fn intervals_count(&self) -> usize {
        self.runs.iter().map(|run| run.intervals.len()).sum()
    }

    /// Seconds that the intervals span.
    pub(crate) fn seconds(&self) -> f64 {
        self.intervals().map(|interval| interval.seconds).sum()
    }

    /// Median of `number` over all moments that have it.
    pub(crate) fn median(&self, number: impl Fn(&Moment) -> Option<f64>) -> Option<f64> {
        let moments = self.runs.iter().flat_map(|run| &run.moments);
        crate::statistics::median(&mut moments.filter_map(number).collect::<Vec<f64>>())
    }

    fn read(&mut self, series: &Series, layout: &Layout, intervals_max: usize) -> Run {
        self.samples += series.samples.iter().filter(|it| !is_origin(it, series)).count();
        let mut run = Run::default();
        let mut last: Option<(f64, Cumulative)> = None;
        let mut operations = 0.0;
        for (at, sample) in thinned(self.accepted(&series.samples), intervals_max) {
            let now = Cumulative::of(sample, last.as_ref().map(|(_, last)| last), layout);
            if let Some((since, last)) = &last {
                match last.until(&now, at - since, layout) {
                    Some(delta) => {
                        operations += delta.operations(layout);
                        run.intervals.push(delta);
                        self.count_anomalies(last, &now);
                        run.add_threads(last, &now);
                    }
                    None => self.resets += 1,
                }
            }
            run.has_threads |= !sample.threads.is_empty();
            run.moments.push(moment(at, operations, sample, layout));
            last = Some((at, now));
        }
        self.extend_span(&run);
        run
    }

    /// Samples that are whole and in the order of time, with their times.
    fn accepted<'a>(&mut self, samples: &'a [Process]) -> Vec<(f64, &'a Process)> {
        let mut accepted: Vec<(f64, &Process)> = Vec::with_capacity(samples.len());
        for sample in samples {
            if sample.loss.as_ref().is_some_and(|loss| loss.torn) {
                self.torn += 1;
                continue;
            }
            let at =
                sample.sampled_at.as_ref().map(|at| at.seconds as f64 + f64::from(at.nanos) / 1e9);
            match at {
                Some(at) if accepted.last().is_none_or(|(last, _)| at > *last) => {
                    accepted.push((at, sample));
                }
                _ => self.misplaced += 1,
            }
        }
        accepted
    }

    fn count_anomalies(&mut self, last: &Cumulative, now: &Cumulative) {
        for (word, count) in &now.anomalies {
            let count = count.saturating_sub(last.anomalies.get(word).copied().unwrap_or(0));
            if count > 0 {
                let sum = self.anomalies.entry(word.clone()).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }

    fn extend_span(&mut self, run: &Run) {
        let (Some(first), Some(last)) = (run.moments.first(), run.moments.last()) else { return };
        let (from, to) = self.span.unwrap_or((first.at, last.at));
        self.span = Some((from.min(first.at), to.max(last.at)));
    }
}

impl Run {
    /// The moments at which the program did its work: without its end, when a program that exits
    /// normally frees its memory.
    pub(crate) fn working(&self) -> &[Moment] {
        let ended = self.moments.iter().rev().take_while(|it| !it.is_running).count();
        let working = &self.moments[..self.moments.len() - ended];
        if ended == 0 {
            return working;
        }
        let late = working.len() - working.len() / CLEANUP_PART;
        let most = |a: &&Moment, b: &&Moment| a.live_bytes.total_cmp(&b.live_bytes);
        let peak = working[late..].iter().max_by(most).map_or(f64::MAX, |it| it.live_bytes);
        let cleaned_up = working[late..].iter().rev().take_while(|it| it.live_bytes < peak).count();
        &working[..working.len() - cleaned_up]
    }

    fn add_threads(&mut self, last: &Cumulative, now: &Cumulative) {
        for (&slot, thread) in &now.threads {
            let before = last.threads.get(&slot);
            let of = |number: fn(&cumulative::ThreadCounts) -> u64| {
                number(thread).saturating_sub(before.map_or(0, number)) as f64
            };
            let place = slot as usize;
            // Slots are numbered from 0 without gaps; a number above the bound is an invalid one.
            if place >= SLOTS_MAX {
                continue;
            }
            if self.threads.len() <= place {
                self.threads.resize_with(place + 1, ThreadDelta::default);
            }
            let sum = &mut self.threads[place];
            sum.allocations += of(|it| it.allocations);
            sum.frees += of(|it| it.frees);
            sum.starts += of(|it| it.owners);
            sum.name.clone_from(&thread.name);
        }
    }
}

/// Whether the sample is the artificial one with which readers mark the start of a process.
fn is_origin(sample: &Process, series: &Series) -> bool {
    sample.classes.is_empty()
        && sample.sampled_at.is_some()
        && sample.sampled_at == series.identity.started_at
}

/// Samples at even distances, including the first and the last.
fn thinned<T>(samples: Vec<T>, intervals_max: usize) -> impl Iterator<Item = T> {
    let last = samples.len().saturating_sub(1);
    let step = last.div_ceil(intervals_max.max(1)).max(1);
    let kept = move |place: usize| place == 0 || (last - place).is_multiple_of(step);
    samples.into_iter().enumerate().filter_map(move |(place, it)| kept(place).then_some(it))
}

/// A process may free its memory within the last one of this number of parts of a run.
const CLEANUP_PART: usize = 5;

/// A bound above the number of slots of any segment.
const SLOTS_MAX: usize = 1 << 16;

fn moment(at: f64, operations: f64, sample: &Process, layout: &Layout) -> Moment {
    let totals = sample.totals.unwrap_or_default();
    let memory = sample.memory.as_ref();
    let in_use = memory.map(|it| it.slab_bytes as f64 + it.large_bytes as f64);
    let held = memory
        .zip(in_use)
        .map(|(it, in_use)| in_use + it.slab_cached_bytes as f64 + it.large_cached_bytes as f64);
    let unpublished = sample.loss.as_ref().map_or(0, |loss| loss.unpublished_threads);
    let mut capacity_blocks = vec![0.0; layout.classes.len()];
    let mut class_live_bytes = vec![0.0; layout.classes.len()];
    for class in &sample.classes {
        if let Some(index) = layout.class(&class.class) {
            capacity_blocks[index] = class.capacity_blocks as f64;
            class_live_bytes[index] = class.live_bytes as f64;
        }
    }
    Moment {
        at,
        operations,
        live_bytes: totals.live_bytes as f64,
        held_bytes: held,
        in_use_bytes: in_use,
        threads: [f64::from(totals.threads), f64::from(unpublished)],
        capacity_blocks,
        class_live_bytes,
        is_running: sample.state.is_empty() || sample.is_running(),
    }
}

#[cfg(test)]
mod tests;
