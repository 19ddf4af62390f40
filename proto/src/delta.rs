//! The changes of a process between two updates of a stream. [`crate::merge`] is the inverse.

use crate::v1::{ClassCounters, Process, Thread};

/// The detail that a stream asked for.
#[derive(Clone, Copy, Debug)]
pub struct Detail {
    /// Send `Process.threads`.
    pub threads: bool,
    /// Send `Process.classes`.
    pub classes: bool,
}

impl Detail {
    /// All details.
    pub const ALL: Self = Self { threads: true, classes: true };
}

/// The whole process, for a stream that does not know it yet.
pub fn whole(current: &Process, detail: Detail) -> Process {
    let mut process = Process {
        classes: Vec::new(),
        threads: Vec::new(),
        identity: current.identity.clone(),
        ..outline(current)
    };
    if detail.classes {
        process.classes.clone_from(&current.classes);
    }
    if detail.threads {
        process.threads.clone_from(&current.threads);
    }
    process
}

/// The changes to send to a stream that was last sent `sent`; `None` if nothing changed.
pub fn changed(sent: &Process, current: &Process, detail: Detail) -> Option<Process> {
    let mut process = outline(current);
    if detail.classes {
        process.classes = changed_classes(&sent.classes, &current.classes);
    }
    if detail.threads {
        process.threads = changed_threads(&sent.threads, &current.threads);
    }
    let same = process.classes.is_empty()
        && process.threads.is_empty()
        && sent.state == current.state
        && sent.exit_code == current.exit_code
        && sent.end_signal == current.end_signal
        && sent.totals == current.totals
        && sent.memory == current.memory
        && sent.loss == current.loss;
    (!same).then_some(process)
}

/// All fields except identity, classes and threads.
fn outline(current: &Process) -> Process {
    Process {
        key: current.key.clone(),
        identity: None,
        state: current.state.clone(),
        exit_code: current.exit_code,
        end_signal: current.end_signal,
        ended_at: current.ended_at,
        sampled_at: current.sampled_at,
        totals: current.totals,
        classes: Vec::new(),
        threads: Vec::new(),
        memory: current.memory,
        loss: current.loss,
    }
}

/// The entries that are new or differ. Both lists are in the order of the classes, and no entry is
/// ever removed.
fn changed_classes(sent: &[ClassCounters], current: &[ClassCounters]) -> Vec<ClassCounters> {
    let mut sent = sent.iter().peekable();
    let mut changed = Vec::new();
    for entry in current {
        match sent.next_if(|old| old.class == entry.class) {
            Some(old) if old == entry => {}
            _ => changed.push(entry.clone()),
        }
    }
    changed
}

/// The entries that are new or differ. Both lists are in the order of the slots, and no entry is
/// ever removed.
fn changed_threads(sent: &[Thread], current: &[Thread]) -> Vec<Thread> {
    let mut sent = sent.iter().peekable();
    let mut changed = Vec::new();
    for entry in current {
        match sent.next_if(|old| old.slot == entry.slot) {
            Some(old) if old == entry => {}
            _ => changed.push(entry.clone()),
        }
    }
    changed
}

#[cfg(test)]
mod tests;
