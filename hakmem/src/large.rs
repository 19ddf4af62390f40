//! Large allocations: page-aligned spans of their own.
//!
//! A table (open addressing, linear probing, deletion by shifting back) finds a span by its
//! address; it grows by halves of its own mapping. Freed spans are kept for [`PURGE_AFTER_MS`]
//! within small bounds (`cache`), because a program that frees a buffer often asks for one like it.
//!
//! # Safety
//! A span in the table belongs to the program, one in the cache to the cache; both are touched
//! under the lock only.
#![allow(unsafe_code)]

mod cache;

use core::ptr::NonNull;

use cache::SpanCache;

use crate::lock::{Lock, Locked};
use crate::os::memory::{self, PAGE};

/// How long a freed span is kept.
pub(crate) const PURGE_AFTER_MS: u32 = crate::arena::PURGE_AFTER_MS;
const ENTRIES_MIN: usize = PAGE / size_of::<Span>();

/// Address and bytes of a span; address 0 is an empty entry.
#[derive(Clone, Copy)]
struct Span {
    address: usize,
    bytes: usize,
}

struct Spans {
    entries: *mut Span,
    /// A power of two, or 0.
    capacity: usize,
    length: usize,
    cache: SpanCache,
    /// Bytes of the spans in the table.
    live_bytes: usize,
}

/// What spans hold, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) live: usize,
    pub(crate) cached: usize,
    /// Address space that is kept without memory.
    pub(crate) purged: usize,
}

// SAFETY: the table is a mapping of its own, which any thread may use that holds the lock.
unsafe impl Send for Spans {}

const NO_SPAN: Span = Span { address: 0, bytes: 0 };

static SPANS: Locked<Spans> = Locked::new(Spans {
    entries: core::ptr::null_mut(),
    capacity: 0,
    length: 0,
    cache: SpanCache::EMPTY,
    live_bytes: 0,
});

/// A span that was allocated.
pub(crate) struct Allocated {
    pub(crate) address: NonNull<u8>,
    pub(crate) bytes: usize,
    /// Whether its memory is new, and so all zeros.
    pub(crate) is_fresh: bool,
}

/// What a free did with a span.
pub(crate) struct Freed {
    pub(crate) bytes: usize,
    /// Whether the memory went back to the system.
    pub(crate) unmapped: bool,
}

/// The lock, for fork.
pub(crate) fn lock() -> &'static Lock {
    &SPANS.lock
}

/// What spans hold now.
pub(crate) fn usage() -> Usage {
    SPANS.lock().usage()
}

/// The same if nobody is at it: for a process that is ending.
pub(crate) fn try_usage() -> Option<Usage> {
    SPANS.try_lock().map(|spans| spans.usage())
}

/// The same around a fork.
///
/// # Safety
/// The calling thread holds the lock, or is the only one.
pub(crate) unsafe fn usage_held() -> Usage {
    // SAFETY: the caller's duty.
    unsafe { SPANS.held() }.usage()
}

/// Allocates a span of at least `size` bytes, aligned to `alignment` (a power of two) or to a page.
/// `None` if there is no memory.
pub(crate) fn allocate(size: usize, alignment: usize) -> Option<Allocated> {
    let bytes = memory::round_to_pages(size.max(1))?;
    let mut spans = SPANS.lock();
    spans.make_room()?;
    let cached = if alignment <= PAGE { spans.cache.take(bytes) } else { None };
    let (span, is_fresh) = match cached {
        Some(span) => (span, false),
        None => {
            let base = memory::map_aligned(bytes, alignment)?;
            (Span { address: base.as_ptr() as usize, bytes }, true)
        }
    };
    spans.insert(span);
    spans.length += 1;
    spans.live_bytes += span.bytes;
    let address = NonNull::new(span.address as *mut u8)?;
    Some(Allocated { address, bytes: span.bytes, is_fresh })
}

