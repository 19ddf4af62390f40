//! The model: the agent's knowledge of every process. Samples go in, views come out; nothing here
//! reads files or waits.

pub(crate) mod counters;
pub(crate) mod cursor;
pub(crate) mod ends;
pub(crate) mod filter;
pub(crate) mod interest;
mod labels;
mod message;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use hakmem_proto::v1::{self, Process, Totals};
use hakmem_reader::totals::CLASSES;
use hakmem_reader::{BinSample, ClassTotals, Ending, ProcessState, Sample, SlotSample};

use crate::thread_names::ThreadNames;
use counters::Retired;
use ends::Ends;
use labels::Labels;

/// Upper bounds of the histogram of rounds' durations, in seconds.
pub(crate) const ROUND_BOUNDS_SECONDS: [f64; 8] =
    [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5];

/// The properties of a process that do not change while it lives, except its labels: new ones make
/// new facts.
#[derive(Debug)]
pub(crate) struct Facts {
    /// As the segment has them.
    pub(crate) raw: hakmem_reader::Identity,
    /// As the contract has them.
    pub(crate) identity: v1::Identity,
    /// The name by which people know the program, or else the executable's name.
    pub(crate) program_name: String,
}

/// One process as of its newest sample. Immutable: the next sample makes another record.
#[derive(Debug)]
pub(crate) struct ProcessRecord {
    /// See [`Facts::key`].
    pub(crate) key: Arc<str>,
    /// The name under which the process is summed with others of its owner; empty until the fleet
    /// has the record.
    pub(crate) group: Arc<str>,
    /// Whether the process has series of its own, for as long as it runs; set by the fleet.
    pub(crate) is_labelled: bool,
    pub(crate) facts: Arc<Facts>,
    pub(crate) state: ProcessState,
    /// How the process ended, if the kernel reported it.
    pub(crate) ending: Option<Ending>,
    pub(crate) sample: Sample,
    /// Number of events that were overwritten before they were read.
    pub(crate) lost_events: u64,
    /// Names of threads, which the segment does not have.
    thread_names: Arc<ThreadNames>,
    classes: OnceLock<Box<[ClassTotals; CLASSES]>>,
    message: OnceLock<Arc<Process>>,
}

impl Facts {
    /// Identifies the process for as long as the agent knows it: pid, start time and nonce, which
    /// the writer chose, then the owner of the file, for whom the system vouches, and the pid
    /// namespace. A copy of another user's segment is another process, so nobody can take its
    /// place.
    pub(crate) fn key(&self) -> String {
        let raw = &self.raw;
        format!("{}@{}.{}", raw.key(), raw.owner_user_id, raw.pid_namespace)
    }
}

/// The part of a process's key that names its segment's file.
pub(crate) fn segment_key(key: &str) -> &str {
    key.split_once('@').map_or(key, |(segment, _)| segment)
}

impl ProcessRecord {
    pub(crate) fn new(
        key: Arc<str>,
        facts: Arc<Facts>,
        (state, ending): (ProcessState, Option<Ending>),
        sample: Sample,
        lost_events: u64,
    ) -> Self {
        let (classes, message) = (OnceLock::new(), OnceLock::new());
        let (group, thread_names) = ("".into(), Arc::default());
        Self {
            key,
            group,
            is_labelled: false,
            facts,
            state,
            ending,
            sample,
            lost_events,
            thread_names,
            classes,
            message,
        }
    }

    /// This record with the current names of the process's threads.
    pub(crate) fn with_thread_names(self, thread_names: Arc<ThreadNames>) -> Self {
        Self { thread_names, ..self }
    }

    /// This record for a process that is now known to have ended in another way.
    pub(crate) fn with_state(&self, state: ProcessState) -> Self {
        let (key, facts) = (Arc::clone(&self.key), Arc::clone(&self.facts));
        let group = Arc::clone(&self.group);
        let record = Self::new(key, facts, (state, None), self.sample.clone(), self.lost_events);
        let is_labelled = self.is_labelled;
        Self { group, is_labelled, ..record.with_thread_names(Arc::clone(&self.thread_names)) }
    }

