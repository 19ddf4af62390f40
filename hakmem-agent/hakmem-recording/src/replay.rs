//! Turns entries back into samples, in the order of time.
//!
//! An update mentions the processes that changed. A process that it does not mention was at rest,
//! and a rest has two samples, at its first and its last moment, so that rates on both sides of it
//! come out right: when a process changes after a rest, its old state is emitted once more, with
//! the time of the previous update. The beginning and the end of the window are handled in the same
//! way.
//!
//! An update comes a little after the samples that it holds, and at the rate of the process that is
//! sampled most often. So a process was at rest only if an update after the one that last held it
//! does not mention it, and if at least an interval lies between its sample and that update.
//! Otherwise an empty interval would follow every sample, and hide how strongly neighbours depend
//! on each other.
//!
//! A process that started while the recording was made, and not by a fork, had counters of 0 at
//! that moment. It gets such a sample, so that its operations before the first real sample are not
//! lost: in a short program these are most of them.

use std::collections::{BTreeMap, HashSet};

use hakmem_proto::merge::{Merge, Merged};
use hakmem_proto::v1::{
    Event, Identity, Loss, Memory, Process, RecordingEntry, Totals, WatchEventsResponse,
    WatchProcessesResponse, recording_entry::Entry,
};
use prost_types::Timestamp;

use crate::window::{Window, seconds};

/// One sample of one process.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The identity of the process.
    pub identity: &'a Identity,
    /// Its whole state, except for the time: see `at`.
    pub process: &'a Process,
    /// The time of the state.
    pub at: Timestamp,
    /// Whether the process did not change since its last sample.
    pub at_rest: bool,
}

impl Sample<'_> {
    /// The sample as a message, without the identity.
    pub fn to_process(&self) -> Process {
        Process { identity: None, sampled_at: Some(self.at), ..self.process.clone() }
    }

    /// Whether this is not a real sample but the start of the process, when all counters were 0.
    pub fn is_origin(&self) -> bool {
        self.identity.started_at == Some(self.at) && self.process.classes.is_empty()
    }
}

/// Receives the results of a replay.
pub trait Audience {
    /// Receives the next sample.
    fn sample(&mut self, sample: Sample<'_>);

    /// Receives the number of samples of a process that are missing.
    fn lost_samples(&mut self, _key: &str, _count: u64) {}

    /// Receives the next event.
    fn event(&mut self, _event: &Event) {}

    /// An update within the window is over; its samples were passed before.
    fn update(&mut self, _at: &Timestamp) {}
}

impl<A: Audience> Audience for &mut A {
    fn sample(&mut self, sample: Sample<'_>) {
        (**self).sample(sample);
    }

    fn lost_samples(&mut self, key: &str, count: u64) {
        (**self).lost_samples(key, count);
    }

    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }

    fn update(&mut self, at: &Timestamp) {
        (**self).update(at);
    }
}

/// Collects the samples.
impl Audience for Vec<Process> {
    fn sample(&mut self, sample: Sample<'_>) {
        self.push(sample.to_process());
    }
}

/// The progress of one process.
#[derive(Debug, Default)]
struct Progress {
    is_selected: bool,
    /// Time of its last sample.
    given_at: Option<f64>,
    /// Time of the last update that mentioned it.
    told_at: Option<f64>,
    /// Time when it was last known before a gap; `None` if nothing is missing.
    lost_at: Option<f64>,
}

/// A replay in progress.
#[derive(Debug)]
pub struct Replay<S, A> {
    window: Window,
    selection: S,
    /// Receives the samples.
    pub audience: A,
    interval: f64,
    /// Minimum time in seconds between a sample and an update that shows a rest.
    rest_min: f64,
    /// Start of the recording, if known.
    recorded_from: Option<f64>,
    merged: Merged,
    progress: BTreeMap<String, Progress>,
    /// Keys of the processes that changed in the current update.
    changed: HashSet<String>,
    /// Events of processes that were not seen yet.
    early: Vec<Event>,
    /// Whether a process was seen for the first time since the last update.
    is_anyone_new: bool,
    /// The last complete update.
    previous: Option<Timestamp>,
    /// Whether the window has begun, whether it has ended, and whether the replay is over: events
    /// may come a little after the update of the same moment.
    has_begun: bool,
    is_past: bool,
    pub(crate) has_ended: bool,
    skipped_updates: u64,
    /// Whether there were more processes than a real machine has.
    pub(crate) is_overfull: bool,
}

impl<S: Fn(&Identity) -> bool, A: Audience> Replay<S, A> {
    /// A replay of the selected processes in `window`. `interval_ms` is the time between two
    /// updates, from which missing updates are counted.
    pub fn new(window: Window, interval_ms: u32, selection: S, audience: A) -> Self {
        Self {
            window,
            selection,
            audience,
            interval: interval_seconds(interval_ms),
            rest_min: interval_seconds(interval_ms) * REST_SHARE,
            recorded_from: None,
            merged: Merged::default(),
            progress: BTreeMap::new(),
            changed: HashSet::new(),
            early: Vec::new(),
            is_anyone_new: false,
            previous: None,
            has_begun: false,
            is_past: false,
            has_ended: false,
            skipped_updates: 0,
            is_overfull: false,
        }
    }

