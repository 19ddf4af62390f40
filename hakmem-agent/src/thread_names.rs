//! Reads the names of threads from `/proc/<pid>/task/<thread>/comm`.
//!
//! A process does not write down its threads' names, because asking for one takes a system call
//! that a sandbox may answer by killing the process. So the names are read from outside, when a
//! thread is first seen and, as threads are often named later, again after 1, 2, 4 and more
//! samples. Names of processes in other pid namespaces are not read: their thread ids have another
//! meaning here.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use hakmem_reader::liveness::Host;
use hakmem_reader::text::{CleanText, clean_bytes};
use hakmem_reader::{Identity, SlotSample};

/// Maximum number of samples between two readings of a name.
const PAUSE_MAX: u64 = 64;
/// Number of names read after one sample; the remaining threads come first after the next.
const READ_MAX: usize = 256;

/// Names of a process's threads, by slot. The last name of a thread that has ended stays until
/// another thread takes its slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadNames(BTreeMap<u32, Named>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    /// The number of the slot's owner.
    owners: u32,
    name: CleanText,
}

impl ThreadNames {
    /// The name of the owner number `owners` of a slot, if it is known.
    pub(crate) fn get(&self, slot: u32, owners: u32) -> Option<&str> {
        let named = self.0.get(&slot).filter(|named| named.owners == owners)?;
        Some(named.name.as_str())
    }
}

/// Reads the names of one process's threads.
#[derive(Debug, Default)]
pub(crate) struct NameReader {
    names: Arc<ThreadNames>,
    /// The time of each slot's next reading.
    due: BTreeMap<u32, Due>,
    /// Number of samples so far.
    samples: u64,
    /// Index of the slot at which the next search for due names begins.
    from: usize,
}

#[derive(Debug)]
struct Due {
    owners: u32,
    /// The sample after which the name is read.
    at: u64,
    /// Number of samples until the reading after that.
    pause: u64,
}

impl NameReader {
    /// The names that are known now.
    pub(crate) fn names(&self) -> Arc<ThreadNames> {
        Arc::clone(&self.names)
    }

    /// Reads the names that are due after a sample of a process that was running then.
    pub(crate) fn update(&mut self, host: &Host, identity: &Identity, slots: &[Arc<SlotSample>]) {
        self.samples += 1;
        let now = self.samples;
        let (before, after) = slots.split_at(self.from.min(slots.len()));
        let mut due = Vec::new();
        for slot in after.iter().chain(before).filter(|slot| slot.thread_id != 0) {
            if due.len() == READ_MAX {
                self.from = slot.index as usize;
                break;
            }
            due.extend(self.is_due(slot, now).then_some(slot));
        }
        if due.is_empty() || !host.process_lives(identity) {
            return;
        }
        let mut names = ThreadNames::clone(&self.names);
        for slot in due {
            let path = format!("/proc/{}/task/{}/comm", identity.pid, slot.thread_id);
            // If a name cannot be read, its thread has just ended.
            if let Ok(comm) = fs::read(path) {
                let name = clean_bytes(comm.strip_suffix(b"\n").unwrap_or(&comm));
                names.0.insert(slot.index, Named { owners: slot.owners, name });
            }
        }
        if names != *self.names {
            self.names = Arc::new(names);
        }
    }

    /// Whether the name of the slot's owner is due after sample `now`; if so, schedules the next
    /// reading.
    fn is_due(&mut self, slot: &SlotSample, now: u64) -> bool {
        let first = || Due { owners: slot.owners, at: now, pause: 1 };
        let due = self.due.entry(slot.index).or_insert_with(first);
        if due.owners != slot.owners {
            *due = first();
        }
        if due.at > now {
            return false;
        }
        due.at = now + due.pause;
        due.pause = (2 * due.pause).min(PAUSE_MAX);
        true
    }
}

#[cfg(test)]
mod tests;