    /// Owner of the segment's file, for whom the system vouches.
    pub(crate) fn owner(&self) -> u32 {
        self.facts.raw.owner_user_id
    }

    /// The identity of the process.
    pub(crate) fn identity(&self) -> &v1::Identity {
        &self.facts.identity
    }

    /// Whether the process no longer runs.
    pub(crate) fn has_ended(&self) -> bool {
        self.state != ProcessState::Running
    }

    /// Sums per class, computed on first use, because most samples are never inspected.
    pub(crate) fn classes(&self) -> &[ClassTotals; CLASSES] {
        self.classes.get_or_init(|| Box::new(self.sample.classes()))
    }

    /// The process as a message of the contract, built on first use.
    pub(crate) fn message(&self) -> Arc<Process> {
        Arc::clone(self.message.get_or_init(|| Arc::new(message::process(self))))
    }

    /// Sums over all classes.
    pub(crate) fn totals(&self) -> Totals {
        message::totals(self)
    }

    /// Whether the process has the identity that it had; if not, it has set a label.
    pub(crate) fn has_identity_of(&self, earlier: &Self) -> bool {
        let (old, new) = (&earlier.facts, &self.facts);
        Arc::ptr_eq(old, new) || old.raw.labels == new.raw.labels
    }

    /// Whether nothing happened between two samples of a process. A `false` where nothing did costs
    /// only a message.
    pub(crate) fn is_same(&self, later: &Self) -> bool {
        let (old, new) = (&self.sample, &later.sample);
        self.state == later.state
            && self.lost_events == later.lost_events
            && self.thread_names == later.thread_names
            && old.slots.len() == new.slots.len()
            && old.slots.iter().zip(&new.slots).all(|(old, new)| is_same_slot(old, new))
            && old.process == new.process
            && later.has_identity_of(self)
    }
}

/// Whether nothing happened in a slot. Slow paths' counters are not compared: the reader copies
/// them together with the durations, and returns the previous durations if there was no slow path.
fn is_same_slot(old: &Arc<SlotSample>, new: &Arc<SlotSample>) -> bool {
    let lists = || old.bins.iter().zip(&new.bins);
    let state =
        |bin: &BinSample| (bin.bin, bin.list.depth, bin.list.freed_fast, bin.sized_frees_fast);
    Arc::ptr_eq(old, new)
        || Arc::ptr_eq(&old.durations, &new.durations)
            && !old.torn
            && !new.torn
            && (old.thread_id, old.owners, old.events_written)
                == (new.thread_id, new.owners, new.events_written)
            && old.capacities == new.capacities
            && old.bins.len() == new.bins.len()
            && lists().all(|(old, new)| state(old) == state(new))
}

/// The agent's knowledge of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// Whether every segment that existed at the start has been read or refused.
    pub(crate) first_scan_done: bool,
    /// Time at which the last round of sampling was over; `None` before the first.
    pub(crate) round_at: Option<Instant>,
    /// Directories that should be readable but are not, with the reasons.
    pub(crate) directory_problems: Arc<BTreeMap<PathBuf, String>>,
    /// Segments that could not be read, since the agent started.
    pub(crate) unreadable_segments: u64,
    /// Samples with a slot that was never seen at rest, since the agent started.
    pub(crate) torn_samples: u64,
    /// Rounds of sampling by duration, with the bounds in [`ROUND_BOUNDS_SECONDS`]; the last counts
    /// those above all bounds.
    pub(crate) rounds: [u64; ROUND_BOUNDS_SECONDS.len() + 1],
    /// Time spent in all rounds.
    pub(crate) rounds_time: Duration,
}

impl Health {
    /// Counts one round of sampling.
    pub(crate) fn count_round(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.rounds[ROUND_BOUNDS_SECONDS.partition_point(|&bound| bound < seconds)] += 1;
        self.rounds_time += took;
    }
}

