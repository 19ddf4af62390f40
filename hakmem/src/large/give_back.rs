//! Returning memory and address space to the system: which ranges, and when.
//!
//! Free ranges keep their memory for [`PURGE_AFTER_MS`], the newest ones up to an allowance in all
//! ([`Spans::dirty_bytes_allowed`]). Then they are purged in place: the system takes the pages and
//! keeps the mapping. Address space without memory is unmapped if there is much of it beside what
//! is in use, the largest range first, and only while that cannot turn few mappings into many
//! ([`Spans::may_unmap`]). Housekeeping does it later, or the free itself if there is very much. If
//! the system refuses new address space, ranges are unmapped without regard to all this.
//!
//! No system call is made under the lock: the thread hides the range, releases the lock, makes the
//! call, and shows the range again in its new state. A range that the system refuses to take keeps
//! its state, and is tried again later, after any others that are due.
//!
//! # Safety
//! A hidden range belongs to the thread that hid it.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::nodes::{Kind, Node};
use super::table::Live;
use super::{CAREFREE_MAX, SPANS, Span, Spans, carefree};
use crate::lock::{Guard, holder};
use crate::os::memory;

/// How long a freed span keeps its memory.
pub(crate) const PURGE_AFTER_MS: u32 = crate::arena::PURGE_AFTER_MS;
/// Bytes of freed spans that may keep their memory however little is in use; and the most that may
/// if purging them again and again has turned out to be too early: a program that falls idle just
/// then keeps this much.
pub(super) const DIRTY_BYTES_MIN: usize = 32 << 20;
pub(super) const DIRTY_BYTES_MAX: usize = 512 << 20;
/// Divisor: an eighth of the bytes in use may be kept beside them.
const DIRTY_SHARE: usize = 8;
/// Bytes of address space without memory that are kept however little is in use; and the divisor
/// for the share of the bytes in use that may be kept beside them.
const CLEAN_BYTES_MIN: usize = 32 << 20;
const CLEAN_SHARE: usize = 2;
/// Factor by which a bound must be exceeded before a busy program's calls unmap anything: they
/// would soon map it again.
pub(super) const PATIENCE: usize = 2;
/// Maximum number of holes while there are many spans and ranges: half the number that needs no
/// care. A range may then be unmapped if all address space is at most this many times as large,
/// because there cannot be more such ranges than this.
fn holes_max() -> usize {
    (carefree() / 2).clamp(1, CAREFREE_MAX / 2)
}

/// What is to be returned to the system.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// Ranges that have been free for `ms`, and any excess.
    Older { ms: u32 },
    /// Any excess.
    Excess,
    /// Any excess of address space without memory.
    CleanExcess,
    /// The range that was freed last, which is too large to keep its memory, and any excess.
    Newest,
    /// `bytes` of address space, or all that there is, because the system refused new address
    /// space.
    Room { bytes: usize },
}

/// A hidden range, and what is done with it.
struct Job {
    node: u32,
    span: Span,
    before: Kind,
    unmaps: bool,
}

/// Returns to the system what `want` says, until the system refuses something. Returns the number
/// of bytes.
pub(super) fn run(mut spans: Guard<'_, Spans>, want: Want, now_ms: u32) -> usize {
    let (mut given, mut patience) = (0, if let Want::Older { .. } = want { 1 } else { PATIENCE });
    while let Some(job) = spans.next_job(want, now_ms, given, patience) {
        let given_up = spans.given_up;
        drop(spans);
        let after = job.perform();
        spans = SPANS.lock();
        if spans.given_up != given_up {
            // This process has become a child, which has forgotten the range.
            break;
        }
        spans.ranges.show(job.node, after, now_ms);
        if after == Some(job.before) {
            break;
        }
        if matches!(want, Want::Excess | Want::Newest) && job.before != Kind::Clean {
            spans.regret.gave(job.span.bytes, now_ms);
        }
        if job.before == Kind::Clean {
            // Once a range has been unmapped, others follow until the excess is gone.
            patience = 1;
        }
        let counts = matches!(want, Want::Room { .. }) || job.before != Kind::Clean;
        given += if counts { job.span.bytes } else { 0 };
    }
    given
}

/// Unmaps a span that cannot be kept for lack of a node. A refusal is counted, and the address
/// space is lost.
pub(super) fn unmap(span: Span) {
    if let Some(base) = NonNull::new(span.address as *mut u8) {
        // SAFETY: the span is neither in the table nor among the ranges, so nothing uses it.
        let _ = unsafe { memory::unmap(base, span.bytes) };
    }
}

impl Job {
    /// Makes the system call. Returns the new kind of the range, or `None` if it is gone.
    fn perform(&self) -> Option<Kind> {
        let base = NonNull::new(self.span.address as *mut u8)?;
        // SAFETY: the range is hidden, so it belongs to this thread, and nothing uses it.
        if self.unmaps && unsafe { memory::unmap(base, self.span.bytes) } {
            return None;
        }
        if self.before == Kind::Clean {
            return Some(Kind::Clean);
        }
        // SAFETY: as above.
        let is_clean = unsafe { memory::discard(base, self.span.bytes) };
        Some(if is_clean { Kind::Clean } else { self.before })
    }
}

