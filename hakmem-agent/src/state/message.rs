//! Converts samples to messages of the contract.

use hakmem_proto::v1::{
    Bin, BinCounters, ClassCounters, DurationBucket, DurationHistogram, Identity, ListDepth, Loss,
    Memory, OutcomeCount, Process, ReasonCount, Thread, Totals,
};
use hakmem_reader::{
    AllocReason, BINS, Class, ClassTotals, Ending, Histogram, ProcessState, Push, Sample,
    ThreadTotals,
};
use hakmem_segment::duration::bucket_start_ns;

use super::{Facts, ProcessRecord};
use crate::time::timestamp_of_unix_ns;

/// Everything about a process.
///
/// Sums per class are computed for the message but not kept, because they take more memory than it.
pub(super) fn process(record: &ProcessRecord) -> Process {
    let made;
    let classes = match record.classes.get() {
        Some(classes) => classes,
        None => {
            made = Box::new(record.sample.classes());
            &made
        }
    };
    let used = classes.iter().filter(|class| class.is_used());
    Process {
        key: record.key.to_string(),
        identity: Some(record.facts.identity.clone()),
        state: record.state.name().to_owned(),
        exit_code: exit_code(record),
        end_signal: record.ending.and_then(Ending::signal),
        sampled_at: Some(timestamp_of_unix_ns(record.sample.unix_ns)),
        totals: Some(totals_of(record, classes.iter())),
        classes: used.map(|class| class_counters(class, &record.sample)).collect(),
        threads: record.sample.threads().into_iter().map(|it| thread(record, it)).collect(),
        memory: Some(memory(record)),
        loss: Some(loss(record)),
        ended_at: ended_at(record),
    }
}

impl Facts {
    /// The facts in a segment's identity of its writer.
    pub(crate) fn new(identity: &hakmem_reader::Identity) -> Self {
        let bins = (0..BINS).filter(|&bin| identity.bins.stride_bytes(bin) > 0);
        let bins = bins.map(|bin| Bin {
            bin: bin as u32,
            class: identity.bins.class(bin).name().to_owned(),
            stride_bytes: identity.bins.stride_bytes(bin),
            header_bytes: identity.bins.all()[bin].header_bytes.into(),
        });
        let message = Identity {
            pid: identity.pid,
            parent_pid: identity.parent_pid,
            user_id: identity.owner_user_id,
            executable: identity.executable.clone().into(),
            arguments: identity.arguments.iter().map(ToString::to_string).collect(),
            build_id: identity.build_id.clone(),
            labels: identity.labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            routing: identity.routing.name().to_owned(),
            started_at: Some(timestamp_of_unix_ns(identity.created_unix_ns)),
            library_version: identity.package_version.clone().into(),
            boot_id: identity.boot_id_hex(),
            pid_namespace: identity.pid_namespace,
            forked: identity.forked,
            bins: bins.collect(),
            check: identity.check.name().to_owned(),
            push: identity.effective_push().map_or("", Push::name).to_owned(),
            list_bytes_max: identity.list_bytes_max,
            command_name: identity.command_name.clone().into(),
            fork_doubts: identity.fork_doubts,
            fork_abandoned_bytes: identity.fork_abandoned_bytes,
        };
        let program_name = identity.name().to_owned();
        Self { raw: identity.clone(), identity: message, program_name }
    }
}

/// The exit code, from the kernel or else from the segment; only if the process exited.
fn exit_code(record: &ProcessRecord) -> Option<i32> {
    match record.ending {
        Some(ending) => ending.exit_code(),
        None => record.sample.process.exit_code,
    }
}

fn ended_at(record: &ProcessRecord) -> Option<prost_types::Timestamp> {
    let process = &record.sample.process;
    let is_known = record.state == ProcessState::Exited && process.exited_unix_ns > 0;
    is_known.then(|| timestamp_of_unix_ns(process.exited_unix_ns))
}

/// Sums over all classes.
pub(super) fn totals(record: &ProcessRecord) -> Totals {
    totals_of(record, record.classes().iter())
}

fn totals_of<'a>(record: &ProcessRecord, classes: impl Iterator<Item = &'a ClassTotals>) -> Totals {
    let mut totals = Totals {
        threads: u32::try_from(record.sample.threads_alive()).unwrap_or(u32::MAX),
        ..Totals::default()
    };
    for class in classes {
        totals.allocations = totals.allocations.saturating_add(class.allocations);
        totals.frees = totals.frees.saturating_add(class.frees);
        let slow_allocations = class.slow_allocations();
        totals.slow_allocations = totals.slow_allocations.saturating_add(slow_allocations);
        totals.slow_frees = totals.slow_frees.saturating_add(class.slow_frees());
        totals.live_blocks = totals.live_blocks.saturating_add(class.live_blocks);
        totals.live_bytes = totals.live_bytes.saturating_add(class.live_bytes);
        totals.anomalies = totals.anomalies.saturating_add(class.anomalies());
    }
    totals
}