    /// For entries like those of the agent's history, whose updates have the time of their samples,
    /// with updates of their own for rests. There, every update that does not mention a process
    /// shows a rest.
    pub fn with_exact_moments(self) -> Self {
        Self { rest_min: 0.0, ..self }
    }

    /// Changes the interval by which missing samples are counted.
    pub(crate) fn set_interval(&mut self, interval_ms: u32) {
        self.interval = interval_seconds(interval_ms);
        self.rest_min = self.interval * REST_SHARE;
    }

    /// Takes the next entry.
    pub fn entry(&mut self, entry: RecordingEntry) {
        match entry.entry {
            _ if self.has_ended => {}
            Some(Entry::Update(update)) if !self.is_past => self.update(update),
            Some(Entry::Update(update)) => self.wait_for_events(&update),
            Some(Entry::Events(events)) => self.events(events),
            Some(Entry::Start(start)) => {
                let began = start.started_at.as_ref().map(seconds);
                self.recorded_from = self.recorded_from.or(began);
            }
            Some(Entry::End(_)) | None => {}
        }
    }

    /// Reports that entries are missing here.
    pub fn gap(&mut self) {
        self.rest_of_all();
        let lost_at = self.previous.as_ref().map(seconds);
        for process in self.merged.all().filter(|it| it.is_running()) {
            if let Some(progress) = self.progress.get_mut(&process.key) {
                progress.lost_at = progress.lost_at.or(lost_at);
            }
        }
        self.merged.clear();
        self.changed.clear();
        self.previous = None;
        self.skipped_updates = 0;
    }

    /// Ends the recording.
    pub fn finish(&mut self) {
        if !self.is_past {
            self.is_past = true;
            self.rest_of_all();
        }
        self.has_ended = true;
    }

    fn wait_for_events(&mut self, update: &WatchProcessesResponse) {
        let late = |to: f64| Window { from: None, to: Some(to + EVENT_SLACK_SECONDS) };
        let window = self.window.to.map_or(Window::ALL, late);
        self.has_ended |=
            update.sampled_at.as_ref().is_some_and(|at| window.is_before(seconds(at)));
    }

    fn events(&mut self, events: WatchEventsResponse) {
        for event in events.events {
            match self.progress.get(&event.process_key) {
                Some(progress) if progress.is_selected => self.event(&event),
                Some(_) => {}
                // Events may come before the first sample, which alone tells whose they are.
                None if self.early.len() < EARLY_EVENTS_MAX => self.early.push(event),
                None => {}
            }
        }
    }

    fn event(&mut self, event: &Event) {
        if event.at.as_ref().is_some_and(|at| self.window.contains(seconds(at))) {
            self.audience.event(event);
        }
    }

    /// Passes on the events that came before the first sample of their process.
    fn early_events(&mut self) {
        if std::mem::take(&mut self.is_anyone_new) && !self.early.is_empty() {
            let early = std::mem::take(&mut self.early);
            self.events(WatchEventsResponse { events: early, ..Default::default() });
        }
    }

    fn update(&mut self, update: WatchProcessesResponse) {
        let (at, skipped_updates) = (update.sampled_at, update.skipped_updates);
        for part in update.changed {
            self.part(part, at.as_ref());
        }
        if !update.complete {
            return;
        }
        let Some(at) = at else { return };
        let moment = seconds(&at);
        self.count_skipped(skipped_updates, moment);
        self.give_changed();
        self.early_events();
        if !self.has_begun && !self.window.is_after(moment) {
            self.has_begun = true;
            self.previous = Some(at);
            if !self.window.is_before(moment) {
                self.rest_of_all();
            }
        }
        for key in update.removed {
            self.merged.remove(&key);
        }
        if self.window.is_before(moment) {
            self.is_past = true;
            self.rest_of_all();
        } else if self.has_begun {
            self.audience.update(&at);
        }
        self.previous = Some(at);
    }

    /// Merges a part of an update. Before it changes a process, the end of the process's rest is
    /// emitted.
    fn part(&mut self, part: Process, update_at: Option<&Timestamp>) {
        let key = part.key.clone();
        if let Some(identity) = &part.identity {
            let is_selected = (self.selection)(identity);
            let known = self.progress.len();
            self.progress.entry(key.clone()).or_default().is_selected |= is_selected;
            self.is_anyone_new |= self.progress.len() > known;
        }
        let at = part.sampled_at.as_ref().or(update_at).map(seconds);
        if !self.changed.contains(&key)
            && let (Some(previous), Some(at)) = (self.previous, at)
            && seconds(&previous) < at
            && !self.is_same(&part)
        {
            self.rest_of(&key, previous);
        }
        match self.merged.merge(part) {
            Merge::Done => {
                if let Some(progress) = self.progress.get_mut(&key) {
                    progress.told_at = update_at.map(seconds).or(at);
                }
                self.changed.insert(key);
            }
            Merge::Same => {}
            Merge::Unknown => {
                // The loss is counted when the process is seen whole again; see `give_changed`.
                if let Some(progress) = self.progress.get_mut(&key) {
                    progress.lost_at = progress.lost_at.or(progress.given_at);
                }
            }
            Merge::TooMany => {
                self.is_overfull = true;
                self.has_ended = true;
            }
        }
    }

