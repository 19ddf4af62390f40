//! A Rust program whose global allocator is hakmem. It is a binary of its own: a program has one
//! global allocator, and loom's models bring theirs.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, mpsc};
use std::thread;

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

/// More strictly aligned than any C type.
#[repr(align(256))]
#[derive(Clone)]
struct Wide([u8; 300]);

fn work(seed: usize) -> usize {
    let mut map: HashMap<String, Vec<usize>> = HashMap::new();
    let mut queue = VecDeque::new();
    for number in 0..3000 {
        map.entry(format!("key {}", (number * seed) % 97)).or_default().push(number);
        queue.push_back(vec![number as u8; number % 1500].into_boxed_slice());
        if queue.len() > 50 {
            let oldest = queue.pop_front().expect("not empty");
            assert!(oldest.iter().all(|&byte| usize::from(byte) == (number - 50) % 256));
        }
    }
    let ordered: BTreeMap<_, _> = map.into_iter().collect();
    ordered.values().map(Vec::len).sum()
}

#[test]
fn collections_work_in_many_threads() {
    let threads: Vec<_> = (1..=64).map(|seed| thread::spawn(move || work(seed))).collect();
    for thread in threads {
        assert_eq!(thread.join().expect("does not panic"), 3000);
    }
}

#[test]
fn over_aligned_values_are_aligned_and_survive_growth() {
    let mut values = Vec::new();
    for number in 0..2000_usize {
        values.push(Wide([number as u8; 300]));
        let boxed = Box::new(values[number / 2].clone());
        assert_eq!(std::ptr::from_ref(&*boxed).addr() % 256, 0);
    }
    assert_eq!(values.as_ptr().addr() % 256, 0);
    for (number, value) in values.iter().enumerate() {
        assert!(value.0.iter().all(|&byte| byte == number as u8), "{number}");
    }
    let zeros = vec![0_u128; 100_000];
    assert!(zeros.iter().all(|&zero| zero == 0));
}

/// Page faults that the calling thread has taken.
fn page_faults() -> i64 {
    // SAFETY: zeros are a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: fills `usage`.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) }, 0);
    usage.ru_minflt
}

#[test]
fn zeroed_spans_take_no_memory_before_they_are_touched_whatever_their_alignment() {
    const BYTES: usize = 256 << 20;
    for alignment in [1, 8, 16, 64, 4096, 1 << 16, 1 << 21] {
        let layout = Layout::from_size_align(BYTES, alignment).expect("a valid layout");
        let before = page_faults();
        // SAFETY: the size is not 0.
        let block = unsafe { alloc_zeroed(layout) };
        let faults = page_faults() - before;
        assert!(!block.is_null() && block.addr().is_multiple_of(alignment));
        // By hand, clearing takes 128 faults with pages of 2 MiB, and 65 536 with pages of 4 KiB.
        assert!(faults < 32, "{faults} page faults at an alignment of {alignment}");
        for at in [0, BYTES / 2, BYTES - 1] {
            // SAFETY: inside the block, which is zeroed.
            assert_eq!(unsafe { block.wrapping_add(at).read() }, 0);
        }
        // SAFETY: a live block of this layout.
        unsafe { dealloc(block, layout) };
    }
}

#[test]
fn zeroed_memory_is_zero_where_it_was_used_before() {
    for alignment in [8, 16, 64, 256, 1 << 13] {
        for size in [16, 100, 1024, 5000, 100_000, 300_000, 1 << 20] {
            let layout = Layout::from_size_align(size, alignment).expect("a valid layout");
            for _ in 0..3 {
                // SAFETY: the size is not 0.
                let block = unsafe { alloc_zeroed(layout) };
                // SAFETY: a zeroed block of `size` bytes, which nothing else uses.
                let bytes = unsafe { std::slice::from_raw_parts_mut(block, size) };
                assert!(bytes.iter().all(|&byte| byte == 0), "{size} bytes at {alignment}");
                bytes.fill(7);
                // SAFETY: a live block of this layout.
                unsafe { dealloc(block, layout) };
            }
        }
    }
}

thread_local! {
    static KEPT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn threads_free_what_others_allocated_and_what_they_kept() {
    let (sender, receiver) = mpsc::channel::<Arc<Vec<String>>>();
    let consumer = thread::spawn(move || receiver.iter().map(|texts| texts.len()).sum::<usize>());
    for round in 0..50 {
        let sender = sender.clone();
        let producer = thread::spawn(move || {
            for number in 0..200 {
                KEPT.with_borrow_mut(|kept| kept.push("x".repeat(number)));
                let texts = Arc::new(vec![format!("{round}"); number % 7]);
                sender.send(texts).expect("the consumer waits");
            }
        });
        producer.join().expect("does not panic");
    }
    drop(sender);
    let expected: usize = 50 * (0..200).map(|number| number % 7).sum::<usize>();
    assert_eq!(consumer.join().expect("does not panic"), expected);
    let totals = hakmem::totals::totals();
    assert!(totals.slab_bytes > 0 && totals.slab_cached_bytes <= totals.slab_bytes);
}
