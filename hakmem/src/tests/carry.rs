//! Tests of counters that run out of room in their word.

use hakmem_segment::ListWord;
use hakmem_segment::word::CHECK_PERIOD;

use super::alone;
use crate::entry;
use crate::heap::{Heap, slot_of};
use crate::os::thread_local;
use crate::routing::Layout;
use crate::sync::Ordering;

#[test]
fn fast_frees_are_carried_into_the_record_before_the_word_is_full() {
    alone!();
    const SIZE: usize = 64;
    let pair = || {
        let block = entry::malloc(SIZE);
        assert!(!block.is_null());
        // SAFETY: the block was just allocated.
        unsafe { entry::free(block) };
    };
    pair();
    let slot = slot_of(thread_local::get().cast::<Heap>());
    let bin = Layout::current().bin_of_size(SIZE);
    let word = || ListWord(slot.list_word(bin).load(Ordering::Relaxed));
    let total = || u128::from(word().freed_fast()) + u128::from(slot.fast_frees_carried(bin));
    // Moves the word to less than a check period before half of the count's range, where the carry
    // is due.
    let begun = word();
    let periods = (1_u64 << 36) - 1;
    let shifted = begun.0 + ((periods - (begun.0 >> 27)) << 27);
    slot.list_word(bin).store(shifted, Ordering::Relaxed);
    let (before, live) = (total(), slot.live_blocks(bin));
    assert!(before < u128::from(ListWord::CARRY));
    let pairs = 4 * CHECK_PERIOD;
    let mut last = before;
    for _ in 0..pairs {
        pair();
        assert!(total() >= last, "the total fell");
        last = total();
    }
    assert_eq!(slot.fast_frees_carried(bin), ListWord::CARRY);
    // All frees count but the few that are slow because a check was due.
    assert!((pairs - 8..=pairs).contains(&((last - before) as u64)), "{}", last - before);
    assert_eq!(slot.live_blocks(bin), live);
}
