//! A signal handler that jumps out of a change of magazines leaves lists that no thread may trust.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::vec::Vec;

use super::alone;
use crate::entry;
use crate::heap::{Heap, slot_of};
use crate::os::thread_local;
use crate::routing::Layout;

const SIZE: usize = 64;
/// Of a bin that the test's thread has not used, so that its first allocation is slow.
const OTHER_SIZE: usize = 3000;

fn allocate(size: usize) -> usize {
    let block = entry::malloc(size);
    assert!(!block.is_null());
    block.addr()
}

#[test]
fn the_next_slow_path_forgets_the_lists_of_a_change_that_was_cut_short() {
    alone!();
    let run = || {
        let blocks: Vec<usize> = (0..50).map(|_| allocate(SIZE)).collect();
        for block in &blocks {
            // SAFETY: just allocated, and freed once.
            unsafe { entry::free(core::ptr::without_provenance_mut(*block)) };
        }
        let heap = thread_local::get().cast::<Heap>();
        let (slot, bin) = (slot_of(heap), Layout::current().bin_of_size(SIZE));
        let live = slot.live_blocks(bin);
        // SAFETY: this thread's heap, which is alive.
        unsafe { (*heap).jump_out_of_change() };
        allocate(OTHER_SIZE);
        // Lost blocks count as live: nothing says any more that they are free.
        assert!(slot.live_blocks(bin) >= live + 50, "{} of {live}", slot.live_blocks(bin));
        let lost: HashSet<usize> = blocks.into_iter().collect();
        let again: HashSet<usize> = (0..200).map(|_| allocate(SIZE)).collect();
        assert_eq!(again.len(), 200, "a block was handed out twice");
        assert!(again.is_disjoint(&lost), "a block of a list that was forgotten came back");
    };
    std::thread::spawn(run).join().expect("a new thread, whose lists are its own");
}
