//! The JSON document of a snapshot, which `/api/v1/snapshot` serves and `hakmem-top --json` prints.
//!
//! It is built from messages of the gRPC contract, so both programs build it in the same way.
//! Counts of reasons and outcomes are objects with a member per word; words that never occurred are
//! absent.

use std::collections::BTreeMap;

use hakmem_proto::v1::{
    ClassCounters, DurationHistogram, Memory, OutcomeCount, Process, ReasonCount,
};
use serde::Serialize;

/// Version of the document: raised when a member changes its meaning or is removed.
pub const DOCUMENT_VERSION: u32 = 1;

/// The document.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotDocument {
    /// [`DOCUMENT_VERSION`].
    pub version: u32,
    /// Members that are empty in every process because the client may not see them.
    pub withheld: Vec<&'static str>,
    /// One entry per process, in the given order.
    pub processes: Vec<ProcessEntry>,
}

/// One process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessEntry {
    /// Identifies the process: pid, start time and nonce.
    pub key: String,
    /// Process id in its own pid namespace.
    pub pid: u32,
    /// Process id of the parent.
    pub parent_pid: u32,
    /// User who owns the process.
    pub user_id: u32,
    /// Path of the executable.
    pub executable: String,
    /// The name by which people know the program; may be empty.
    pub command_name: String,
    /// Locks of the parent's other threads that guarded data repaired after the fork.
    pub fork_doubts: u32,
    /// Free bytes that the process lost at the fork.
    pub fork_abandoned_bytes: u64,
    /// Arguments, truncated by the writer of the segment.
    pub arguments: Vec<String>,
    /// GNU build-id in hex, or empty.
    pub build_id: String,
    /// `HAKMEM_LABELS`, and what the program set itself.
    pub labels: BTreeMap<String, String>,
    /// `running`, `exited`, `killed`, `crashed`, `replaced` or `ended`.
    pub state: String,
    /// Exit code; null if it is not known.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended the process; null if none did or it is not known.
    pub end_signal: Option<i32>,
    /// Word for the routing.
    pub routing: String,
    /// Word for the share of frees that are checked.
    pub check: String,
    /// Word for the way in which a block is pushed onto a list; empty if the routing leaves no
    /// choice.
    pub push: String,
    /// Version of the hakmem library in the process.
    pub library_version: String,
    /// Whether the process was forked without exec.
    pub forked: bool,
    /// Time at which the allocator started, in seconds of Unix time; null if not known.
    pub started_at_unix_seconds: Option<f64>,
    /// Time at which the process ended, in seconds of Unix time; null unless it ended normally.
    pub ended_at_unix_seconds: Option<f64>,
    /// Time at which the sample was taken, in seconds of Unix time; null if not known.
    pub sampled_at_unix_seconds: Option<f64>,
    /// Sums over all classes.
    pub totals: TotalsEntry,
    /// One entry for each class that was ever used.
    pub classes: Vec<ClassEntry>,
    /// Memory that belongs to no thread, in bytes.
    pub memory: MemoryEntry,
    /// Events and threads that are missing from the numbers.
    pub loss: LossEntry,
}

/// Sums over all classes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TotalsEntry {
    /// Successful allocations.
    pub allocations: u64,
    /// Frees.
    pub frees: u64,
    /// Allocations that took the slow path.
    pub slow_allocations: u64,
    /// Frees that took the slow path.
    pub slow_frees: u64,
    /// Blocks allocated and not freed.
    pub live_blocks: i64,
    /// Bytes of live blocks.
    pub live_bytes: i64,
    /// Frees with an outcome that only a bug can cause.
    pub anomalies: u64,
    /// Threads that are now alive.
    pub threads: u32,
}