    /// Whether a whole part, as in key frames, has nothing new.
    fn is_same(&self, part: &Process) -> bool {
        let known = self.merged.get(&part.key);
        part.identity.is_some() && known.is_some_and(|it| it.sampled_at == part.sampled_at)
    }

    fn give_changed(&mut self) {
        for key in std::mem::take(&mut self.changed) {
            let Some(process) = self.merged.get(&key) else { continue };
            let Some(at) = process.sampled_at else { continue };
            let moment = seconds(&at);
            let Some(progress) = self.progress.get_mut(&key) else { continue };
            let lost_at = progress.lost_at.take();
            if !progress.is_selected || !self.window.contains(moment) {
                continue;
            }
            if let Some(given) = progress.given_at.filter(|given| *given >= moment) {
                // The clock was set back, unless a key frame after a gap repeated a state from
                // before it.
                if given > moment && lost_at.is_none() {
                    self.audience.lost_samples(&key, 1);
                }
                continue;
            }
            if let Some(lost_at) = lost_at {
                let missing = ((moment - lost_at) / self.interval).round() - 1.0;
                self.audience.lost_samples(&key, missing.max(0.0) as u64);
            }
            let is_first = progress.given_at.replace(moment).is_none();
            let identity = process.identity.as_ref().unwrap_or(&NOBODY);
            if is_first && let Some(at) = self.seen_start(identity, moment) {
                let process = &unused(process);
                self.audience.sample(Sample { identity, process, at, at_rest: false });
            }
            self.audience.sample(Sample { identity, process, at, at_rest: false });
        }
    }

    /// The start of the process, if its counters were 0 then and the recording was running.
    fn seen_start(&self, identity: &Identity, moment: f64) -> Option<Timestamp> {
        let started_at = identity.started_at.filter(|_| !identity.forked)?;
        let started = seconds(&started_at);
        let is_recorded = self.recorded_from.is_some_and(|began| began <= started);
        (is_recorded && started < moment && self.window.contains(started)).then_some(started_at)
    }

    fn count_skipped(&mut self, skipped_updates: u64, moment: f64) {
        let newly = skipped_updates.saturating_sub(self.skipped_updates);
        self.skipped_updates = skipped_updates;
        if newly == 0 || !self.has_begun || !self.window.contains(moment) {
            return;
        }
        for process in self.merged.all().filter(|it| it.is_running()) {
            if self.progress.get(&process.key).is_some_and(|it| it.is_selected) {
                self.audience.lost_samples(&process.key, newly);
            }
        }
    }

    /// Emits the state of every running process as of the last update.
    fn rest_of_all(&mut self) {
        let Some(at) = self.previous else { return };
        let keys: Vec<String> = self.merged.all().map(|it| it.key.clone()).collect();
        for key in keys {
            self.rest_of(&key, at);
        }
    }

    /// Emits the state of a process that did not change up to `at`.
    fn rest_of(&mut self, key: &str, at: Timestamp) {
        let moment = seconds(&at);
        let Some(process) = self.merged.get(key).filter(|it| it.is_running()) else { return };
        let Some(progress) = self.progress.get_mut(key) else { return };
        let sampled = process.sampled_at.as_ref().map(seconds);
        let is_later = progress.given_at.is_none_or(|given| given < moment)
            && progress.told_at.is_none_or(|told| told < moment)
            && sampled.is_none_or(|it| it < moment && moment - it >= self.rest_min);
        if progress.is_selected && is_later && self.has_begun && self.window.contains(moment) {
            progress.given_at = Some(moment);
            let identity = process.identity.as_ref().unwrap_or(&NOBODY);
            self.audience.sample(Sample { identity, process, at, at_rest: true });
        }
    }
}

/// Minimum time between a sample and an update that shows a rest, as a share of the interval:
/// samplers do not keep their interval exactly.
const REST_SHARE: f64 = 0.9;

/// Maximum number of events that wait for the first sample of their process.
const EARLY_EVENTS_MAX: usize = 8192;

/// How long after an update events of the same moment may come.
const EVENT_SLACK_SECONDS: f64 = 5.0;

static NOBODY: std::sync::LazyLock<Identity> = std::sync::LazyLock::new(Identity::default);

/// The process before its first allocation.
fn unused(process: &Process) -> Process {
    Process {
        key: process.key.clone(),
        identity: process.identity.clone(),
        state: "running".to_owned(),
        totals: Some(Totals::default()),
        memory: Some(Memory::default()),
        loss: Some(Loss::default()),
        ..Process::default()
    }
}

fn interval_seconds(interval_ms: u32) -> f64 {
    f64::from(interval_ms.max(1)) / 1000.0
}

#[cfg(test)]
mod tests;
