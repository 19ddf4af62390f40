//! A lock-free stack of whole batches.
//!
//! A batch is one address and a number of blocks: handing 63 blocks over takes one compare-and-swap
//! of the head. (R. K. Treiber, "Systems Programming: Coping with Parallelism", 1986, with tags
//! against ABA.) A word in the batch's memory holds the next batch and the number of blocks;
//! batches are 16-byte aligned.
//!
//! The head packs the address (bits 4..47 on x86-64, 4..48 elsewhere) with a tag of the other 21 or
//! 20 bits, which every successful operation increments. For a compare-and-swap to succeed wrongly,
//! its thread would have to sleep, after its load, through exactly a multiple of 2^20 operations
//! that put the same batch on top again. Where user space is larger (57 bits on x86-64, 52 on
//! aarch64), the kernel hands out higher addresses only on request; even so, [`reaches`] is asked
//! before memory is used for batches.
//!
//! # Orderings
//! - Push is a Release: it publishes the batch's blocks and its word.
//! - Pop's load and compare-and-swap are Acquires and pair with it. Pop may read the word of a
//!   batch that another thread has popped meanwhile and is using: the read is atomic, its value is
//!   discarded because the tag has changed, and the memory stays mapped.
//!
//! # Safety
//! [`Links`] reaches a word of a batch, which stays mapped for the process's life.
#![allow(unsafe_code)]

use crate::sync::{AtomicU64, Ordering};

/// Number of bits of an address that the head can hold.
const SPACE_BITS: u32 = if cfg!(target_arch = "x86_64") { 47 } else { 48 };
const ADDRESS_SHIFT: u32 = 4;
const ADDRESS_BITS: u32 = SPACE_BITS - ADDRESS_SHIFT;
const COUNT_SHIFT: u32 = 48;
const _: () = assert!(SPACE_BITS <= COUNT_SHIFT);

/// Whether batches that end at `end` or before can be on a stack.
pub(crate) const fn reaches(end: usize) -> bool {
    end <= 1 << SPACE_BITS
}

/// Access to the word in a batch's memory that links batches.
pub(crate) trait Links {
    /// The word of the batch at `address`.
    ///
    /// # Safety
    /// `address` was pushed on the stack that asks.
    unsafe fn batch_word(&self, address: usize) -> &AtomicU64;
}

/// Blocks that are handed over together: the address of their batch, and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) address: usize,
    pub(crate) count: u16,
}

/// The stack's head: address of the top batch, and a tag.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head(u64);

impl Head {
    fn address(self) -> usize {
        ((self.0 & ((1 << ADDRESS_BITS) - 1)) << ADDRESS_SHIFT) as usize
    }

    fn next(self, address: usize) -> Self {
        let tag = (self.0 >> ADDRESS_BITS).wrapping_add(1);
        Self((tag << ADDRESS_BITS) | (address as u64 >> ADDRESS_SHIFT))
    }
}

/// The stack; empty if the word is zero. (There is no `const fn new`: loom's atomics are made at
/// run time.)
pub(crate) struct BatchStack(pub(crate) AtomicU64);

impl BatchStack {
    /// Puts `batch` on top.
    ///
    /// # Safety
    /// The caller owns the batch, which is 16-byte aligned.
    pub(crate) unsafe fn push(&self, links: &impl Links, batch: Batch) {
        // SAFETY: the batch is about to be pushed, and the caller owns it until then.
        let word = unsafe { links.batch_word(batch.address) };
        let mut head = Head(self.0.load(Ordering::Relaxed));
        loop {
            let value = (u64::from(batch.count) << COUNT_SHIFT) | head.address() as u64;
            word.store(value, Ordering::Relaxed);
            let new = head.next(batch.address);
            // Release: publishes the blocks and the word above to the thread that pops the batch.
            match self.0.compare_exchange_weak(head.0, new.0, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = Head(now),
            }
        }
    }

    /// Takes the top batch; `None` if the stack is empty.
    pub(crate) fn pop(&self, links: &impl Links) -> Option<Batch> {
        // Acquire: pairs with push, so that the top batch's word can be read.
        let mut head = Head(self.0.load(Ordering::Acquire));
        loop {
            let address = head.address();
            if address == 0 {
                return None;
            }
            // SAFETY: the address was on the stack; the module's documentation says why a stale
            // read is harmless.
            let value = unsafe { links.batch_word(address) }.load(Ordering::Relaxed);
            let below = (value & ((1 << COUNT_SHIFT) - 1)) as usize;
            let new = head.next(below);
            // Acquire: pairs with push, so that the blocks can be read; on failure too, because the
            // next iteration reads a word again.
            match self.0.compare_exchange_weak(head.0, new.0, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return Some(Batch { address, count: (value >> COUNT_SHIFT) as u16 }),
                Err(now) => head = Head(now),
            }
        }
    }

    /// Calls `visit` with each batch, the top one first. No other thread may use the stack
    /// meanwhile.
    pub(crate) fn for_each(&self, links: &impl Links, visit: &mut dyn FnMut(Batch)) {
        let mut address = Head(self.0.load(Ordering::Relaxed)).address();
        while address != 0 {
            // SAFETY: the address is on the stack.
            let value = unsafe { links.batch_word(address) }.load(Ordering::Relaxed);
            visit(Batch { address, count: (value >> COUNT_SHIFT) as u16 });
            address = (value & ((1 << COUNT_SHIFT) - 1)) as usize;
        }
    }
}
