//! The agent and its processes, merged from updates.
//!
//! Two streams feed the model: one of all processes with totals only, one of the process in focus
//! with classes and threads. Both carry cumulative values with the time of their sample, so the
//! order of their messages does not matter: values older than the known ones are ignored, and
//! counters never fall.

mod ends;
mod event_log;
mod finding_list;
mod flow;
mod history;
mod output;
mod process;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hakmem_proto::v1 as proto;

pub use ends::{BadEnd, BadEnds};
pub use event_log::EventLog;
pub use finding_list::{FindingList, is_ongoing};
pub use flow::{ClassFlow, Measure, OutcomeFlow, ThreadFlow, TotalsFlow};
pub use history::{History, HistoryPoint, STEP_SECONDS, anomalies};
pub use output::OutputTail;
pub use process::{ClassName, Process, labels};

/// The state of the connection to the agent.
#[derive(Clone, Debug, PartialEq)]
pub enum Connection {
    /// Not yet connected for the first time.
    Connecting,
    /// Updates arrive.
    Live,
    /// The last attempt failed or the stream broke; another attempt follows.
    Lost {
        /// What went wrong, in words for the user.
        reason: String,
        /// Attempts since the connection was lost.
        attempts: u32,
    },
}

/// The stream from which an update came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// All processes, totals only.
    Overview,
    /// One process with classes and threads.
    Detail,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramEnd {
    /// With this exit code.
    Exited(u8),
    /// By this signal.
    Signalled(i32),
}

impl ProgramEnd {
    /// The exit code that a shell would report: for a killed program, 128 plus the signal.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

/// The program that this command started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The command as the user would type it.
    pub command: String,
    /// Its process id.
    pub pid: u32,
    /// How it ended; `None` while it runs.
    pub end: Option<ProgramEnd>,
    /// The obstacle to its publishing, as far as its file shows one.
    pub obstacle: Option<String>,
    /// The phase of the demo's workload.
    pub phase: Option<String>,
    /// The end of its output.
    pub output: OutputTail,
}

/// Everything that views show.
#[derive(Clone, Debug)]
pub struct Model {
    /// Where the data comes from, e.g. `embedded` or a socket's path.
    pub endpoint: String,
    /// Whether updates arrive.
    pub connection: Connection,
    /// How long the user has watched.
    pub watched_for: Duration,
    /// How long nothing has come from the agent.
    pub silent_for: Duration,
    /// The agent's own state.
    pub agent: Option<proto::AgentStatus>,
    /// The processes by key.
    pub processes: BTreeMap<String, Process>,
    /// Events of the process in focus.
    pub events: EventLog,
    /// The agent's findings.
    pub findings: FindingList,
    /// Processes that ended badly while they were watched.
    pub bad_ends: BadEnds,
    /// The problem with the segment directory, if there is one and it is known.
    pub directory_problem: Option<String>,
    /// The program that this command started.
    pub program: Option<Program>,
    updated_at: f64,
    skipped_earlier: u64,
    skipped: u64,
    /// Keys in the first update of the overview's stream; `None` once that update is complete.
    first_keys: Option<BTreeSet<String>>,
}

