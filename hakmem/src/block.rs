//! Free blocks and chains of them.
//!
//! # Safety
//! A free block's first word is the allocator's: the address of the next one in its chain, or
//! null. Whoever holds a [`Chain`] owns its blocks.
#![allow(unsafe_code)]

use core::ptr;

/// A free block. Only ever handled by pointer: a block is at least this large.
#[repr(C)]
pub(crate) struct Block {
    /// Next block of the chain, or null.
    pub(crate) next: *mut Block,
}

/// Blocks linked one to the next. Invariant: `count` blocks are reachable from `head`, the last
/// one's `next` is null, and `head` is null exactly if `count` is 0.
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) head: *mut Block,
    pub(crate) count: u32,
}

impl Chain {
    /// No blocks.
    pub(crate) const EMPTY: Self = Self { head: ptr::null_mut(), count: 0 };

    /// Puts a block in front.
    ///
    /// # Safety
    /// The caller owns the block.
    pub(crate) unsafe fn push(&mut self, block: *mut Block) {
        // SAFETY: the block is the caller's, and large enough for the link.
        unsafe { (*block).next = self.head };
        self.head = block;
        self.count += 1;
    }

    /// Keeps the first `keep` blocks, of which there are more, and returns the others.
    ///
    /// # Safety
    /// The caller owns the chain's blocks; `keep` is not 0.
    pub(crate) unsafe fn cut(&mut self, keep: u32) -> Self {
        let mut last = self.head;
        for _ in 1..keep {
            // SAFETY: the caller's duty: there are more blocks than that.
            last = unsafe { (*last).next };
        }
        // SAFETY: as above.
        let rest = Self { head: unsafe { (*last).next }, count: self.count - keep };
        // SAFETY: as above.
        unsafe { (*last).next = ptr::null_mut() };
        self.count = keep;
        rest
    }

    /// Takes the first block.
    pub(crate) fn pop(&mut self) -> Option<*mut Block> {
        if self.head.is_null() {
            return None;
        }
        let block = self.head;
        // SAFETY: the chain owns its blocks and their links are valid.
        self.head = unsafe { (*block).next };
        self.count -= 1;
        Some(block)
    }
}

/// A chain that grows at its end. The last block's link is written by [`ChainBuilder::finish`].
pub(crate) struct ChainBuilder {
    chain: Chain,
    last: *mut Block,
}

impl ChainBuilder {
    /// No blocks yet.
    pub(crate) const EMPTY: Self = Self { chain: Chain::EMPTY, last: ptr::null_mut() };

    /// Blocks so far.
    pub(crate) fn count(&self) -> u32 {
        self.chain.count
    }

    /// Puts a block at the end.
    ///
    /// # Safety
    /// The caller owns the block.
    #[inline(always)]
    pub(crate) unsafe fn append(&mut self, block: *mut Block) {
        if self.last.is_null() {
            self.chain.head = block;
        } else {
            // SAFETY: the chain owns its blocks, and each is large enough for the link.
            unsafe { (*self.last).next = block };
        }
        self.last = block;
        self.chain.count += 1;
    }

    /// The chain.
    pub(crate) fn finish(self) -> Chain {
        if !self.last.is_null() {
            // SAFETY: as in `append`.
            unsafe { (*self.last).next = ptr::null_mut() };
        }
        self.chain
    }
}
