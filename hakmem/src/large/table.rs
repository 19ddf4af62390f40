//! A hash table of the spans in use by address: open addressing, linear probing, deletion by
//! shifting back (Knuth, TAOCP 3, algorithm 6.4R).
//!
//! A child process may be forked while another thread is anywhere in this code, and finds what had
//! been stored until then. So an entry's bytes are stored before its address, which makes it an
//! entry; deletion copies an entry before it clears the old one; and a new table is complete before
//! the one word that names it is stored. The table then holds each span that was in use, perhaps
//! twice or behind a gap, and [`Entries::repair`] restores the order.
//!
//! # Orderings
//! Words are stored with Release, so that a child process finds no store without those before it.
//! All loads are relaxed: they happen under the lock, or in the only thread.

use super::Span;
use crate::os::memory::PAGE_MIN;

/// The words that make up the entries, two for each.
pub(super) trait Words {
    /// Number of entries: a power of two, or 0.
    fn entries(&self) -> usize;
    /// The value of a word.
    fn load(&self, word: usize) -> usize;
    /// Stores a word, after all stores before it.
    fn store(&mut self, word: usize, value: usize);
}

/// The entries of a table. An entry's first word is the address, 0 if the entry is empty. Its
/// second word is the bytes, whose lowest bit is set if the span is not part of the mapping around
/// it.
#[derive(Clone, Copy)]
pub(super) struct Entries<W>(pub(super) W);

/// A span in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) span: Span,
    /// Whether the system moved the span, or part of it, so that it is not part of the mapping
    /// around it.
    pub(super) is_moved: bool,
}

const MOVED: usize = 1;

impl Live {
    fn word(self) -> usize {
        self.span.bytes | if self.is_moved { MOVED } else { 0 }
    }
}

impl<W: Words> Entries<W> {
    /// Index of the span that begins at `address`.
    pub(super) fn find(&self, address: usize) -> Option<usize> {
        if self.0.entries() == 0 || address == 0 {
            return None;
        }
        let mut index = self.start(address);
        loop {
            match self.address(index) {
                0 => return None,
                found if found == address => return Some(index),
                _ => index = self.next(index),
            }
        }
    }

    /// The span at an index; its address is 0 if the entry is empty.
    pub(super) fn get(&self, index: usize) -> Live {
        let word = self.0.load(2 * index + 1);
        let span = Span { address: self.address(index), bytes: word & !MOVED };
        Live { span, is_moved: word & MOVED != 0 }
    }

    /// Changes the bytes of the span at an index.
    pub(super) fn set_bytes(&mut self, index: usize, live: Live) {
        self.0.store(2 * index + 1, live.word());
    }

    /// Inserts a span, for which there must be room. A span that the table has at the same address
    /// is replaced and returned.
    pub(super) fn insert(&mut self, live: Live) -> Option<Live> {
        let mut index = self.start(live.span.address);
        loop {
            match self.address(index) {
                0 => break,
                found if found == live.span.address => {
                    let replaced = self.get(index);
                    self.set_bytes(index, live);
                    return Some(replaced);
                }
                _ => index = self.next(index),
            }
        }
        self.write(index, live);
        None
    }

    /// Removes the span at an index, and closes the gap.
    pub(super) fn remove(&mut self, index: usize) {
        let (mut gap, mut index) = (index, index);
        loop {
            index = self.next(index);
            let candidate = self.get(index);
            if candidate.span.address == 0 {
                break;
            }
            let start = self.start(candidate.span.address);
            if self.distance(start, index) >= self.distance(gap, index) {
                self.0.store(2 * gap, 0);
                self.write(gap, candidate);
                gap = index;
            }
        }
        self.0.store(2 * gap, 0);
    }

    /// Repairs the table, whichever stores its last writer did not get to. Returns the number of
    /// spans and their bytes.
    pub(super) fn repair(&mut self) -> (usize, usize) {
        // Each round moves entries nearer to the start of their probe sequence or drops a
        // duplicate, so there is a last round; and an entry that does not move can be found.
        while self.settle() {}
        let all = (0..self.0.entries()).map(|index| self.get(index).span);
        all.filter(|span| span.address != 0)
            .fold((0, 0), |(count, bytes), span| (count + 1, bytes + span.bytes))
    }

    /// Removes each entry and inserts it again; returns whether one moved.
    fn settle(&mut self) -> bool {
        let mut has_changed = false;
        for index in 0..self.0.entries() {
            let live = self.get(index);
            if live.span.address == 0 {
                continue;
            }
            self.0.store(2 * index, 0);
            self.insert(live);
            has_changed |= self.address(index) != live.span.address;
        }
        has_changed
    }

    fn write(&mut self, index: usize, live: Live) {
        self.set_bytes(index, live);
        self.0.store(2 * index, live.span.address);
    }

    fn address(&self, index: usize) -> usize {
        self.0.load(2 * index)
    }

    fn next(&self, index: usize) -> usize {
        (index + 1) & (self.0.entries() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.0.entries() - 1)
    }

    fn start(&self, address: usize) -> usize {
        // Fibonacci hashing of the page number (Knuth, TAOCP 3, 6.4).
        let hash = (address / PAGE_MIN).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (hash >> 20) & (self.0.entries() - 1)
    }
}

#[cfg(test)]
mod tests;
