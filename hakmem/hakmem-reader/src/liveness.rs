//! The state of a process, derived from its segment, the kernel and other segments.

use std::fs;

use hakmem_segment::{ProcessState, State};

use crate::ending::{Ending, Witness, of_zombie};
use crate::identity::Identity;
use crate::proc_stat::ProcStat;
use crate::sample::ProcessSample;

impl From<Ending> for ProcessState {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Exited(_) => Self::Exited,
            Ending::Signal(_) if ending.is_fault() => Self::Crashed,
            Ending::Signal(_) => Self::Killed,
        }
    }
}

/// Determines the state of the process `identity`.
///
/// `writer_alive` is [`Segment::is_writer_alive`](crate::Segment::is_writer_alive), asked before
/// `process` was sampled; `ending` is how the process ended according to the kernel, if that was
/// asked in time; `others` are the identities of other segments: a later one of the same process
/// proves an `exec`.
///
/// The kernel's account takes precedence over the segment's: a program may crash in its exit
/// handlers.
pub fn effective_state<'a>(
    identity: &Identity,
    writer_alive: bool,
    process: &ProcessSample,
    ending: Option<Ending>,
    others: impl IntoIterator<Item = &'a Identity>,
    host: &Host,
) -> ProcessState {
    if writer_alive {
        return ProcessState::Running;
    }
    let succeeded = others.into_iter().any(|other| is_successor(other, identity));
    match ending {
        Some(ending) if !succeeded => ending.into(),
        _ if process.state == Some(State::Exited) => ProcessState::Exited,
        _ if succeeded || host.process_lives(identity) => ProcessState::Replaced,
        _ => ProcessState::Ended,
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

/// The machine and the pid namespace of the reader, for questions about processes.
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

    /// Whether the very process that `identity` names still runs, as whatever program. False if
    /// that cannot be known, because the process belongs to another pid namespace or an earlier
    /// boot.
    pub fn process_lives(&self, identity: &Identity) -> bool {
        if !self.is_here(identity) {
            return false;
        }
        ProcStat::of(identity.pid).is_some_and(|process| {
            process.lives() && process.start_time_ticks == identity.start_time_ticks
        })
    }

    /// A witness of the process `identity`, if it lives in this pid namespace and boot.
    pub fn witness(&self, identity: &Identity) -> Option<Witness> {
        if self.is_here(identity) { Witness::of(identity) } else { None }
    }

    /// How the process `identity` ended, if it is still a zombie in this pid namespace and boot.
    pub fn ending(&self, identity: &Identity) -> Option<Ending> {
        if self.is_here(identity) {
            of_zombie(identity.pid, identity.start_time_ticks)
        } else {
            None
        }
    }

    /// Boot id and pid namespace, if both are known.
    #[cfg(any(test, feature = "fixture"))]
    pub(crate) fn place(&self) -> Option<([u8; 16], u64)> {
        Some((self.boot_id?, self.pid_namespace?))
    }

    /// Whether the identity's pid names a process of the reader's pid namespace and boot, and one
    /// that belongs to the owner of the file: anybody can write another user's pid into a file of
    /// their own.
    fn is_here(&self, identity: &Identity) -> bool {
        self.pid_namespace == Some(identity.pid_namespace)
            && self.boot_id == Some(identity.boot_id)
            && is_of_user(identity.pid, identity.owner_user_id)
    }
}

/// Whether one of the user ids of process `pid` is `user`. A file of root's may come from a process
/// that has dropped its privileges since.
fn is_of_user(pid: u32, user: u32) -> bool {
    if user == 0 {
        return true;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.is_some_and(|ids| ids.split_ascii_whitespace().any(|id| id.parse() == Ok(user)))
}

fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|&character| character != '-').collect();
    let value = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?;
    Some(value.to_be_bytes())
}

#[cfg(test)]
mod tests;
