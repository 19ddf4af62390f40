//! One process: its newest values, and the windows from which its rates are computed.

use std::collections::BTreeMap;
use std::sync::Arc;

use hakmem_proto::v1 as proto;
use hakmem_segment::{Class, ProcessState};

use super::flow::{ClassFlow, Measure, ThreadFlow, TotalsFlow};
use super::history::History;
use super::window::{WINDOW_SECONDS, Window};
use super::{Stream, seconds};
use crate::words::paragraph::plain;

/// Rates are means over this many seconds: long enough to read, short enough to be live.
const RATE_SECONDS: f64 = 1.0;
/// A process that is first seen within this time after its start is assumed to have had zero counts
/// at its start.
const YOUNG_SECONDS: f64 = 3.0;

/// The name of a class; ordered like the vocabulary, unknown names last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassName {
    order: u8,
    name: String,
}

impl ClassName {
    /// The class with this name.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let order = Class::from_name(&name).map_or(u8::MAX, |class| class as u8);
        Self { order, name }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// Classes and threads at one moment; unchanged values are shared with earlier moments.
#[derive(Clone, Debug, Default)]
struct Details {
    classes: BTreeMap<ClassName, Arc<proto::ClassCounters>>,
    threads: BTreeMap<u32, Arc<proto::Thread>>,
}

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    /// The agent's key for it.
    pub key: String,
    /// The identity of the process.
    pub identity: proto::Identity,
    /// `running`, `exited`, `killed`, `crashed`, `replaced` or `ended`.
    pub state: String,
    /// The exit code, if known.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it, if known.
    pub end_signal: Option<i32>,
    /// Newest totals.
    pub totals: proto::Totals,
    /// The newest memory figures, of bytes that belong to no thread.
    pub memory: proto::Memory,
    /// Losses: what is missing from the numbers.
    pub loss: proto::Loss,
    /// The last minutes of each class.
    pub history: BTreeMap<ClassName, History>,
    details: Details,
    totals_window: Window<proto::Totals>,
    details_window: Window<Details>,
}

impl Process {
    /// A process that was not known before.
    pub fn new(stream: Stream, at: f64, first: proto::Process) -> Self {
        let mut process = Self {
            key: first.key.clone(),
            identity: first.identity.clone().unwrap_or_default(),
            state: String::new(),
            exit_code: None,
            end_signal: None,
            totals: proto::Totals::default(),
            memory: proto::Memory::default(),
            loss: proto::Loss::default(),
            history: BTreeMap::new(),
            details: Details::default(),
            totals_window: Window::default(),
            details_window: Window::default(),
        };
        let started_at = process.started_at();
        if at - started_at < YOUNG_SECONDS && at > started_at {
            process.totals_window.push(started_at, proto::Totals::default());
        }
        process.merge(stream, at, first);
        process
    }

    /// Applies an update. Numbers older than the known ones are ignored.
    pub fn merge(&mut self, stream: Stream, at: f64, update: proto::Process) {
        if let Some(identity) = update.identity {
            self.identity = identity;
        }
        if !update.state.is_empty() {
            self.state = update.state;
        }
        self.exit_code = update.exit_code.or(self.exit_code);
        self.end_signal = update.end_signal.or(self.end_signal);
        let newest = self.totals_window.newest().map_or(f64::MIN, |(at, _)| *at);
        if at >= newest {
            self.totals = update.totals.unwrap_or(self.totals);
            self.memory = update.memory.unwrap_or(self.memory);
            self.loss = update.loss.unwrap_or(self.loss);
            self.totals_window.push(at, self.totals);
        }
        if stream == Stream::Detail {
            self.merge_details(at, update.classes, update.threads);
        }
    }

    fn merge_details(
        &mut self,
        at: f64,
        classes: Vec<proto::ClassCounters>,
        threads: Vec<proto::Thread>,
    ) {
        if self.details_window.newest().is_none() && at - self.started_at() < YOUNG_SECONDS {
            self.details_window.push(self.started_at(), Details::default());
        }
        for class in classes {
            let name = ClassName::new(class.class.clone());
            self.details.classes.insert(name, Arc::new(class));
        }
        for thread in threads {
            self.details.threads.insert(thread.slot, Arc::new(thread));
        }
        self.settle_details(at);
    }

    /// Records that the totals had not changed until `at`.
    pub(super) fn settle_totals(&mut self, at: f64) {
        // The age of a process that has ended stays at its value at the end.
        if self.is_running() {
            self.totals_window.push(at, self.totals);
        }
    }

