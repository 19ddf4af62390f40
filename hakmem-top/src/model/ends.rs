//! Processes that ended badly while the user watched.

use std::collections::VecDeque;
use std::time::Duration;

use super::Process;

/// Ends that are kept.
const CAPACITY: usize = 100;
/// For how long an end is announced; the list of processes keeps it after that.
const ANNOUNCED: Duration = Duration::from_secs(60);

/// A crash, or a kill by `SIGKILL`.
#[derive(Clone, Debug, PartialEq)]
pub struct BadEnd {
    /// The process's key.
    pub key: String,
    /// The name by which users know the program.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// `crashed` or `killed`.
    pub state: String,
    /// Number of the signal, if known.
    pub signal: Option<i32>,
    /// When the model saw the end, on the scale of [`super::Model::watched_for`]: the agent's clock
    /// stands still while its processes are idle.
    pub at: Duration,
}

/// The newest bad ends, oldest first.
#[derive(Clone, Debug, Default)]
pub struct BadEnds {
    ends: VecDeque<BadEnd>,
}

impl BadEnds {
    /// Adds a process that has just ended badly.
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

    /// The ends that are announced at `now`, newest first.
    pub fn announced(&self, now: Duration) -> impl Iterator<Item = &BadEnd> {
        self.ends.iter().rev().filter(move |it| now.saturating_sub(it.at) < ANNOUNCED)
    }
}
