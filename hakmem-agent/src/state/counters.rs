//! Sums of counters over processes of one executable.
//!
//! A sum over running processes would fall when one of them ends, and Prometheus would take that
//! for a reset and show a spike. So what ended processes have counted stays in the sum of their
//! executable for as long as the agent runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use hakmem_reader::totals::{CLASSES, OUTCOMES};
use hakmem_reader::{AllocReason, ClassTotals, Histogram};

use super::ProcessRecord;

/// Executables that get a sum of their own; those that come later share [`OTHER`].
pub(crate) const EXECUTABLES_MAX: usize = 256;
/// The name of all executables beyond [`EXECUTABLES_MAX`].
pub(crate) const OTHER: &str = "other";

/// Counters of one class; see [`ClassTotals`] for what they mean.
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

    /// Requests that failed.
    pub(crate) fn failed_allocations(&self) -> u64 {
        self.alloc_reasons[AllocReason::OutOfMemory as usize]
    }
}

/// Everything that only grows.
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
    /// Adds what a process has counted.
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

/// Counters of ended processes by executable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retired {
    by_executable: BTreeMap<String, Arc<Counters>>,
}

impl Retired {
    /// The name under which an executable is summed. Once given, a name never changes.
    pub(crate) fn name<'a>(&mut self, executable: &'a str) -> &'a str {
        if self.by_executable.contains_key(executable) {
            return executable;
        }
        if self.by_executable.len() >= EXECUTABLES_MAX {
            return OTHER;
        }
        self.by_executable.insert(executable.to_owned(), Arc::default());
        executable
    }

    /// Like [`Retired::name`], for an executable that has been named before.
    pub(crate) fn name_of<'a>(&self, executable: &'a str) -> &'a str {
        if self.by_executable.contains_key(executable) { executable } else { OTHER }
    }

    /// What ended processes of the executable or group `name` have counted.
    pub(crate) fn counters(&self, name: &str) -> Counters {
        self.by_executable.get(name).map(|counters| Counters::clone(counters)).unwrap_or_default()
    }

    /// Takes in a process that has ended.
    pub(crate) fn add(&mut self, record: &ProcessRecord) {
        let name = self.name(&record.facts.executable_name);
        let counters = self.by_executable.entry(name.to_owned()).or_default();
        Arc::make_mut(counters).add(record);
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
    fn names_are_bounded_and_never_change() {
        let mut retired = Retired::default();
        let executables: Vec<String> = (0..EXECUTABLES_MAX + 2).map(|n| n.to_string()).collect();
        for executable in &executables[..EXECUTABLES_MAX] {
            assert_eq!(retired.name(executable), executable);
        }
        assert_eq!(retired.name(&executables[EXECUTABLES_MAX]), OTHER);
        assert_eq!(retired.name_of(&executables[EXECUTABLES_MAX + 1]), OTHER);
        assert_eq!(retired.name_of("0"), "0");
    }
}