    /// Records that classes and threads had not changed until `at`.
    pub(super) fn settle_details(&mut self, at: f64) {
        if !self.details_window.push(at, self.details.clone()) {
            return;
        }
        for (name, counters) in &self.details.classes {
            self.history.entry(name.clone()).or_default().record(at, counters);
        }
    }

    /// Whether an update with classes and threads has arrived.
    pub fn is_detailed(&self) -> bool {
        self.details_window.newest().is_some()
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        ProcessState::from_name(&self.state) == Some(ProcessState::Running)
    }

    /// Whether the process crashed, or was killed by `SIGKILL`, as the system does when memory runs
    /// out.
    pub fn has_ended_badly(&self) -> bool {
        const KILLED: i32 = signal_hook::consts::SIGKILL;
        match ProcessState::from_name(&self.state) {
            Some(ProcessState::Crashed) => true,
            Some(ProcessState::Killed) => self.end_signal == Some(KILLED),
            _ => false,
        }
    }

    /// Its labels, sorted, as one word: `service=x,version=y`; empty if it has none.
    pub fn labels(&self) -> String {
        labels(&self.identity)
    }

    /// When its allocator started, in seconds since the Unix epoch.
    pub fn started_at(&self) -> f64 {
        self.identity.started_at.as_ref().map_or(0.0, seconds)
    }

    /// Its age in seconds; for a process that has ended, its age at the last sample.
    pub fn age_seconds(&self) -> f64 {
        let newest = self.totals_window.newest().map_or(0.0, |(at, _)| *at);
        (newest - self.started_at()).max(0.0)
    }

    /// The name by which users know the program, or the file name of its executable.
    pub fn name(&self) -> &str {
        Some(self.identity.program_name()).filter(|name| !name.is_empty()).unwrap_or("?")
    }

    /// The newest counters of each class.
    pub fn classes(&self) -> impl Iterator<Item = (&ClassName, &proto::ClassCounters)> {
        self.details.classes.iter().map(|(name, counters)| (name, &**counters))
    }

    /// The newest counters of one class.
    pub fn class(&self, name: &str) -> Option<&proto::ClassCounters> {
        self.details.classes.get(&ClassName::new(name)).map(|counters| &**counters)
    }

    /// The newest counters of each thread.
    pub fn threads(&self) -> impl Iterator<Item = &proto::Thread> {
        self.details.threads.values().map(|thread| &**thread)
    }

    /// Totals per second, or since the start.
    pub fn totals_flow(&self, measure: Measure) -> Option<TotalsFlow> {
        match measure {
            Measure::Total => Some(TotalsFlow::between(&Default::default(), &self.totals, 1.0)),
            Measure::Rate => {
                let (start, end, seconds) = self.totals_window.span(RATE_SECONDS)?;
                Some(TotalsFlow::between(start, end, seconds))
            }
        }
    }

    /// The flow of one class, per second or since the start.
    pub fn class_flow(&self, name: &ClassName, measure: Measure) -> Option<ClassFlow> {
        let nothing = proto::ClassCounters::default();
        if measure == Measure::Total {
            let newest = self.details.classes.get(name)?;
            return Some(ClassFlow::between(&nothing, newest, 1.0));
        }
        let (start, end, seconds) = self.details_window.span(RATE_SECONDS)?;
        let end = end.classes.get(name)?;
        let mut flow = ClassFlow::between(start.class_or(name, &nothing), end, seconds);
        // Slow paths are rare, so their quantiles need a longer window than rates do.
        if let Some((start, _, _)) = self.details_window.span(WINDOW_SECONDS) {
            flow.set_quantiles(start.class_or(name, &nothing), end);
        }
        Some(flow)
    }

    /// The flow of one thread slot, per second or since the start.
    pub fn thread_flow(&self, slot: u32, measure: Measure) -> Option<ThreadFlow> {
        let nothing = proto::Thread::default();
        if measure == Measure::Total {
            return Some(ThreadFlow::between(&nothing, self.details.threads.get(&slot)?, 1.0));
        }
        let (start, end, seconds) = self.details_window.span(RATE_SECONDS)?;
        let start = start.threads.get(&slot).map_or(&nothing, |thread| thread);
        Some(ThreadFlow::between(start, end.threads.get(&slot)?, seconds))
    }
}

/// The labels of a process, sorted, as one word: `service=x,version=y`; empty if it has none.
pub fn labels(identity: &proto::Identity) -> String {
    let mut labels: Vec<String> =
        identity.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    plain(&labels.join(","))
}

impl Details {
    fn class_or<'a>(
        &'a self,
        name: &ClassName,
        nothing: &'a proto::ClassCounters,
    ) -> &'a proto::ClassCounters {
        self.classes.get(name).map_or(nothing, |counters| counters)
    }
}
