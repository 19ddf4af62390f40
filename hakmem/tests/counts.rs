//! A program that knows its counts reads exactly those.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::RefCell;
use std::env;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use hakmem::{
    AllocReason, Class, Counts, Measurement, assert_allocations, measure, process_counts,
    thread_counts,
};

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

/// An allocation that the compiler does not leave out.
struct Block {
    address: *mut u8,
    layout: Layout,
}

impl Block {
    fn new(size: usize, alignment: usize) -> Self {
        let layout = Layout::from_size_align(size, alignment).expect("a valid layout");
        // SAFETY: the size is not 0.
        let address = black_box(unsafe { alloc(layout) });
        assert!(!address.is_null());
        Self { address, layout }
    }

    /// Whether the block has its address still.
    fn resize(&mut self, size: usize) -> bool {
        let before = self.address;
        // SAFETY: a live block of this layout; the size is not 0.
        self.address = black_box(unsafe { realloc(before, self.layout, size) });
        assert!(!self.address.is_null());
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("a valid layout");
        self.address == before
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: a live block of this layout.
        unsafe { dealloc(black_box(self.address), self.layout) };
    }
}

/// Allocations by class, and reallocations in place and moved.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    allocations: [u64; 10],
    in_place: u64,
    moved: u64,
}

impl Known {
    /// The program's work: all that is allocated is freed. `turn` varies the order.
    fn work(turn: usize) -> Self {
        const SIZES: [(usize, Class); 10] = [
            (8, Class::C0),
            (16, Class::C1),
            (24, Class::C2),
            (64, Class::C3),
            (100, Class::C4),
            (200, Class::C5),
            (400, Class::C6),
            (1000, Class::C7),
            (5000, Class::Mid),
            (300_000, Class::Large),
        ];
        let mut known = Self::default();
        // As many as make every list overflow and run empty, in an array that is no allocation.
        for round in 0..40 {
            let (size, class) = SIZES[(round + turn) % SIZES.len()];
            let blocks: [Block; 60] = std::array::from_fn(|_| Block::new(size, 1));
            known.allocations[class as usize] += blocks.len() as u64;
        }
        known.chain(1);
        known.chain(64);
        known
    }

    /// A chain of reallocations through all classes, up and down.
    fn chain(&mut self, alignment: usize) {
        let mut block = Block::new(60, alignment);
        self.allocations[Class::C3 as usize] += 1;
        let sizes = [
            61,
            64,
            65,
            500,
            1000,
            1020,
            5000,
            5001,
            250_000,
            300_000,
            300_001,
            1 << 20,
            3 << 20,
            400_000,
            399_999,
            1 << 22,
            100_000,
            100,
            101,
            60,
        ];
        for size in sizes {
            if block.resize(size) { self.in_place += 1 } else { self.moved += 1 }
        }
    }

    fn check(&self, counts: &Counts) {
        let class = |at| counts.class(Class::ALL[at]);
        assert_eq!(std::array::from_fn(|at| class(at).allocations), self.allocations);
        assert_eq!(std::array::from_fn(|at| class(at).frees), self.allocations);
        assert_eq!(counts.reallocations_in_place(), self.in_place);
        assert_eq!(counts.reallocations_moved(), self.moved);
        assert_eq!(counts.allocated_bytes(), counts.freed_bytes(), "all was freed");
    }
}

/// Keeps the tests apart, because some count the whole process. A test that only panics or reads a
/// file allocates as well.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

mod exact {
    use super::*;

    #[test]
    fn a_thread_reads_what_it_did() {
        let _alone = alone();
        for turn in 0..10 {
            let (known, counts) = measure(|| Known::work(turn));
            known.check(&counts);
            assert!(known.in_place > 4 && known.moved > 10, "{known:?}");
        }
    }

    #[test]
    fn each_of_64_threads_reads_what_it_did_and_the_process_their_sum() {
        let _alone = alone();
        let before = process_counts();
        let threads: Vec<_> = (0..64)
            .map(|turn| {
                thread::spawn(move || {
                    let first = thread_counts();
                    let (known, counts) = measure(|| Known::work(turn));
                    known.check(&counts);
                    (known, counts, first, thread_counts())
                })
            })
            .collect();
        let mut sum = Counts::ZERO;
        let mut large = 0;
        for thread in threads {
            let (known, counts, first, whole) = thread.join().expect("does not panic");
            sum += counts;
            large += known.allocations[Class::Large as usize];
            assert_eq!((first, whole), (Counts::ZERO, counts), "the thread did nothing else");
        }
        // The threads themselves cost allocations, of small classes.
        let counts = process_counts() - before;
        assert_eq!(counts.class(Class::Large), sum.class(Class::Large));
        assert_eq!(counts.class(Class::Large).allocations, large);
        assert!(counts.reallocations_moved() >= sum.reallocations_moved());
        assert!(counts.allocations() >= sum.allocations() + 64);
    }

