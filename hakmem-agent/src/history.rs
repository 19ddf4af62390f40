//! Keeps the past of processes in memory, as far back as time and memory allow.
//!
//! Each process has a [`ProcessHistory`]: samples about a second apart, encoded as in a recording
//! and compressed in blocks. There are two limits. *Time*: blocks older than the span are dropped.
//! *Memory*: when all histories together are too large, the owner whose processes' histories take
//! the most loses the oldest block among those processes that take more than an equal share of the
//! owner's, so that neither one process with thousands of threads nor one user with hundreds of
//! processes costs the others their past. Dropped samples are counted, per process and in total.
//!
//! The sampler's thread writes. Queries take shared blocks under the lock and decode them outside
//! it, so they delay sampling only for as long as it takes to copy pointers.

mod process_history;
mod query;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hakmem_recording::block::Compressor;

use crate::config::HistoryConfig;
use crate::state::ProcessRecord;
use process_history::ProcessHistory;
pub(crate) use query::{Query, Samples};

/// The history of every process.
#[derive(Debug)]
pub(crate) struct History {
    config: HistoryConfig,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    owners: HashMap<u32, Pasts>,
    /// The owners of processes, by key.
    keys: HashMap<Arc<str>, u32>,
    /// `None` until the first block, and if there is no memory for a compressor.
    compressor: Option<Compressor>,
    /// Sum of the bytes of all pasts.
    bytes: usize,
    dropped_samples: u64,
}

/// The history of one owner's processes.
#[derive(Debug, Default)]
struct Pasts {
    pasts: HashMap<Arc<str>, ProcessHistory>,
    /// Sum of the bytes of these pasts.
    bytes: usize,
}

/// The memory of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) bytes_max: u64,
    /// Samples that were dropped to stay within `bytes_max`, since the agent started.
    pub(crate) dropped_samples: u64,
}

impl History {
    pub(crate) fn new(config: HistoryConfig) -> Self {
        Self { config, inner: Mutex::default() }
    }

    /// Whether any history is kept.
    fn is_on(&self) -> bool {
        self.config.bytes_max > 0 && self.config.span > Duration::ZERO
    }

    /// Takes a sample, unless the previous one is too recent.
    pub(crate) fn record(&self, record: &Arc<ProcessRecord>) {
        if !self.is_on() {
            return;
        }
        let interval_ns = nanoseconds(self.config.interval);
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.keys.entry(Arc::clone(&record.key)).or_insert(record.owner());
        let owners = inner.owners.len() + usize::from(!inner.owners.contains_key(&record.owner()));
        let own = inner.owners.entry(record.owner()).or_default();
        let processes = own.pasts.len() + usize::from(!own.pasts.contains_key(&record.key));
        let past = own.pasts.entry(Arc::clone(&record.key)).or_default();
        if !past.is_due(record, interval_ns) {
            return;
        }
        let before = past.bytes();
        if past.push(record) {
            let block_bytes = block_bytes(self.config.bytes_max / owners, processes);
            past.close_if_full(block_bytes, &mut inner.compressor);
        }
        past.expire(record.sample.unix_ns.saturating_sub(nanoseconds(self.config.span)));
        own.bytes = own.bytes - before + past.bytes();
        inner.bytes = inner.bytes - before + past.bytes();
        inner.shrink(self.config.bytes_max);
    }

    /// Forgets a process whose segment is gone.
    pub(crate) fn forget(&self, key: &str) {
        let mut inner = self.lock();
        let Some(owner) = inner.keys.remove(key) else { return };
        let Some(own) = inner.owners.get_mut(&owner) else { return };
        let bytes = own.pasts.remove(key).map_or(0, |past| past.bytes());
        own.bytes -= bytes;
        if own.pasts.is_empty() {
            inner.owners.remove(&owner);
        }
        inner.bytes -= bytes;
    }

    /// The past of a process; `None` if no sample of it was ever kept.
    pub(crate) fn query(&self, key: &str) -> Option<Query> {
        let inner = self.lock();
        let own = inner.owners.get(inner.keys.get(key)?)?;
        own.pasts.get(key).map(ProcessHistory::query)
    }

    pub(crate) fn usage(&self) -> Usage {
        let bytes_max = if self.is_on() { self.config.bytes_max as u64 } else { 0 };
        let inner = self.lock();
        Usage { bytes: inner.bytes as u64, bytes_max, dropped_samples: inner.dropped_samples }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Drops the oldest blocks of processes that take more than their share.
    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let greediest = self.owners.values_mut().max_by_key(|own| own.bytes);
            let Some(own) = greediest else { return };
            let share = own.bytes / own.pasts.len().max(1);
            let greedy = own.pasts.values_mut().filter(|past| past.bytes() >= share);
            // Some process takes at least the average. If even that takes nothing, there is nothing
            // to drop.
            let Some(past) = greedy.min_by_key(|past| past.oldest_ns()) else { return };
            let before = past.bytes();
            if before == 0 {
                return;
            }
            self.dropped_samples += past.give_up_oldest();
            own.bytes = own.bytes - before + past.bytes();
            self.bytes = self.bytes - before + past.bytes();
        }
    }
}

/// Number of bytes that a process collects before it compresses them: more of them compress better,
/// but they take memory while they wait. At most an eighth of the process's share.
fn block_bytes(bytes_max: usize, processes: usize) -> usize {
    const RANGE: std::ops::RangeInclusive<usize> = 2 << 10..=32 << 10;
    (bytes_max / processes.max(1) / 8).clamp(*RANGE.start(), *RANGE.end())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::{record, sampled};

    #[test]
    fn hundreds_of_processes_of_one_user_leave_room_for_another_user() {
        let config = HistoryConfig { bytes_max: 1 << 20, ..HistoryConfig::default() };
        let history = History::new(config);
        let (mut identity, mut sample) = sampled(1);
        let mut take = |owner: u32, nonce: u64, second: u64, blocks: u64| {
            (identity.owner_user_id, identity.nonce) = (owner, nonce);
            sample.unix_ns = second * 1_000_000_000;
            sample.monotonic_ns = sample.unix_ns;
            sample.process.large_bytes = blocks;
            let record = Arc::new(record(identity.clone(), sample.clone()));
            history.record(&record);
            Arc::clone(&record.key)
        };
        let mut own = None;
        for second in 0..100 {
            own = Some(take(1, 1, second, second));
        }
        let kept = |key: &str| history.query(key).unwrap().coverage();
        let before = kept(own.as_ref().unwrap());
        assert_eq!((before.samples, before.dropped_samples), (100, 0));
        for second in 100..130 {
            for process in 0..400 {
                take(2, 100 + process, second, second * process);
            }
        }
        let usage = history.usage();
        assert!(usage.bytes <= usage.bytes_max && usage.dropped_samples > 0, "{usage:?}");
        let after = kept(own.as_ref().unwrap());
        assert_eq!((after.samples, after.dropped_samples), (100, 0), "theirs is not given up");
    }
}