/// One class.
#[derive(Clone, Debug, Serialize)]
pub struct ClassEntry {
    /// Word for the class.
    pub class: String,
    /// Successful allocations, fast and slow.
    pub allocations: u64,
    /// Frees, fast and slow.
    pub frees: u64,
    /// Allocations that took the fast path.
    pub allocations_fast: u64,
    /// Frees that took the fast path.
    pub frees_fast: u64,
    /// Slow allocations by reason; `out_of_memory` counts failed requests, which are not part of
    /// `allocations`.
    pub slow_allocations: BTreeMap<String, u64>,
    /// Slow frees by reason.
    pub slow_frees: BTreeMap<String, u64>,
    /// Frees by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Frees by outcome, those that took the fast path.
    pub outcomes_fast: BTreeMap<String, u64>,
    /// Blocks on the threads' lists.
    pub depth_blocks: u64,
    /// Capacity of the lists of living threads in blocks.
    pub capacity_blocks: u64,
    /// Blocks in the central store.
    pub central_blocks: u64,
    /// Blocks allocated and not freed.
    pub live_blocks: i64,
    /// Bytes of live blocks.
    pub live_bytes: i64,
    /// Durations of timed slow paths; null if none was timed.
    pub slow_durations: Option<DurationEntry>,
}

/// Durations of slow paths since the process started.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DurationEntry {
    /// Number of timed slow paths.
    pub count: u64,
    /// Median, in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile, in nanoseconds.
    pub p99_ns: u64,
    /// 99.9th percentile, in nanoseconds.
    pub p999_ns: u64,
}

/// Memory that belongs to no thread, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MemoryEntry {
    /// Address space reserved for slabs.
    pub arena_reserved_bytes: u64,
    /// The part of it that has been made usable so far.
    pub arena_committed_bytes: u64,
    /// Slabs in use.
    pub slab_bytes: u64,
    /// Empty slabs kept for reuse.
    pub slab_cached_bytes: u64,
    /// Memory of empty slabs that was given back to the system, in total.
    pub slab_returned_bytes: u64,
    /// Large spans in use.
    pub large_bytes: u64,
    /// Freed large spans kept for reuse.
    pub large_cached_bytes: u64,
    /// Address space of freed large spans whose memory was purged, kept for reuse.
    pub large_purged_bytes: u64,
    /// Times that the system refused to unmap address space, in total.
    pub refused_unmaps: u64,
    /// Times that the system refused to take memory back, in total.
    pub refused_purges: u64,
    /// Times that the system refused advice about memory, in total.
    pub refused_advice: u64,
}

/// Events and threads that are missing from the numbers.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LossEntry {
    /// Events that were overwritten before the agent read them.
    pub lost_events: u64,
    /// Events that were not written, to bound their rate.
    pub suppressed_events: u64,
    /// Threads that are now alive and whose counts are not published.
    pub unpublished_threads: u32,
    /// Threads that ever ran without publishing their counts.
    pub unpublished_threads_total: u64,
    /// Whether the last sample was taken during a slow path.
    pub torn: bool,
    /// Namespaces made with `dlmopen`, whose libraries have an allocator of their own.
    pub namespaces_total: u64,
}

impl SnapshotDocument {
    /// Removes the members that not every user of the machine may see: keys, arguments and labels.
    pub fn without_private_members(mut self) -> Self {
        self.withheld = vec!["key", "arguments", "labels"];
        for process in &mut self.processes {
            process.key.clear();
            process.arguments.clear();
            process.labels.clear();
        }
        self
    }
}

/// The document of `processes`.
pub fn snapshot_document<'a>(processes: impl IntoIterator<Item = &'a Process>) -> SnapshotDocument {
    SnapshotDocument {
        version: DOCUMENT_VERSION,
        withheld: Vec::new(),
        processes: processes.into_iter().map(process_entry).collect(),
    }
}

