//! What became of a process.

use std::fs;

use hakmem_segment::State;

use crate::identity::Identity;
use crate::sample::ProcessSample;

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessState {
    /// It runs.
    Running,
    /// It ended normally.
    Exited,
    /// It was killed or crashed.
    Crashed,
    /// It became another program, by `exec`.
    Replaced,
}

impl ProcessState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Exited, Self::Crashed, Self::Replaced];

    /// The word used in JSON, metrics, protocol and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Exited => "exited",
            Self::Crashed => "crashed",
            Self::Replaced => "replaced",
        }
    }

    /// Whether the process has ended, as this program at least.
    pub const fn is_ended(self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// Tells what became of the process `identity`.
///
/// `writer_alive` is [`Segment::is_writer_alive`](crate::Segment::is_writer_alive), asked before
/// `process` was sampled; `others` are the identities of other segments, of which a later one of
/// the same process proves an `exec`.
pub fn effective_state<'a>(
    identity: &Identity,
    writer_alive: bool,
    process: &ProcessSample,
    others: impl IntoIterator<Item = &'a Identity>,
    host: &Host,
) -> ProcessState {
    if writer_alive {
        return ProcessState::Running;
    }
    if process.state == Some(State::Exited) {
        return ProcessState::Exited;
    }
    let succeeded = others.into_iter().any(|other| is_successor(other, identity));
    if succeeded || host.process_lives(identity) {
        ProcessState::Replaced
    } else {
        ProcessState::Crashed
    }
}

/// Whether `later` was written by the same process as `earlier`, after it.
fn is_successor(later: &Identity, earlier: &Identity) -> bool {
    let process = |identity: &Identity| {
        (identity.pid, identity.start_time_ticks, identity.pid_namespace, identity.boot_id)
    };
    process(later) == process(earlier)
        && later.owner_user_id == earlier.owner_user_id
        && later.nonce != earlier.nonce
        && later.created_monotonic_ns > earlier.created_monotonic_ns
}

/// The reader's own view of processes.
#[derive(Clone, Debug)]
pub struct Host {
    boot_id: Option<[u8; 16]>,
    pid_namespace: Option<u64>,
}

impl Host {
    /// The machine and pid namespace of the calling process.
    pub fn current() -> Self {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let namespace = rustix::fs::stat("/proc/self/ns/pid").ok();
        Self {
            boot_id: boot_id.and_then(|text| parse_boot_id(text.trim())),
            pid_namespace: namespace.map(|stat| stat.st_ino),
        }
    }

    /// Whether the very process that `identity` names still runs, as whatever program. `false`
    /// if that cannot be known, because it belongs to another pid namespace or an earlier boot.
    pub fn process_lives(&self, identity: &Identity) -> bool {
        let is_here = self.pid_namespace == Some(identity.pid_namespace)
            && self.boot_id == Some(identity.boot_id);
        if !is_here {
            return false;
        }
        let stat = fs::read(format!("/proc/{}/stat", identity.pid)).unwrap_or_default();
        let process = parse_stat(&stat);
        process.is_some_and(|process| process.lives && process.start == identity.start_time_ticks)
    }
}

fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|&character| character != '-').collect();
    let value = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(value.to_be_bytes())
}

struct Process {
    lives: bool,
    start: u64,
}

/// Bit of field 9 that the kernel sets before an ending process gives up its memory, and so its
/// lock: without it a process being killed would pass for one that did `exec`.
const PF_EXITING: u64 = 0x4;

/// Fields 3 (state), 9 (flags) and 22 (start) of `/proc/<pid>/stat`.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let text = String::from_utf8_lossy(stat);
    // Field 2, the name, may hold spaces and parentheses.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?;
    let flags: u64 = fields.nth(5)?.parse().ok()?;
    let start = fields.nth(12)?.parse().ok()?;
    let ended = matches!(state, "Z" | "X" | "x") || flags & PF_EXITING != 0;
    Some(Process { lives: !ended, start })
}

#[cfg(test)]
mod tests;
