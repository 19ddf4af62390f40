//! Free address space: the ranges of freed spans, kept for further spans.
//!
//! A tree by address finds the neighbours with which a range is joined. Two trees by size, one of
//! the ranges with memory and one of those without, find the smallest range that serves a request.
//! A list holds the ranges with memory by age. Every step takes time logarithmic in the number of
//! ranges, so there may be any number of them. No range is unmapped while there are many
//! (`give_back`), so the number of the system's mappings stays small.
//!
//! This module asks the system only for memory for nodes. A range that is being purged or unmapped
//! stays in the tree by address, is joined with no other, and is hidden from requests.

use super::nodes::{Kind, NONE, Node, Nodes};
use super::tree::{Order, Tree};
use super::{LEFTOVER_MIN, Span};
use crate::os::{clock, memory::page_bytes};

/// Number of ranges that are tried for an aligned span before one that is certainly large enough.
const ALIGNED_TRIES: usize = 16;

/// The part of a range that a request receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) span: Span,
    /// Whether the span reads as zeros.
    pub(super) is_clean: bool,
    /// Whether the span, because the system moved it, is not part of the mapping around it.
    pub(super) is_moved: bool,
}

/// Free ranges. Invariants: no two ranges of one kind adjoin, except hidden ones; `dirty_bytes` and
/// `clean_bytes` are the sums of the ranges with and without memory, except hidden ones.
pub(super) struct FreeRanges {
    nodes: Nodes,
    by_address: Tree,
    dirty: Tree,
    clean: Tree,
    oldest: u32,
    newest: u32,
    dirty_bytes: usize,
    clean_bytes: usize,
    /// Bytes of hidden ranges, which are being purged or unmapped.
    busy_bytes: usize,
}

impl FreeRanges {
    pub(super) const EMPTY: Self = Self {
        nodes: Nodes::EMPTY,
        by_address: Tree::new(Order::Address),
        dirty: Tree::new(Order::Size),
        clean: Tree::new(Order::Size),
        oldest: NONE,
        newest: NONE,
        dirty_bytes: 0,
        clean_bytes: 0,
        busy_bytes: 0,
    };

    /// Number of ranges.
    pub(super) fn count(&self) -> usize {
        self.nodes.in_use()
    }

    /// Bytes of ranges with memory; hidden ones do not count.
    pub(super) fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    /// Bytes of ranges without memory; hidden ones do not count.
    pub(super) fn clean_bytes(&self) -> usize {
        self.clean_bytes
    }

    /// Makes sure that there are nodes for `more` further ranges; `None` if there is no memory.
    pub(super) fn ensure(&mut self, more: usize) -> Option<()> {
        self.nodes.ensure(self.nodes.in_use() + more)
    }

    /// Keeps a range, joined with its neighbours of its kind. If there is no node for it, it is
    /// returned as an error.
    pub(super) fn put(&mut self, mut span: Span, kind: Kind, now_ms: u32) -> Result<(), Span> {
        if span.bytes == 0 {
            return Ok(());
        }
        let before = self.ending_at(span.address, kind);
        let behind = self.starting_at(span.address + span.bytes);
        let behind = behind.filter(|&node| self.nodes.get(node).kind == kind);
        for node in [before, behind].into_iter().flatten() {
            self.take_out_of_size(node);
            let joined = self.span(node);
            span = Span {
                address: span.address.min(joined.address),
                bytes: span.bytes + joined.bytes,
            };
        }
        if let (Some(_), Some(behind)) = (before, behind) {
            self.by_address.remove(&mut self.nodes, behind);
            self.nodes.give(behind);
        }
        let node = match before.or(behind) {
            Some(node) => node,
            None => {
                let node = self.nodes.take(span, kind, now_ms).ok_or(span)?;
                self.by_address.insert(&mut self.nodes, node);
                node
            }
        };
        let entry = self.nodes.get_mut(node);
        (entry.span, entry.freed_at_ms) = (span, now_ms);
        self.put_in_size(node, self.newest);
        Ok(())
    }

    /// Takes the smallest range with memory that serves, or else the smallest without.
    pub(super) fn take(&mut self, bytes: usize, alignment: usize) -> Option<Taken> {
        self.take_dirty(bytes, alignment).or_else(|| {
            let (node, at) = self.find(&self.clean, bytes, alignment)?;
            Some(self.cut(node, Span { address: at, bytes }))
        })
    }

    /// Takes the smallest dirty range in which the span fits. If the rest is too small for other
    /// requests, and little beside the span, it becomes part of the span.
    pub(super) fn take_dirty(&mut self, bytes: usize, alignment: usize) -> Option<Taken> {
        let (node, at) = self.find(&self.dirty, bytes, alignment)?;
        let span = self.span(node);
        let rest = span.address + span.bytes - at - bytes;
        let is_little = rest < LEFTOVER_MIN && rest <= bytes / 4;
        let bytes = if is_little { bytes + rest } else { bytes };
        Some(self.cut(node, Span { address: at, bytes }))
    }

