//! Runs of a program, each of one process or several.
//!
//! A comparison takes whole runs as its units, because differences between runs affect all
//! processes of a run alike. Processes belong to one run if a recording of several runs marks them
//! so, if one descends from the other, or if one replaced the other by `exec`.
//!
//! The processes of a run become one series: at each moment at which one of them was sampled, the
//! sum of the newest samples of all. Counters of a process stay in the sum after its end, and
//! before its first sample they count with the values of that sample. So the sum never falls, and
//! never rises by activity outside of the window. Live memory counts only while its process lives.

use std::collections::{BTreeMap, BTreeSet};

use hakmem_diagnosis::Series;
use hakmem_proto::v1 as proto;
use hakmem_segment::vocabulary::ProcessState;

use crate::model::seconds;

/// The label that names a process's run, in recordings of several runs.
const RUN_LABEL: &str = "hakmem.run";
/// Offset between the slot numbers of two processes in a sum.
const SLOTS_MAX: u32 = 1 << 16;

/// Moments of a sum at most, because each one costs time for each process.
const MOMENTS_MAX: usize = 1000;

/// Adds and saturates, because recordings are not trusted.
macro_rules! add {
    ($sum:expr, $part:expr) => {
        $sum = $sum.saturating_add($part)
    };
}

/// Marks a series as part of a run.
pub fn mark(series: &mut Series, run: u32) {
    series.identity.labels.insert(RUN_LABEL.into(), run.to_string());
}

/// Joins the processes of each run, and removes the marks.
pub fn join(all: Vec<Series>) -> Vec<Series> {
    let mut runs: BTreeMap<u32, Vec<Series>> = BTreeMap::new();
    let mut unmarked = Vec::new();
    for mut series in all {
        let mark = series.identity.labels.remove(RUN_LABEL);
        match mark.and_then(|it| it.parse().ok()) {
            Some(run) => runs.entry(run).or_default().push(series),
            None => unmarked.push(series),
        }
    }
    let roots = roots(&unmarked.iter().map(|it| &it.identity).collect::<Vec<_>>());
    let mut trees: BTreeMap<usize, Vec<Series>> = BTreeMap::new();
    for (root, series) in roots.into_iter().zip(unmarked) {
        trees.entry(root).or_default().push(series);
    }
    trees.into_values().chain(runs.into_values()).map(sum).collect()
}

/// Whether the series are runs, or will be joined to runs, rather than single processes: some are
/// marked, or belong to one process tree.
pub fn are_runs(all: &[Series]) -> bool {
    let identities: Vec<&proto::Identity> = all.iter().map(|it| &it.identity).collect();
    let is_marked = |it: &&proto::Identity| it.labels.contains_key(RUN_LABEL);
    let is_of_tree = |(index, root): (usize, usize)| index != root;
    identities.iter().any(is_marked) || roots(&identities).into_iter().enumerate().any(is_of_tree)
}

/// For each process, the index of the oldest process from which it descends, perhaps itself.
pub fn roots(identities: &[&proto::Identity]) -> Vec<usize> {
    let started = |index: &usize| identities[*index].started_at.as_ref().map_or(0.0, seconds);
    let mut order: Vec<usize> = (0..identities.len()).collect();
    order.sort_by(|a, b| started(a).total_cmp(&started(b)));
    let mut root_of_pid: BTreeMap<u32, usize> = BTreeMap::new();
    let mut roots: Vec<usize> = (0..identities.len()).collect();
    for index in order {
        let identity = identities[index];
        // The process that had this pid earlier may have become this one by `exec`; but pids are
        // reused, so a known parent is the better evidence.
        let known = root_of_pid.get(&identity.parent_pid).or(root_of_pid.get(&identity.pid));
        let root = known.copied().unwrap_or(index);
        root_of_pid.insert(identity.pid, root);
        roots[index] = root;
    }
    roots
}

/// Joins several series into one, with the identity of the busiest process.
fn sum(mut all: Vec<Series>) -> Series {
    if all.len() == 1 {
        return all.swap_remove(0);
    }
    let mut newest: Vec<Newest> =
        all.iter().map(|it| Newest { samples: &it.samples, at: 0 }).collect();
    let samples = moments(&all)
        .into_iter()
        .map(|moment| {
            let now = seconds(&moment);
            newest.iter_mut().for_each(|it| it.advance(now));
            sum_samples(moment, newest.iter().filter_map(|it| it.sample(now)))
        })
        .collect();
    let total = |of: fn(&Series) -> u64| all.iter().map(of).fold(0, u64::saturating_add);
    let (lost_events, lost_samples) = (total(|it| it.lost_events), total(|it| it.lost_samples));
    let busiest = all.into_iter().max_by_key(operations).unwrap_or_default();
    Series { samples, lost_events, lost_samples, ..busiest }
}