/// Frees the span that starts at an address; `None` if there is none.
pub(crate) fn free(address: usize, now_ms: u32) -> Option<Freed> {
    let mut spans = SPANS.lock();
    let span = spans.remove(address)?;
    spans.live_bytes -= span.bytes;
    if spans.cache.keep(span, now_ms, &mut unmap) {
        return Some(Freed { bytes: span.bytes, unmapped: false });
    }
    drop(spans);
    unmap(span);
    Some(Freed { bytes: span.bytes, unmapped: true })
}

/// Bytes of the span that starts at an address; `None` if there is none.
pub(crate) fn bytes(address: usize) -> Option<usize> {
    let spans = SPANS.lock();
    spans.find(address).map(|index| spans.entry(index).bytes)
}

/// What there is at an address that is the start of no span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearby {
    /// A span in use lies around it.
    Inside,
    /// A span began there that was freed and is kept for reuse.
    Freed,
    /// Neither.
    Nothing,
}

/// Tells what is wrong with an address that was freed and is the start of no span. Looks through
/// all spans.
#[cold]
pub(crate) fn nearby(address: usize) -> Nearby {
    let spans = SPANS.lock();
    if spans.cache.holds(address) {
        return Nearby::Freed;
    }
    let lies_in = |span: Span| address.wrapping_sub(span.address) < span.bytes;
    let inside = (0..spans.capacity).map(|index| spans.entry(index)).any(lies_in);
    if inside { Nearby::Inside } else { Nearby::Nothing }
}

/// Changes the size of the span at an address, moving it if needed: its new address and bytes.
/// `None`, and nothing has changed, if there is no such span or no memory.
pub(crate) fn resize(address: usize, size: usize, now_ms: u32) -> Option<(NonNull<u8>, usize)> {
    let bytes = memory::round_to_pages(size.max(1))?;
    let mut spans = SPANS.lock();
    let old = spans.remove(address)?;
    // The entry's place in the table is still there, so whichever way this ends it can be filled.
    let base = NonNull::new(old.address as *mut u8)?;
    let end = old.address + old.bytes;
    if bytes > old.bytes && spans.cache.take_at(end, bytes - old.bytes) {
        spans.replace(old, Span { address, bytes });
        return Some((base, bytes));
    }
    // Where a span grows by half or more, copying what there is costs less than new pages for what
    // is added; and what is kept is used before there is more.
    let grows_much = bytes >= old.bytes + old.bytes / 2;
    if let Some(kept) = if grows_much { spans.cache.take(bytes) } else { None } {
        spans.replace(old, kept);
        drop(spans);
        let new = NonNull::new(kept.address as *mut u8)?;
        // SAFETY: what was kept is nobody's, disjoint from the old span, and longer; and both are this
        // call's alone now.
        unsafe { new.copy_from_nonoverlapping(base, old.bytes) };
        if !SPANS.lock().cache.keep(old, now_ms, &mut unmap) {
            unmap(old);
        }
        return Some((new, kept.bytes));
    }
    match remap(old, base, bytes) {
        Some(new) => {
            spans.replace(old, Span { address: new.as_ptr() as usize, bytes });
            Some((new, bytes))
        }
        None => {
            spans.replace(old, old);
            None
        }
    }
}

/// Has the system change the size of a span that is in no table; its new address. `None`, and
/// nothing has changed, if there is no memory.
fn remap(old: Span, base: NonNull<u8>, bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: the span is the program's, which asked for this and forgets the old address.
    let moved = unsafe { memory::remap(base, old.bytes, bytes) };
    // The system refuses to move what it does not keep as one mapping, as joined spans may be.
    // SAFETY: as above.
    moved.or_else(|| unsafe { copy(old, bytes) })
}

/// Gives spans that have been kept for `older_than_ms` back to the system; the bytes.
pub(crate) fn purge(now_ms: u32, older_than_ms: u32) -> usize {
    let Some(mut spans) = SPANS.try_lock() else { return 0 };
    spans.cache.purge(now_ms, older_than_ms, &mut unmap)
}

