//! Decides which files are followed: those that a listing or a notice reported, within the budgets
//! of their owners.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hakmem_reader::OpenError;
use hakmem_reader::directory::{ScanError, remove_dead_among};

use super::super::tracked::Tracked;
use super::{UNREADY_ATTEMPTS, Worker};
use crate::accounts::{Line, Meter};
use crate::condition::problem_text;
use crate::discovery::Found;
use crate::refusals::Refusal;
use crate::turns::take_turns;

/// Time between two removals of ended processes' segments.
const REMOVAL_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum number of one owner's incomplete segments that are tried again every few milliseconds.
const UNREADY_MAX: usize = 64;

impl Worker {
    /// Logs once for each directory that it cannot be read, and later that it can.
    fn tell_of_directories(&mut self) {
        let (old, new) = (&self.fleet.health.directory_problems, self.discovery.problems());
        if **old == *new {
            return;
        }
        for (directory, problem) in new.iter().filter(|(path, why)| old.get(*path) != Some(*why)) {
            tracing::warn!("{}", problem_text(directory, problem));
        }
        for directory in old.keys().filter(|path| !new.contains_key(*path)) {
            tracing::info!("{} is watched again", directory.display());
        }
        self.fleet.health.directory_problems = Arc::new(new.clone());
        self.changed = true;
    }

    /// Lists all directories, or only those that changed, and follows new segments and forgets
    /// removed ones.
    pub(super) fn list(&mut self, all: bool) {
        let there = self.discovery.list(&mut self.accounts, all);
        self.tell_of_directories();
        let is_new =
            |path: &PathBuf| !self.keys.contains_key(path) && !self.refused.contains_key(path);
        let new = there.iter().filter(|(path, _)| is_new(path)).map(|(_, found)| found);
        let new: Vec<Found> = new.cloned().collect();
        take_turns(new, |found| found.owner).iter().for_each(|found| self.follow(found));
        let gone: Vec<PathBuf> =
            self.refused.keys().filter(|path| !there.contains_key(*path)).cloned().collect();
        for path in gone {
            if let Some(owner) = self.refused.remove(&path) {
                self.accounts.of(owner).refused -= 1;
            }
        }
        let gone = self.unready.keys().filter(|path| !there.contains_key(*path)).cloned();
        gone.collect::<Vec<_>>().iter().for_each(|path| self.no_longer_unready(path));
        // A process whose file was removed stays known for as long as it runs.
        let gone = self.tracked.values().filter(|t| !t.is_open() && !there.contains_key(&t.path));
        for key in gone.map(|tracked| Arc::clone(&tracked.key)).collect::<Vec<_>>() {
            self.forget(&key);
        }
    }

    /// Removes the segments that the configuration does not keep. The next listing forgets them.
    pub(super) fn remove_ended(&mut self) {
        if Instant::now() < self.next_removal {
            return;
        }
        self.next_removal = Instant::now() + REMOVAL_INTERVAL;
        let (keep, age) = (self.config.keep_ended, self.config.keep_ended_for);
        for (directory, owner, names) in self.discovery.places() {
            if !self.accounts.has_time(owner) {
                self.refusals.count(Refusal::LATE_LISTING);
                continue;
            }
            let meter = Meter::begin();
            match remove_dead_among(directory, names, keep, age) {
                Ok(removal) => {
                    for path in &removal.removed {
                        tracing::debug!("removed {}", path.display());
                    }
                    for (path, error) in &removal.failed {
                        if self.accounts.line(owner) != Line::No {
                            tracing::warn!("cannot remove {}: {error}", path.display());
                        }
                    }
                }
                Err(ScanError::Missing(_)) => {}
                Err(error) => tracing::debug!("{error}"),
            }
            self.accounts.charge(owner, meter.took());
        }
    }

    pub(super) fn try_unready(&mut self) {
        let due = self.unready.values().filter(|(_, attempts)| *attempts < UNREADY_ATTEMPTS);
        let due: Vec<Found> = due.map(|(found, _)| found.clone()).collect();
        due.iter().for_each(|found| self.follow(found));
    }

    fn no_longer_unready(&mut self, path: &Path) {
        if let Some((found, _)) = self.unready.remove(path) {
            self.accounts.of(found.owner).unready -= 1;
        }
    }

