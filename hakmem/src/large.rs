//! Large allocations: page-aligned spans of their own.
//!
//! A table finds a span in use by its address (`live`). The address space of freed spans is kept
//! and joined with its neighbours, to serve further spans (`ranges`). A free range keeps its memory
//! for half a second, within a bound: a program that frees a buffer often asks for a similar one,
//! and the kernel's clearing of pages costs more than everything else about a large allocation. The
//! bound rises while a program asks again and again for what was purged because of it (`regret`).
//! Then the range is purged in place, which splits no mapping, and it reads as zeros. Address space
//! is unmapped only if there is much of it, or if the system refuses more (`give_back`).
//!
//! So the process has few mappings however many spans come and go. The system allows each process
//! 65 530 of them, or the number that [`bound_mappings`] was told, and refuses every call that
//! would make more.
//!
//! A child process whose parent was in the middle of a change calls [`repair`].
//!
//! # Orderings
//! `CAREFREE` is one relaxed word: it is set before the first span, and bounds nothing exactly.
//!
//! # Safety
//! A span in the table belongs to the program, a free range to this module; both change owners
//! under the lock. A span or range that a thread has taken out of both belongs to that thread.
#![allow(unsafe_code)]

mod give_back;
mod live;
mod nodes;
mod ranges;
mod resize;
mod table;
mod tree;

use core::ptr::NonNull;

use give_back::Want;
use live::LiveSpans;
use nodes::Kind;
use ranges::FreeRanges;
use table::Live;

use crate::bins::MID_MAX;
use crate::lock::{Lock, Locked, holder};
use crate::os::memory::{self, PAGE_MIN, page_bytes};
use crate::regret::Regret;
use crate::sync::{AtomicUsize, Ordering};

pub(crate) use give_back::PURGE_AFTER_MS;
pub(crate) use resize::resize;

/// No processor has this much address space.
const SPAN_BYTES_MAX: usize = 1 << 56;
/// The rest of a range with memory goes to the span as well if it is smaller than this.
const LEFTOVER_MIN: usize = MID_MAX;
/// Number of spans and free ranges up to which mappings need no care: each is one mapping at most,
/// and the system allows four times this number.
static CAREFREE: AtomicUsize = AtomicUsize::new(CAREFREE_MAX);
const CAREFREE_MAX: usize = 16 << 10;
/// The system is asked to move a span of this size or more even if there are more mappings, because
/// there cannot be many such spans.
const MOVED_BYTES_MIN: usize = 64 << 20;
/// Further spans will need address space too, so a new mapping is larger than the request: by this
/// share of the bytes in use, up to this number of bytes.
const AHEAD_SHARE: usize = 64;
const AHEAD_BYTES_MAX: usize = 4 << 20;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    address: usize,
    bytes: usize,
}

struct Spans {
    live: LiveSpans,
    ranges: FreeRanges,
    /// Number of spans that threads are moving without the lock, which are in neither.
    moving: usize,
    /// How much memory of freed spans is kept.
    regret: Regret,
    /// Address of the newest mapping.
    newest: usize,
    /// Number of small ranges that were unmapped while there were many, because the system refused
    /// address space.
    holes: usize,
    /// How often the free ranges were given up. A range that was hidden before the last time is
    /// lost.
    given_up: u32,
}

/// Bytes of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) live: usize,
    /// Freed spans that still have memory.
    pub(crate) cached: usize,
    /// Free address space without memory.
    pub(crate) purged: usize,
}

static SPANS: Locked<Spans> = Locked::new(Spans::new());

/// A span that was allocated.
pub(crate) struct Allocated {
    pub(crate) address: NonNull<u8>,
    pub(crate) bytes: usize,
    /// Whether the span has no memory yet, and so reads as zeros.
    pub(crate) is_fresh: bool,
}

/// Result of freeing a span.
pub(crate) struct Freed {
    pub(crate) bytes: usize,
    /// Whether the memory went back to the system.
    pub(crate) unmapped: bool,
}

/// Tells this module that the system allows the process `mappings_max` mappings.
pub(crate) fn bound_mappings(mappings_max: usize) {
    CAREFREE.store((mappings_max / 4).min(CAREFREE_MAX), Ordering::Relaxed);
}