    /// Takes `bytes` bytes from `address` on, where a span that is to grow ends.
    pub(super) fn take_at(&mut self, address: usize, bytes: usize) -> Option<Taken> {
        let node = self.starting_at(address)?;
        let Node { span, kind, .. } = *self.nodes.get(node);
        let is_free = matches!(kind, Kind::Dirty | Kind::Moved | Kind::Clean);
        (is_free && span.bytes >= bytes).then(|| self.cut(node, Span { address, bytes }))
    }

    /// Whether `address` lies in a free range.
    pub(super) fn holds(&self, address: usize) -> bool {
        self.by_address.below(&self.nodes, (address, 1)).is_some_and(|node| {
            let span = self.span(node);
            address - span.address < span.bytes
        })
    }

    /// The range that has been free for longest, if it has been for `older_than_ms`.
    pub(super) fn oldest_dirty(&self, now_ms: u32, older_than_ms: u32) -> Option<(u32, Node)> {
        if self.oldest == NONE {
            return None;
        }
        let node = *self.nodes.get(self.oldest);
        let is_old = clock::have_passed(node.freed_at_ms, now_ms, older_than_ms);
        is_old.then_some((self.oldest, node))
    }

    /// The range that was freed last.
    pub(super) fn newest_dirty(&self) -> Option<(u32, Node)> {
        (self.newest != NONE).then(|| (self.newest, *self.nodes.get(self.newest)))
    }

    /// The largest range without memory.
    pub(super) fn largest_clean(&self) -> Option<(u32, Node)> {
        let node = self.clean.last(&self.nodes)?;
        Some((node, *self.nodes.get(node)))
    }

    /// Hides a range from requests while its memory or address space is returned to the system.
    /// Hides only the last `bytes` of it, if there is a node for the rest. Returns the hidden
    /// range, which belongs to the thread whose number is `holder`.
    pub(super) fn hide(&mut self, node: u32, bytes: usize, kind: Kind, holder: u32) -> (u32, Span) {
        let found = *self.nodes.get(node);
        let keep = found.span.bytes.saturating_sub(bytes);
        let front = Span { bytes: keep, ..found.span };
        let end = Span { address: found.span.address + keep, bytes: found.span.bytes - keep };
        let (hidden, span) = match self.nodes.take(end, found.kind, found.freed_at_ms) {
            Some(hidden) if keep > 0 => {
                self.resize(node, front);
                (hidden, end)
            }
            unused => {
                if let Some(unused) = unused {
                    self.nodes.give(unused);
                }
                self.take_out(node);
                (node, found.span)
            }
        };
        let made = self.nodes.get_mut(hidden);
        (made.kind, made.newer) = (kind, holder);
        self.put_in(hidden, NONE);
        (hidden, span)
    }

    /// Ends what [`FreeRanges::hide`] began: the range has the kind `kind` again, or is gone.
    pub(super) fn show(&mut self, node: u32, kind: Option<Kind>, now_ms: u32) {
        let span = self.span(node);
        self.take_out(node);
        self.nodes.give(node);
        if let Some(kind) = kind {
            // A node was given back just now.
            let _ = self.put(span, kind, now_ms);
        }
    }

    /// Forgets all ranges, whatever state they are in. Returns the number of their bytes.
    pub(super) fn forget_all(&mut self) -> usize {
        let bytes = self.dirty_bytes.wrapping_add(self.clean_bytes).wrapping_add(self.busy_bytes);
        self.nodes.forget_all();
        (self.by_address, self.dirty) = (Tree::new(Order::Address), Tree::new(Order::Size));
        self.clean = Tree::new(Order::Size);
        (self.oldest, self.newest) = (NONE, NONE);
        (self.dirty_bytes, self.clean_bytes, self.busy_bytes) = (0, 0, 0);
        bytes
    }

    /// Ends the work of threads that do not exist in this child process. A range that was being
    /// purged still has its memory, or zeros. One that was being unmapped may be gone, so it is
    /// forgotten; returns the bytes of these. A range that the child's only thread hid stays
    /// hidden: a signal handler that forked may have interrupted the thread, which then goes on
    /// here.
    pub(super) fn show_all(&mut self, now_ms: u32, holder: u32) -> usize {
        let mut forgotten = 0;
        let mut from = 0;
        while self.busy_bytes > 0
            && let Some(node) = self.by_address.at_least(&self.nodes, (from, 0))
        {
            let Node { span, kind, newer, .. } = *self.nodes.get(node);
            from = span.address + span.bytes;
            match kind {
                Kind::Purging | Kind::Unmapping if newer == holder => {}
                Kind::Purging => self.show(node, Some(Kind::Dirty), now_ms),
                Kind::Unmapping => {
                    forgotten += span.bytes;
                    self.show(node, None, now_ms);
                }
                Kind::Dirty | Kind::Moved | Kind::Clean => {}
            }
        }
        forgotten
    }

    fn span(&self, node: u32) -> Span {
        self.nodes.get(node).span
    }

    fn ending_at(&self, address: usize, kind: Kind) -> Option<u32> {
        let node = self.by_address.below(&self.nodes, (address, 0))?;
        let span = self.span(node);
        let adjoins = span.address + span.bytes == address;
        (adjoins && self.nodes.get(node).kind == kind).then_some(node)
    }

