//! The life of the allocator in a few hundred calls: every entry point, and every way that a block
//! takes between two threads. Few enough for Miri, which looks at each access.
#![allow(unsafe_code)]

use std::sync::{Barrier, mpsc};
use std::thread;
use std::vec::Vec;

use super::alone;
use crate::entry;

/// Tiny, mid and large, with the ends of classes.
const SIZES: [usize; 7] = [1, 24, 100, 1024, 5000, 70_000, 270_000];

/// Writes the first and the last byte.
fn mark(block: *mut u8, size: usize, mark: u8) {
    assert!(!block.is_null());
    // SAFETY: a live block of that size, which the test alone has.
    unsafe { block.write(mark) };
    // SAFETY: as above.
    unsafe { block.wrapping_add(size - 1).write(mark) };
}

fn assert_marked(block: *mut u8, size: usize, mark: u8) {
    // SAFETY: a live block of that size, whose first byte was written.
    assert_eq!(unsafe { block.read() }, mark);
    // SAFETY: as above, and so was the last.
    assert_eq!(unsafe { block.wrapping_add(size - 1).read() }, mark);
}

fn free(block: *mut u8) {
    // SAFETY: live, and the test forgets it.
    unsafe { entry::free(block) }
}

fn allocate(count: usize, size: usize) -> Vec<usize> {
    let each = |number| {
        let block = entry::malloc(size);
        mark(block, size, number as u8);
        block as usize
    };
    (0..count).map(each).collect()
}

fn free_all(blocks: impl IntoIterator<Item = usize>) {
    blocks.into_iter().for_each(|block| free(block as *mut u8));
}

#[test]
fn every_entry_point_serves_every_size() {
    let _alone = alone();
    for size in SIZES {
        let block = entry::malloc(size);
        mark(block, size, 1);
        // SAFETY: live.
        assert!(unsafe { entry::usable_size(block) } >= size);
        // SAFETY: live, and only the new address is used afterwards.
        let larger = unsafe { entry::realloc(block, 2 * size) };
        // SAFETY: live, and its first byte was kept.
        assert_eq!(unsafe { larger.read() }, 1);
        mark(larger, 2 * size, 2);
        // SAFETY: as above.
        let smaller = unsafe { entry::realloc(larger, size) };
        mark(smaller, size, 3);
        // SAFETY: live, of that size, and forgotten.
        unsafe { entry::free_sized(smaller, size) };
        let zeros = entry::calloc(1, size);
        assert_marked(zeros, size, 0);
        free(zeros);
        for alignment in [64, 4096] {
            let aligned = entry::aligned_alloc(alignment, size);
            assert!((aligned as usize).is_multiple_of(alignment));
            mark(aligned, size, 4);
            // SAFETY: live, of that size and alignment, and forgotten.
            unsafe { entry::free_aligned_sized(aligned, alignment, size) };
        }
    }
    assert!(entry::malloc(usize::MAX).is_null());
    free(core::ptr::null_mut());
    entry::trim();
}

#[test]
fn lists_run_full_and_empty_and_slabs_come_and_go() {
    let _alone = alone();
    for (count, size) in [(150, 100), (20, 20_000)] {
        for _ in 0..2 {
            let blocks = allocate(count, size);
            let all: Vec<_> = blocks.iter().enumerate().collect();
            for (number, &block) in all {
                assert_marked(block as *mut u8, size, number as u8);
            }
            // Neither in order nor against it, and then the rest.
            let (even, odd): (Vec<_>, Vec<_>) =
                (0..count).partition(|number| number.is_multiple_of(2));
            free_all(even.into_iter().chain(odd).map(|number| blocks[number]));
        }
    }
    assert!(entry::trim());
}

#[test]
fn blocks_go_from_thread_to_thread() {
    let _alone = alone();
    let (sender, receiver) = mpsc::channel::<Vec<usize>>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..3 {
                sender.send(allocate(150, 200)).expect("the other thread is there");
            }
        });
        scope.spawn(move || receiver.iter().for_each(free_all));
    });
}

#[test]
fn threads_meet_at_the_slabs_of_one_bin_and_of_two() {
    let _alone = alone();
    let together = Barrier::new(2);
    thread::scope(|scope| {
        for size in [5000, 6000] {
            let together = &together;
            scope.spawn(move || {
                for _ in 0..2 {
                    together.wait();
                    let own = allocate(40, size);
                    let shared = allocate(40, 3000);
                    free_all(own.into_iter().chain(shared));
                    entry::trim();
                }
            });
        }
    });
}

/// Frees its block when its thread's own values are destroyed.
struct Late(usize);

impl Drop for Late {
    fn drop(&mut self) {
        free_all([self.0]);
        free_all(allocate(1, 200));
    }
}

#[test]
fn a_thread_that_is_ending_may_still_call() {
    std::thread_local! {
        static LATE: core::cell::RefCell<Option<Late>> = const { core::cell::RefCell::new(None) };
    }
    let _alone = alone();
    let ending = || {
        let block = allocate(1, 200)[0];
        LATE.with_borrow_mut(|late| *late = Some(Late(block)));
    };
    thread::spawn(ending).join().expect("does not panic");
}