fn class_counters(class: &ClassTotals, sample: &Sample) -> ClassCounters {
    let reasons = AllocReason::ALL.iter().map(|&r| (r.name(), class.alloc_reasons[r as usize]));
    let free_reasons = class.slow_frees_by_reason().map(|(reason, n)| (reason.name(), n));
    let outcomes = class.frees_by_outcome().filter(|&(_, count, _)| count > 0);
    ClassCounters {
        class: class.class.name().to_owned(),
        allocations: class.allocations,
        frees: class.frees,
        allocations_fast: class.allocations_fast,
        frees_fast: class.frees_fast,
        slow_allocations: reason_counts(reasons),
        slow_frees: reason_counts(free_reasons),
        outcomes: outcomes.map(|(o, count, fast)| outcome_count(o.name(), count, fast)).collect(),
        depth_blocks: class.depth_blocks,
        capacity_blocks: class.capacity_blocks,
        central_blocks: class.central_blocks,
        live_blocks: class.live_blocks,
        live_bytes: class.live_bytes,
        slow_durations: (!class.durations.is_empty()).then(|| durations(&class.durations)),
        // Segments count these per reason and not per class.
        suppressed_events: 0,
        bins: bin_counters(class, sample),
    }
}

/// The counters of a class by bin, if its bins differ so much in size that one cannot stand for
/// another.
fn bin_counters(class: &ClassTotals, sample: &Sample) -> Vec<BinCounters> {
    if class.class != Class::Mid {
        return Vec::new();
    }
    let of_class = |all: &[u64; 8], class: &[u64; 8]| {
        let occurred = (0..all.len()).filter(|&reason| class[reason] > 0);
        occurred.map(|reason| all[reason]).collect()
    };
    let bins = sample.bins_of(class.class).into_iter();
    bins.map(|bin| BinCounters {
        bin: bin.bin as u32,
        allocations: bin.allocations,
        frees: bin.frees,
        slow_allocations: of_class(&bin.alloc_reasons, &class.alloc_reasons),
        slow_frees: of_class(&bin.free_reasons, &class.free_reasons),
    })
    .collect()
}

fn reason_counts<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Vec<ReasonCount> {
    let occurred = counts.filter(|&(_, count)| count > 0);
    occurred.map(|(reason, count)| ReasonCount { reason: reason.to_owned(), count }).collect()
}

fn outcome_count(outcome: &str, count: u64, fast: u64) -> OutcomeCount {
    OutcomeCount { outcome: outcome.to_owned(), count, fast }
}

fn durations(histogram: &Histogram) -> DurationHistogram {
    let buckets = histogram.buckets();
    DurationHistogram {
        buckets: buckets
            .map(|(index, count)| DurationBucket { start_ns: bucket_start_ns(index), count })
            .collect(),
        count: histogram.count(),
        p50_ns: histogram.quantile_ns(0.5),
        p99_ns: histogram.quantile_ns(0.99),
        p999_ns: histogram.quantile_ns(0.999),
    }
}

fn thread(record: &ProcessRecord, thread: ThreadTotals) -> Thread {
    let known = record.thread_names.get(thread.slot, thread.owners);
    let name = known.map_or_else(|| thread.name.into(), ToOwned::to_owned);
    let blocks = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let lists = thread.lists.iter().map(|list| ListDepth {
        class: list.class.name().to_owned(),
        depth_blocks: blocks(list.depth_blocks),
        capacity_blocks: blocks(list.capacity_blocks),
    });
    Thread {
        slot: thread.slot,
        thread_id: thread.thread_id,
        lists: lists.collect(),
        name,
        owners: thread.owners,
        allocations: thread.allocations,
        frees: thread.frees,
        slow_allocations: thread.slow_allocations,
        slow_frees: thread.slow_frees,
        events_written: thread.events_written,
    }
}

fn memory(record: &ProcessRecord) -> Memory {
    let process = &record.sample.process;
    Memory {
        arena_reserved_bytes: process.arena_reserved_bytes,
        arena_committed_bytes: process.arena_committed_bytes,
        slab_bytes: process.slab_bytes,
        slab_cached_bytes: process.slab_cached_bytes,
        slab_returned_bytes: process.slab_returned_bytes_total,
        large_bytes: process.large_bytes,
        large_cached_bytes: process.large_cached_bytes,
        large_purged_bytes: process.large_purged_bytes,
        refused_unmaps: process.unmaps_refused_total,
        refused_purges: process.purges_refused_total,
        refused_advice: process.advice_refused_total,
    }
}

fn loss(record: &ProcessRecord) -> Loss {
    let sample = &record.sample;
    Loss {
        lost_events: record.lost_events,
        suppressed_events: sample.suppressed_events(),
        unpublished_threads: sample.process.threads_unpublished,
        unpublished_threads_total: sample.process.threads_unpublished_total,
        torn: sample.is_torn(),
        namespaces_total: sample.process.namespaces_total,
    }
}