    fn starting_at(&self, address: usize) -> Option<u32> {
        let node = self.by_address.at_least(&self.nodes, (address, 0))?;
        (self.span(node).address == address).then_some(node)
    }

    /// The smallest range of `tree` with room for `bytes` bytes at `alignment`, and their address
    /// there.
    fn find(&self, tree: &Tree, bytes: usize, alignment: usize) -> Option<(u32, usize)> {
        let fitting = |node: u32| {
            let span = self.span(node);
            let at = span.address.checked_next_multiple_of(alignment)?;
            (at.checked_add(bytes)? <= span.address + span.bytes).then_some((node, at))
        };
        let mut from = (bytes, 0);
        for _ in 0..if alignment <= page_bytes() { 1 } else { ALIGNED_TRIES } {
            let node = tree.at_least(&self.nodes, from)?;
            if let Some(found) = fitting(node) {
                return Some(found);
            }
            from = (self.span(node).bytes, self.span(node).address + 1);
        }
        let surely = bytes.checked_add(alignment)?;
        fitting(tree.at_least(&self.nodes, (surely, 0))?)
    }

    /// Cuts a span out of a range; the parts in front of it and behind it stay.
    fn cut(&mut self, node: u32, span: Span) -> Taken {
        let Node { span: whole, kind, freed_at_ms, .. } = *self.nodes.get(node);
        let lead = Span { bytes: span.address - whole.address, ..whole };
        let end = span.address + span.bytes;
        let tail = Span { address: end, bytes: whole.address + whole.bytes - end };
        match (lead.bytes, tail.bytes) {
            (0, 0) => {
                self.take_out(node);
                self.nodes.give(node);
            }
            (0, _) => self.resize(node, tail),
            (_, 0) => self.resize(node, lead),
            _ => {
                self.resize(node, lead);
                if let Some(new) = self.nodes.take(tail, kind, freed_at_ms) {
                    self.put_in(new, node);
                }
            }
        }
        Taken { span, is_clean: kind == Kind::Clean, is_moved: kind == Kind::Moved }
    }

    /// Shortens a range, which keeps its age. Its place in the tree by address stays, as it does
    /// whenever a range grows or shrinks: ranges do not overlap, so their order stays.
    fn resize(&mut self, node: u32, span: Span) {
        let older = self.nodes.get(node).older;
        self.take_out_of_size(node);
        self.nodes.get_mut(node).span = span;
        self.put_in_size(node, older);
    }

    /// Puts a node into the trees of its kind, and into the list next to `older`, if its kind has
    /// one.
    fn put_in(&mut self, node: u32, older: u32) {
        self.by_address.insert(&mut self.nodes, node);
        self.put_in_size(node, older);
    }

    /// Takes a node out of the trees and the list; it stays in use.
    fn take_out(&mut self, node: u32) {
        self.by_address.remove(&mut self.nodes, node);
        self.take_out_of_size(node);
    }

    /// [`FreeRanges::put_in`] for a node that is in the tree by address already.
    fn put_in_size(&mut self, node: u32, older: u32) {
        let Node { span, kind, .. } = *self.nodes.get(node);
        match kind {
            Kind::Dirty | Kind::Moved => {
                self.dirty.insert(&mut self.nodes, node);
                self.link(node, older);
                self.dirty_bytes += span.bytes;
            }
            Kind::Clean => {
                self.clean.insert(&mut self.nodes, node);
                self.clean_bytes += span.bytes;
            }
            Kind::Purging | Kind::Unmapping => self.busy_bytes += span.bytes,
        }
    }

    /// [`FreeRanges::take_out`] for a node that stays in the tree by address.
    fn take_out_of_size(&mut self, node: u32) {
        let Node { span, kind, .. } = *self.nodes.get(node);
        match kind {
            Kind::Dirty | Kind::Moved => {
                self.dirty.remove(&mut self.nodes, node);
                self.unlink(node);
                self.dirty_bytes -= span.bytes;
            }
            Kind::Clean => {
                self.clean.remove(&mut self.nodes, node);
                self.clean_bytes -= span.bytes;
            }
            Kind::Purging | Kind::Unmapping => self.busy_bytes -= span.bytes,
        }
    }

    fn link(&mut self, node: u32, older: u32) {
        let newer = if older == NONE { self.oldest } else { self.nodes.get(older).newer };
        (self.nodes.get_mut(node).older, self.nodes.get_mut(node).newer) = (older, newer);
        self.set_newer(older, node);
        self.set_older(newer, node);
    }

    fn unlink(&mut self, node: u32) {
        let Node { older, newer, .. } = *self.nodes.get(node);
        self.set_newer(older, newer);
        self.set_older(newer, older);
    }

    fn set_newer(&mut self, node: u32, newer: u32) {
        match node {
            NONE => self.oldest = newer,
            _ => self.nodes.get_mut(node).newer = newer,
        }
    }

    fn set_older(&mut self, node: u32, older: u32) {
        match node {
            NONE => self.newest = older,
            _ => self.nodes.get_mut(node).older = older,
        }
    }
}

#[cfg(test)]
mod tests;
