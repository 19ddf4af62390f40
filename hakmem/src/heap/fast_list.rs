//! The part of a bin that the fast paths use: the top of its list and its word.
//!
//! Recent Intel cores forward a stored value to the next load at once only if it has 64 bits and
//! its address is a register plus a constant; any other address costs five cycles. A free followed
//! by a malloc of the same block waits for the top twice and for the entry once. So tops are
//! pointers, and the fast paths compute a bin's *line*, `heap + 8 * bin`, once and reach top and
//! word from it at constant distances. (`shared_object.rs` among the preload library's tests checks
//! the instructions.)
//!
//! The tops of a sentinel and of a wiped heap are null.
//!
//! # Orderings
//! Those of `heap`: relaxed, because a heap's words belong to its own thread.
//!
//! # Safety
//! The rules of `heap` apply. A heap's page and its slot stay mapped.
#![allow(unsafe_code)]

use core::mem;

use hakmem_segment::{BINS, ListWord, Slot};

use super::{Heap, SLOT_DISTANCE};
use crate::block::Block;
use crate::sync::{AtomicPtr, AtomicU64};

/// The bin's line: the address `heap + 8 * bin`, from which the bin's top and word lie at constant
/// distances. The addition is in assembly because the compiler would otherwise fold the index into
/// each address, and it takes and yields pointers because the compiler would see through arithmetic
/// on integers and undo it.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[allow(clippy::pointers_in_nomem_asm_block)]
#[inline(always)]
fn line_of(heap: *mut Heap, bin: usize) -> *mut u8 {
    let line: *mut u8;
    // SAFETY: the instruction is arithmetic and accesses no memory.
    unsafe {
        core::arch::asm!(
            "lea {line}, [{heap} + {bin} * 8]",
            line = lateout(reg) line,
            heap = in(reg) heap,
            bin = in(reg) bin,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    line
}

/// The bin's line: the address `heap + 8 * bin`.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
fn line_of(heap: *mut Heap, bin: usize) -> *mut u8 {
    heap.cast::<u8>().wrapping_add(bin * size_of::<u64>())
}

/// Distance from a bin's line to its word.
const WORD_DISTANCE: usize = SLOT_DISTANCE + mem::offset_of!(Slot, words);

/// What the fast paths use of a bin: the top of its list, and its word in the heap's slot.
#[derive(Clone, Copy)]
pub(crate) struct FastList(*mut u8);

impl FastList {
    /// The list of `bin` in `heap`, which may be a sentinel.
    #[inline(always)]
    pub(crate) fn of(heap: *mut Heap, bin: usize) -> Self {
        debug_assert!(bin < BINS);
        Self(line_of(heap, bin))
    }

    /// Address of the list's topmost entry, or of the null in front of its magazine if the list is
    /// empty; null under a sentinel and in a wiped heap.
    #[inline(always)]
    pub(crate) fn top(self) -> &'static AtomicPtr<*mut Block> {
        let top = self.0.wrapping_add(mem::offset_of!(Heap, tops)).cast::<AtomicPtr<*mut Block>>();
        // SAFETY: the top of a sentinel or a heap, both of which stay mapped; aligned, and written
        // by the heap's thread alone.
        unsafe { &*top }
    }

    /// The bin's word.
    #[inline(always)]
    pub(crate) fn word(self) -> &'static AtomicU64 {
        // SAFETY: the word lies in a sentinel's zeros or in a slot, both of which stay mapped; it
        // is aligned and accessed atomically only.
        unsafe { &*self.0.wrapping_add(WORD_DISTANCE).cast::<AtomicU64>() }
    }

    /// Whether the list accepts a free without a further check. One test covers both guards: the
    /// list's capacity, which must be tested anyway, and the countdown to the next check.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[inline(always)]
    pub(crate) fn takes_free(self) -> bool {
        // SAFETY: a relaxed load of the word, which is mapped. It is in assembly because the
        // compiler would first load the word into a register, at the cost of one more instruction.
        unsafe {
            core::arch::asm!(
                "test qword ptr [{line} + {distance}], {guards}",
                "jnz {refuse}",
                line = in(reg) self.0,
                distance = const WORD_DISTANCE,
                guards = const ListWord::GUARDS,
                refuse = label { return false; },
                options(readonly, nostack)
            );
        }
        true
    }

    /// Whether the list accepts a free without a further check. One test covers both guards: the
    /// list's capacity, which must be tested anyway, and the countdown to the next check.
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    #[inline(always)]
    pub(crate) fn takes_free(self) -> bool {
        self.word().load(crate::sync::Ordering::Relaxed) & ListWord::GUARDS == 0
    }
}