fn carefree() -> usize {
    CAREFREE.load(Ordering::Relaxed)
}

/// The lock, which fork needs.
pub(crate) fn lock() -> &'static Lock {
    &SPANS.lock
}

/// Bytes of spans now.
pub(crate) fn usage() -> Usage {
    SPANS.lock().usage()
}

/// [`usage`], or `None` if another thread holds the lock; for a process that is ending.
pub(crate) fn try_usage() -> Option<Usage> {
    SPANS.try_lock().map(|spans| spans.usage())
}

/// Repairs the state that a child process inherited. Called by its only thread, with the lock free.
/// If another thread held the lock at the fork (`in_doubt`), it may have been in the middle of any
/// change, so the spans in use are found again, and the free ranges are given up. Otherwise only
/// calls that threads make without the lock can have been under way. Returns the bytes of address
/// space that were given up.
pub(crate) fn repair(in_doubt: bool) -> usize {
    SPANS.lock().repair(in_doubt)
}

/// Allocates a span of at least `size` bytes, aligned to `alignment` (a power of two) or to a page.
/// `None` if there is no memory.
pub(crate) fn allocate(size: usize, alignment: usize) -> Option<Allocated> {
    let bytes = memory::round_to_pages(size.max(1)).filter(|&bytes| bytes <= SPAN_BYTES_MAX)?;
    let alignment = alignment.max(page_bytes());
    let mut spans = SPANS.lock();
    spans.make_room()?;
    if let Some(taken) = spans.ranges.take(bytes, alignment) {
        if taken.is_clean {
            spans.regret.took_new(bytes);
        }
        spans.live.insert(Live { span: taken.span, is_moved: taken.is_moved });
        return allocated(taken.span, taken.is_clean);
    }
    let (hint, ahead) = spans.plan(bytes, alignment);
    drop(spans);
    let new = map(hint, bytes, alignment, ahead)?;
    let mut spans = SPANS.lock();
    if spans.make_room().is_none() {
        drop(spans);
        give_back::unmap(new);
        return None;
    }
    let span = spans.adopt(new, bytes, alignment);
    spans.regret.took_new(bytes);
    let has_excess = spans.has_clean_excess(give_back::PATIENCE);
    drop(spans);
    if has_excess {
        give_back::run(SPANS.lock(), Want::CleanExcess, 0);
    }
    allocated(span, true)
}

fn allocated(span: Span, is_fresh: bool) -> Option<Allocated> {
    let address = NonNull::new(span.address as *mut u8)?;
    Some(Allocated { address, bytes: span.bytes, is_fresh })
}

/// Maps address space for an aligned span, with `ahead` bytes for further spans if the system has
/// them.
fn map(hint: usize, bytes: usize, alignment: usize, ahead: usize) -> Option<Span> {
    let exact = bytes.checked_add(alignment - page_bytes())?;
    let new = |bytes| {
        let base = memory::map_near(hint, bytes)?;
        Some(Span { address: base.as_ptr() as usize, bytes })
    };
    let ample = if ahead > 0 { new(exact + ahead) } else { None };
    ample.or_else(|| {
        loop {
            if let Some(span) = new(exact) {
                return Some(span);
            }
            // Ranges that are kept for reuse may take up the missing address space.
            if give_back::run(SPANS.lock(), Want::Room { bytes: exact }, 0) == 0 {
                return None;
            }
        }
    })
}

/// Purges `span` if it is so large that clearing it by hand would cost more than the page faults of
/// a program that touches a part of it. Returns whether it reads as zeros now.
pub(crate) fn purge_huge(span: &Allocated) -> bool {
    // SAFETY: the span was just allocated, and the program has not got it yet.
    span.bytes > give_back::DIRTY_BYTES_MIN && unsafe { memory::discard(span.address, span.bytes) }
}

/// Frees the span that starts at `address`; `None` if there is none.
pub(crate) fn free(address: usize, now_ms: u32) -> Option<Freed> {
    let mut spans = SPANS.lock();
    let live = spans.live.remove(address)?;
    let bytes = live.span.bytes;
    let want = spans.keep(live, now_ms);
    if let Some(want) = want {
        give_back::run(spans, want, now_ms);
    }
    Some(Freed { bytes, unmapped: matches!(want, Some(Want::Newest)) })
}

