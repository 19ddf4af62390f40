//! Parses the line in `/proc/<pid>/stat`.

use std::fs;

/// Bit of field 9 that the kernel sets before an ending process gives up its memory, and with that
/// its lock. Without this bit, a process that is being killed would look like one that called
/// `exec`.
const PF_EXITING: u64 = 0x4;

/// Fields 3 (state), 9 (flags), 22 (start) and 52 (wait status) of the line (`proc(5)`).
pub(crate) struct ProcStat {
    state: u8,
    flags: u64,
    /// When the process began, in clock ticks since boot.
    pub(crate) start_time_ticks: u64,
    /// Set by an ending process; also 0 for a reader that may not see it.
    pub(crate) wait_status: Option<i32>,
}

impl ProcStat {
    /// Reads the line of process `pid`; `None` if there is none.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Parses a line; `None` if it is not valid.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(line);
        // Field 2, the name, may contain spaces and parentheses.
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

    /// Whether the process has neither ended nor begun to end.
    pub(crate) fn lives(&self) -> bool {
        !self.is_zombie() && self.flags & PF_EXITING == 0
    }
}

#[cfg(test)]
mod tests;
