//! Sums of counters over the processes of one executable of one owner.
//!
//! A sum over running processes would fall when one of them ends, and Prometheus would take that
//! for a reset and show a spike. So the counts of ended processes stay in the sum of their
//! executable for as long as the agent runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use hakmem_reader::totals::{CLASSES, OUTCOMES};
use hakmem_reader::{AllocReason, ClassTotals, Histogram};

use super::ProcessRecord;

/// Number of executables of an owner that have a sum of their own at a time; further ones share
/// [`OTHER`].
pub(crate) const EXECUTABLES_MAX: usize = 256;
/// The name that all further executables share.
pub(crate) const OTHER: &str = "other";

/// Counters of one class; [`ClassTotals`] explains them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassSums {
    /// Whether any of the processes ever used the class.
    pub(crate) used: bool,
    pub(crate) allocations: u64,
    pub(crate) frees: u64,
    pub(crate) alloc_reasons: [u64; 8],
    pub(crate) free_reasons: [u64; 8],
    pub(crate) outcomes: [u64; OUTCOMES],
    pub(crate) outcomes_fast: [u64; OUTCOMES],
    pub(crate) durations: Histogram,
}

impl ClassSums {
    fn add(&mut self, class: &ClassTotals) {
        self.used |= class.is_used();
        add(&mut self.allocations, class.allocations);
        add(&mut self.frees, class.frees);
        add_all(&mut self.alloc_reasons, &class.alloc_reasons);
        add_all(&mut self.free_reasons, &class.free_reasons);
        add_all(&mut self.outcomes, &class.outcomes);
        add_all(&mut self.outcomes_fast, &class.outcomes_fast);
        self.durations.add(&class.durations);
    }

    /// Number of requests that failed.
    pub(crate) fn failed_allocations(&self) -> u64 {
        self.alloc_reasons[AllocReason::OutOfMemory as usize]
    }
}

/// All values that only grow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) classes: [ClassSums; CLASSES],
    pub(crate) slab_returned_bytes: u64,
    pub(crate) lost_events: u64,
    pub(crate) suppressed_events: u64,
    pub(crate) unpublished_threads_created: u64,
    pub(crate) refused_unmaps: u64,
    pub(crate) refused_purges: u64,
    pub(crate) refused_advice: u64,
}

impl Counters {
    /// Adds the counts of a process.
    pub(crate) fn add(&mut self, record: &ProcessRecord) {
        for (sum, class) in self.classes.iter_mut().zip(record.classes()) {
            sum.add(class);
        }
        let process = &record.sample.process;
        add(&mut self.slab_returned_bytes, process.slab_returned_bytes_total);
        add(&mut self.lost_events, record.lost_events);
        add(&mut self.suppressed_events, record.sample.suppressed_events());
        add(&mut self.unpublished_threads_created, process.threads_unpublished_total);
        add(&mut self.refused_unmaps, process.unmaps_refused_total);
        add(&mut self.refused_purges, process.purges_refused_total);
        add(&mut self.refused_advice, process.advice_refused_total);
    }
}

/// Counters of ended processes, by owner and executable.
///
/// Each owner has room for a limited number of names. A name without a process makes room for
/// another one; the name that has been without a process for longest goes first, because its series
/// have ended already. A process keeps the name that it got when it was first seen, so no sum ever
/// loses a process to another.
#[derive(Clone, Debug)]
pub(crate) struct Retired {
    names_max: usize,
    owners: BTreeMap<u32, Names>,
}

/// The names of one owner.
#[derive(Clone, Debug, Default)]
struct Names {
    by_name: BTreeMap<Arc<str>, Named>,
    /// Number of processes that ended so far.
    ended: u64,
}

#[derive(Clone, Debug, Default)]
struct Named {
    counters: Arc<Counters>,
    /// Number of running processes with this name.
    running: usize,
    /// [`Names::ended`] when the last process with this name ended.
    ended: u64,
}

impl Default for Retired {
    fn default() -> Self {
        Self::new(EXECUTABLES_MAX)
    }
}

