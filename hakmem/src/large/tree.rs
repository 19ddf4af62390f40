//! Search trees over the nodes of free ranges, by address and by size.
//!
//! They are treaps (C. Aragon and R. Seidel, "Randomized Search Trees"): a node's priority is a
//! hash of its number, and no node has a lower priority than the nodes below it, which keeps the
//! depth at a small multiple of the logarithm. No function is recursive, so a tree of any size
//! needs the same stack.

use super::nodes::{Links, NONE, Nodes};

/// What a tree is sorted by; its value is the index of the tree's links in a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By address.
    Address = 0,
    /// By bytes, and by address among ranges of equal size.
    Size = 1,
}

/// A tree.
pub(super) struct Tree {
    root: u32,
    order: Order,
}

/// Position of a link to a node.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Left(u32),
    Right(u32),
}

type Key = (usize, usize);

impl Tree {
    pub(super) const fn new(order: Order) -> Self {
        Self { root: NONE, order }
    }

    /// Inserts a node, whose range must not equal that of another node.
    pub(super) fn insert(&mut self, nodes: &mut Nodes, new: u32) {
        let key = self.key(nodes, new);
        let mut at = Place::Root;
        let mut rest = loop {
            let found = self.link(nodes, at);
            if found == NONE || priority(found) < priority(new) {
                break found;
            }
            let is_left = key < self.key(nodes, found);
            at = if is_left { Place::Left(found) } else { Place::Right(found) };
        };
        self.set_link(nodes, at, new);
        // The subtree that was there goes below the new node, split by its key.
        let (mut less, mut more) = (Place::Left(new), Place::Right(new));
        while rest != NONE {
            if self.key(nodes, rest) < key {
                self.set_link(nodes, less, rest);
                less = Place::Right(rest);
                rest = self.link(nodes, less);
            } else {
                self.set_link(nodes, more, rest);
                more = Place::Left(rest);
                rest = self.link(nodes, more);
            }
        }
        self.set_link(nodes, less, NONE);
        self.set_link(nodes, more, NONE);
    }

    /// Removes a node, whose range must be the same as when it was inserted.
    pub(super) fn remove(&mut self, nodes: &mut Nodes, gone: u32) {
        let key = self.key(nodes, gone);
        let mut at = Place::Root;
        loop {
            let found = self.link(nodes, at);
            if found == gone {
                break;
            }
            debug_assert!(found != NONE, "the node is in the tree");
            if found == NONE {
                return;
            }
            let is_left = key < self.key(nodes, found);
            at = if is_left { Place::Left(found) } else { Place::Right(found) };
        }
        let Links { mut left, mut right } = nodes.get(gone).links[self.order as usize];
        // Its two subtrees are merged in its place.
        while left != NONE && right != NONE {
            let below = if priority(left) > priority(right) {
                self.set_link(nodes, at, left);
                at = Place::Right(left);
                &mut left
            } else {
                self.set_link(nodes, at, right);
                at = Place::Left(right);
                &mut right
            };
            *below = self.link(nodes, at);
        }
        self.set_link(nodes, at, if left == NONE { right } else { left });
    }

    /// The first node whose key is at least `key`.
    pub(super) fn at_least(&self, nodes: &Nodes, key: Key) -> Option<u32> {
        let (mut found, mut at) = (None, self.root);
        while at != NONE {
            let links = nodes.get(at).links[self.order as usize];
            if self.key(nodes, at) >= key {
                (found, at) = (Some(at), links.left);
            } else {
                at = links.right;
            }
        }
        found
    }

    /// The last node whose key is less than `key`.
    pub(super) fn below(&self, nodes: &Nodes, key: Key) -> Option<u32> {
        let (mut found, mut at) = (None, self.root);
        while at != NONE {
            let links = nodes.get(at).links[self.order as usize];
            if self.key(nodes, at) < key {
                (found, at) = (Some(at), links.right);
            } else {
                at = links.left;
            }
        }
        found
    }

    /// The last node.
    pub(super) fn last(&self, nodes: &Nodes) -> Option<u32> {
        self.below(nodes, (usize::MAX, usize::MAX))
    }

    fn key(&self, nodes: &Nodes, node: u32) -> Key {
        let span = nodes.get(node).span;
        match self.order {
            Order::Address => (span.address, 0),
            Order::Size => (span.bytes, span.address),
        }
    }

    fn link(&self, nodes: &Nodes, at: Place) -> u32 {
        match at {
            Place::Root => self.root,
            Place::Left(node) => nodes.get(node).links[self.order as usize].left,
            Place::Right(node) => nodes.get(node).links[self.order as usize].right,
        }
    }

    fn set_link(&mut self, nodes: &mut Nodes, at: Place, to: u32) {
        match at {
            Place::Root => self.root = to,
            Place::Left(node) => nodes.get_mut(node).links[self.order as usize].left = to,
            Place::Right(node) => nodes.get_mut(node).links[self.order as usize].right = to,
        }
    }
}

/// A node's priority: its number, mixed by the finalizer of A. Appleby's MurmurHash3, which maps no
/// two numbers to the same one.
fn priority(node: u32) -> u32 {
    let mut hash = node ^ (node >> 16);
    hash = hash.wrapping_mul(0x85EB_CA6B);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
impl Tree {
    /// Number of nodes on the longest path from the root.
    pub(super) fn depth(&self, nodes: &Nodes) -> usize {
        fn below(nodes: &Nodes, node: u32, order: Order) -> usize {
            if node == NONE {
                return 0;
            }
            let Links { left, right } = nodes.get(node).links[order as usize];
            1 + below(nodes, left, order).max(below(nodes, right, order))
        }
        below(nodes, self.root, self.order)
    }
}
