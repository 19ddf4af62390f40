//! Spans that grow and shrink. They do so in place if there is room; otherwise they move into a
//! kept range, or the system moves them, or they are copied.
//!
//! # Safety
//! As in `large`.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::give_back::{self, Want};
use super::table::Live;
use super::{
    MOVED_BYTES_MIN, PAGE_MIN, SPAN_BYTES_MAX, SPANS, Span, Spans, allocate, carefree, free,
};
use crate::os::memory::{self, page_bytes};

/// Changes the size of the span at `address`, which may move. Returns its new address and bytes.
/// `None`, and nothing has changed, if there is no such span or no memory.
pub(crate) fn resize(address: usize, size: usize, now_ms: u32) -> Option<(NonNull<u8>, usize)> {
    let bytes = memory::round_to_pages(size.max(1)).filter(|&bytes| bytes <= SPAN_BYTES_MAX)?;
    let mut spans = SPANS.lock();
    let old = spans.live.find(address)?;
    let base = NonNull::new(address as *mut u8)?;
    if bytes <= old.span.bytes {
        let (bytes, want) = spans.shrink(old, bytes, now_ms);
        if let Some(want) = want {
            give_back::run(spans, want, now_ms);
        }
        return Some((base, bytes));
    }
    if spans.grow_in_place(old, bytes) {
        return Some((base, bytes));
    }
    spans.make_room()?;
    // If a span grows by half or more, copying its contents costs less than new pages for the added
    // part; and memory that is kept is used before new memory.
    let grows_much = bytes >= old.span.bytes + old.span.bytes / 2;
    if let Some(kept) = if grows_much { spans.ranges.take_dirty(bytes, page_bytes()) } else { None }
    {
        spans.live.insert(Live { span: kept.span, is_moved: kept.is_moved });
        drop(spans);
        return copy(old, kept.span, now_ms);
    }
    if spans.may_move(old) {
        spans.live.remove(address);
        spans.moving += 1;
        drop(spans);
        // SAFETY: the span is that of the program, which asked for this and forgets the old
        // address.
        let moved = unsafe { memory::remap(base, old.span.bytes, bytes) };
        let mut spans = SPANS.lock();
        // A child that was forked meanwhile no longer counts it.
        spans.moving = spans.moving.saturating_sub(1);
        spans.live.insert(match moved {
            Some(to) => Live {
                span: Span { address: to.as_ptr() as usize, bytes },
                is_moved: old.is_moved || to != base,
            },
            None => old,
        });
        if let Some(to) = moved {
            return Some((to, bytes));
        }
    } else {
        drop(spans);
    }
    // The system does not move a span that it does not keep as one mapping, and is not asked to if
    // there are too many mappings.
    let new = allocate(bytes, PAGE_MIN)?;
    copy(old, Span { address: new.address.as_ptr() as usize, bytes: new.bytes }, now_ms)
}

/// Copies a span into `new`, and frees it.
fn copy(old: Live, new: Span, now_ms: u32) -> Option<(NonNull<u8>, usize)> {
    let from = old.span.address as *const u8;
    let to = NonNull::new(new.address as *mut u8)?;
    // SAFETY: both spans are in use, disjoint, and only this call's, and the new one is longer.
    unsafe { to.as_ptr().copy_from_nonoverlapping(from, old.span.bytes) };
    free(old.span.address, now_ms);
    Some((to, new.bytes))
}

impl Spans {
    /// Makes a span smaller in place. Returns its new size, and what is to be given back as a
    /// result.
    fn shrink(&mut self, old: Live, bytes: usize, now_ms: u32) -> (usize, Option<Want>) {
        let Span { address, bytes: before } = old.span;
        if bytes == before || self.ranges.ensure(self.live.count() + self.moving + 1).is_none() {
            return (before, None);
        }
        let rest = Span { address: address + bytes, bytes: before - bytes };
        self.live.change(Live { span: Span { address, bytes }, ..old });
        (bytes, self.keep(Live { span: rest, ..old }, now_ms))
    }

    /// Lets a span grow into the free range behind it; false if that is too small.
    fn grow_in_place(&mut self, old: Live, bytes: usize) -> bool {
        let Span { address, bytes: before } = old.span;
        let Some(taken) = self.ranges.take_at(address + before, bytes - before) else {
            return false;
        };
        let is_moved = old.is_moved || taken.is_moved;
        self.live.change(Live { span: Span { address, bytes }, is_moved });
        true
    }

    /// Whether the system may be asked to move a span, which may cost two mappings.
    fn may_move(&self, old: Live) -> bool {
        self.items() <= carefree() || old.span.bytes >= MOVED_BYTES_MIN
    }
}
