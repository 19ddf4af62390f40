//! Runs of a program, each of which may be several processes.
//!
//! A comparison takes whole runs as its units, because what varies between runs varies in all
//! processes of a run alike. So the processes of a run become one series: at each moment at which
//! one of them was sampled, the sum of the newest samples of all. Counters of ended processes stay
//! in the sum, so that it never falls; what they held is gone, and so are their threads.

use std::collections::BTreeMap;

use hakmem_diagnosis::Series;
use hakmem_proto::v1 as proto;

use crate::model::seconds;

/// The label that names the run a process belongs to, in recordings of several runs.
const RUN_LABEL: &str = "hakmem.run";
/// Slots of one process are told apart from those of another by this much.
const SLOTS_MAX: u32 = 1 << 16;

/// Adds without overflow: recordings come from anywhere.
macro_rules! add {
    ($sum:expr, $part:expr) => {
        $sum = $sum.saturating_add($part)
    };
}

/// Says which run a process belonged to.
pub fn mark(series: &mut Series, run: u32) {
    series.identity.labels.insert(RUN_LABEL.into(), run.to_string());
}

/// Joins the processes of each run that was marked; others are left as they are. Marks are gone
/// afterwards.
pub fn join(all: Vec<Series>) -> Vec<Series> {
    let mut runs: BTreeMap<u32, Vec<Series>> = BTreeMap::new();
    let mut joined = Vec::new();
    for mut series in all {
        let mark = series.identity.labels.remove(RUN_LABEL);
        match mark.and_then(|it| it.parse().ok()) {
            Some(run) => runs.entry(run).or_default().push(series),
            None => joined.push(series),
        }
    }
    joined.extend(runs.into_values().map(sum));
    joined
}

/// One series of several; the identity is that of the process that did most.
fn sum(mut all: Vec<Series>) -> Series {
    let started = |it: &Series| it.identity.started_at.as_ref().map_or(0.0, seconds);
    all.sort_by(|a, b| started(a).total_cmp(&started(b)));
    if all.len() == 1 {
        return all.swap_remove(0);
    }
    let mut moments: Vec<&prost_types::Timestamp> =
        all.iter().flat_map(|it| &it.samples).filter_map(|it| it.sampled_at.as_ref()).collect();
    moments.sort_by(|a, b| seconds(a).total_cmp(&seconds(b)));
    moments.dedup();
    let mut newest = vec![None; all.len()];
    let mut samples = Vec::with_capacity(moments.len());
    for moment in moments {
        let now = seconds(moment);
        for (series, newest) in all.iter().zip(&mut newest) {
            let next = newest.map_or(0, |it: usize| it + 1);
            let is_due =
                |it: &proto::Process| it.sampled_at.as_ref().is_some_and(|at| seconds(at) <= now);
            let due = series.samples[next..].iter().take_while(|it| is_due(it)).count();
            if due > 0 {
                *newest = Some(next + due - 1);
            }
        }
        let parts = all.iter().zip(&newest).map(|(series, at)| at.map(|at| &series.samples[at]));
        samples.push(sum_samples(*moment, parts));
    }
    let lost_events = all.iter().fold(0u64, |sum, it| sum.saturating_add(it.lost_events));
    let lost_samples = all.iter().fold(0u64, |sum, it| sum.saturating_add(it.lost_samples));
    let busiest = all.into_iter().max_by_key(operations).unwrap_or_default();
    Series { samples, lost_events, lost_samples, ..busiest }
}

fn operations(series: &Series) -> u64 {
    let totals = series.samples.last().and_then(|it| it.totals).unwrap_or_default();
    totals.allocations.saturating_add(totals.frees)
}

/// The sum at a moment; processes that have not begun are `None`.
fn sum_samples<'a>(
    at: prost_types::Timestamp,
    parts: impl Iterator<Item = Option<&'a proto::Process>>,
) -> proto::Process {
    let mut sum = proto::Process {
        state: "exited".into(),
        sampled_at: Some(at),
        totals: Some(proto::Totals::default()),
        memory: Some(proto::Memory::default()),
        loss: Some(proto::Loss::default()),
        ..Default::default()
    };
    let mut classes: BTreeMap<&str, proto::ClassCounters> = BTreeMap::new();
    for (index, part) in parts.enumerate() {
        let Some(part) = part else { continue };
        let is_alive = part.state == "running";
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
}

fn add_loss(sum: &mut proto::Loss, part: &proto::Loss, is_alive: bool) {
    add!(sum.lost_events, part.lost_events);
    add!(sum.suppressed_events, part.suppressed_events);
    add!(sum.unpublished_threads_total, part.unpublished_threads_total);
    sum.torn |= part.torn;
    if is_alive {
        add!(sum.unpublished_threads, part.unpublished_threads);
    }
}

fn add_class(sum: &mut proto::ClassCounters, part: &proto::ClassCounters, is_alive: bool) {
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

/// Adds bucket by bucket. Quantiles are left out: they follow from the buckets.
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
