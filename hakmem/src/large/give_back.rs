//! What goes back to the system, and when.
//!
//! Ranges with memory are kept for [`PURGE_AFTER_MS`] and within [`DIRTY_BYTES_MAX`], the newest
//! ones. Their memory goes back where it lies: the system gives up the pages and keeps the mapping.
//! Address space without memory is unmapped where it is much beside what is in use, the largest
//! range first, and only while that cannot make many mappings of few ([`Spans::may_unmap`]): later,
//! by housekeeping, or at once where it is very much; and without regard to all this when the system
//! refuses new address space.
//!
//! No call is made under the lock: the range is hidden, the lock given up, the call made, and the
//! range shown again as what it is then. What the system refuses stays known as what it was and is
//! tried again later, after whatever else is due.
//!
//! # Safety
//! A hidden range is that of the thread that hid it.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::nodes::{Kind, Node};
use super::table::Live;
use super::{CAREFREE_MAX, SPANS, Span, Spans, carefree};
use crate::lock::{Guard, holder};
use crate::os::memory;

/// How long a freed span keeps its memory.
pub(crate) const PURGE_AFTER_MS: u32 = crate::arena::PURGE_AFTER_MS;
/// Bytes of freed spans that keep their memory at most. A larger one loses it at once.
pub(super) const DIRTY_BYTES_MAX: usize = 32 << 20;
/// Address space without memory that is kept whatever is in use, and the share of what is in use
/// that is kept beside it.
const CLEAN_BYTES_MIN: usize = 32 << 20;
const CLEAN_SHARE: usize = 2;
/// While a program is at it, nothing is unmapped before there is so many times as much: what is
/// unmapped now would be mapped again soon.
pub(super) const PATIENCE: usize = 2;
/// Where spans and ranges are many, a range is unmapped that is this part of all address space, as
/// there can be no more of them than this: half as many as need no care.
fn holes_max() -> usize {
    (carefree() / 2).clamp(1, CAREFREE_MAX / 2)
}

/// What is to be given back.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// What has been free for so long, and what is too much.
    Older { ms: u32 },
    /// What is too much.
    Excess,
    /// What was freed last, being too large to keep its memory, and what is too much.
    Newest,
    /// Address space of so many bytes, or all there is: the system refused new.
    Room { bytes: usize },
}

/// A hidden range.
struct Job {
    node: u32,
    span: Span,
    before: Kind,
    unmaps: bool,
}

/// Gives back what is wanted, until the system refuses something; the bytes.
pub(super) fn run(mut spans: Guard<'_, Spans>, want: Want, now_ms: u32) -> usize {
    let (mut given, mut patience) = (0, if let Want::Older { .. } = want { 1 } else { PATIENCE });
    while let Some(job) = spans.next_job(want, now_ms, given, patience) {
        let given_up = spans.given_up;
        drop(spans);
        let after = job.perform();
        spans = SPANS.lock();
        if spans.given_up != given_up {
            // This is a child process now, which has forgotten the range.
            break;
        }
        spans.ranges.show(job.node, after, now_ms);
        if after == Some(job.before) {
            break;
        }
        if job.before == Kind::Clean {
            // Once at it, down to what is allowed.
            patience = 1;
        }
        let counts = matches!(want, Want::Room { .. }) || job.before != Kind::Clean;
        given += if counts { job.span.bytes } else { 0 };
    }
    given
}

/// Unmaps what cannot be kept for want of memory to tell of it. A refusal is counted, and leaves
/// address space that is lost.
pub(super) fn unmap(span: Span) {
    if let Some(base) = NonNull::new(span.address as *mut u8) {
        // SAFETY: in neither table nor ranges, so nothing uses it.
        let _ = unsafe { memory::unmap(base, span.bytes) };
    }
}

impl Job {
    /// Makes the call; what the range is then, or `None` if it is gone.
    fn perform(&self) -> Option<Kind> {
        let base = NonNull::new(self.span.address as *mut u8)?;
        // SAFETY: hidden, so it is this thread's, and nothing uses it.
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
    /// Keeps what a span leaves; what is to be given back for it.
    pub(super) fn keep(&mut self, live: Live, now_ms: u32) -> Option<Want> {
        let kind = if live.is_moved { Kind::Moved } else { Kind::Dirty };
        // A child process may have lost its nodes, and had no memory for others.
        let _ = self.ranges.ensure(self.live.count() + self.moving + 1);
        if let Err(span) = self.ranges.put(live.span, kind, now_ms) {
            unmap(span);
        }
        if live.span.bytes > DIRTY_BYTES_MAX {
            return Some(Want::Newest);
        }
        let is_excess =
            self.ranges.dirty_bytes() > DIRTY_BYTES_MAX || self.has_clean_excess(PATIENCE);
        is_excess.then_some(Want::Excess)
    }

    /// Whether there is so many times too much address space without memory, and some can go.
    pub(super) fn has_clean_excess(&self, times: usize) -> bool {
        self.ranges.clean_bytes() > times * self.clean_bytes_max()
            && self.ranges.largest_clean().is_some_and(|(_, node)| self.may_unmap(node.span.bytes))
    }

    fn clean_bytes_max(&self) -> usize {
        (self.live.bytes() / CLEAN_SHARE).max(CLEAN_BYTES_MIN)
    }

    /// Whether a range of so many bytes may be unmapped: that leaves a hole, and with it one mapping
    /// more.
    fn may_unmap(&self, bytes: usize) -> bool {
        let mapped = self.live.bytes() + self.ranges.dirty_bytes() + self.ranges.clean_bytes();
        self.items() <= carefree() || bytes >= mapped / holes_max()
    }

    /// Hides what is to be given back next.
    fn next_job(&mut self, want: Want, now_ms: u32, given: usize, patience: usize) -> Option<Job> {
        if let Want::Room { bytes } = want {
            return if given < bytes { self.job_for_room() } else { None };
        }
        let older_than_ms = if let Want::Older { ms } = want { ms } else { u32::MAX };
        let excess = self.ranges.dirty_bytes().saturating_sub(DIRTY_BYTES_MAX);
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

    /// Hides a range that is due, or else so many bytes of the oldest.
    fn job_for_dirty(&mut self, due: Option<(u32, Node)>, excess: usize) -> Option<Job> {
        let oldest = if excess > 0 { self.ranges.oldest_dirty(0, 0) } else { None };
        let (node, found) = due.or(oldest)?;
        let is_due = due.is_some();
        // What the system moved is a mapping of its own, which goes as a whole.
        let unmaps = found.kind == Kind::Moved
            || self.ranges.clean_bytes() > PATIENCE * self.clean_bytes_max()
                && self.may_unmap(found.span.bytes);
        // A range that was freed part by part gives up no more of itself than it must.
        let is_part = !is_due
            && found.kind == Kind::Dirty
            && excess < found.span.bytes
            && self.ranges.ensure(self.live.count() + self.moving + 1).is_some();
        let bytes = if is_part { excess } else { found.span.bytes };
        let hidden = if unmaps { Kind::Unmapping } else { Kind::Purging };
        let (node, span) = self.ranges.hide(node, bytes, hidden, holder());
        Some(Job { node, span, before: found.kind, unmaps })
    }

    /// Hides a range that is unmapped for what the system refuses otherwise. So many small ones may
    /// go in all, and no more, as the holes that they leave make mappings.
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
