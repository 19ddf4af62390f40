//! How a process ended, according to the kernel.
//!
//! A segment says only that its process called `exit`. A process that is ended by a signal, or by
//! an `_exit` that bypasses the allocator's hooks, writes nothing. The kernel knows, and reports it
//! in two places:
//!
//! - while the process is a zombie, field 52 of `/proc/<pid>/stat` holds its wait status;
//! - after its parent has waited for it, a pidfd that was opened while the process lived returns
//!   the status through `PIDFD_GET_INFO` with `PIDFD_INFO_EXIT` (Linux 6.15,
//!   `include/uapi/linux/pidfd.h`).
//!
//! A [`Witness`] asks both. If neither answers, the process has ended and it is not known how.
//!
//! # Safety
//! `PIDFD_GET_INFO` writes to the structure that it is given, whose size is part of the request's
//! number.
#![allow(unsafe_code)]

use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::identity::Identity;
use crate::proc_stat::ProcStat;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// By `exit`, `_exit` or a return from `main`, with this code.
    Exited(i32),
    /// By this signal.
    Signal(i32),
}

/// Signals by which the kernel, or the program through `abort`, reports a fault of the program:
/// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS (`signal(7)`). All other signals that
/// end a process were sent to it.
const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

impl Ending {
    /// Decodes a wait status (`waitpid(2)`); `None` for a process that was stopped or continued.
    pub const fn from_wait_status(status: i32) -> Option<Self> {
        match status & 0x7f {
            0 => Some(Self::Exited((status >> 8) & 0xff)),
            0x7f => None,
            signal => Some(Self::Signal(signal)),
        }
    }

    /// Whether the process ended by a fault of its own.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Signal(signal) if FAULTS.contains(&signal))
    }

    /// The exit code, if there is one.
    pub const fn exit_code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            Self::Signal(_) => None,
        }
    }

    /// The signal, if one ended the process.
    pub const fn signal(self) -> Option<i32> {
        match self {
            Self::Exited(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }
}

/// The knowledge of a [`Witness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Testimony {
    /// The process has not ended, or not completely: the kernel may still report how.
    Pending,
    /// It ended in this way.
    Known(Ending),
    /// It has ended, and the kernel does not report how.
    Unknown,
}

/// Watches one process of the reader's own pid namespace, from a time when it lived.
#[derive(Debug)]
pub struct Witness {
    pid: u32,
    start_time_ticks: u64,
    /// `None` if the kernel has no pidfds, or if descriptors have run out.
    pidfd: Option<OwnedFd>,
}

impl Witness {
    /// Makes a witness of the process `identity`; `None` if that process does not live any more.
    ///
    /// The caller has made sure that the identity's pid belongs to its own namespace and boot.
    pub fn of(identity: &Identity) -> Option<Self> {
        let (pid, start_time_ticks) = (identity.pid, identity.start_time_ticks);
        let pidfd = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = pidfd.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let witness = Self { pid, start_time_ticks, pidfd };
        // The line is read after the pidfd was opened: so the pid was not reused in between.
        witness.stat().is_some().then_some(witness)
    }

    /// The current knowledge about the end of the process.
    pub fn testimony(&self) -> Testimony {
        if let Some(stat) = self.stat() {
            return match stat.is_zombie() {
                false => Testimony::Pending,
                true => stat.ending().map_or(Testimony::Unknown, Testimony::Known),
            };
        }
        let status = self.pidfd.as_ref().and_then(exit_status);
        let ending = status.and_then(Ending::from_wait_status);
        ending.map_or(Testimony::Unknown, Testimony::Known)
    }

    /// The process's line in `/proc`, as long as it has one.
    fn stat(&self) -> Option<ProcStat> {
        ProcStat::of(self.pid).filter(|stat| stat.start_time_ticks == self.start_time_ticks)
    }
}

/// How the process `pid` that began at `start_time_ticks` ended, if it is a zombie.
pub(crate) fn of_zombie(pid: u32, start_time_ticks: u64) -> Option<Ending> {
    let stat = ProcStat::of(pid)?;
    let is_same = stat.start_time_ticks == start_time_ticks && stat.is_zombie();
    is_same.then(|| stat.ending()).flatten()
}

impl ProcStat {
    fn ending(&self) -> Option<Ending> {
        Ending::from_wait_status(self.wait_status?)
    }
}

/// `struct pidfd_info` as of Linux 6.13, 64 bytes.
#[derive(Default)]
#[repr(C)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    thread_group_id: u32,
    parent_pid: u32,
    user_and_group_ids: [u32; 8],
    exit_status: i32,
}
const _: () = assert!(size_of::<PidfdInfo>() == 64);

const PIDFD_INFO_EXIT: u64 = 1 << 3;
const PIDFD_GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xff, 11);

/// The wait status of the process behind a pidfd, once its parent has waited for it.
fn exit_status(pidfd: &OwnedFd) -> Option<i32> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the opcode belongs to a request that reads and writes this structure.
    let request = unsafe { Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info) };
    // SAFETY: the descriptor is a pidfd, which has this request; kernels that do not know it refuse
    // it.
    unsafe { ioctl(pidfd, request) }.ok()?;
    (info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_status)
}

#[cfg(test)]
mod tests;