/// Moves a span's contents to a new one of so many bytes; `None`, and nothing has changed, if there
/// is no memory.
///
/// # Safety
/// The span is in no table, and nothing uses its address any more.
#[cold]
unsafe fn copy(old: Span, bytes: usize) -> Option<NonNull<u8>> {
    let new = memory::map(bytes)?;
    let from = old.address as *const u8;
    // SAFETY: both are mapped, disjoint, and at least so long.
    unsafe { new.as_ptr().copy_from_nonoverlapping(from, old.bytes.min(bytes)) };
    unmap(old);
    Some(new)
}

fn unmap(span: Span) {
    if let Some(base) = NonNull::new(span.address as *mut u8) {
        // SAFETY: the span is in neither table nor cache, so nobody else uses it.
        let _ = unsafe { memory::unmap(base, span.bytes) };
    }
}

impl Spans {
    /// Puts a span into the table in place of one that was taken out of it.
    fn replace(&mut self, old: Span, new: Span) {
        self.insert(new);
        self.length += 1;
        self.live_bytes = self.live_bytes - old.bytes + new.bytes;
    }

    fn usage(&self) -> Usage {
        Usage { live: self.live_bytes, cached: self.cache.bytes(), purged: 0 }
    }

    fn start(&self, address: usize) -> usize {
        // Fibonacci hashing of the page number (D. Knuth, TAOCP 3, 6.4).
        let hash = (address / PAGE).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (hash >> 20) & (self.capacity - 1)
    }

    fn entry(&self, index: usize) -> Span {
        // SAFETY: callers pass indices below `capacity`.
        unsafe { *self.entries.wrapping_add(index) }
    }

    fn find(&self, address: usize) -> Option<usize> {
        if self.capacity == 0 || address == 0 {
            return None;
        }
        let mut index = self.start(address);
        loop {
            match self.entry(index).address {
                0 => return None,
                found if found == address => return Some(index),
                _ => index = (index + 1) & (self.capacity - 1),
            }
        }
    }

    /// Puts a span into the first free entry of its probe sequence; there must be room.
    fn insert(&mut self, span: Span) {
        let mut index = self.start(span.address);
        while self.entry(index).address != 0 {
            index = (index + 1) & (self.capacity - 1);
        }
        // SAFETY: below `capacity`.
        unsafe { *self.entries.wrapping_add(index) = span };
    }

    /// Takes a span out and closes the gap (Knuth, TAOCP 3, algorithm 6.4R).
    fn remove(&mut self, address: usize) -> Option<Span> {
        let mut gap = self.find(address)?;
        let span = self.entry(gap);
        let mut index = gap;
        loop {
            index = (index + 1) & (self.capacity - 1);
            let candidate = self.entry(index);
            if candidate.address == 0 {
                break;
            }
            let distance = |from: usize, to: usize| to.wrapping_sub(from) & (self.capacity - 1);
            let start = self.start(candidate.address);
            if distance(start, index) >= distance(gap, index) {
                // SAFETY: below `capacity`.
                unsafe { *self.entries.wrapping_add(gap) = candidate };
                gap = index;
            }
        }
        // SAFETY: below `capacity`.
        unsafe { *self.entries.wrapping_add(gap) = NO_SPAN };
        self.length -= 1;
        Some(span)
    }

    /// Makes sure that one more span fits at a load of at most one half.
    fn make_room(&mut self) -> Option<()> {
        if (self.length + 1) * 2 <= self.capacity {
            return Some(());
        }
        let capacity = (self.capacity * 2).max(ENTRIES_MIN);
        let entries = memory::map(capacity * size_of::<Span>())?;
        let old = (NonNull::new(self.entries), self.capacity);
        self.entries = entries.as_ptr().cast();
        self.capacity = capacity;
        let (Some(old_entries), old_capacity) = old else { return Some(()) };
        for index in 0..old_capacity {
            // SAFETY: inside the old table.
            let span = unsafe { *old_entries.as_ptr().wrapping_add(index) };
            if span.address != 0 {
                self.insert(span);
            }
        }
        // SAFETY: the old table's own mapping, read for the last time above.
        let _ = unsafe { memory::unmap(old_entries.cast(), old_capacity * size_of::<Span>()) };
        Some(())
    }
}

#[cfg(test)]
mod tests;