impl Model {
    /// A model that knows nothing yet.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            connection: Connection::Connecting,
            watched_for: Duration::ZERO,
            silent_for: Duration::ZERO,
            agent: None,
            processes: BTreeMap::new(),
            events: EventLog::default(),
            findings: FindingList::default(),
            bad_ends: BadEnds::default(),
            directory_problem: None,
            program: None,
            updated_at: 0.0,
            skipped_earlier: 0,
            skipped: 0,
            first_keys: None,
        }
    }

    /// Begins a new stream of all processes, perhaps from another agent. Its first update names
    /// every process; all others are forgotten then.
    pub fn begin_overview(&mut self) {
        self.first_keys = Some(BTreeSet::new());
        self.skipped_earlier =
            self.skipped_earlier.saturating_add(std::mem::take(&mut self.skipped));
    }

    /// Updates that the agent skipped because this client read too slowly.
    pub fn skipped_updates(&self) -> u64 {
        self.skipped_earlier.saturating_add(self.skipped)
    }

    /// Merges one message of a stream.
    pub fn merge(&mut self, stream: Stream, update: proto::WatchProcessesResponse) {
        self.connection = Connection::Live;
        self.silent_for = Duration::ZERO;
        if let Some(agent) = update.agent {
            self.agent = Some(agent);
        }
        if stream == Stream::Overview {
            self.skipped = self.skipped.max(update.skipped_updates);
        }
        let sampled_at = update.sampled_at.as_ref().map(seconds);
        self.updated_at = self.updated_at.max(sampled_at.unwrap_or(0.0));
        let detailed: Vec<String> = match stream {
            Stream::Overview => Vec::new(),
            Stream::Detail => update.changed.iter().map(|it| it.key.clone()).collect(),
        };
        for changed in update.changed {
            let at = changed.sampled_at.as_ref().map(seconds).or(sampled_at).unwrap_or(0.0);
            if let (Stream::Overview, Some(keys)) = (stream, &mut self.first_keys) {
                keys.insert(changed.key.clone());
            }
            match self.processes.get_mut(&changed.key) {
                Some(known) => {
                    let was_running = known.is_running();
                    known.merge(stream, at, changed);
                    if was_running && known.has_ended_badly() {
                        self.bad_ends.push(known, self.watched_for);
                    }
                }
                None => {
                    let process = Process::new(stream, at, changed);
                    self.processes.insert(process.key.clone(), process);
                }
            }
        }
        if let (true, Some(at)) = (update.complete, sampled_at) {
            self.settle(stream, at, &detailed);
        }
        if stream == Stream::Overview {
            for key in &update.removed {
                self.processes.remove(key);
            }
            if let Some(keys) = self.first_keys.take_if(|_| update.complete) {
                self.processes.retain(|key, _| keys.contains(key));
            }
        }
    }

    /// The time of the newest update by the agent's clock, in seconds of Unix time.
    pub fn now(&self) -> f64 {
        self.updated_at
    }

    /// Records, for processes that a complete update does not mention, that nothing changed until
    /// its time, so that their rates fall to zero instead of standing still.
    fn settle(&mut self, stream: Stream, at: f64, changed: &[String]) {
        for process in self.processes.values_mut() {
            match stream {
                Stream::Overview => process.settle_totals(at),
                Stream::Detail if process.is_detailed() && !changed.contains(&process.key) => {
                    process.settle_details(at);
                }
                Stream::Detail => {}
            }
        }
    }

    /// Whether the program that this command started has ended.
    pub fn program_ended(&self) -> bool {
        self.program.as_ref().is_some_and(|program| program.end.is_some())
    }

    /// The process that `process` became by calling `exec`, which changes the key.
    pub fn successor(&self, process: &Process) -> Option<&Process> {
        let pid = process.identity.pid;
        let later = self
            .processes
            .values()
            .filter(|it| it.identity.pid == pid && it.started_at() > process.started_at());
        later.min_by(|a, b| a.started_at().total_cmp(&b.started_at()))
    }

    /// The key of the program's own process: the newest one with its pid.
    pub fn program_key(&self) -> Option<&str> {
        let pid = self.program.as_ref()?.pid;
        self.processes
            .values()
            .filter(|process| process.identity.pid == pid)
            .max_by(|a, b| a.started_at().total_cmp(&b.started_at()))
            .map(|process| process.key.as_str())
    }
}

/// Seconds since the Unix epoch.
pub(crate) fn seconds(timestamp: &prost_types::Timestamp) -> f64 {
    timestamp.seconds as f64 + f64::from(timestamp.nanos) / 1e9
}

/// Converts seconds since the Unix epoch to a timestamp message.
pub(crate) fn timestamp(seconds: f64) -> prost_types::Timestamp {
    let whole = seconds.floor();
    let nanos = ((seconds - whole) * 1e9).round().min(999_999_999.0);
    prost_types::Timestamp { seconds: whole as i64, nanos: nanos as i32 }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
