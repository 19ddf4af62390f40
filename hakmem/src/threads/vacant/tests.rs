#![allow(unsafe_code)]

use std::thread;
use std::time::Duration;
use std::vec::Vec;

use hakmem_segment::AllocReason;

use crate::entry;
use crate::slot::SlotWriter;
use crate::tests::alone;
use crate::threads::{details, for_each_slot};
use crate::{bins, os::clock};

const SIZE: usize = 200;

/// Allocates blocks of [`SIZE`] bytes and frees them all.
fn use_lists(count: usize) {
    let blocks: Vec<usize> = (0..count).map(|_| entry::malloc(SIZE) as usize).collect();
    for block in blocks {
        // SAFETY: live, and forgotten here.
        unsafe { entry::free(block as *mut u8) };
    }
}

/// Runs `work` in a thread from its start to its end.
fn in_a_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join()).expect("does not panic")
}

/// Slow allocations of all threads for `reason`.
fn slow(reason: AllocReason) -> u64 {
    details().slow_allocations[reason as usize]
}

/// Blocks of [`SIZE`] bytes on the lists of slots without a thread.
fn blocks_without_a_thread() -> u64 {
    let mut blocks = 0;
    for_each_slot(&mut |slot: SlotWriter| {
        if slot.thread_id() == 0 {
            blocks += slot.listed_blocks(bins::of_size(SIZE));
        }
    });
    blocks
}

#[test]
fn a_thread_takes_over_the_lists_of_one_that_has_ended() {
    alone!();
    in_a_thread(|| use_lists(20));
    let left = blocks_without_a_thread();
    assert!(left >= 20, "{left} blocks are left");
    let refills = [AllocReason::RefillCentral, AllocReason::RefillSlab, AllocReason::NewSlab];
    let before = (slow(AllocReason::FirstUse), refills.map(slow));
    in_a_thread(|| {
        use_lists(20);
        assert_eq!(blocks_without_a_thread(), 0, "nobody else has the lists");
    });
    assert_eq!((slow(AllocReason::FirstUse), refills.map(slow)), (before.0 + 1, before.1));
    assert_eq!(blocks_without_a_thread(), left);
}

#[test]
fn lists_that_no_thread_wants_go_back_to_their_slabs_within_a_second() {
    alone!();
    in_a_thread(|| use_lists(20));
    assert!(blocks_without_a_thread() > 0);
    let start = clock::monotonic_ns();
    while blocks_without_a_thread() > 0 {
        assert!(clock::monotonic_ns() - start < 1_000_000_000, "the lists still hold blocks");
        thread::sleep(Duration::from_millis(10));
        // A slow call of another size: what is large is never served by a list.
        // SAFETY: live, and forgotten here.
        unsafe { entry::free(entry::malloc(1 << 20)) };
    }
}

#[test]
fn a_trim_reaches_the_lists_that_ended_threads_have_left() {
    alone!();
    in_a_thread(|| use_lists(20));
    assert!(blocks_without_a_thread() > 0);
    entry::trim();
    assert_eq!(blocks_without_a_thread(), 0);
}

#[test]
fn more_than_a_mebibyte_on_lists_does_not_outlive_its_thread() {
    alone!();
    in_a_thread(|| {
        for size in [20_000, 40_000, 80_000, 160_000] {
            let blocks: Vec<usize> = (0..40).map(|_| entry::malloc(size) as usize).collect();
            for block in blocks {
                // SAFETY: live, and forgotten here.
                unsafe { entry::free(block as *mut u8) };
            }
        }
        use_lists(20);
    });
    let mut bytes = 0;
    for_each_slot(&mut |slot: SlotWriter| {
        for bin in bins::in_use().filter(|_| slot.thread_id() == 0) {
            bytes += slot.listed_blocks(bin) * bins::stride(bin) as u64;
        }
    });
    assert!(bytes <= 1 << 20, "{bytes} bytes are left");
}

#[test]
fn only_a_few_of_many_threads_that_end_together_leave_their_lists() {
    alone!();
    let together = std::sync::Barrier::new(40);
    thread::scope(|scope| {
        let use_and_wait = || {
            use_lists(20);
            together.wait();
        };
        let threads: Vec<_> = (0..40).map(|_| scope.spawn(use_and_wait)).collect();
        // The scope's own end does not wait for what a thread does after its closure.
        threads.into_iter().for_each(|thread| thread.join().expect("does not panic"));
    });
    let mut slots = 0;
    for_each_slot(&mut |slot: SlotWriter| {
        slots += usize::from(slot.listed_blocks(bins::of_size(SIZE)) > 0);
    });
    assert!((1..=16).contains(&slots), "{slots} slots have blocks");
}