    #[test]
    fn measurements_nest_and_overlap_in_any_order() {
        let _alone = alone();
        let outer = Measurement::begin();
        let same_moment = Measurement::begin();
        let first = Block::new(32, 1);
        let inner = Measurement::begin();
        let second = Block::new(32, 1);
        drop(same_moment);
        let last = Measurement::begin();
        drop(first);
        assert_eq!((last.counts().allocations(), last.counts().frees()), (0, 1));
        assert_eq!((inner.counts().allocations(), inner.counts().frees()), (1, 1));
        assert_eq!((outer.counts().allocations(), outer.counts().frees()), (2, 1));
        // One that never ends disturbs no later one.
        std::mem::forget(outer);
        let (known, counts) = measure(|| Known::work(3));
        known.check(&counts);
        drop(second);
        assert_eq!(
            (inner.counts().frees(), last.counts().frees()),
            (counts.frees() + 2, counts.frees() + 2)
        );
    }

    #[test]
    fn reallocations_that_stay_count_though_they_change_no_list() {
        let _alone = alone();
        let mut block = Block::new(100, 16);
        let (is_in_place, counts) = measure(|| block.resize(101));
        assert!(is_in_place);
        assert_eq!((counts.requests(), counts.reallocations_in_place()), (1, 1));
        assert_eq!((counts.allocated_bytes(), counts.freed_bytes()), (0, 0));
    }