    /// Begins to follow a segment, if the file is one and its owner's budget allows it.
    pub(super) fn follow(&mut self, found: &Found) {
        let (path, owner) = (&found.path, found.owner);
        if self.keys.contains_key(path) || self.refused.contains_key(path) {
            return;
        }
        if !self.accounts.has_time(owner) {
            self.refusals.count(Refusal::LATE_SAMPLE);
            return;
        }
        if self.accounts.of(owner).processes >= self.accounts.budget().processes {
            self.refusals.count(Refusal::PROCESSES);
            return;
        }
        if self.is_full(owner) {
            self.refusals.count(Refusal::DESCRIPTORS);
            return;
        }
        let meter = Meter::begin();
        let tick = self.schedule.tick_at(Instant::now());
        let opened = Tracked::open(path, found.files_of, tick, &self.host);
        self.accounts.charge(owner, meter.took());
        match opened {
            Ok(tracked) if self.tracked.contains_key(&tracked.key) => {
                self.refusals.count(Refusal::SECOND_FILE);
                self.refuse(found, &"a segment of the same name is in another directory");
            }
            Ok(tracked) => {
                let key = Arc::clone(&tracked.key);
                self.no_longer_unready(path);
                self.keys.insert(path.clone(), Arc::clone(&key));
                let account = self.accounts.of(tracked.owner());
                account.processes += 1;
                account.open += 1;
                let owner = tracked.owner();
                self.tracked.insert(Arc::clone(&key), tracked);
                if self.accounts.slice(owner).is_some() {
                    self.sample(&key, owner);
                } else {
                    self.refusals.count(Refusal::PART_SAMPLE);
                }
            }
            Err(OpenError::NotReady) => self.count_attempt(found),
            Err(OpenError::Gone) => self.no_longer_unready(path),
            Err(error) => {
                if matches!(error, OpenError::WrongOwner { .. }) {
                    self.refusals.count(Refusal::STRANGE_FILE);
                }
                self.refuse(found, &error);
            }
        }
    }

    fn count_attempt(&mut self, found: &Found) {
        if let Some((_, attempts)) = self.unready.get_mut(&found.path) {
            *attempts = attempts.saturating_add(1);
            return;
        }
        let account = self.accounts.of(found.owner);
        if account.unready < UNREADY_MAX {
            account.unready += 1;
            self.unready.insert(found.path.clone(), (found.clone(), 1));
        }
    }

    /// Whether no more segments of `owner` can be opened. If descriptors have run out, an owner who
    /// has more of them than others gives up one for those.
    fn is_full(&mut self, owner: u32) -> bool {
        let open = self.accounts.open();
        if open < self.open_max {
            return false;
        }
        if !std::mem::replace(&mut self.told_of_limit, true) {
            tracing::warn!(
                "more processes than the limit of open files allows ({open} are watched); \
                 raise it, for example with ulimit -n 65536"
            );
        }
        let own = self.accounts.of(owner).open;
        match self.accounts.greediest() {
            Some((greedy, most)) if most > own + 1 => {
                let theirs =
                    self.tracked.values().filter(|it| it.is_open() && it.owner() == greedy);
                let youngest = theirs.max_by_key(|it| it.facts.raw.created_monotonic_ns);
                let Some(key) = youngest.map(|it| Arc::clone(&it.key)) else { return true };
                self.refusals.count(Refusal::DESCRIPTORS);
                self.forget(&key);
                false
            }
            _ => true,
        }
    }

    /// Excludes a file from now on.
    pub(super) fn refuse(&mut self, found: &Found, error: &dyn std::fmt::Display) {
        self.no_longer_unready(&found.path);
        match self.accounts.line(found.owner) {
            Line::Yes => tracing::warn!("{}: {error}", found.path.display()),
            Line::Last => tracing::warn!(
                "{}: {error}; further files of user {} that are refused within the hour are \
                 counted and not named",
                found.path.display(),
                found.owner
            ),
            Line::No => self.refusals.count(Refusal::LOG_LINE),
        }
        // A file that is not remembered is opened again with each listing, on the owner's time.
        let names_max = self.accounts.budget().names;
        let account = self.accounts.of(found.owner);
        if account.refused < names_max {
            account.refused += 1;
            self.refused.insert(found.path.clone(), found.owner);
        }
        self.fleet.health.unreadable_segments += 1;
        self.changed = true;
    }

    pub(super) fn forget(&mut self, key: &Arc<str>) {
        if let Some(tracked) = self.tracked.remove(key) {
            self.keys.remove(&tracked.path);
            let account = self.accounts.of(tracked.owner());
            account.processes -= 1;
            account.open -= usize::from(tracked.is_open());
            account.sample_bytes -= tracked.sample_bytes;
        }
        self.fleet.forget(key);
        self.history.forget(key);
        self.changed = true;
    }
}