/// Everything that the agent knows at one moment. Cheap to clone, because records are shared.
#[derive(Clone, Debug)]
pub(crate) struct FleetView {
    pub(crate) processes: BTreeMap<Arc<str>, Arc<ProcessRecord>>,
    /// Time of the newest samples.
    pub(crate) sampled_at: SystemTime,
    pub(crate) health: Health,
    /// Counters of processes that have ended.
    pub(crate) retired: Arc<Retired>,
    /// Ends of processes since the first listing, which also finds earlier ends.
    pub(crate) ends: Arc<Ends>,
    /// Room for processes with series of their own.
    labels: Labels,
}

impl Default for FleetView {
    fn default() -> Self {
        Self {
            processes: BTreeMap::new(),
            sampled_at: SystemTime::UNIX_EPOCH,
            health: Health::default(),
            retired: Arc::default(),
            ends: Arc::default(),
            labels: Labels::new(0),
        }
    }
}

impl FleetView {
    /// A fleet without processes, in which each owner may have sums for `executables_max`
    /// executables, and series for `labelled_max` processes.
    pub(crate) fn new(executables_max: usize, labelled_max: usize) -> Self {
        let retired = Arc::new(Retired::new(executables_max));
        Self { retired, labels: Labels::new(labelled_max), ..Self::default() }
    }

    /// Takes a newer sample of a process, new or known.
    ///
    /// A process whose end nobody saw was replaced by `exec` if the same process appears again with
    /// a newer segment.
    pub(crate) fn put(&mut self, mut record: ProcessRecord) -> Arc<ProcessRecord> {
        let known = self.processes.get(&record.key);
        let (owner, is_new) = (record.owner(), known.is_none());
        let was_running = known.is_none_or(|known| !known.has_ended());
        record.group = match known {
            Some(known) => Arc::clone(&known.group),
            None => Arc::make_mut(&mut self.retired).enter(owner, &record.facts.program_name),
        };
        record.is_labelled = match known {
            Some(known) => known.is_labelled,
            // It had ended when it was found, so it was in no sum.
            None if record.has_ended() => true,
            None => self.labels.take(owner),
        };
        if record.has_ended() && was_running {
            if record.is_labelled && !is_new {
                self.labels.give_back(owner);
            }
            Arc::make_mut(&mut self.retired).leave(&record);
            // Processes that ended before the first listing are not counted as ends.
            if self.health.first_scan_done {
                let of = (owner, &record.group);
                Arc::make_mut(&mut self.ends).add(&record.key, of, record.state);
            }
        }
        if is_new {
            self.mark_replaced(&record.facts);
        }
        let record = Arc::new(record);
        self.processes.insert(Arc::clone(&record.key), Arc::clone(&record));
        record
    }

    /// Whether `owner` has a known process.
    pub(crate) fn has_processes_of(&self, owner: u32) -> bool {
        self.processes.values().any(|record| record.owner() == owner)
    }

    /// Forgets a process. Its counts stay in its executable's sum.
    pub(crate) fn forget(&mut self, key: &str) {
        if let Some(record) = self.processes.remove(key)
            && !record.has_ended()
        {
            Arc::make_mut(&mut self.retired).leave(&record);
            if record.is_labelled {
                self.labels.give_back(record.owner());
            }
        }
    }

    fn mark_replaced(&mut self, successor: &Facts) {
        let process = |identity: &hakmem_reader::Identity| {
            let pid = (identity.pid, identity.pid_namespace);
            (pid, identity.start_time_ticks, identity.boot_id, identity.owner_user_id)
        };
        for record in self.processes.values_mut() {
            let (former, later) = (&record.facts.raw, &successor.raw);
            let same_process = process(former) == process(later);
            let younger = former.created_monotonic_ns < later.created_monotonic_ns;
            if same_process && younger && record.state == ProcessState::Ended {
                *record = Arc::new(record.with_state(ProcessState::Replaced));
                Arc::make_mut(&mut self.ends).was_replaced(&record.key);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