    #[test]
    fn a_panic_ends_measurements_and_spoils_none() {
        let _alone = alone();
        let outer = Measurement::begin();
        let mut before_panic = Counts::ZERO;
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            let _inner = Measurement::begin();
            let _block = Block::new(300_000, 1);
            before_panic = outer.counts();
            panic::resume_unwind(Box::new(()));
        }));
        assert!(result.is_err());
        let large = outer.counts().class(Class::Large);
        assert_eq!((large.allocations, large.frees), (1, 1), "unwinding dropped the block");
        assert_eq!(before_panic.class(Class::Large).frees, 0);
        let (known, counts) = measure(|| Known::work(5));
        known.check(&counts);
    }

    #[test]
    fn each_of_64_threads_that_panic_inside_a_measure_counts_to_its_end() {
        let _alone = alone();
        let before = process_counts();
        let threads: Vec<_> = (0..64)
            .map(|turn| {
                thread::spawn(move || {
                    let _outer = Measurement::begin();
                    measure(|| {
                        black_box(Known::work(turn));
                        let _blocks: [Block; 3] = std::array::from_fn(|_| Block::new(300_000, 1));
                        panic::resume_unwind(Box::new(()));
                    });
                })
            })
            .collect();
        for thread in threads {
            assert!(thread.join().is_err(), "the thread has panicked");
        }
        let counts = process_counts() - before;
        let known = Known::work(0).allocations[Class::Large as usize];
        let large = counts.class(Class::Large);
        assert_eq!((large.allocations, large.frees), (64 * (known + 3), 64 * (known + 3)));
    }

    #[test]
    fn threads_that_end_meanwhile_are_the_process_s_and_not_this_one_s() {
        let _alone = alone();
        thread_local! {
            static KEPT: RefCell<Option<(Measurement, Block)>> = const { RefCell::new(None) };
        }
        let before = process_counts();
        let ((), counts) = measure(|| {
            for _ in 0..20 {
                let work = || {
                    // The measurement and the block end with the thread.
                    let kept = (Measurement::begin(), Block::new(300_000, 1));
                    KEPT.set(Some(kept));
                };
                thread::spawn(work).join().expect("does not panic");
            }
        });
        assert_eq!(counts.class(Class::Large).allocations, 0);
        let large = (process_counts() - before).class(Class::Large);
        assert_eq!((large.allocations, large.frees), (20, 20));
    }

    #[test]
    fn slow_paths_are_told_by_reason() {
        let _alone = alone();
        let work = || {
            let (block, counts) = measure(|| Block::new(300_000, 1));
            assert_eq!(counts.slow_allocations(AllocReason::LargeMap), 1);
            assert_eq!(counts.slow_paths(), 1);
            let ((), counts) = measure(|| drop(block));
            assert_eq!(counts.slow_frees(hakmem::FreeReason::LargeUnmap), 1);
            let (_blocks, counts) =
                measure(|| -> [Block; 300] { std::array::from_fn(|_| Block::new(1024, 1)) });
            assert_eq!((counts.allocations(), counts.allocated_bytes()), (300, 300 * 1024));
            assert!(counts.slow_paths() > 1, "{counts}");
        };
        thread::spawn(work).join().expect("does not panic");
    }

    #[test]
    fn a_child_process_counts_from_its_fork_on() {
        let _alone = alone();
        let measurement = Measurement::begin();
        let block = Block::new(300_000, 1);
        // SAFETY: the child makes calls of the allocator alone, and `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(Block::new(300_000, 1));
            drop(block);
            let counts = measurement.counts().class(Class::Large);
            let whole = process_counts().class(Class::Large);
            let is_right = (counts.allocations, counts.frees) == (1, 2) && counts == whole;
            // SAFETY: ends the child.
            unsafe { libc::_exit(if is_right { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: fills the status of this process's child.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the child counted wrongly");
        assert_eq!(measurement.counts().class(Class::Large).frees, 0);
    }
}

#[test]
fn counts_are_exact_under_every_setting() {
    let _alone = alone();
    let settings = [
        ("HAKMEM_TELEMETRY", "off"),
        ("HAKMEM_CHECK", "full"),
        ("HAKMEM_ROUTING", "hybrid"),
        ("HAKMEM_LIST_BYTES", "1024"),
    ];
    for (name, value) in settings {
        let tests = env::current_exe().expect("the tests run");
        // Under a routing with headers sizes belong to other classes.
        let filter = if name == "HAKMEM_ROUTING" { "exact::threads" } else { "exact::" };
        let output = Command::new(tests).arg(filter).env(name, value).output().expect("runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !text.contains(" 0 passed"), "{name}={value}: {text}");
    }
}

#[test]
fn a_bound_that_is_exceeded_says_by_what() {
    let _alone = alone();
    let value = assert_allocations!(<= 1, { Box::new(black_box(7)) });
    assert_eq!(assert_allocations!(== 0, *value), 7);
    let result = panic::catch_unwind(|| {
        assert_allocations!(<= 2, {
            let mut numbers = black_box(Vec::with_capacity(1));
            numbers.extend(0..100_u64);
            drop(numbers);
            drop(Block::new(9, 1));
        });
    });
    let payload = result.expect_err("the bound is exceeded");
    let message = payload.downcast_ref::<String>().expect("a message");
    let expected = "allocations and reallocations: 3, not <= 2 (allocations 2, frees 2, \
                    reallocations 0 in place and 1 moved";
    assert!(message.starts_with(expected), "{message}");
}

/// Counted by callgrind; another architecture has other instructions.
#[cfg(target_arch = "x86_64")]
mod instructions {
    use super::*;

    /// The program that is counted.
    #[test]
    #[ignore = "a part of the test below"]
    fn turns() {
        let turns = env::var("TURNS").map_or(1, |turns| turns.parse().expect("a number"));
        for _ in 0..turns {
            black_box(&measure(|| ()));
        }
    }

    fn count(turns: u32) -> u32 {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env::current_exe().expect("the tests run"))
            .args(["--ignored", "--exact", "instructions::turns", "--test-threads=1"])
            .env("TURNS", format!("{turns:09}"))
            .env("HAKMEM_TELEMETRY", "off")
            .output()
            .expect("valgrind runs; it is in Debian's package valgrind");
        let message = String::from_utf8_lossy(&output.stderr);
        let line = message.lines().find(|line| line.contains("Collected"));
        let number = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        number.unwrap_or_else(|| panic!("callgrind counted nothing:\n{message}"))
    }

    #[test]
    fn measuring_nothing_costs_at_most_a_hundred() {
        let _alone = alone();
        let each = f64::from(count(210_000) - count(10_000)) / 200_000.0;
        println!("measure(|| ()): {each:.2} instructions");
        assert!((20.0..=100.0).contains(&each), "{each:.2} instructions");
    }
}
