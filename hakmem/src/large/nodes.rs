//! Memory for the nodes that describe free ranges.
//!
//! Nodes are numbered. They lie in chunks, each twice as large as the one before, which are never
//! moved or given back. Inaccessible pages surround each chunk, so that a program that writes past
//! a span does not reach the nodes. The first `used` nodes of all chunks have been taken at least
//! once; those of them that are free again are linked through their tree of addresses.
//!
//! # Safety
//! A number below `capacity` names a node in a chunk that stays mapped. References to nodes are
//! borrowed from the pool, which one thread uses at a time.
#![allow(unsafe_code)]

use core::ptr;
#[cfg(test)]
use core::ptr::NonNull;

use super::Span;
use crate::os::memory;

/// Marks the end of a link.
pub(super) const NONE: u32 = u32::MAX;
/// Number of nodes in the first chunk, which fits in a page.
const FIRST: usize = 64;
const FIRST_BITS: u32 = FIRST.trailing_zeros();
const CHUNKS: usize = 24;

/// State of a free range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The range has memory, which holds whatever the program left there.
    Dirty,
    /// The range has memory, and is a mapping of its own because the system moved it.
    Moved,
    /// The range has no memory, and reads as zeros.
    Clean,
    /// A thread is purging the range without the lock.
    Purging,
    /// A thread is unmapping the range without the lock.
    Unmapping,
}

/// The children of a node in one tree.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) left: u32,
    pub(super) right: u32,
}

/// A free range.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) span: Span,
    /// Links in the tree by address and in the tree by size.
    pub(super) links: [Links; 2],
    /// Neighbours in the list of ranges with memory, by age. In a hidden range, `newer` is the
    /// number of the thread that hid it.
    pub(super) older: u32,
    pub(super) newer: u32,
    /// Time at which the range was freed, in milliseconds of the monotonic clock.
    pub(super) freed_at_ms: u32,
    pub(super) kind: Kind,
}

/// The pool. Invariant: `in_use <= used <= capacity`.
pub(super) struct Nodes {
    chunks: [*mut Node; CHUNKS],
    capacity: usize,
    used: usize,
    in_use: usize,
    free: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { left: NONE, right: NONE };
}

// SAFETY: only this pool has the chunks.
unsafe impl Send for Nodes {}

impl Nodes {
    pub(super) const EMPTY: Self =
        Self { chunks: [ptr::null_mut(); CHUNKS], capacity: 0, used: 0, in_use: 0, free: NONE };

    /// Number of nodes that describe a range now.
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }

    /// Makes sure that `nodes` nodes can be in use; `None` if there is no memory.
    pub(super) fn ensure(&mut self, nodes: usize) -> Option<()> {
        while self.capacity < nodes {
            let index = (self.capacity + FIRST).ilog2() - FIRST_BITS;
            let count = FIRST << index;
            let chunk = self.chunks.get_mut(index as usize)?;
            // In a child process the chunk may exist already.
            if chunk.is_null() {
                *chunk = memory::map_guarded(count * size_of::<Node>())?.as_ptr().cast();
            }
            self.capacity += count;
        }
        Some(())
    }

    /// Takes a node for a range; `None` if [`Nodes::ensure`] has not made room for it.
    pub(super) fn take(&mut self, span: Span, kind: Kind, freed_at_ms: u32) -> Option<u32> {
        let number = if self.free != NONE {
            let number = self.free;
            self.free = self.get(number).links[0].left;
            number
        } else if self.used < self.capacity {
            self.used += 1;
            (self.used - 1) as u32
        } else {
            return None;
        };
        self.in_use += 1;
        let links = [Links::NONE; 2];
        let node = Node { span, links, older: NONE, newer: NONE, freed_at_ms, kind };
        // SAFETY: the number is below `capacity`, so the node lies in a chunk; the old contents
        // need no drop.
        unsafe { self.place(number).write(node) };
        Some(number)
    }

    /// Gives back a node that is in neither tree nor list.
    pub(super) fn give(&mut self, number: u32) {
        let free = self.free;
        self.get_mut(number).links[0].left = free;
        self.free = number;
        self.in_use -= 1;
    }

    pub(super) fn get(&self, number: u32) -> &Node {
        // SAFETY: numbers come from `take`, which has written the node.
        unsafe { &*self.place(number) }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Node {
        // SAFETY: as above, and the pool is borrowed exclusively.
        unsafe { &mut *self.place(number) }
    }

    /// Forgets all nodes, whatever state they are in. The chunks stay, for further nodes.
    pub(super) fn forget_all(&mut self) {
        (self.capacity, self.used, self.in_use, self.free) = (0, 0, 0, NONE);
    }

    fn place(&self, number: u32) -> *mut Node {
        let shifted = number as usize + FIRST;
        let index = shifted.ilog2() - FIRST_BITS;
        debug_assert!((number as usize) < self.capacity);
        self.chunks[index as usize].wrapping_add(shifted - (FIRST << index))
    }
}

#[cfg(test)]
impl Drop for Nodes {
    /// Pools of tests are dropped.
    fn drop(&mut self) {
        for (index, chunk) in self.chunks.iter().enumerate() {
            if let Some(chunk) = NonNull::new(*chunk) {
                let bytes = (FIRST << index) * size_of::<Node>();
                // SAFETY: mapped by `ensure` with this size, and not used again.
                assert!(unsafe { memory::unmap_guarded(chunk.cast(), bytes) });
            }
        }
    }
}