/// The moments of the sum, thinned out to [`MOMENTS_MAX`]. The processes of a run are sampled one
/// after the other, so consecutive samples of different processes form one moment, the last of
/// theirs. One moment per sample would divide every interval into one in which a single process was
/// active and a rest, and adjacent intervals would look more independent than they are.
fn moments(all: &[Series]) -> Vec<prost_types::Timestamp> {
    let of_process = |(process, series): (usize, &Series)| {
        let sampled = series.samples.iter().filter_map(|it| it.sampled_at);
        sampled.map(|at| (at, process)).collect::<Vec<_>>()
    };
    let mut sampled: Vec<(prost_types::Timestamp, usize)> =
        all.iter().enumerate().flat_map(of_process).collect();
    sampled.sort_by(|a, b| seconds(&a.0).total_cmp(&seconds(&b.0)));
    let mut moments: Vec<prost_types::Timestamp> = Vec::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for (at, process) in sampled {
        let is_of_last = seen.insert(process) && !moments.is_empty();
        match moments.last_mut() {
            Some(last) if is_of_last || *last == at => *last = at,
            _ => {
                seen = BTreeSet::from([process]);
                moments.push(at);
            }
        }
    }
    let stride = moments.len().div_ceil(MOMENTS_MAX).max(1);
    let last = moments.len().saturating_sub(1);
    let mut index = 0;
    moments.retain(|_| {
        let is_kept = (last - index).is_multiple_of(stride);
        index += 1;
        is_kept
    });
    moments
}

/// A cursor over the samples of a process.
struct Newest<'a> {
    samples: &'a [proto::Process],
    at: usize,
}

impl<'a> Newest<'a> {
    fn advance(&mut self, now: f64) {
        while self.samples.get(self.at + 1).is_some_and(|it| moment(it) <= now) {
            self.at += 1;
        }
    }

    /// The newest sample, and whether the process lived at that moment.
    fn sample(&self, now: f64) -> Option<(&'a proto::Process, bool)> {
        let sample = self.samples.get(self.at)?;
        Some((sample, sample.is_running() && moment(sample) <= now))
    }
}

fn moment(sample: &proto::Process) -> f64 {
    sample.sampled_at.as_ref().map_or(0.0, seconds)
}

fn operations(series: &Series) -> u64 {
    let totals = series.samples.last().and_then(|it| it.totals).unwrap_or_default();
    totals.allocations.saturating_add(totals.frees)
}

/// The sum at a moment of samples, each with the information whether its process lived then.
fn sum_samples<'a>(
    at: prost_types::Timestamp,
    parts: impl Iterator<Item = (&'a proto::Process, bool)>,
) -> proto::Process {
    let mut sum = proto::Process {
        state: ProcessState::Exited.name().into(),
        sampled_at: Some(at),
        totals: Some(proto::Totals::default()),
        memory: Some(proto::Memory::default()),
        loss: Some(proto::Loss::default()),
        ..Default::default()
    };
    let mut classes: BTreeMap<&str, proto::ClassCounters> = BTreeMap::new();
    for (index, (part, is_alive)) in parts.enumerate() {
        if sum.key.is_empty() {
            sum.key.clone_from(&part.key);
        }
        if is_alive {
            sum.state.clone_from(&part.state);
            add_memory(sum.memory.get_or_insert_default(), &part.memory.unwrap_or_default());
        }
        add_totals(sum.totals.get_or_insert_default(), &part.totals.unwrap_or_default(), is_alive);
        add_loss(sum.loss.get_or_insert_default(), &part.loss.unwrap_or_default(), is_alive);
        for class in &part.classes {
            add_class(classes.entry(&class.class).or_default(), class, is_alive);
        }
        let first_slot = u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(SLOTS_MAX);
        sum.threads.extend(part.threads.iter().map(|thread| proto::Thread {
            slot: first_slot.saturating_add(thread.slot),
            lists: if is_alive { thread.lists.clone() } else { Vec::new() },
            ..thread.clone()
        }));
    }
    sum.classes = classes.into_values().collect();
    sum
}

fn add_totals(sum: &mut proto::Totals, part: &proto::Totals, is_alive: bool) {
    add!(sum.allocations, part.allocations);
    add!(sum.frees, part.frees);
    add!(sum.slow_allocations, part.slow_allocations);
    add!(sum.slow_frees, part.slow_frees);
    add!(sum.anomalies, part.anomalies);
    if is_alive {
        add!(sum.live_blocks, part.live_blocks);
        add!(sum.live_bytes, part.live_bytes);
        add!(sum.threads, part.threads);
    }
}

