//! What a program asks of its own segment.

use core::{fmt, ptr};

use crate::threads;

/// The name by which readers know the process: `<pid>-<start time in ticks>-<nonce in hex>`. Its
/// segment's file is named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentKey {
    pub(crate) pid: u32,
    pub(crate) start_time_ticks: u64,
    pub(crate) nonce: u64,
}

impl fmt::Display for SegmentKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{:016x}", self.pid, self.start_time_ticks, self.nonce)
    }
}

/// The key of this process's segment; `None` if the process publishes none. A program that prints
/// or serves it can be found in `hakmem-top`.
#[must_use]
pub fn segment_key() -> Option<SegmentKey> {
    let (pid, start_time_ticks, nonce) = threads::segment_identity()?;
    Some(SegmentKey { pid, start_time_ticks, nonce })
}

/// Notes in the segment that the process ends normally, with the exit code `code`. A program that
/// ends by `_exit` calls this right before; otherwise readers take it for a crash. Ends by `exit`
/// or a return from `main` are noted without it.
pub fn mark_exit(code: i32) {
    threads::on_exit(code, ptr::null_mut());
}
