//! The sampler's loop: wait, answer, find, sample, publish.
//!
//! All work whose length the files of one owner determine takes turns with the work for other
//! owners, and ends when that owner's time is used up ([`Accounts`]).

mod files;
mod rounds;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use hakmem_reader::liveness::Host;
use tokio::sync::{oneshot, watch};

use super::Command;
use super::bell::Bell;
use super::schedule::Schedule;
use super::tracked::Tracked;
use crate::accounts::Accounts;
use crate::config::AgentConfig;
use crate::discovery::{Discovery, Found};
use crate::events::{News, Subscription};
use crate::history::History;
use crate::refusals::{Refusal, Refusals};
use crate::state::interest::Interests;
use crate::state::{FleetView, ProcessRecord};

/// Time between two complete listings, within which files that inotify misses are found.
const LISTING_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two listings of directories that changed.
const RELISTING_INTERVAL: Duration = Duration::from_millis(20);
/// Time between two attempts to open a segment whose writer is still creating it.
const UNREADY_INTERVAL: Duration = Duration::from_millis(5);
/// Number of attempts at that rate; after them, only listings try again.
const UNREADY_ATTEMPTS: u32 = 40;
/// Descriptors left to everything else in the process.
const SPARE_DESCRIPTORS: usize = 320;
/// Time for answering requests before checking whether a round is due.
const ANSWERING_TIME: Duration = Duration::from_millis(5);
/// Account to which fresh samples for requests are charged. No user has this id, which means "none"
/// (`chown(2)`).
const REQUESTS: u32 = u32::MAX;

/// The state of the thread.
pub(super) struct Worker {
    config: AgentConfig,
    inputs: Inputs,
    publisher: watch::Sender<Arc<FleetView>>,
    history: Arc<History>,
    refusals: Arc<Refusals>,
    accounts: Accounts,
    discovery: Discovery,
    schedule: Schedule,
    host: Host,
    fleet: FleetView,
    tracked: BTreeMap<Arc<str>, Tracked>,
    /// Keys of the tracked segments, by path.
    keys: HashMap<PathBuf, Arc<str>>,
    /// Files that must not be opened again, with their owners.
    refused: BTreeMap<PathBuf, u32>,
    /// Segments that were not complete yet, and the number of attempts to open each.
    unready: BTreeMap<PathBuf, (Found, u32)>,
    subscriptions: Vec<Subscription>,
    /// Events that are not yet passed on.
    news: Vec<News>,
    changed: bool,
    next_removal: Instant,
    /// Maximum number of open segments, and whether the log says that it was reached.
    open_max: usize,
    told_of_limit: bool,
}

/// The thread's sources of work.
pub(super) struct Inputs {
    pub(super) interests: Arc<Interests>,
    pub(super) bell: Arc<Bell>,
    pub(super) commands: Receiver<Command>,
}

/// Whether the loop continues.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

/// A fresh sample that a client waits for.
type Waiting = (Arc<str>, oneshot::Sender<Option<Arc<ProcessRecord>>>);

impl Worker {
    pub(super) fn new(
        config: AgentConfig,
        inputs: Inputs,
        publisher: watch::Sender<Arc<FleetView>>,
        history: Arc<History>,
        refusals: Arc<Refusals>,
    ) -> Self {
        let all_users = config.directory_of_all_users.clone();
        let discovery =
            Discovery::new(config.directories.clone(), all_users, Arc::clone(&refusals));
        let schedule = Schedule::new(Instant::now(), config.watched_interval, config.idle_interval);
        let accounts = Accounts::new(config.per_owner.clone());
        let fleet =
            FleetView::new(config.per_owner.executables, config.max_processes_with_pid_label);
        Self {
            config,
            inputs,
            publisher,
            history,
            refusals,
            accounts,
            discovery,
            schedule,
            host: Host::current(),
            fleet,
            tracked: BTreeMap::new(),
            keys: HashMap::new(),
            refused: BTreeMap::new(),
            unready: BTreeMap::new(),
            subscriptions: Vec::new(),
            news: Vec::new(),
            changed: true,
            next_removal: Instant::now(),
            open_max: open_files_max() - SPARE_DESCRIPTORS.min(open_files_max() / 2),
            told_of_limit: false,
        }
    }

    pub(super) fn run(mut self) {
        self.first_scan();
        let mut tick = self.schedule.tick_at(Instant::now());
        let mut listed = Instant::now();
        let mut next_listing = listed + LISTING_INTERVAL;
        let mut list_soon = false;
        loop {
            self.publish();
            let mut deadline = self.schedule.start_of(tick + 1).min(next_listing);
            if self.unready.values().any(|(_, attempts)| *attempts < UNREADY_ATTEMPTS) {
                deadline = deadline.min(Instant::now() + UNREADY_INTERVAL);
            }
            if list_soon {
                deadline = deadline.min(listed + RELISTING_INTERVAL);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.inputs.bell.wait(self.discovery.notices_fd(), left);
            if self.answer() == Next::Stop {
                return;
            }
            let told = self.discovery.notices(&mut self.accounts);
            told.appeared.iter().for_each(|found| self.follow(found));
            list_soon |= told.list_again;
            self.try_unready();
            let now = Instant::now();
            if now >= next_listing {
                self.list(true);
                self.remove_ended();
                (listed, next_listing) = (now, now + LISTING_INTERVAL);
                list_soon = false;
            } else if list_soon && now >= listed + RELISTING_INTERVAL {
                self.list(false);
                (listed, list_soon) = (now, false);
            }
            let now = self.schedule.tick_at(Instant::now());
            if now > tick {
                self.round(now);
                tick = now;
            }
        }
    }

    /// Answers requests, for a limited time, because rounds come first.
    fn answer(&mut self) -> Next {
        let begun = Instant::now();
        let mut waiting: Vec<Waiting> = Vec::new();
        let next = loop {
            match self.inputs.commands.try_recv() {
                Ok(Command::SampleNow { key, reply }) => {
                    // One sample serves all who ask at the same time.
                    if !waiting.iter().any(|(asked, _)| *asked == key) {
                        self.sample_for_request(&key);
                    }
                    waiting.push((key, reply));
                }
                Ok(Command::Subscribe(subscription)) => self.subscribe(*subscription),
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => break Next::Stop,
                Err(TryRecvError::Empty) => break Next::Go,
            }
            if begun.elapsed() > ANSWERING_TIME {
                self.inputs.bell.ring();
                break Next::Go;
            }
        };
        if !waiting.is_empty() {
            // A client that has an answer must not find an older one in the view.
            self.publish();
        }
        for (key, reply) in waiting {
            // The client may have disconnected.
            let _ = reply.send(self.fleet.processes.get(&key).cloned());
        }
        next
    }

    fn sample_for_request(&mut self, key: &Arc<str>) {
        if self.accounts.has_time(REQUESTS) {
            self.sample(key, REQUESTS);
        } else {
            self.refusals.count(Refusal::LATE_REQUEST);
        }
    }

    fn subscribe(&mut self, subscription: Subscription) {
        // Known events that are not yet passed on must not reach the new stream twice.
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

#[cfg(test)]
mod tests;
