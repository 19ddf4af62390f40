//! Reconstructs whole processes from updates that hold changes: the inverse of [`crate::delta`].
//!
//! A part with `identity` is the whole process and replaces the known state; a part without it
//! replaces the entries that it has. A part of a process that was never seen whole is not merged,
//! because the entries that it does not mention would be unknown.

use std::collections::BTreeMap;

use hakmem_segment::Class;
use prost::Message as _;

use crate::v1::{ClassCounters, Process, Thread};

/// Limit of the weight of all processes, by [`weight`]. It allows far more processes than a machine
/// has.
const WEIGHT_MAX: usize = 1 << 30;

/// The result of merging a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The known process now has the state in this part.
    Done,
    /// The known state was the same already; only the time is new.
    Same,
    /// The process was never seen whole, so the part is not enough.
    Unknown,
    /// There are more processes than a real machine has.
    TooMany,
}

/// The state of every process as of the newest update.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Each process with its weight.
    processes: BTreeMap<String, (Process, usize)>,
    weight: usize,
    /// Whether the parts come from a trusted source, so that nothing is weighed.
    is_trusting: bool,
}

impl Merged {
    /// Merges parts that come from an agent and not from a file.
    pub fn trusting() -> Self {
        Self { is_trusting: true, ..Self::default() }
    }

    /// Merges a part of an update.
    pub fn merge(&mut self, part: Process) -> Merge {
        let is_whole = part.identity.is_some();
        let Some((known, known_weight)) = self.processes.get_mut(&part.key) else {
            if !is_whole {
                return Merge::Unknown;
            }
            let added = self.weight_of(&part);
            if self.weight.saturating_add(added) > WEIGHT_MAX {
                return Merge::TooMany;
            }
            self.weight += added;
            self.processes.insert(part.key.clone(), (part, added));
            return Merge::Done;
        };
        if is_whole && is_same(known, &part) {
            return Merge::Same;
        }
        if is_whole {
            *known = part;
        } else {
            merge(known, part);
        }
        let after = if self.is_trusting { 0 } else { weight(known) };
        self.weight = self.weight - *known_weight + after;
        *known_weight = after;
        if self.weight > WEIGHT_MAX { Merge::TooMany } else { Merge::Done }
    }

    /// The whole process with this key.
    pub fn get(&self, key: &str) -> Option<&Process> {
        self.processes.get(key).map(|(process, _)| process)
    }

    /// All processes, in the order of their keys.
    pub fn all(&self) -> impl Iterator<Item = &Process> {
        self.processes.values().map(|(process, _)| process)
    }

    /// Forgets a process that is gone.
    pub fn remove(&mut self, key: &str) {
        if let Some((_, weight)) = self.processes.remove(key) {
            self.weight -= weight;
        }
    }

    /// Forgets all processes, as after a gap.
    pub fn clear(&mut self) {
        *self = Self { is_trusting: self.is_trusting, ..Self::default() };
    }

    fn weight_of(&self, process: &Process) -> usize {
        if self.is_trusting { 0 } else { weight(process) }
    }
}

/// Merges a part without `identity` into a whole process.
pub fn merge(known: &mut Process, part: Process) {
    known.state = part.state;
    known.exit_code = part.exit_code;
    known.end_signal = part.end_signal;
    known.ended_at = part.ended_at;
    known.sampled_at = part.sampled_at;
    known.totals = part.totals;
    known.memory = part.memory;
    known.loss = part.loss;
    part.classes.into_iter().for_each(|entry| put_class(&mut known.classes, entry));
    part.threads.into_iter().for_each(|entry| put_thread(&mut known.threads, entry));
}

fn put_class(classes: &mut Vec<ClassCounters>, entry: ClassCounters) {
    match classes.iter_mut().find(|known| known.class == entry.class) {
        Some(known) => *known = entry,
        None => {
            let rank = rank(&entry.class);
            let at = classes.iter().position(|known| self::rank(&known.class) > rank);
            classes.insert(at.unwrap_or(classes.len()), entry);
        }
    }
}

fn put_thread(threads: &mut Vec<Thread>, entry: Thread) {
    match threads.binary_search_by_key(&entry.slot, |known| known.slot) {
        Ok(at) => threads[at] = entry,
        Err(at) => threads.insert(at, entry),
    }
}

/// Place of a class in every list; a class that this version does not know comes last.
fn rank(class: &str) -> usize {
    Class::from_name(class).map_or(Class::ALL.len(), |class| class as usize)
}

fn is_same(known: &Process, whole: &Process) -> bool {
    known.state == whole.state
        && known.exit_code == whole.exit_code
        && known.end_signal == whole.end_signal
        && known.totals == whole.totals
        && known.memory == whole.memory
        && known.loss == whole.loss
        && known.classes == whole.classes
        && known.threads == whole.threads
        && known.identity == whole.identity
}

/// A rough estimate of the memory of a process: decoded, a process takes several times its
/// encoding.
fn weight(process: &Process) -> usize {
    1024 + 8 * process.encoded_len()
}

#[cfg(test)]
mod tests;
