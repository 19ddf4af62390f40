//! Every family that the agent serves: names, units and meanings.

use super::exposition::{Family, Kind};

pub(super) const ALLOCATIONS: Family = Family {
    name: "hakmem_allocations_total",
    kind: Kind::Counter,
    unit: "",
    help: "Successful allocations, fast and slow.",
};
pub(super) const SLOW_ALLOCATIONS: Family = Family {
    name: "hakmem_slow_allocations_total",
    kind: Kind::Counter,
    unit: "",
    help: "Allocations that left the fast path, by reason.",
};
pub(super) const FAILED_ALLOCATIONS: Family = Family {
    name: "hakmem_failed_allocations_total",
    kind: Kind::Counter,
    unit: "",
    help: "Requests that failed because memory ran out; they are not part of the allocations.",
};
pub(super) const FREES: Family = Family {
    name: "hakmem_frees_total",
    kind: Kind::Counter,
    unit: "",
    help: "Frees, fast and slow.",
};
pub(super) const SLOW_FREES: Family = Family {
    name: "hakmem_slow_frees_total",
    kind: Kind::Counter,
    unit: "",
    help: "Frees that left the fast path, by reason.",
};
pub(super) const CLASSIFIED_FREES: Family = Family {
    name: "hakmem_classified_frees_total",
    kind: Kind::Counter,
    unit: "",
    help: "Frees by how the pointer was classified and by the path they took; of crashed \
           processes, the anomalies.",
};
pub(super) const SLAB_RETURNED_BYTES: Family = Family {
    name: "hakmem_slab_returned_bytes_total",
    kind: Kind::Counter,
    unit: "bytes",
    help: "Memory of empty slabs given back to the system.",
};
pub(super) const REFUSED_UNMAPS: Family = Family {
    name: "hakmem_refused_unmaps_total",
    kind: Kind::Counter,
    unit: "",
    help: "Times that the system refused to unmap address space, for example at vm.max_map_count.",
};
pub(super) const REFUSED_PURGES: Family = Family {
    name: "hakmem_refused_purges_total",
    kind: Kind::Counter,
    unit: "",
    help: "Times that the system refused to take memory back, for example because it is locked.",
};
pub(super) const REFUSED_ADVICE: Family = Family {
    name: "hakmem_refused_advice_total",
    kind: Kind::Counter,
    unit: "",
    help: "Times that the system refused advice about memory.",
};
pub(super) const LOST_EVENTS: Family = Family {
    name: "hakmem_lost_events_total",
    kind: Kind::Counter,
    unit: "",
    help: "Events overwritten before the agent read them.",
};
pub(super) const SUPPRESSED_EVENTS: Family = Family {
    name: "hakmem_suppressed_events_total",
    kind: Kind::Counter,
    unit: "",
    help: "Slow paths not written to the event rings, to bound their rate.",
};
pub(super) const UNPUBLISHED_THREADS_CREATED: Family = Family {
    name: "hakmem_unpublished_threads_created_total",
    kind: Kind::Counter,
    unit: "",
    help: "Threads that ran without publishing their counts.",
};
pub(super) const PROCESS_INFO: Family = Family {
    name: "hakmem_process_info",
    kind: Kind::Info,
    unit: "",
    help: "What runs in the process, as labels.",
};
pub(super) const PROCESS_START_TIME: Family = Family {
    name: "hakmem_process_start_time_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    help: "When the allocator started, in Unix time; the earliest of several processes.",
};
pub(super) const THREADS: Family = Family {
    name: "hakmem_threads",
    kind: Kind::Gauge,
    unit: "",
    help: "Threads now alive that publish their counts.",
};
pub(super) const LIST_DEPTH: Family = Family {
    name: "hakmem_list_depth_blocks",
    kind: Kind::Gauge,
    unit: "blocks",
    help: "Blocks on the free lists of threads.",
};
pub(super) const LIST_CAPACITY: Family = Family {
    name: "hakmem_list_capacity_blocks",
    kind: Kind::Gauge,
    unit: "blocks",
    help: "Blocks that the free lists of living threads may hold.",
};
pub(super) const CENTRAL: Family = Family {
    name: "hakmem_central_blocks",
    kind: Kind::Gauge,
    unit: "blocks",
    help: "Free blocks waiting in the central store.",
};
pub(super) const LIVE_BLOCKS: Family = Family {
    name: "hakmem_live_blocks",
    kind: Kind::Gauge,
    unit: "blocks",
    help: "Blocks allocated and not freed.",
};
pub(super) const LIVE_BYTES: Family = Family {
    name: "hakmem_live_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Bytes of live blocks, rounding up to the bin included.",
};
pub(super) const ARENA_RESERVED: Family = Family {
    name: "hakmem_arena_reserved_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Address space reserved for slabs.",
};
pub(super) const ARENA_COMMITTED: Family = Family {
    name: "hakmem_arena_committed_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Part of the reserved address space made usable so far.",
};
pub(super) const SLAB: Family =
    Family { name: "hakmem_slab_bytes", kind: Kind::Gauge, unit: "bytes", help: "Slabs in use." };
pub(super) const SLAB_CACHED: Family = Family {
    name: "hakmem_slab_cached_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Empty slabs whose memory is kept for reuse.",
};
pub(super) const LARGE: Family = Family {
    name: "hakmem_large_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Large spans in use.",
};
pub(super) const LARGE_CACHED: Family = Family {
    name: "hakmem_large_cached_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Freed large spans kept for reuse.",
};
pub(super) const LARGE_PURGED: Family = Family {
    name: "hakmem_large_purged_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Address space of freed large spans, without memory, kept for reuse.",
};
pub(super) const UNPUBLISHED_THREADS: Family = Family {
    name: "hakmem_unpublished_threads",
    kind: Kind::Gauge,
    unit: "",
    help: "Threads now alive whose counts are not published.",
};
pub(super) const SLOW_PATH_DURATION: Family = Family {
    name: "hakmem_slow_path_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    help: "Durations of timed slow paths; the sum is estimated from the middles of finer buckets.",
};
pub(super) const PATH_REGRESSION: Family = Family {
    name: "hakmem_path_regression_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    help: "Time that a path which became slower adds to each operation of its program, while the \
           regression lasts.",
};
pub(super) const PATH_REGRESSIONS: Family = Family {
    name: "hakmem_path_regressions_total",
    kind: Kind::Counter,
    unit: "",
    help: "Paths that became slower, by cause.",
};
pub(super) const PROCESS_ENDS: Family = Family {
    name: "hakmem_process_ends_total",
    kind: Kind::Counter,
    unit: "",
    help: "Processes that ended while the agent ran, by how: exited, killed by a signal that was \
           sent to it, crashed by a fault, replaced by exec, or ended without being observed.",
};
