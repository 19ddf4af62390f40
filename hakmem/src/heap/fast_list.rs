//! What the fast paths use of a bin: its list's top and its word.
//!
//! Recent Intel cores forward a stored value to the next load at once only if it has 64 bits and its
//! address is a register and a constant; otherwise that takes five cycles. A free followed by a malloc
//! of the same block waits for the top twice and for the entry once, so tops are pointers, and a bin's
//! *line*, `heap + 8 * bin`, is formed once, from which top and word lie at constant distances.
//! (`shared_object.rs` of the preload library's tests looks at the instructions.)
//!
//! The tops of a sentinel and of a wiped heap are null.
//!
//! # Orderings
//! As in `heap`.
//!
//! # Safety
//! As in `heap`. The heap's page and its slot stay mapped.
#![allow(unsafe_code)]

use core::mem;

use hakmem_segment::{BINS, ListWord, Slot};

use super::{Heap, SLOT_DISTANCE};
use crate::block::Block;
use crate::sync::{AtomicPtr, AtomicU64};

/// The address `heap + 8 * bin`, from which a bin's top and word lie at constant distances. In
/// assembly, because the compiler would put the index into each address; and of pointers, because it
/// would undo what is computed of integers.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[allow(clippy::pointers_in_nomem_asm_block)]
#[inline(always)]
fn line_of(heap: *mut Heap, bin: usize) -> *mut u8 {
    let line: *mut u8;
    // SAFETY: arithmetic only.
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

/// The address `heap + 8 * bin`.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
fn line_of(heap: *mut Heap, bin: usize) -> *mut u8 {
    heap.cast::<u8>().wrapping_add(bin * size_of::<u64>())
}

/// From a bin's line to its word.
const WORD_DISTANCE: usize = SLOT_DISTANCE + mem::offset_of!(Slot, words);

/// What the fast paths use of a bin: its list's top, and the bin's word in the heap's slot.
#[derive(Clone, Copy)]
pub(crate) struct FastList(*mut u8);

impl FastList {
    /// That of a bin of a heap or of a sentinel.
    #[inline(always)]
    pub(crate) fn of(heap: *mut Heap, bin: usize) -> Self {
        debug_assert!(bin < BINS);
        Self(line_of(heap, bin))
    }

    /// The topmost block's entry, or the null in front of the magazine; null under a sentinel and in a
    /// wiped heap.
    #[inline(always)]
    pub(crate) fn top(self) -> &'static AtomicPtr<*mut Block> {
        let top = self.0.wrapping_add(mem::offset_of!(Heap, tops)).cast::<AtomicPtr<*mut Block>>();
        // SAFETY: of a sentinel or a heap, which stay mapped; aligned. Only the heap's thread writes it.
        unsafe { &*top }
    }

    /// The bin's word.
    #[inline(always)]
    pub(crate) fn word(self) -> &'static AtomicU64 {
        // SAFETY: of a sentinel's zeros or of a slot, which stay mapped; aligned, and accessed
        // atomically only.
        unsafe { &*self.0.wrapping_add(WORD_DISTANCE).cast::<AtomicU64>() }
    }

    /// Whether the list takes a free without a further look. One test for both: the capacity, which
    /// is needed anyway, and the countdown to the next check.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[inline(always)]
    pub(crate) fn takes_free(self) -> bool {
        // SAFETY: a relaxed load of the word, which is mapped. The compiler would load it into a
        // register first, which is an instruction more.
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

    /// Whether the list takes a free without a further look. One test for both: the capacity, which
    /// is needed anyway, and the countdown to the next check.
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    #[inline(always)]
    pub(crate) fn takes_free(self) -> bool {
        self.word().load(crate::sync::Ordering::Relaxed) & ListWord::GUARDS == 0
    }
}
