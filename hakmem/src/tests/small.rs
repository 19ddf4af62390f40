//! The life of the allocator in a few hundred calls: every entry point, every way by which a block
//! passes between two threads, and the work that is done only after a while. The calls are few
//! enough for Miri, which examines each access. Each test names the slow paths that it is there
//! for, and fails if it does not reach them.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr::without_provenance;
use std::sync::{Barrier, OnceLock, mpsc};
use std::thread;
use std::time::Duration;
use std::vec::Vec;

use hakmem_segment::{AllocReason as Alloc, BINS, FreeReason as Free};

use super::alone;
use crate::arena;
use crate::entry;
use crate::lock;
use crate::lock::tests::WAITS;
use crate::os::clock;
use crate::sync::Ordering;
use crate::threads;

/// Tiny, mid and large sizes, including the ends of classes.
const SIZES: [usize; 7] = [1, 24, 100, 1024, 5000, 70_000, 270_000];

/// Writes the first and the last byte.
fn mark(block: *mut u8, size: usize, mark: u8) {
    assert!(!block.is_null());
    // SAFETY: a live block of that size, which only the test has.
    unsafe { block.write(mark) };
    // SAFETY: a live block of that size, which only the test has.
    unsafe { block.wrapping_add(size - 1).write(mark) };
}

fn assert_marked(block: *mut u8, size: usize, mark: u8) {
    // SAFETY: a live block of that size, whose first byte was written.
    assert_eq!(unsafe { block.read() }, mark);
    // SAFETY: a live block of that size, whose last byte was written.
    assert_eq!(unsafe { block.wrapping_add(size - 1).read() }, mark);
}

fn free(block: *mut u8) {
    // SAFETY: the block is live, and the test forgets it.
    unsafe { entry::free(block) }
}

/// Slow calls of all threads, by reason.
struct SlowCalls {
    allocations: Vec<u64>,
    frees: Vec<u64>,
}

impl SlowCalls {
    /// Counts from now on. Every test calls this first, because it also empties the central store,
    /// which would otherwise serve refills with blocks of earlier tests. Another thread does so, as
    /// this one may not have made a call yet.
    fn from_now_on() -> Self {
        thread::spawn(entry::trim).join().expect("does not panic");
        Self::until_now()
    }

    fn until_now() -> Self {
        let mut calls = Self {
            allocations: std::vec![0; Alloc::ALL.len()],
            frees: std::vec![0; Free::ALL.len()],
        };
        threads::for_each_slot(&mut |slot| {
            for bin in 0..BINS {
                for (sum, &reason) in calls.allocations.iter_mut().zip(Alloc::ALL) {
                    *sum += slot.slow_allocations(bin, reason);
                }
                for (sum, &reason) in calls.frees.iter_mut().zip(Free::ALL) {
                    *sum += slot.slow_frees(bin, reason);
                }
            }
        });
        calls
    }

    /// Fails if one of the reasons did not occur since then.
    fn assert_since(&self, allocations: &[Alloc], frees: &[Free]) {
        let now = Self::until_now();
        for &reason in allocations {
            let at = reason as usize;
            assert!(now.allocations[at] > self.allocations[at], "none was {}", reason.name());
        }
        for &reason in frees {
            let at = reason as usize;
            assert!(now.frees[at] > self.frees[at], "none was {}", reason.name());
        }
    }
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
fn locks_tell_living_threads_apart() {
    let other = thread::spawn(lock::holder).join().expect("nothing panics there");
    assert_ne!(other, lock::holder());
}

#[test]
fn every_entry_point_serves_every_size() {
    alone!();
    let before = SlowCalls::from_now_on();
    for size in SIZES {
        let block = entry::malloc(size);
        mark(block, size, 1);
        // SAFETY: the block is live.
        assert!(unsafe { entry::usable_size(block) } >= size);
        // SAFETY: the block is live, and only the new address is used afterwards.
        let larger = unsafe { entry::realloc(block, 2 * size) };
        // SAFETY: the block is live, and its first byte was kept.
        assert_eq!(unsafe { larger.read() }, 1);
        mark(larger, 2 * size, 2);
        // SAFETY: the block is live, and only the new address is used afterwards.
        let smaller = unsafe { entry::realloc(larger, size) };
        mark(smaller, size, 3);
        // SAFETY: the block is live, of that size, and forgotten.
        unsafe { entry::free_sized(smaller, size) };
        let zeros = entry::calloc(1, size);
        assert_marked(zeros, size, 0);
        free(zeros);
        for alignment in [64, 4096] {
            let aligned = entry::aligned_alloc(alignment, size);
            assert!((aligned as usize).is_multiple_of(alignment));
            mark(aligned, size, 4);
            // SAFETY: the block is live, of that size and alignment, and forgotten.
            unsafe { entry::free_aligned_sized(aligned, alignment, size) };
        }
    }
    // No bin has blocks of this alignment.
    free(entry::aligned_alloc(128 << 10, 100));
    assert!(entry::malloc(usize::MAX).is_null());
    free(core::ptr::null_mut());
    entry::trim();
    before.assert_since(
        &[Alloc::NewSlab, Alloc::LargeMap, Alloc::Aligned, Alloc::OutOfMemory],
        &[Free::LargeUnmap],
    );
}

#[test]
fn lists_run_full_and_empty_and_slabs_come_and_go() {
    alone!();
    let before = SlowCalls::from_now_on();
    for (count, size) in [(if cfg!(miri) { 90 } else { 150 }, 100), (20, 20_000)] {
        for _ in 0..2 {
            let blocks = allocate(count, size);
            let all: Vec<_> = blocks.iter().enumerate().collect();
            for (number, &block) in all {
                assert_marked(block as *mut u8, size, number as u8);
            }
            // Frees every other block first and then the rest, neither in the order of addresses
            // nor against it.
            let (even, odd): (Vec<_>, Vec<_>) =
                (0..count).partition(|number| number.is_multiple_of(2));
            free_all(even.into_iter().chain(odd).map(|number| blocks[number]));
        }
    }
    assert!(entry::trim());
    before.assert_since(
        &[Alloc::RefillCentral, Alloc::RefillSlab, Alloc::NewSlab, Alloc::RefillSpare],
        &[Free::FlushFull, Free::FlushSpare],
    );
}

#[test]
fn blocks_go_from_thread_to_thread() {
    const ROUNDS: usize = 3;
    // Lists of larger blocks fill up sooner.
    let (count, size) = if cfg!(miri) { (30, 3000) } else { (150, 200) };
    alone!();
    let before = SlowCalls::from_now_on();
    let (sender, receiver) = mpsc::channel::<Vec<usize>>();
    let (freed, wait_until_freed) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for round in 0..ROUNDS {
                if round == ROUNDS - 1 {
                    // The blocks that the other thread has freed by then can be allocated.
                    wait_until_freed.iter().take(round).for_each(drop);
                }
                sender.send(allocate(count, size)).expect("the other thread is there");
            }
        });
        scope.spawn(move || {
            for blocks in receiver {
                free_all(blocks);
                // After the last round no thread waits.
                let _ = freed.send(());
            }
        });
    });
    before.assert_since(
        &[Alloc::FirstUse, Alloc::RefillSlab, Alloc::RefillCentral],
        &[Free::FlushFull, Free::FlushSpare],
    );
}

