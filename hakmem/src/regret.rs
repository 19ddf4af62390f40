//! How much freed memory to keep, learnt from memory that was purged too early.
//!
//! Memory beyond an allowance goes back to the system when it is freed, because a program that
//! falls idle after a peak makes no later call that could purge it. A program that grows and
//! shrinks again and again must not fault its pages in each time: if memory is needed soon after as
//! much was purged, more may be kept from then on.

use crate::os::clock;

/// Time after which memory that was purged is no longer regretted, in milliseconds.
const FADE_MS: u32 = 1000;

/// The allowance of a store of freed memory.
#[derive(Clone, Copy)]
pub(crate) struct Regret {
    /// The allowance never falls below this number of bytes.
    floor_bytes: usize,
    /// Nor does what was learnt raise it above this number.
    ceiling_bytes: usize,
    /// Bytes that may be kept.
    kept_bytes: usize,
    /// Bytes that were purged lately and have not been needed since.
    given_bytes: usize,
    /// Time of the last such purge or of the last fading, in milliseconds of the monotonic clock.
    given_at_ms: u32,
}

impl Regret {
    /// An allowance of `floor_bytes`, and nothing learnt yet.
    pub(crate) const fn new(floor_bytes: usize, ceiling_bytes: usize) -> Self {
        Self { floor_bytes, ceiling_bytes, kept_bytes: floor_bytes, given_bytes: 0, given_at_ms: 0 }
    }

    /// Bytes that may be kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Notes that `bytes` beyond the allowance were purged.
    pub(crate) fn gave(&mut self, bytes: usize, now_ms: u32) {
        self.given_bytes = self.given_bytes.saturating_add(bytes);
        self.given_at_ms = now_ms;
    }

    /// Notes that a request takes `bytes` of new memory: that many of the bytes purged lately
    /// should have been kept.
    pub(crate) fn took_new(&mut self, bytes: usize) {
        let regretted = bytes.min(self.given_bytes);
        self.given_bytes -= regretted;
        self.kept_bytes = self.kept_bytes.saturating_add(regretted).min(self.ceiling_bytes);
    }

    /// Lets the regret fade: halves it for each second in which nothing was purged.
    pub(crate) fn fade(&mut self, now_ms: u32) {
        if clock::have_passed(self.given_at_ms, now_ms, FADE_MS) {
            self.given_bytes = 0;
            self.given_at_ms = now_ms;
            self.kept_bytes = (self.kept_bytes / 2).max(self.floor_bytes);
        }
    }
}

#[cfg(test)]
mod tests;