impl Spans {
    /// Keeps the range of a freed span. Returns what is to be given back as a result.
    pub(super) fn keep(&mut self, live: Live, now_ms: u32) -> Option<Want> {
        let kind = if live.is_moved { Kind::Moved } else { Kind::Dirty };
        // A child process may have lost its nodes, and may have had no memory for others.
        let _ = self.ranges.ensure(self.live.count() + self.moving + 1);
        if let Err(span) = self.ranges.put(live.span, kind, now_ms) {
            unmap(span);
        }
        self.regret.fade(now_ms);
        let allowed = self.dirty_bytes_allowed();
        if live.span.bytes > allowed {
            return Some(Want::Newest);
        }
        let is_excess = self.ranges.dirty_bytes() > allowed || self.has_clean_excess(PATIENCE);
        is_excess.then_some(Want::Excess)
    }

    /// Bytes of freed spans that may keep their memory, a multiple of the page size. A span larger
    /// than this is purged at once.
    pub(super) fn dirty_bytes_allowed(&self) -> usize {
        let allowed = (self.live.bytes() / DIRTY_SHARE).max(self.regret.kept_bytes());
        allowed & !(memory::page_bytes() - 1)
    }

    /// Whether there is more than `times` the allowed address space without memory, and the largest
    /// range of it may be unmapped.
    pub(super) fn has_clean_excess(&self, times: usize) -> bool {
        self.ranges.clean_bytes() > times * self.clean_bytes_max()
            && self.ranges.largest_clean().is_some_and(|(_, node)| self.may_unmap(node.span.bytes))
    }

    fn clean_bytes_max(&self) -> usize {
        (self.live.bytes() / CLEAN_SHARE).max(CLEAN_BYTES_MIN)
    }

    /// Whether a range of `bytes` may be unmapped, which leaves a hole, and so makes one more
    /// mapping.
    fn may_unmap(&self, bytes: usize) -> bool {
        let mapped = self.live.bytes() + self.ranges.dirty_bytes() + self.ranges.clean_bytes();
        self.items() <= carefree() || bytes >= mapped / holes_max()
    }

    /// Hides the range that is to be given back next.
    fn next_job(&mut self, want: Want, now_ms: u32, given: usize, patience: usize) -> Option<Job> {
        if let Want::Room { bytes } = want {
            return if given < bytes { self.job_for_room() } else { None };
        }
        let older_than_ms = if let Want::Older { ms } = want { ms } else { u32::MAX };
        let excess = match want {
            Want::CleanExcess => 0,
            _ => self.ranges.dirty_bytes().saturating_sub(self.dirty_bytes_allowed()),
        };
        let is_newest = matches!(want, Want::Newest) && given == 0;
        let due = if is_newest {
            self.ranges.newest_dirty()
        } else {
            self.ranges.oldest_dirty(now_ms, older_than_ms)
        };
        if let Some(job) = self.job_for_dirty(due, excess) {
            return Some(job);
        }
        if !self.has_clean_excess(patience) {
            return None;
        }
        let (node, found) = self.ranges.largest_clean()?;
        let (node, span) = self.ranges.hide(node, found.span.bytes, Kind::Unmapping, holder());
        Some(Job { node, span, before: found.kind, unmaps: true })
    }

    /// Hides the range that is due, or else `excess` bytes of the oldest.
    fn job_for_dirty(&mut self, due: Option<(u32, Node)>, excess: usize) -> Option<Job> {
        let oldest = if excess > 0 { self.ranges.oldest_dirty(0, 0) } else { None };
        let (node, found) = due.or(oldest)?;
        let is_due = due.is_some();
        // A range that the system moved is a mapping of its own, and is unmapped as a whole.
        let unmaps = found.kind == Kind::Moved
            || self.ranges.clean_bytes() > PATIENCE * self.clean_bytes_max()
                && self.may_unmap(found.span.bytes);
        // A range that was freed part by part loses no more of its memory than necessary.
        let is_part = !is_due
            && found.kind == Kind::Dirty
            && excess < found.span.bytes
            && self.ranges.ensure(self.live.count() + self.moving + 1).is_some();
        let bytes = if is_part { excess } else { found.span.bytes };
        let hidden = if unmaps { Kind::Unmapping } else { Kind::Purging };
        let (node, span) = self.ranges.hide(node, bytes, hidden, holder());
        Some(Job { node, span, before: found.kind, unmaps })
    }

    /// Hides a range that is to be unmapped because the system refuses new address space. The
    /// number of small ranges that are ever unmapped is limited, because each hole splits a mapping
    /// in two.
    fn job_for_room(&mut self) -> Option<Job> {
        let (node, found) =
            self.ranges.largest_clean().or_else(|| self.ranges.oldest_dirty(0, 0))?;
        if !self.may_unmap(found.span.bytes) {
            if self.holes >= holes_max() {
                return None;
            }
            self.holes += 1;
        }
        let (node, span) = self.ranges.hide(node, found.span.bytes, Kind::Unmapping, holder());
        Some(Job { node, span, before: found.kind, unmaps: true })
    }
}