fn process_entry(process: &Process) -> ProcessEntry {
    let identity = process.identity.clone().unwrap_or_default();
    ProcessEntry {
        key: process.key.clone(),
        pid: identity.pid,
        parent_pid: identity.parent_pid,
        user_id: identity.user_id,
        executable: identity.executable,
        command_name: identity.command_name,
        fork_doubts: identity.fork_doubts,
        fork_abandoned_bytes: identity.fork_abandoned_bytes,
        arguments: identity.arguments,
        build_id: identity.build_id,
        labels: identity.labels.into_iter().collect(),
        state: process.state.clone(),
        exit_code: process.exit_code,
        end_signal: process.end_signal,
        routing: identity.routing,
        check: identity.check,
        push: identity.push,
        library_version: identity.library_version,
        forked: identity.forked,
        started_at_unix_seconds: identity.started_at.map(unix_seconds),
        ended_at_unix_seconds: process.ended_at.map(unix_seconds),
        sampled_at_unix_seconds: process.sampled_at.map(unix_seconds),
        totals: process.totals.map(totals_entry).unwrap_or_default(),
        classes: process.classes.iter().map(class_entry).collect(),
        memory: process.memory.map(memory_entry).unwrap_or_default(),
        loss: process.loss.map(loss_entry).unwrap_or_default(),
    }
}

fn totals_entry(totals: hakmem_proto::v1::Totals) -> TotalsEntry {
    TotalsEntry {
        allocations: totals.allocations,
        frees: totals.frees,
        slow_allocations: totals.slow_allocations,
        slow_frees: totals.slow_frees,
        live_blocks: totals.live_blocks,
        live_bytes: totals.live_bytes,
        anomalies: totals.anomalies,
        threads: totals.threads,
    }
}

fn class_entry(class: &ClassCounters) -> ClassEntry {
    ClassEntry {
        class: class.class.clone(),
        allocations: class.allocations,
        frees: class.frees,
        allocations_fast: class.allocations_fast,
        frees_fast: class.frees_fast,
        slow_allocations: reasons(&class.slow_allocations),
        slow_frees: reasons(&class.slow_frees),
        outcomes: outcomes(&class.outcomes, |outcome| outcome.count),
        outcomes_fast: outcomes(&class.outcomes, |outcome| outcome.fast),
        depth_blocks: class.depth_blocks,
        capacity_blocks: class.capacity_blocks,
        central_blocks: class.central_blocks,
        live_blocks: class.live_blocks,
        live_bytes: class.live_bytes,
        slow_durations: class.slow_durations.as_ref().and_then(duration_entry),
    }
}

fn duration_entry(durations: &DurationHistogram) -> Option<DurationEntry> {
    (durations.count > 0).then_some(DurationEntry {
        count: durations.count,
        p50_ns: durations.p50_ns,
        p99_ns: durations.p99_ns,
        p999_ns: durations.p999_ns,
    })
}

fn memory_entry(memory: Memory) -> MemoryEntry {
    MemoryEntry {
        arena_reserved_bytes: memory.arena_reserved_bytes,
        arena_committed_bytes: memory.arena_committed_bytes,
        slab_bytes: memory.slab_bytes,
        slab_cached_bytes: memory.slab_cached_bytes,
        slab_returned_bytes: memory.slab_returned_bytes,
        large_bytes: memory.large_bytes,
        large_cached_bytes: memory.large_cached_bytes,
        large_purged_bytes: memory.large_purged_bytes,
        refused_unmaps: memory.refused_unmaps,
        refused_purges: memory.refused_purges,
        refused_advice: memory.refused_advice,
    }
}

fn loss_entry(loss: hakmem_proto::v1::Loss) -> LossEntry {
    LossEntry {
        lost_events: loss.lost_events,
        suppressed_events: loss.suppressed_events,
        unpublished_threads: loss.unpublished_threads,
        unpublished_threads_total: loss.unpublished_threads_total,
        torn: loss.torn,
        namespaces_total: loss.namespaces_total,
    }
}

fn reasons(counts: &[ReasonCount]) -> BTreeMap<String, u64> {
    counts.iter().map(|entry| (entry.reason.clone(), entry.count)).collect()
}

fn outcomes(
    counts: &[OutcomeCount],
    number: impl Fn(&OutcomeCount) -> u64,
) -> BTreeMap<String, u64> {
    let words = counts.iter().map(|entry| (entry.outcome.clone(), number(entry)));
    words.filter(|(_, count)| *count > 0).collect()
}

fn unix_seconds(at: prost_types::Timestamp) -> f64 {
    at.seconds as f64 + f64::from(at.nanos) / 1e9
}