impl Retired {
    /// Room for `names_max` names of each owner.
    pub(crate) fn new(names_max: usize) -> Self {
        Self { names_max, owners: BTreeMap::new() }
    }

    /// Enters a process that was seen for the first time; returns the name under which it is
    /// summed.
    pub(crate) fn enter(&mut self, owner: u32, executable: &str) -> Arc<str> {
        let names = self.owners.entry(owner).or_default();
        let name = if executable == OTHER || names.has_room(executable, self.names_max) {
            executable
        } else {
            OTHER
        };
        let known = names.by_name.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| name.into());
        names.by_name.entry(Arc::clone(&name)).or_default().running += 1;
        name
    }

    /// Takes the counts of a process that has entered and no longer runs.
    pub(crate) fn leave(&mut self, record: &ProcessRecord) {
        let names = self.owners.entry(record.owner()).or_default();
        names.ended += 1;
        let named = names.by_name.entry(Arc::clone(&record.group)).or_default();
        named.running = named.running.saturating_sub(1);
        named.ended = names.ended;
        // A process with series of its own was never in the sum, which must not jump when the
        // process ends.
        if !record.is_labelled {
            Arc::make_mut(&mut named.counters).add(record);
        }
    }

    /// The name of an owner's executable in the sums, which is [`OTHER`] beyond the limit.
    pub(crate) fn name_of<'a>(&self, owner: u32, executable: &'a str) -> &'a str {
        let is_named = |names: &Names| names.by_name.contains_key(executable);
        if self.owners.get(&owner).is_some_and(is_named) { executable } else { OTHER }
    }

    /// The counts of ended processes of an owner's executable or group `name`.
    pub(crate) fn counters(&self, owner: u32, name: &str) -> Counters {
        let named = self.owners.get(&owner).and_then(|names| names.by_name.get(name));
        named.map(|named| Counters::clone(&named.counters)).unwrap_or_default()
    }
}

impl Names {
    /// Whether a name may be used; if necessary, another one makes room.
    fn has_room(&mut self, name: &str, names_max: usize) -> bool {
        if self.by_name.contains_key(name) {
            return true;
        }
        let own = |(name, _): &(&Arc<str>, &Named)| ***name != *OTHER;
        if self.by_name.iter().filter(own).count() < names_max {
            return true;
        }
        let unused = self.by_name.iter().filter(own).filter(|(_, named)| named.running == 0);
        let longest = unused.min_by_key(|(_, named)| named.ended);
        let Some(name) = longest.map(|(name, _)| Arc::clone(name)) else { return false };
        self.by_name.remove(&name);
        true
    }
}

fn add(total: &mut u64, count: u64) {
    *total = total.saturating_add(count);
}

fn add_all(totals: &mut [u64], counts: &[u64]) {
    for (total, &count) in totals.iter_mut().zip(counts) {
        add(total, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_for_each_owner_and_processes_keep_theirs() {
        let mut retired = Retired::new(3);
        for executable in ["a", "b", "c"] {
            assert_eq!(*retired.enter(1, executable), *executable);
        }
        assert_eq!(*retired.enter(1, "d"), *OTHER);
        assert_eq!(*retired.enter(1, "a"), *"a");
        assert_eq!(*retired.enter(2, "d"), *"d", "another owner has room");
        assert_eq!(retired.name_of(1, "d"), OTHER);
        assert_eq!(retired.name_of(2, "d"), "d");
    }

    #[test]
    fn names_without_a_process_make_room() {
        let mut retired = Retired::new(2);
        retired.enter(1, "runs");
        // A build machine runs one program after the other.
        for number in 0..1000 {
            let executable = format!("conftest-{number}");
            let name = retired.enter(1, &executable);
            assert_eq!(*name, *executable);
            let names = retired.owners.get_mut(&1).unwrap();
            names.ended += 1;
            let named = names.by_name.get_mut(&name).unwrap();
            (named.running, named.ended) = (0, names.ended);
        }
        assert_eq!(retired.name_of(1, "runs"), "runs");
        assert_eq!(retired.owners[&1].by_name.len(), 2);
    }
}
