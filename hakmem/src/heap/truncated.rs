//! Makes new words for a heap whose slot is lost.
//!
//! # Safety
//! The rules of `heap` apply. The heap's thread may be in the middle of anything, so its fields are
//! copied one by one, without a reference to the heap.
#![allow(unsafe_code)]

use core::ptr;

use hakmem_segment::{BINS, Slot};

use super::Heap;
use super::original::Originals;
use crate::slot::SlotWriter;

/// Excess over the capacity that a list's word claims: an interrupted push or pop has moved the top
/// and not the word, or the word and not the top.
const IN_DOUBT: u32 = 2;

impl Heap {
    /// Writes words that bound the heap's lists into a slot of zeros. Each word claims a full list,
    /// whatever the list holds, because the thread may be using it meanwhile. A word that claims
    /// too much sends the next free to the slow path, which corrects it; a word that claims too
    /// little would let the list overflow.
    ///
    /// # Safety
    /// `heap` is a heap's page of a mapped group, and `slot` is zeroed memory that no other code
    /// knows.
    pub(crate) unsafe fn describe_lists(heap: *mut Self, slot: *mut Slot) {
        macro_rules! copy {
            ($type:ty: $($field:tt)+) => {{
                // SAFETY: inside the heap's page, which the caller vouches for.
                let field = unsafe { &raw const (*heap).$($field)+ };
                // SAFETY: a cell or an atomic of that type; mapped, aligned, initialised by zeros
                // or by the heap's thread.
                unsafe { ptr::read_volatile(field.cast::<$type>()) }
            }};
        }
        // SAFETY: only the caller knows the slot, so no other thread writes it.
        let writer = unsafe { SlotWriter::new(slot) };
        writer.update(|update| {
            for bin in 0..BINS {
                let capacity = copy!(u16: capacities[bin]);
                let on_original = copy!(Originals: originals).count(bin);
                let depth = u32::from(capacity) + u32::from(on_original) + IN_DOUBT;
                update.set_list(bin, depth, capacity);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use hakmem_segment::ListWord;
    use hakmem_segment::slot::SLOT_BYTES;

    use super::*;
    use crate::os::memory::{self, PAGE};
    use crate::sync::Ordering;

    #[test]
    fn words_that_are_made_anew_say_that_the_lists_are_full() {
        let heap = memory::map(PAGE).expect("there is memory").cast::<Heap>();
        let slot = memory::map(SLOT_BYTES).expect("there is memory").cast::<Slot>();
        let lists = [(1, 0, 32), (2, 30, 32), (3, 31, 32), (4, 32, 32), (5, 0, 0), (6, 5, 1 << 14)];
        for (bin, depth, capacity) in lists {
            // SAFETY: zeroed memory of a heap's size, used here only; zeros are a valid heap.
            let heap = unsafe { heap.as_ref() };
            heap.bottoms[bin].set(4096);
            heap.set_depth(bin, depth);
            heap.capacities[bin].set(capacity);
        }
        // SAFETY: mapped above, and used here only.
        unsafe { Heap::describe_lists(heap.as_ptr(), slot.as_ptr()) };
        // SAFETY: mapped above, and used here only.
        let writer = unsafe { SlotWriter::new(slot.as_ptr()) };
        for (bin, depth, capacity) in lists {
            let mut word = ListWord(writer.list_word(bin).load(Ordering::Relaxed));
            assert_eq!(u32::from(word.depth(capacity)), u32::from(capacity) + IN_DOUBT);
            assert!(word.is_full() && !word.is_check_due(), "bin {bin}");
            // Pops of all blocks on the list, and of those in doubt, borrow from no other field.
            word.0 -= u64::from(depth + IN_DOUBT) * ListWord::POP;
            assert_eq!(u32::from(word.depth(capacity)), u32::from(capacity) - depth, "bin {bin}");
            assert_eq!(word.freed_fast(), 0, "bin {bin}");
        }
        assert!(ListWord(writer.list_word(0).load(Ordering::Relaxed)).is_full(), "bin 0 is closed");
    }
}