fn add_memory(sum: &mut proto::Memory, part: &proto::Memory) {
    add!(sum.arena_reserved_bytes, part.arena_reserved_bytes);
    add!(sum.arena_committed_bytes, part.arena_committed_bytes);
    add!(sum.slab_bytes, part.slab_bytes);
    add!(sum.slab_cached_bytes, part.slab_cached_bytes);
    add!(sum.slab_returned_bytes, part.slab_returned_bytes);
    add!(sum.large_bytes, part.large_bytes);
    add!(sum.large_cached_bytes, part.large_cached_bytes);
    add!(sum.large_purged_bytes, part.large_purged_bytes);
    add!(sum.refused_unmaps, part.refused_unmaps);
    add!(sum.refused_purges, part.refused_purges);
    add!(sum.refused_advice, part.refused_advice);
}

fn add_loss(sum: &mut proto::Loss, part: &proto::Loss, is_alive: bool) {
    add!(sum.lost_events, part.lost_events);
    add!(sum.suppressed_events, part.suppressed_events);
    add!(sum.unpublished_threads_total, part.unpublished_threads_total);
    add!(sum.namespaces_total, part.namespaces_total);
    sum.torn |= part.torn;
    if is_alive {
        add!(sum.unpublished_threads, part.unpublished_threads);
    }
}

fn add_class(sum: &mut proto::ClassCounters, part: &proto::ClassCounters, is_alive: bool) {
    add_bins(sum, part);
    sum.class.clone_from(&part.class);
    add!(sum.allocations, part.allocations);
    add!(sum.frees, part.frees);
    add!(sum.allocations_fast, part.allocations_fast);
    add!(sum.frees_fast, part.frees_fast);
    add!(sum.suppressed_events, part.suppressed_events);
    add_reasons(&mut sum.slow_allocations, &part.slow_allocations);
    add_reasons(&mut sum.slow_frees, &part.slow_frees);
    for outcome in &part.outcomes {
        match sum.outcomes.iter_mut().find(|it| it.outcome == outcome.outcome) {
            Some(known) => {
                add!(known.count, outcome.count);
                add!(known.fast, outcome.fast);
            }
            None => sum.outcomes.push(outcome.clone()),
        }
    }
    if let Some(durations) = &part.slow_durations {
        add_durations(sum.slow_durations.get_or_insert_default(), durations);
    }
    if is_alive {
        add!(sum.depth_blocks, part.depth_blocks);
        add!(sum.capacity_blocks, part.capacity_blocks);
        add!(sum.central_blocks, part.central_blocks);
        add!(sum.live_blocks, part.live_blocks);
        add!(sum.live_bytes, part.live_bytes);
    }
}

fn add_reasons(sum: &mut Vec<proto::ReasonCount>, part: &[proto::ReasonCount]) {
    for reason in part {
        match sum.iter_mut().find(|it| it.reason == reason.reason) {
            Some(known) => add!(known.count, reason.count),
            None => sum.push(reason.clone()),
        }
    }
}

/// Adds bin by bin, before the reasons of the class are added: a bin refers to a reason by its
/// place in the class, and the sum may order the reasons differently.
fn add_bins(sum: &mut proto::ClassCounters, part: &proto::ClassCounters) {
    let places = |known: &[proto::ReasonCount], new: &[proto::ReasonCount]| -> Vec<usize> {
        let mut words: Vec<&str> = known.iter().map(|it| it.reason.as_str()).collect();
        let mut place = |word| match words.iter().position(|it| *it == word) {
            Some(at) => at,
            None => {
                words.push(word);
                words.len() - 1
            }
        };
        new.iter().map(|it| place(it.reason.as_str())).collect()
    };
    let allocations = places(&sum.slow_allocations, &part.slow_allocations);
    let frees = places(&sum.slow_frees, &part.slow_frees);
    for bin in &part.bins {
        let at = sum.bins.binary_search_by_key(&bin.bin, |it| it.bin).unwrap_or_else(|at| {
            sum.bins.insert(at, proto::BinCounters { bin: bin.bin, ..Default::default() });
            at
        });
        let known = &mut sum.bins[at];
        add!(known.allocations, bin.allocations);
        add!(known.frees, bin.frees);
        add_numbers(&mut known.slow_allocations, &bin.slow_allocations, &allocations);
        add_numbers(&mut known.slow_frees, &bin.slow_frees, &frees);
    }
}

fn add_numbers(sum: &mut Vec<u64>, part: &[u64], places: &[usize]) {
    for (&number, &place) in part.iter().zip(places) {
        if sum.len() <= place {
            sum.resize(place + 1, 0);
        }
        add!(sum[place], number);
    }
}

/// Adds bucket by bucket. Quantiles are left out, because they follow from the buckets.
fn add_durations(sum: &mut proto::DurationHistogram, part: &proto::DurationHistogram) {
    add!(sum.count, part.count);
    for bucket in &part.buckets {
        match sum.buckets.binary_search_by_key(&bucket.start_ns, |it| it.start_ns) {
            Ok(at) => add!(sum.buckets[at].count, bucket.count),
            Err(at) => sum.buckets.insert(at, *bucket),
        }
    }
}

#[cfg(test)]
mod tests;
