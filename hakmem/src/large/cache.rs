//! Freed spans that are kept for a while: the kernel's clearing of pages costs more than everything
//! else about a large allocation.
//!
//! A request gets the smallest span that is large enough. What is left over of a much larger one
//! stays in the cache, and neighbours are joined again, so that spans of all sizes serve each other.
//! When the cache is full, what has been in it for longest goes back to the system.

use super::{NO_SPAN, Span};
use crate::bins::MID_MAX;

/// Spans that are kept at most; each search looks at all of them.
pub(super) const CACHED_SPANS_MAX: usize = 64;
/// Bytes that are kept at most.
pub(super) const CACHED_BYTES_MAX: usize = 32 << 20;
/// A larger span is never kept.
pub(super) const CACHED_SPAN_BYTES_MAX: usize = CACHED_BYTES_MAX / 2;
/// What is left over is kept if it is as large as the smallest span that programs ask for.
const LEFTOVER_MIN: usize = MID_MAX;

/// A span and when it was freed, in milliseconds of the monotonic clock.
#[derive(Clone, Copy)]
struct Cached {
    span: Span,
    freed_at_ms: u32,
}

/// The kept spans. Invariant: `bytes` is the sum of their bytes.
pub(super) struct SpanCache {
    entries: [Cached; CACHED_SPANS_MAX],
    bytes: usize,
}

impl SpanCache {
    /// A cache without spans.
    pub(super) const EMPTY: Self =
        Self { entries: [Cached { span: NO_SPAN, freed_at_ms: 0 }; CACHED_SPANS_MAX], bytes: 0 };

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a span is kept that begins at an address.
    pub(super) fn holds(&self, address: usize) -> bool {
        self.entries.iter().any(|each| each.span.bytes > 0 && each.span.address == address)
    }

    /// Takes a span of at least so many bytes, and of little more.
    pub(super) fn take(&mut self, bytes: usize) -> Option<Span> {
        let serves = |span: Span| {
            let leftover = span.bytes.wrapping_sub(bytes);
            span.bytes >= bytes && (leftover >= LEFTOVER_MIN || leftover <= span.bytes / 4)
        };
        let candidates = self.entries.iter_mut().filter(|each| serves(each.span));
        let best = candidates.min_by_key(|each| each.span.bytes)?;
        let Span { address, bytes: all } = best.span;
        if all - bytes < LEFTOVER_MIN {
            best.span = NO_SPAN;
            self.bytes -= all;
            return Some(Span { address, bytes: all });
        }
        best.span = Span { address: address + bytes, bytes: all - bytes };
        self.bytes -= bytes;
        Some(Span { address, bytes })
    }

    /// Takes so many bytes that begin at an address, where a span in use ends that is to grow.
    pub(super) fn take_at(&mut self, address: usize, bytes: usize) -> bool {
        let serves = |each: &&mut Cached| {
            each.span.address == address && each.span.bytes > 0 && each.span.bytes >= bytes
        };
        let Some(found) = self.entries.iter_mut().find(serves) else { return false };
        found.span = match found.span.bytes - bytes {
            0 => NO_SPAN,
            rest => Span { address: address + bytes, bytes: rest },
        };
        self.bytes -= bytes;
        true
    }

    /// Keeps a span, joined with its neighbours; what has to go for it is handed to `unmap`. False
    /// if it is too large to keep.
    pub(super) fn keep(&mut self, span: Span, now_ms: u32, unmap: &mut dyn FnMut(Span)) -> bool {
        if span.bytes > CACHED_SPAN_BYTES_MAX {
            return false;
        }
        let span = self.join(span);
        while self.bytes + span.bytes > CACHED_BYTES_MAX
            || self.entries.iter().all(|each| each.span.bytes > 0)
        {
            let age = |each: &&mut Cached| now_ms.wrapping_sub(each.freed_at_ms);
            let kept = self.entries.iter_mut().filter(|each| each.span.bytes > 0);
            let Some(oldest) = kept.max_by_key(age) else { return false };
            let gone = core::mem::replace(&mut oldest.span, NO_SPAN);
            self.bytes -= gone.bytes;
            unmap(gone);
        }
        let Some(place) = self.entries.iter_mut().find(|each| each.span.bytes == 0) else {
            return false;
        };
        *place = Cached { span, freed_at_ms: now_ms };
        self.bytes += span.bytes;
        true
    }

    /// Takes the neighbours of a span out of the cache: all of them as one, if that is not too large
    /// to keep.
    fn join(&mut self, mut span: Span) -> Span {
        for each in &mut self.entries {
            let other = each.span;
            let is_neighbour = other.address + other.bytes == span.address
                || span.address + span.bytes == other.address;
            let fits = other.bytes > 0 && span.bytes + other.bytes <= CACHED_SPAN_BYTES_MAX;
            if fits && is_neighbour {
                let address = span.address.min(other.address);
                span = Span { address, bytes: span.bytes + other.bytes };
                self.bytes -= other.bytes;
                each.span = NO_SPAN;
            }
        }
        span
    }

    /// Hands spans that have been kept for so long to `unmap`; their bytes.
    pub(super) fn purge(
        &mut self,
        now_ms: u32,
        older_than_ms: u32,
        unmap: &mut dyn FnMut(Span),
    ) -> usize {
        let before = self.bytes;
        for each in &mut self.entries {
            let age_ms = now_ms.wrapping_sub(each.freed_at_ms);
            if each.span.bytes > 0 && age_ms >= older_than_ms {
                let gone = core::mem::replace(&mut each.span, NO_SPAN);
                self.bytes -= gone.bytes;
                unmap(gone);
            }
        }
        before - self.bytes
    }
}

#[cfg(test)]
mod tests;
