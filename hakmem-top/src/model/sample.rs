//! A synthetic process for tests, as an agent would report it at a given moment.

use hakmem_proto::v1 as proto;

use super::{Model, Stream};

/// When the sample process started, in seconds of Unix time.
pub(crate) const STARTED_AT: i64 = 1_000_000;

pub(crate) fn timestamp(seconds: f64) -> prost_types::Timestamp {
    let whole = seconds.floor();
    prost_types::Timestamp { seconds: whole as i64, nanos: ((seconds - whole) * 1e9) as i32 }
}

pub(crate) fn identity(pid: u32, executable: &str) -> proto::Identity {
    proto::Identity {
        pid,
        parent_pid: 1,
        executable: format!("/usr/bin/{executable}"),
        arguments: vec![executable.into(), "--fast".into()],
        routing: "direct".into(),
        check: "sample".into(),
        started_at: Some(timestamp(STARTED_AT as f64)),
        library_version: "0.1.0".into(),
        ..Default::default()
    }
}

fn reason(reason: &str, count: u64) -> proto::ReasonCount {
    proto::ReasonCount { reason: reason.into(), count }
}

/// A class after `operations` allocations and nine tenths as many frees.
pub(crate) fn class(name: &str, operations: u64) -> proto::ClassCounters {
    let slow = operations / 50;
    let frees = operations - operations / 10;
    proto::ClassCounters {
        class: name.into(),
        allocations: operations,
        frees,
        allocations_fast: operations - slow,
        frees_fast: frees - slow,
        slow_allocations: vec![
            reason("refill_central", slow - slow / 4),
            reason("refill_slab", slow / 4),
        ],
        slow_frees: vec![reason("flush_full", slow)],
        outcomes: vec![
            proto::OutcomeCount { outcome: "map".into(), count: frees, fast: frees - slow },
            proto::OutcomeCount { outcome: "sized".into(), count: 0, fast: 0 },
        ],
        depth_blocks: 96,
        capacity_blocks: 256,
        central_blocks: 1280,
        live_blocks: (operations / 10) as i64,
        live_bytes: (operations / 10) as i64 * 1024,
        slow_durations: Some(proto::DurationHistogram {
            buckets: vec![
                proto::DurationBucket { start_ns: 256, count: slow - slow / 20 },
                proto::DurationBucket { start_ns: 4096, count: slow / 20 },
            ],
            count: slow,
            p50_ns: 287,
            p99_ns: 4607,
            p999_ns: 5119,
        }),
        suppressed_events: slow / 2,
        bins: Vec::new(),
    }
}

fn thread(slot: u32, name: &str, operations: u64) -> proto::Thread {
    let list = |class: &str, depth_blocks| proto::ListDepth {
        class: class.into(),
        depth_blocks,
        capacity_blocks: 128,
    };
    proto::Thread {
        slot,
        thread_id: 4000 + slot,
        name: name.into(),
        owners: 1 + slot,
        allocations: operations,
        frees: operations / 2,
        slow_allocations: operations / 50,
        slow_frees: operations / 100,
        lists: vec![list("C3", 12), list("C7", 126), list("mid", 0)],
        events_written: 3,
    }
}

/// The process `at` seconds after its start, with `rate` C7 allocations per second.
pub(crate) fn process(pid: u32, executable: &str, at: f64, rate: f64) -> proto::Process {
    let operations = (at * rate) as u64;
    let classes = vec![
        class("C0", operations / 100),
        class("C3", operations / 2),
        class("C7", operations),
        class("mid", operations / 1000),
    ];
    let sum = |count: fn(&proto::ClassCounters) -> u64| classes.iter().map(count).sum::<u64>();
    proto::Process {
        key: format!("{pid}-1-00"),
        identity: Some(identity(pid, executable)),
        state: "running".into(),
        sampled_at: Some(timestamp(STARTED_AT as f64 + at)),
        totals: Some(proto::Totals {
            allocations: sum(|it| it.allocations),
            frees: sum(|it| it.frees),
            slow_allocations: sum(|it| it.allocations - it.allocations_fast),
            slow_frees: sum(|it| it.frees - it.frees_fast),
            live_blocks: 1234,
            live_bytes: 5 << 20,
            anomalies: 0,
            threads: 2,
        }),
        threads: vec![thread(0, "main", operations), thread(1, "worker", operations / 2)],
        classes,
        memory: Some(proto::Memory {
            slab_bytes: 8 << 20,
            slab_cached_bytes: 2 << 20,
            large_bytes: 1 << 20,
            ..Default::default()
        }),
        loss: Some(proto::Loss::default()),
        ..Default::default()
    }
}

/// A complete update of the processes `changed`, sampled `at` seconds after the start.
pub(crate) fn update(at: f64, changed: Vec<proto::Process>) -> proto::WatchProcessesResponse {
    proto::WatchProcessesResponse {
        sampled_at: Some(timestamp(STARTED_AT as f64 + at)),
        changed,
        complete: true,
        agent: Some(proto::AgentStatus {
            directory: "/dev/shm/hakmem-1000".into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A model that has watched two processes for some seconds, the first one in detail.
pub(crate) fn model() -> Model {
    let mut model = Model::new("/run/agent.sock");
    for step in 0..=60 {
        let at = 10.0 + f64::from(step) * 0.1;
        // An oscillating rate gives the sparklines a shape.
        let swing = 1e6 * (1.0 + 0.3 * (at * 2.0).sin() / at);
        let first = process(4000, "redis-server", at, swing);
        let second = process(4100, "python3", at, 2e4);
        model.merge(Stream::Overview, update(at, vec![strip(&first), strip(&second)]));
        model.merge(Stream::Detail, update(at, vec![first]));
    }
    model
}

/// The process as the stream of totals sends it.
pub(crate) fn strip(process: &proto::Process) -> proto::Process {
    proto::Process { classes: Vec::new(), threads: Vec::new(), ..process.clone() }
}
