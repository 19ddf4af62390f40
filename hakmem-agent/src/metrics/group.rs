//! Groups of processes with equal labels `executable`, `pid`, `user` and `process`: one process, or
//! all processes of an executable of one user.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use hakmem_reader::totals::CLASSES;

use crate::state::counters::Counters;
use crate::state::{FleetView, ProcessRecord};
use crate::users::Users;

/// Gauges of one class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClassGauges {
    pub(super) depth_blocks: u64,
    pub(super) capacity_blocks: u64,
    pub(super) central_blocks: u64,
    pub(super) live_blocks: i64,
    pub(super) live_bytes: i64,
}

/// All gauges, summed over running processes.
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
    /// Start of the first of these processes, in nanoseconds of Unix time.
    pub(super) started_unix_ns: Option<u64>,
}

/// The labels of the info metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Build {
    pub(super) routing: String,
    pub(super) check: String,
    pub(super) push: String,
    /// Empty if the group is all processes of the executable, which may have several.
    pub(super) command: String,
    pub(super) build_id: String,
    pub(super) library_version: String,
}

/// The labels that distinguish the series of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) executable: String,
    /// Empty if the group is all processes of the executable.
    pub(super) pid: String,
    /// Name or number of the owner.
    pub(super) user: String,
    /// Distinguishes processes with the same pid, as in containers and after a restart; empty if
    /// `pid` is.
    pub(super) process: String,
}

/// One set of labels and its numbers.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) place: Place,
    pub(super) builds: BTreeSet<Build>,
    pub(super) counters: Counters,
    pub(super) gauges: Gauges,
}

impl Place {
    fn of(record: &ProcessRecord, users: &Users) -> Self {
        let facts = &record.facts;
        let user = users.label(record.owner());
        if !record.is_labelled {
            return Self { executable: record.group.to_string(), user, ..Self::default() };
        }
        Self {
            executable: facts.program_name.clone(),
            pid: facts.identity.pid.to_string(),
            user,
            process: short_name(&record.key),
        }
    }
}

/// The running processes: one group for each process with labels, and one for all others of an
/// executable and owner.
pub(super) fn groups(view: &FleetView, users: &Users) -> Vec<Group> {
    let mut groups: BTreeMap<Place, Group> = BTreeMap::new();
    for record in view.processes.values().filter(|record| !record.has_ended()) {
        let place = Place::of(record, users);
        let is_sum = place.pid.is_empty();
        match groups.entry(place) {
            Entry::Vacant(entry) => {
                let mut group = Group { place: entry.key().clone(), ..Group::default() };
                if is_sum {
                    group.counters = view.retired.counters(record.owner(), &record.group);
                }
                entry.insert(group).add(record);
            }
            Entry::Occupied(mut entry) if is_sum => entry.get_mut().add(record),
            // One owner made two files with the same short name; their series are not merged.
            Entry::Occupied(_) => {}
        }
    }
    groups.into_values().collect()
}

/// One group for each crashed process with anomalies, or one per executable for those without
/// labels. The sum of an executable that still runs includes them already.
pub(super) fn crashed(view: &FleetView, running: &[Group], users: &Users) -> Vec<Group> {
    let known: BTreeSet<&Place> = running.iter().map(|group| &group.place).collect();
    let crashed = view
        .processes
        .values()
        .filter(|record| record.state.is_abnormal_end() && record.totals().anomalies > 0);
    let mut groups: BTreeMap<Place, Group> = BTreeMap::new();
    for record in crashed {
        let place = Place::of(record, users);
        if known.contains(&place) || groups.contains_key(&place) {
            continue;
        }
        let mut group = Group { place: place.clone(), ..Group::default() };
        if place.pid.is_empty() {
            group.counters = view.retired.counters(record.owner(), &record.group);
        } else {
            group.counters.add(record);
        }
        groups.insert(place, group);
    }
    groups.into_values().collect()
}

/// Twelve hexadecimal digits that stand for a key: FNV-1a, which is the same in every version. A
/// reader of metrics does not learn keys from them.
fn short_name(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{:012x}", hash >> 16)
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
            command: if self.place.pid.is_empty() {
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
