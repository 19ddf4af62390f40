//! The sampler's loop: wait, answer, find, sample, publish.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

use hakmem_reader::directory::{ScanError, remove_dead};
use hakmem_reader::liveness::Host;
use hakmem_reader::{OpenError, SampleError};
use tokio::sync::watch;

use super::Command;
use super::bell::Bell;
use super::schedule::Schedule;
use super::tracked::Tracked;
use crate::config::AgentConfig;
use crate::discovery::Discovery;
use crate::events::{News, Subscription};
use crate::history::History;
use crate::state::interest::Interests;
use crate::state::{FleetView, ProcessRecord};

/// Time between two complete listings: what inotify misses is found after this long.
const LISTING_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two attempts at a segment that is still being made.
const UNREADY_INTERVAL: Duration = Duration::from_millis(5);
/// Attempts at that pace; after them, the listings try it.
const UNREADY_ATTEMPTS: u32 = 40;
/// Time between two removals of what ended processes left.
const REMOVAL_INTERVAL: Duration = Duration::from_secs(10);
/// Descriptors left to everything else in the process.
const SPARE_DESCRIPTORS: usize = 128;

/// Everything the thread owns.
pub(super) struct Worker {
    config: AgentConfig,
    inputs: Inputs,
    publisher: watch::Sender<Arc<FleetView>>,
    history: Arc<History>,
    discovery: Discovery,
    schedule: Schedule,
    host: Host,
    fleet: FleetView,
    tracked: BTreeMap<Arc<str>, Tracked>,
    /// Keys by path, of what is tracked.
    keys: HashMap<PathBuf, Arc<str>>,
    /// Files that are not to be opened again.
    refused: BTreeSet<PathBuf>,
    /// Segments that were not complete yet, and how often they were tried.
    unready: HashMap<PathBuf, u32>,
    subscriptions: Vec<Subscription>,
    /// Events found since they were last given out.
    news: Vec<News>,
    changed: bool,
    next_removal: Instant,
    /// Segments that may be open at a time, and whether the log says that they were too many.
    open_max: usize,
    told_of_limit: bool,
}

/// What tells the thread what to do.
pub(super) struct Inputs {
    pub(super) interests: Arc<Interests>,
    pub(super) bell: Arc<Bell>,
    pub(super) commands: Receiver<Command>,
}