/// Bytes of the span that starts at `address`; `None` if there is none.
pub(crate) fn bytes(address: usize) -> Option<usize> {
    SPANS.lock().live.find(address).map(|live| live.span.bytes)
}

/// State of an address that is not the start of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearby {
    /// The address lies inside a span in use.
    Inside,
    /// The address lies in a free range, so a freed span may have started there.
    Freed,
    /// Neither.
    Nothing,
}

/// Tells what is wrong with a freed address that is not the start of a span. Searches all spans.
#[cold]
pub(crate) fn nearby(address: usize) -> Nearby {
    let spans = SPANS.lock();
    if address.is_multiple_of(PAGE_MIN) && spans.ranges.holds(address) {
        return Nearby::Freed;
    }
    if spans.live.surround(address) { Nearby::Inside } else { Nearby::Nothing }
}

/// Returns to the system the memory of spans that have been free for `older_than_ms`. Returns the
/// number of bytes.
pub(crate) fn purge(now_ms: u32, older_than_ms: u32) -> usize {
    match SPANS.try_lock() {
        Some(spans) => give_back::run(spans, Want::Older { ms: older_than_ms }, now_ms),
        None => 0,
    }
}

/// Unmaps all free ranges, because the system refuses address space that something else needs.
pub(crate) fn give_up_free() {
    give_back::run(SPANS.lock(), Want::Room { bytes: usize::MAX }, 0);
}

impl Spans {
    const fn new() -> Self {
        Self {
            live: LiveSpans::new(),
            ranges: FreeRanges::EMPTY,
            moving: 0,
            regret: Regret::new(give_back::DIRTY_BYTES_MIN, give_back::DIRTY_BYTES_MAX),
            newest: 0,
            holes: 0,
            given_up: 0,
        }
    }

    fn usage(&self) -> Usage {
        Usage {
            live: self.live.bytes(),
            cached: self.ranges.dirty_bytes(),
            purged: self.ranges.clean_bytes(),
        }
    }

    /// Makes sure that there are nodes and table entries for one more span, cut out of the middle
    /// of a range, and for freeing every span.
    fn make_room(&mut self) -> Option<()> {
        self.live.make_room(1 + self.moving)?;
        self.ranges.ensure(self.live.count() + self.moving + 3)
    }

    /// The best address for a new mapping, and the number of bytes to map beyond those asked for.
    fn plan(&self, bytes: usize, alignment: usize) -> (usize, usize) {
        let is_many = self.items() > carefree() / 4;
        let hint =
            if is_many { self.newest.saturating_sub(bytes) & !(page_bytes() - 1) } else { 0 };
        let ahead = (self.live.bytes() / AHEAD_SHARE).min(AHEAD_BYTES_MAX) & !(page_bytes() - 1);
        let is_wanted = bytes < AHEAD_BYTES_MAX && alignment == page_bytes();
        let ahead = if is_wanted { ahead } else { 0 };
        (hint.saturating_sub(ahead), ahead)
    }

    /// Turns the beginning of new address space, or its first aligned part, into a span, for which
    /// there is room. The rest around it is kept for further spans.
    fn adopt(&mut self, new: Span, bytes: usize, alignment: usize) -> Span {
        let address = new.address.next_multiple_of(alignment);
        self.newest = new.address;
        let (end, new_end) = (address + bytes, new.address + new.bytes);
        let lead = Span { bytes: address - new.address, ..new };
        for rest in [lead, Span { address: end, bytes: new_end - end }] {
            // `make_room` has made room for both.
            let _ = self.ranges.put(rest, Kind::Clean, 0);
        }
        let span = Span { address, bytes };
        self.live.insert(Live { span, is_moved: false });
        span
    }

    /// Number of spans and free ranges: they have at most this number of mappings.
    fn items(&self) -> usize {
        self.live.count() + self.ranges.count()
    }

    fn repair(&mut self, in_doubt: bool) -> usize {
        self.moving = 0;
        if !in_doubt {
            return self.ranges.show_all(0, holder());
        }
        self.live.repair();
        let given_up = self.ranges.forget_all();
        self.given_up += 1;
        // If there is no memory for nodes, a free unmaps its span.
        let _ = self.ranges.ensure(self.live.count());
        given_up
    }
}

#[cfg(test)]
mod tests;