#[test]
fn threads_meet_at_the_slabs_of_one_bin_and_of_two() {
    alone!();
    let (before, waits) = (SlowCalls::from_now_on(), WAITS.load(Ordering::Relaxed));
    let together = Barrier::new(2);
    let count = if cfg!(miri) { 25 } else { 40 };
    thread::scope(|scope| {
        for size in [5000, 6000] {
            let together = &together;
            scope.spawn(move || {
                for _ in 0..2 {
                    together.wait();
                    let own = allocate(count, size);
                    let shared = allocate(count, 3000);
                    free_all(own.into_iter().chain(shared));
                    entry::trim();
                }
            });
        }
    });
    before.assert_since(&[Alloc::RefillSlab, Alloc::NewSlab], &[Free::FlushFull, Free::FlushSpare]);
    // Without Miri two threads may happen not to meet; Miri takes the same turns each time.
    assert!(WAITS.load(Ordering::Relaxed) > waits || !cfg!(miri), "no lock was waited for");
}

/// Lets time pass; under Miri the simulated clock advances by being read.
fn pass_ms(ms: u64) {
    let begun_ns = clock::monotonic_ns();
    while clock::monotonic_ns() - begun_ns < ms * 1_000_000 {
        if !cfg!(miri) {
            thread::sleep(Duration::from_millis(ms));
        }
    }
}

#[test]
fn what_nobody_needs_goes_back_after_a_while() {
    alone!();
    const SIZE: usize = 1000;
    let returned = || arena::usage().returned_total;
    let before = returned();
    // Some blocks stay, so that memory of slabs in use is returned as well as whole slabs.
    let blocks = allocate(if cfg!(miri) { 70 } else { 150 }, SIZE);
    let (kept, given) = blocks.split_at(5);
    free_all(given.iter().copied());
    free_all(allocate(10, 20_000));
    // First the blocks on lists go back, then the memory of the slabs that received them.
    for _ in 0..4 {
        pass_ms(300);
        free_all(allocate(1, 270_000));
    }
    let returned = returned() - before;
    assert!(returned >= 2 << 16, "only {returned} bytes went back");
    for (number, &block) in kept.iter().enumerate() {
        assert_marked(block as *mut u8, SIZE, number as u8);
    }
    free_all(kept.iter().copied());
}

/// Frees its block when its thread's thread-local values are destroyed.
struct Late(usize);

impl Drop for Late {
    fn drop(&mut self) {
        free_all([self.0]);
        free_all(allocate(1, 200));
    }
}

/// Allocates and frees in every round of destructors; its value is the number of the round.
unsafe extern "C" fn call_in_each_round(round: *mut c_void) {
    /// The number of rounds that POSIX guarantees.
    const ROUNDS: usize = 4;
    free_all(allocate(1, 300));
    if round.addr() < ROUNDS {
        arm(round.addr() + 1);
    }
}

static KEY: OnceLock<libc::pthread_key_t> = OnceLock::new();

fn arm(round: usize) {
    let key = *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: there is room for a key.
        assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(call_in_each_round)) }, 0);
        key
    });
    // SAFETY: the key exists, and its destructor takes any value for a number.
    assert_eq!(unsafe { libc::pthread_setspecific(key, without_provenance(round)) }, 0);
}

#[test]
fn a_thread_that_is_ending_may_still_call() {
    std::thread_local! {
        static LATE: core::cell::RefCell<Option<Late>> = const { core::cell::RefCell::new(None) };
    }
    alone!();
    let before = SlowCalls::from_now_on();
    let ending = || {
        let block = allocate(1, 200)[0];
        LATE.with_borrow_mut(|late| *late = Some(Late(block)));
        arm(1);
    };
    thread::spawn(ending).join().expect("does not panic");
    before.assert_since(&[Alloc::FirstUse], &[Free::Late]);
}