/// Whether the loop goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Worker {
    pub(super) fn new(
        config: AgentConfig,
        inputs: Inputs,
        publisher: watch::Sender<Arc<FleetView>>,
        history: Arc<History>,
    ) -> Self {
        let directories = config.directories.clone();
        let discovery = Discovery::new(directories, config.directory_of_all_users.clone());
        let schedule = Schedule::new(Instant::now(), config.watched_interval, config.idle_interval);
        Self {
            config,
            inputs,
            publisher,
            history,
            discovery,
            schedule,
            host: Host::current(),
            fleet: FleetView::default(),
            tracked: BTreeMap::new(),
            keys: HashMap::new(),
            refused: BTreeSet::new(),
            unready: HashMap::new(),
            subscriptions: Vec::new(),
            news: Vec::new(),
            changed: true,
            next_removal: Instant::now(),
            open_max: open_files_max().saturating_sub(SPARE_DESCRIPTORS),
            told_of_limit: false,
        }
    }

    pub(super) fn run(mut self) {
        self.list();
        self.fleet.health.first_scan_done = true;
        let mut tick = self.schedule.tick_at(Instant::now());
        let mut next_listing = Instant::now() + LISTING_INTERVAL;
        loop {
            self.publish();
            let next_round = self.schedule.start_of(tick + 1);
            let mut deadline = next_round.min(next_listing);
            if !self.unready.is_empty() {
                deadline = deadline.min(Instant::now() + UNREADY_INTERVAL);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.inputs.bell.wait(self.discovery.notices_fd(), left);
            if self.answer() == Next::Stop {
                return;
            }
            let told = self.discovery.notices();
            for path in &told.appeared {
                self.follow(path);
            }
            self.try_unready();
            if told.list_again || Instant::now() >= next_listing {
                self.list();
                self.remove_ended();
                next_listing = Instant::now() + LISTING_INTERVAL;
            }
            let now = self.schedule.tick_at(Instant::now());
            if now > tick {
                self.round(now);
                tick = now;
            }
        }
    }

    fn answer(&mut self) -> Next {
        loop {
            match self.inputs.commands.try_recv() {
                Ok(Command::SampleNow { key, reply }) => {
                    self.sample(&key);
                    // Nobody who has this answer may find an older one in the view.
                    self.publish();
                    // Whoever asked may have gone away.
                    let _ = reply.send(self.fleet.processes.get(&key).cloned());
                }
                Ok(Command::Subscribe(subscription)) => self.subscribe(subscription),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return Next::Stop,
                Err(TryRecvError::Empty) => return Next::Go,
            }
        }
    }

    /// Compares what is there with what is known.
    fn list(&mut self) {
        let there = self.discovery.list();
        for path in &there {
            if !self.keys.contains_key(path) && !self.refused.contains(path) {
                self.follow(path);
            }
        }
        self.refused.retain(|path| there.contains(path));
        self.unready.retain(|path, _| there.contains(path));
        // A process whose file was removed is still there for as long as it runs.
        let gone = self.tracked.values().filter(|t| !t.is_open() && !there.contains(&t.path));
        for key in gone.map(|tracked| Arc::clone(&tracked.key)).collect::<Vec<_>>() {
            self.forget(&key);
        }
    }

    /// Removes what the configuration does not keep. The next listing forgets it.
    fn remove_ended(&mut self) {
        if Instant::now() < self.next_removal {
            return;
        }
        self.next_removal = Instant::now() + REMOVAL_INTERVAL;
        for directory in self.discovery.directories() {
            let (keep, age) = (self.config.keep_ended, self.config.keep_ended_for);
            match remove_dead(&directory, keep, age) {
                Ok(removal) => {
                    for path in &removal.removed {
                        tracing::debug!("removed {}", path.display());
                    }
                    for (path, error) in &removal.failed {
                        tracing::warn!("cannot remove {}: {error}", path.display());
                    }
                }
                Err(ScanError::Missing(_)) => {}
                Err(error) => tracing::debug!("{error}"),
            }
        }
    }

    fn try_unready(&mut self) {
        let due = self.unready.iter().filter(|(_, attempts)| **attempts < UNREADY_ATTEMPTS);
        for path in due.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
            self.follow(&path);
        }
        self.unready.retain(|_, attempts| *attempts < UNREADY_ATTEMPTS);
    }

    /// Begins to follow a segment, if it is one.
    fn follow(&mut self, path: &Path) {
        if self.keys.contains_key(path) || self.refused.contains(path) {
            return;
        }
        if self.is_full() {
            return;
        }
        match Tracked::open(path, self.schedule.tick_at(Instant::now()), &self.host) {
            Ok(tracked) if self.tracked.contains_key(&tracked.key) => {
                self.refuse(path, &"a segment of the same name is in another directory");
            }
            Ok(tracked) => {
                let key = Arc::clone(&tracked.key);
                self.unready.remove(path);
                self.keys.insert(path.to_owned(), Arc::clone(&key));
                self.tracked.insert(Arc::clone(&key), tracked);
                self.sample(&key);
            }
            Err(OpenError::NotReady) => *self.unready.entry(path.to_owned()).or_default() += 1,
            Err(OpenError::Gone) => drop(self.unready.remove(path)),
            Err(error) => self.refuse(path, &error),
        }
    }

    /// Whether no more segments can be opened. The next listing tries again.
    fn is_full(&mut self) -> bool {
        // Counting takes time, so it is left out where even all of them would be few enough.
        if self.tracked.len() < self.open_max {
            return false;
        }
        let open = self.tracked.values().filter(|tracked| tracked.is_open()).count();
        let full = open >= self.open_max;
        if full && !std::mem::replace(&mut self.told_of_limit, true) {
            tracing::warn!(
                "more processes than the limit of open files allows ({open} are watched); \
                 raise it, for example with ulimit -n 65536"
            );
        }
        full
    }

    fn refuse(&mut self, path: &Path, error: &dyn std::fmt::Display) {
        tracing::warn!("{}: {error}", path.display());
        self.unready.remove(path);
        self.refused.insert(path.to_owned());
        self.fleet.health.unreadable_segments += 1;
        self.changed = true;
    }

    fn forget(&mut self, key: &Arc<str>) {
        if let Some(tracked) = self.tracked.remove(key) {
            self.keys.remove(&tracked.path);
        }
        self.fleet.processes.remove(key);
        self.history.forget(key);
        self.changed = true;
    }

    /// Samples whatever is due.
    fn round(&mut self, now: u64) {
        let begun = Instant::now();
        let watched = self.inputs.interests.intervals();
        let due = self.tracked.values().filter(|tracked| {
            let interval = watched.get(&tracked.key).copied();
            let schedule = &self.schedule;
            tracked.is_open() && schedule.is_due(&tracked.key, interval, tracked.last_tick, now)
        });
        let due: Vec<Arc<str>> = due.map(|tracked| Arc::clone(&tracked.key)).collect();
        for key in &due {
            self.sample(key);
        }
        if !due.is_empty() {
            self.fleet.health.count_round(begun.elapsed());
        }
        // Streams without processes hear from the agent, too.
        self.changed = true;
    }

    fn sample(&mut self, key: &Arc<str>) {
        let now = self.schedule.tick_at(Instant::now());
        let Some(tracked) = self.tracked.get_mut(key) else { return };
        tracked.last_tick = now;
        let others = self.fleet.processes.values().map(|record| &record.facts.raw);
        match tracked.look(&self.host, others) {
            Ok(None) => {}
            Ok(Some(look)) => {
                if look.record.sample.is_torn() {
                    self.fleet.health.torn_samples += 1;
                }
                let (events, lost_events) = (look.events, look.lost_events);
                if !events.is_empty() || lost_events > 0 {
                    self.news.push(News { key: Arc::clone(key), events, lost_events });
                }
                self.put(look.record);
            }
            Err(error) => self.give_up(&Arc::clone(key), &error),
        }
    }

    fn put(&mut self, record: ProcessRecord) {
        let record = self.fleet.put(record);
        self.history.record(&record);
        self.fleet.sampled_at = SystemTime::now();
        self.changed = true;
    }

    /// A segment that became unreadable: whoever wrote it is no longer to be believed.
    fn give_up(&mut self, key: &Arc<str>, error: &SampleError) {
        let path = self.tracked.get(key).map(|tracked| tracked.path.clone());
        self.forget(key);
        if let Some(path) = path {
            self.refuse(&path, error);
        }
    }

    fn subscribe(&mut self, subscription: Subscription) {
        // What is known but not yet given out must not reach the new stream twice.
        self.give_out_news();
        if subscription.include_recent {
            let keys = subscription.keys(&self.fleet, true);
            let recent = keys.iter().filter_map(|key| self.tracked.get(key));
            let mut events: Vec<_> = recent.flat_map(Tracked::recent_events).collect();
            events.sort_by_key(|event| event.at.map(|at| (at.seconds, at.nanos)));
            subscription.offer_recent(events);
        }
        self.subscriptions.push(subscription);
    }

    fn give_out_news(&mut self) {
        self.subscriptions.retain(|subscription| !subscription.is_closed());
        if !self.news.is_empty() {
            for subscription in &self.subscriptions {
                subscription.offer(&subscription.keys(&self.fleet, false), &self.news);
            }
            self.news.clear();
        }
    }

    fn publish(&mut self) {
        self.give_out_news();
        if std::mem::take(&mut self.changed) {
            self.publisher.send_replace(Arc::new(self.fleet.clone()));
        }
    }
}

fn open_files_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
