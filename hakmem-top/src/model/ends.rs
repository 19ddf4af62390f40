//! Processes that ended badly while somebody watched.

use std::collections::VecDeque;
use std::time::Duration;

use super::Process;

/// Ends kept.
const CAPACITY: usize = 100;
/// For how long an end is announced; it stays in the list of processes after that.
const ANNOUNCED: Duration = Duration::from_secs(60);

/// One end that nobody asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct BadEnd {
    /// The process's key.
    pub key: String,
    /// The name by which people know the program.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// `crashed` or `killed`.
    pub state: String,
    /// Number of the signal, if known.
    pub signal: Option<i32>,
    /// When it was seen, as [`super::Model::watched_for`] was then: the agent's clock stands still
    /// while none of its processes does anything.
    pub at: Duration,
}

/// The newest of them, oldest first.
#[derive(Clone, Debug, Default)]
pub struct BadEnds {
    ends: VecDeque<BadEnd>,
}

impl BadEnds {
    /// Takes note of a process that has just ended badly.
    pub(super) fn push(&mut self, process: &Process, at: Duration) {
        if self.ends.len() == CAPACITY {
            self.ends.pop_front();
        }
        self.ends.push_back(BadEnd {
            key: process.key.clone(),
            name: process.name().to_owned(),
            pid: process.identity.pid,
            state: process.state.clone(),
            signal: process.end_signal,
            at,
        });
    }

    /// Those that are announced at a moment, newest first.
    pub fn announced(&self, now: Duration) -> impl Iterator<Item = &BadEnd> {
        self.ends.iter().rev().filter(move |it| now.saturating_sub(it.at) < ANNOUNCED)
    }
}
