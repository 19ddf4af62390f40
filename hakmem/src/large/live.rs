//! The table of spans in use. It lies in memory of its own between inaccessible pages, so a program
//! that writes past a span does not reach it. It grows by doubling.
//!
//! One word names the table: it holds the table's address and, in the lowest bits, which are 0 in
//! the address, the logarithm of the number of entries. So a child process finds either the old
//! table or the new one, each whole and with its own size.
//!
//! # Orderings
//! That word is stored with Release after the table that it names is complete. All loads are
//! relaxed: they happen under the lock, or in the only thread.
//!
//! # Safety
//! A table stays mapped while the word names it.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use super::Span;
use super::table::{Entries, Live, Words};
use crate::os::memory::{self, PAGE_MIN};
use crate::sync::{AtomicUsize, Ordering};

const ENTRY_BYTES: usize = 2 * size_of::<usize>();
const ENTRIES_MIN: usize = PAGE_MIN / ENTRY_BYTES;

/// The spans in use. Invariants: `length` is their number, `bytes` the sum of their bytes.
pub(super) struct LiveSpans {
    table: AtomicUsize,
    length: usize,
    bytes: usize,
}

/// A table in memory.
#[derive(Clone, Copy)]
struct Mapped {
    base: usize,
    entries: usize,
}

impl Words for Mapped {
    fn entries(&self) -> usize {
        self.entries
    }

    fn load(&self, word: usize) -> usize {
        self.word(word).load(Ordering::Relaxed)
    }

    fn store(&mut self, word: usize, value: usize) {
        // Release: pairs with the fork, which shows no store without those before it.
        self.word(word).store(value, Ordering::Release);
    }
}

impl Mapped {
    fn word(&self, word: usize) -> &AtomicUsize {
        debug_assert!(word < 2 * self.entries);
        let place = (self.base + word * size_of::<usize>()) as *const AtomicUsize;
        // SAFETY: inside the table, which stays mapped; accessed atomically only.
        unsafe { &*place }
    }

    /// An empty table; `None` if there is no memory.
    fn new(entries: usize) -> Option<Self> {
        let base = memory::map_guarded(entries * ENTRY_BYTES)?;
        Some(Self { base: base.as_ptr() as usize, entries })
    }

    fn unmap(self) {
        if let Some(base) = NonNull::new(self.base as *mut u8) {
            // A refusal is counted, and not expected, as this mapping ends where its guards do.
            // SAFETY: no word names this table any more.
            let _ = unsafe { memory::unmap_guarded(base, self.entries * ENTRY_BYTES) };
        }
    }
}

impl LiveSpans {
    pub(super) const fn new() -> Self {
        Self { table: AtomicUsize::new(0), length: 0, bytes: 0 }
    }

    /// Number of spans.
    pub(super) fn count(&self) -> usize {
        self.length
    }

    /// Bytes of all spans.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes sure that `more` further spans fit, with the table at most half full.
    pub(super) fn make_room(&mut self, more: usize) -> Option<()> {
        let Entries(old) = self.entries();
        if (self.length + more) * 2 <= old.entries {
            return Some(());
        }
        let mut new = Entries(Mapped::new((old.entries * 2).max(ENTRIES_MIN))?);
        for index in 0..old.entries {
            let live = Entries(old).get(index);
            if live.span.address != 0 {
                new.insert(live);
            }
        }
        let word = new.0.base | new.0.entries.trailing_zeros() as usize;
        // Release: the table is complete before the word names it.
        self.table.store(word, Ordering::Release);
        old.unmap();
        Some(())
    }

    /// The span that begins at `address`.
    pub(super) fn find(&self, address: usize) -> Option<Live> {
        let entries = self.entries();
        entries.find(address).map(|index| entries.get(index))
    }

    /// Adds a span, for which there must be room.
    pub(super) fn insert(&mut self, live: Live) {
        self.bytes += live.span.bytes;
        match self.entries().insert(live) {
            None => self.length += 1,
            // The system moved that span while the process was forked, which the child does not
            // know, and has handed out its address anew.
            Some(replaced) => self.bytes -= replaced.span.bytes,
        }
    }

    /// Removes the span that begins at `address`, and returns it.
    pub(super) fn remove(&mut self, address: usize) -> Option<Live> {
        let mut entries = self.entries();
        let index = entries.find(address)?;
        let live = entries.get(index);
        entries.remove(index);
        self.length -= 1;
        self.bytes -= live.span.bytes;
        Some(live)
    }

    /// Changes the bytes of a span that keeps its address.
    pub(super) fn change(&mut self, new: Live) {
        let mut entries = self.entries();
        let Some(index) = entries.find(new.span.address) else { return };
        self.bytes = self.bytes - entries.get(index).span.bytes + new.span.bytes;
        entries.set_bytes(index, new);
    }

    /// Whether `address` lies in a span. Searches all of them.
    pub(super) fn surround(&self, address: usize) -> bool {
        let entries = self.entries();
        let lies_in =
            |span: Span| span.address != 0 && address.wrapping_sub(span.address) < span.bytes;
        (0..entries.0.entries).any(|index| lies_in(entries.get(index).span))
    }

    /// Repairs the table in a child process whose parent was in the middle of a change.
    pub(super) fn repair(&mut self) {
        (self.length, self.bytes) = self.entries().repair();
    }

    fn entries(&self) -> Entries<Mapped> {
        let word = self.table.load(Ordering::Relaxed);
        if word == 0 {
            return Entries(Mapped { base: 0, entries: 0 });
        }
        Entries(Mapped { base: word & !(PAGE_MIN - 1), entries: 1 << (word & (PAGE_MIN - 1)) })
    }
}

#[cfg(test)]
impl Drop for LiveSpans {
    /// Tables of tests are dropped.
    fn drop(&mut self) {
        self.entries().0.unmap();
    }
}
