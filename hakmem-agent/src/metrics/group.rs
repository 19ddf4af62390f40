//! What one set of `executable` and `pid` labels stands for: a process, or all processes of an
//! executable.

use std::collections::{BTreeMap, BTreeSet};

use hakmem_reader::totals::CLASSES;

use crate::state::counters::Counters;
use crate::state::{FleetView, ProcessRecord};

/// Gauges of one class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClassGauges {
    pub(super) depth_blocks: u64,
    pub(super) capacity_blocks: u64,
    pub(super) central_blocks: u64,
    pub(super) live_blocks: i64,
    pub(super) live_bytes: i64,
}

/// Everything that goes up and down, summed over running processes.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub(super) classes: [ClassGauges; CLASSES],
    pub(super) threads: u64,
    pub(super) unpublished_threads: u64,
    pub(super) arena_reserved_bytes: u64,
    pub(super) arena_committed_bytes: u64,
    pub(super) slab_bytes: u64,
    pub(super) slab_cached_bytes: u64,
    pub(super) large_bytes: u64,
    pub(super) large_cached_bytes: u64,
    pub(super) large_purged_bytes: u64,
    /// When the first of them started, in nanoseconds of Unix time.
    pub(super) started_unix_ns: Option<u64>,
}

/// What the info metric says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Build {
    pub(super) routing: String,
    pub(super) check: String,
    pub(super) push: String,
    /// Empty if the group is all processes of the executable, which may be many.
    pub(super) command: String,
    pub(super) build_id: String,
    pub(super) library_version: String,
}

/// One set of labels and its numbers.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) executable: String,
    /// Empty if the group is all processes of the executable.
    pub(super) pid: String,
    pub(super) builds: BTreeSet<Build>,
    pub(super) counters: Counters,
    pub(super) gauges: Gauges,
}

/// The running processes: one group each, or one per executable if they are more than `max`.
pub(super) fn groups(view: &FleetView, max: usize) -> Vec<Group> {
    let running = || view.processes.values().filter(|record| !record.has_ended());
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    let summed = running().count() > max;
    for record in running() {
        let facts = &record.facts;
        let labels = if summed {
            (view.retired.name_of(&facts.executable_name).to_owned(), String::new())
        } else {
            (facts.executable_name.clone(), facts.identity.pid.to_string())
        };
        let group = groups.entry(labels).or_insert_with_key(|(executable, pid)| Group {
            executable: executable.clone(),
            pid: pid.clone(),
            counters: if summed { view.retired.counters(executable) } else { Counters::default() },
            ..Group::default()
        });
        group.add(record);
    }
    groups.into_values().collect()
}

/// One group for each crashed process with anomalies, or one per executable if `running` is summed
/// so. The sum of an executable that still runs holds them already.
pub(super) fn crashed(view: &FleetView, running: &[Group]) -> Vec<Group> {
    let summed = running.first().is_some_and(|group| group.pid.is_empty());
    let known: BTreeSet<(&str, &str)> =
        running.iter().map(|group| (group.executable.as_str(), group.pid.as_str())).collect();
    let crashed = view
        .processes
        .values()
        .filter(|record| record.state.is_abnormal_end() && record.totals().anomalies > 0);
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    for record in crashed {
        let name = &record.facts.executable_name;
        let labels = if summed {
            (view.retired.name_of(name).to_owned(), String::new())
        } else {
            (name.clone(), record.facts.identity.pid.to_string())
        };
        if known.contains(&(labels.0.as_str(), labels.1.as_str())) {
            continue;
        }
        let (executable, pid) = labels.clone();
        let group =
            groups.entry(labels).or_insert_with(|| Group { executable, pid, ..Group::default() });
        if summed {
            group.counters = view.retired.counters(&group.executable);
        } else {
            group.counters.add(record);
        }
    }
    groups.into_values().collect()
}

impl Group {
    fn add(&mut self, record: &ProcessRecord) {
        self.counters.add(record);
        self.gauges.add(record);
        let identity = &record.facts.identity;
        self.builds.insert(Build {
            routing: identity.routing.clone(),
            check: identity.check.clone(),
            push: identity.push.clone(),
            command: if self.pid.is_empty() {
                String::new()
            } else {
                record.facts.raw.name().into()
            },
            build_id: identity.build_id.clone(),
            library_version: identity.library_version.clone(),
        });
    }
}

impl Gauges {
    fn add(&mut self, record: &ProcessRecord) {
        for (sum, class) in self.classes.iter_mut().zip(record.classes()) {
            add(&mut sum.depth_blocks, class.depth_blocks);
            add(&mut sum.capacity_blocks, class.capacity_blocks);
            add(&mut sum.central_blocks, class.central_blocks);
            sum.live_blocks = sum.live_blocks.saturating_add(class.live_blocks);
            sum.live_bytes = sum.live_bytes.saturating_add(class.live_bytes);
        }
        let process = &record.sample.process;
        let unpublished = u64::from(process.threads_unpublished);
        add(&mut self.threads, record.sample.threads_alive().saturating_sub(unpublished));
        add(&mut self.unpublished_threads, unpublished);
        add(&mut self.arena_reserved_bytes, process.arena_reserved_bytes);
        add(&mut self.arena_committed_bytes, process.arena_committed_bytes);
        add(&mut self.slab_bytes, process.slab_bytes);
        add(&mut self.slab_cached_bytes, process.slab_cached_bytes);
        add(&mut self.large_bytes, process.large_bytes);
        add(&mut self.large_cached_bytes, process.large_cached_bytes);
        add(&mut self.large_purged_bytes, process.large_purged_bytes);
        let started = record.facts.raw.created_unix_ns;
        let first = self.started_unix_ns.map_or(started, |first| first.min(started));
        self.started_unix_ns = Some(first);
    }
}

fn add(total: &mut u64, count: u64) {
    *total = total.saturating_add(count);
}
