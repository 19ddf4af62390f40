//! Rounds of sampling: owners take turns, and each has a budget of time and memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hakmem_reader::{Limits, SampleError};

use super::super::tracked::{Look, Looked, Tracked};
use super::Worker;
use crate::accounts::Meter;
use crate::events::News;
use crate::refusals::Refusal;
use crate::state::counters::OTHER;
use crate::turns::take_turns;

/// Time limit for one sample. A sample of the maximum number of slots, all owned, takes about half
/// of it.
const SAMPLE_TIME_MAX: Duration = Duration::from_millis(500);
/// Time limit for the first samples of the segments that exist at the start.
const FIRST_SCAN_MAX: Duration = Duration::from_secs(2);

impl Worker {
    /// Samples all segments that are due: owners take turns, and for each owner those that waited
    /// longest come first. Segments beyond an owner's slice of the round stay due.
    pub(super) fn round(&mut self, now: u64) {
        let begun = Instant::now();
        let watched = self.inputs.interests.intervals();
        let due = self.tracked.values().filter(|tracked| {
            let interval = watched.get(&tracked.key).copied();
            let schedule = &self.schedule;
            let is_due = schedule.is_due(&tracked.key, interval, tracked.last_tick, now);
            tracked.is_open() && (tracked.is_waiting || is_due)
        });
        let mut due: Vec<(u64, u32, Arc<str>)> =
            due.map(|it| (it.last_tick, it.owner(), Arc::clone(&it.key))).collect();
        due.sort_by_key(|(last, ..)| *last);
        let due = take_turns(due, |(_, owner, _)| *owner);
        self.accounts.begin_round();
        let mut late = BTreeSet::new();
        for (_, owner, key) in &due {
            if late.contains(owner) || !self.accounts.has_time(*owner) {
                late.insert(*owner);
                self.refusals.count(Refusal::LATE_SAMPLE);
                continue;
            }
            if self.accounts.slice(*owner).is_none() {
                self.refusals.count(Refusal::PART_SAMPLE);
                continue;
            }
            self.sample(key, *owner);
        }
        if !due.is_empty() {
            self.fleet.health.count_round(begun.elapsed());
        }
        self.fleet.health.round_at = Some(Instant::now());
        if self.fleet.ends.is_doubtful() {
            Arc::make_mut(&mut self.fleet.ends).settle();
        }
        // Streams without processes receive the agent's status, too.
        self.changed = true;
    }

    /// Finds the segments that exist when the agent starts, and samples them before the first
    /// request; ends that are found then happened before.
    pub(super) fn first_scan(&mut self) {
        let begun = Instant::now();
        self.list(true);
        while begun.elapsed() < FIRST_SCAN_MAX {
            let waiting = self.tracked.values().filter(|it| it.is_waiting && it.is_open());
            let owners: BTreeSet<u32> = waiting.map(Tracked::owner).collect();
            if !owners.into_iter().any(|owner| self.accounts.has_time(owner)) {
                break;
            }
            self.round(self.schedule.tick_at(Instant::now()));
        }
        self.fleet.health.first_scan_done = true;
    }

    /// Samples a process, charging `payer`, within the rest of the payer's slice of the round.
    pub(super) fn sample(&mut self, key: &Arc<str>, payer: u32) {
        let now = self.schedule.tick_at(Instant::now());
        let slice = self.accounts.slice(payer).unwrap_or_default();
        let Some(tracked) = self.tracked.get_mut(key) else { return };
        let meter = Meter::begin();
        let (owner, bytes_before, was_open) =
            (tracked.owner(), tracked.sample_bytes, tracked.is_open());
        let others = self.accounts.of(owner).sample_bytes - bytes_before;
        let limits = Limits {
            time: SAMPLE_TIME_MAX,
            bytes: self.accounts.budget().sample_bytes.saturating_sub(others),
            slice,
        };
        let records = self.fleet.processes.values().map(|record| &record.facts.raw);
        let looked = tracked.look(&self.host, records, &limits);
        let account = self.accounts.of(owner);
        account.sample_bytes = others + tracked.sample_bytes;
        account.open -= usize::from(was_open && !tracked.is_open());
        let waited = tracked.waited;
        tracked.is_waiting = matches!(looked, Ok(Looked::Unfinished));
        if !tracked.is_waiting {
            tracked.last_tick = now;
        }
        match looked {
            Ok(Looked::Ended) => {}
            Ok(Looked::Unfinished) => self.refusals.count(Refusal::PART_SAMPLE),
            Ok(Looked::Whole(look)) => self.take_in(key, owner, *look),
            Err(error) => self.give_up(&Arc::clone(key), &error),
        }
        self.accounts.charge_sample(payer, meter.took() + waited);
    }

    fn take_in(&mut self, key: &Arc<str>, owner: u32, look: Look) {
        if look.record.sample.is_torn() {
            self.fleet.health.torn_samples += 1;
        }
        let (events, lost_events) = (look.events, look.lost_events);
        if !events.is_empty() || lost_events > 0 {
            self.news.push(News { key: Arc::clone(key), owner, events, lost_events });
        }
        let is_new = !self.fleet.processes.contains_key(key);
        let record = self.fleet.put(look.record);
        if is_new && *record.group == *OTHER {
            self.refusals.count(Refusal::EXECUTABLES);
        }
        self.history.record(&record);
        self.fleet.sampled_at = SystemTime::now();
        self.changed = true;
    }

    /// Abandons a segment that became unreadable: its writer is no longer trusted. A segment that
    /// takes more than its owner's budget keeps its number of slots for life, so it is abandoned
    /// too.
    fn give_up(&mut self, key: &Arc<str>, error: &SampleError) {
        match error {
            SampleError::TooMuch { what: "time" } => self.refusals.count(Refusal::SLOW_SAMPLE),
            SampleError::TooMuch { .. } => self.refusals.count(Refusal::MEMORY),
            _ => {}
        }
        let found = self.tracked.get(key).map(Tracked::found);
        self.forget(key);
        if let Some(found) = found {
            self.refuse(&found, error);
        }
    }
}
