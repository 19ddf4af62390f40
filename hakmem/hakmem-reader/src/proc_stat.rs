//! One line of `/proc/<pid>/stat`.

use std::fs;

/// Bit of field 9 that the kernel sets before an ending process gives up its memory, and with that
/// its lock: without it a process that is being killed would pass for one that called `exec`.
const PF_EXITING: u64 = 0x4;

/// Fields 3 (state), 9 (flags), 22 (start) and 52 (wait status) of the line (`proc(5)`).
pub(crate) struct ProcStat {
    state: u8,
    flags: u64,
    /// When the process began, in clock ticks since boot.
    pub(crate) start_time_ticks: u64,
    /// Set by an ending process; 0 also for a reader who may not know it.
    pub(crate) wait_status: Option<i32>,
}

impl ProcStat {
    /// Reads the line of a process; `None` if there is none.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Takes the line apart; `None` if it is none.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(line);
        // Field 2, the name, may hold spaces and parentheses.
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let flags = fields.nth(5)?.parse().ok()?;
        let start_time_ticks = fields.nth(12)?.parse().ok()?;
        let wait_status = fields.nth(29).and_then(|status| status.parse().ok());
        Some(Self { state, flags, start_time_ticks, wait_status })
    }

    /// Whether the process has ended and waits for its parent.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Whether the process neither has ended nor is about to.
    pub(crate) fn lives(&self) -> bool {
        !self.is_zombie() && self.flags & PF_EXITING == 0
    }
}

#[cfg(test)]
mod tests;
