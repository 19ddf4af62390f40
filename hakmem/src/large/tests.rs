#![allow(unsafe_code)]

use std::vec::Vec;

use super::*;
use crate::os::memory::faults;
use crate::tests::alone;

fn address(span: &Allocated) -> usize {
    span.address.as_ptr() as usize
}

/// Fills a span, which must read as zeros if it is fresh.
fn fill(span: &Allocated, byte: u8) {
    // SAFETY: a live span of that size.
    let contents = unsafe { core::slice::from_raw_parts_mut(span.address.as_ptr(), span.bytes) };
    assert!(!span.is_fresh || contents.iter().all(|&byte| byte == 0), "fresh spans are zeros");
    contents.fill(byte);
}

fn allocate_filled(size: usize, byte: u8) -> Allocated {
    let span = allocate(size, PAGE_MIN).expect("memory");
    fill(&span, byte);
    span
}

/// Gives back all free ranges, so that a test begins without any.
fn clear() {
    while give_back::run(SPANS.lock(), Want::Room { bytes: usize::MAX }, 0) > 0 {}
}

#[test]
fn spans_live_move_and_die() {
    alone!();
    let span = allocate_filled(300_000, 7);
    let (at, size) = (address(&span), span.bytes);
    assert_eq!(at % page_bytes(), 0);
    assert_eq!(bytes(at), Some(size));
    assert_eq!(bytes(at + page_bytes()), None, "inside of a span is no span");
    assert_eq!(nearby(at + page_bytes()), Nearby::Inside);
    let (moved, larger) = resize(at, 5_000_000, 0).expect("memory");
    assert!(larger >= 5_000_000);
    // SAFETY: a live span of that size.
    let contents = unsafe { core::slice::from_raw_parts(moved.as_ptr(), size) };
    assert!(contents.iter().all(|&byte| byte == 7));
    assert!(resize(at + page_bytes(), 100, 0).is_none(), "no span");
    assert!(resize(moved.as_ptr() as usize, usize::MAX / 4, 0).is_none(), "no memory");
    assert_eq!(bytes(moved.as_ptr() as usize), Some(larger), "a failure leaves it as it was");
    let freed = free(moved.as_ptr() as usize, 0).expect("a span");
    assert_eq!((freed.bytes, freed.unmapped), (larger, false), "it is kept for a while");
    assert!(free(moved.as_ptr() as usize, 0).is_none(), "only once");
    assert_eq!(nearby(moved.as_ptr() as usize), Nearby::Freed);
}

#[test]
fn spans_are_aligned_as_asked() {
    alone!();
    for shift in 12..=26 {
        let alignment = 1 << shift;
        let span = allocate(100_000, alignment).expect("memory");
        assert_eq!(address(&span) % alignment, 0);
        fill(&span, 1);
        assert!(free(address(&span), 0).is_some());
        let again = allocate(100_000, alignment).expect("memory");
        assert_eq!(address(&again), address(&span), "cut out of what is kept");
        assert!(free(address(&again), 0).is_some());
        clear();
    }
    assert!(allocate(usize::MAX, PAGE_MIN).is_none());
    assert!(allocate(usize::MAX - PAGE_MIN, PAGE_MIN).is_none());
    assert!(allocate(100, 1 << 62).is_none());
}

#[test]
fn memory_goes_back_in_place_and_the_next_span_there_is_zeros() {
    alone!();
    clear();
    let spans: Vec<_> = (0..16).map(|_| allocate_filled(400_000, 9)).collect();
    let held = usage();
    for span in &spans {
        assert!(free(address(span), 1_000).is_some());
    }
    let kept = usage();
    let total: usize = spans.iter().map(|span| span.bytes).sum();
    assert_eq!((kept.live, kept.cached), (held.live - total, held.cached + total));
    assert_eq!(purge(1_400, PURGE_AFTER_MS), 0, "it is not old enough");
    assert!(purge(1_500, PURGE_AFTER_MS) >= total);
    let purged = usage();
    assert_eq!(purged.cached, 0);
    assert!(purged.purged >= total, "the address space is still there");
    let again = allocate_filled(1_000_000, 3);
    assert!(again.is_fresh);
    assert!(spans.iter().any(|span| address(span) == address(&again)));
    assert!(free(address(&again), 0).is_some());
}

#[test]
fn the_oldest_memory_goes_when_there_is_too_much_and_a_huge_span_at_once() {
    alone!();
    clear();
    let count = give_back::DIRTY_BYTES_MIN / (1 << 20) + 8;
    let spans: Vec<_> = (0..count).map(|_| allocate_filled(1 << 20, 4)).collect();
    for (number, span) in spans.iter().enumerate() {
        assert!(free(address(span), number as u32).is_some());
        assert!(usage().cached <= give_back::DIRTY_BYTES_MIN);
    }
    assert!(usage().cached > give_back::DIRTY_BYTES_MIN - (1 << 20), "and no more than that");
    let kept = usage().cached;
    let huge = allocate_filled(2 * give_back::DIRTY_BYTES_MIN, 5);
    let before = usage().cached;
    let freed = free(address(&huge), 99).expect("a span");
    assert!(freed.unmapped);
    assert!(usage().cached <= before && before <= kept);
}

#[test]
fn a_cycle_of_buffers_keeps_its_memory_once_it_has_come_round() {
    alone!();
    clear();
    let round = |now_ms| {
        let spans: Vec<_> = (0..4).map(|_| allocate_filled(20 << 20, 6)).collect();
        let fresh = spans.iter().filter(|span| span.is_fresh).count();
        for span in &spans {
            assert!(free(address(span), now_ms).is_some());
        }
        fresh
    };
    assert_eq!(round(10), 4);
    assert!(usage().cached <= give_back::DIRTY_BYTES_MIN, "a peak goes back at once");
    round(20);
    round(30);
    assert_eq!((round(40), round(50)), (0, 0), "the pages are faulted in again");
    // Nothing is learnt for ever.
    for second in 1..9 {
        purge(second * 1_000, PURGE_AFTER_MS);
        assert!(free(address(&allocate_filled(1 << 20, 7)), second * 1_000).is_some());
    }
    assert_eq!(round(9_000), 4);
    assert!(usage().cached <= give_back::DIRTY_BYTES_MIN, "{:?}", usage());
}

#[test]
fn address_space_is_kept_in_proportion_and_the_rest_unmapped() {
    alone!();
    clear();
    let spans: Vec<_> = (0..200).map(|_| allocate(1 << 20, PAGE_MIN).expect("memory")).collect();
    let live = usage().live;
    for span in spans.iter().step_by(2) {
        assert!(free(address(span), 0).is_some());
    }
    purge(1_000, 0);
    assert!(usage().purged <= live / 2, "{:?}", usage());
    for span in spans.iter().skip(1).step_by(2) {
        assert!(free(address(span), 0).is_some());
    }
    purge(1_000, 0);
    let Usage { live, cached, purged } = usage();
    assert!(cached == 0 && purged <= (live / 2).max(32 << 20), "{live} {purged}");
}

#[test]
fn what_the_system_refuses_to_take_is_kept_counted_and_tried_again() {
    alone!();
    clear();
    let span = allocate_filled(500_000, 8);
    assert!(free(address(&span), 0).is_some());
    let (before, refused) = (usage(), memory::refusals());
    let given = faults::with(libc::SYS_madvise, 0, 1, || purge(1_000, 500));
    assert_eq!((given, usage()), (0, before), "it still has memory");
    assert_eq!(memory::refusals().purges, refused.purges + 1);
    assert_eq!(purge(1_400, 500), 0, "not at once");
    let again = allocate(500_000, PAGE_MIN).expect("memory");
    assert_eq!((address(&again), again.is_fresh), (address(&span), false), "nothing says zeros");
    assert!(free(address(&again), 1_500).is_some());
    assert_eq!(purge(2_000, 500), before.cached);
    let purged = usage().purged;
    let given = faults::with(libc::SYS_munmap, 0, 1, || {
        give_back::run(SPANS.lock(), Want::Room { bytes: 1 }, 0)
    });
    assert_eq!((given, usage().purged), (0, purged), "it is still known");
    assert_eq!(memory::refusals().unmaps, refused.unmaps + 1);
    assert!(give_back::run(SPANS.lock(), Want::Room { bytes: 1 }, 0) > 0);
}

#[test]
fn what_is_kept_is_given_back_before_a_request_fails() {
    alone!();
    clear();
    let span = allocate_filled(3_000_000, 1);
    assert!(free(address(&span), 0).is_some());
    assert!(usage().cached > 0);
    let larger = faults::with(libc::SYS_mmap, 0, 1, || allocate(30_000_000, PAGE_MIN));
    assert_eq!(usage().cached, 0);
    assert!(free(address(&larger.expect("the second try passes")), 0).is_some());
    let none = faults::with(libc::SYS_mmap, 0, usize::MAX, || allocate(90_000_000, PAGE_MIN));
    assert!(none.is_none());
}

#[test]
fn a_span_that_the_system_does_not_move_is_copied() {
    alone!();
    clear();
    let span = allocate_filled(300_000, 6);
    let behind = allocate_filled(300_000, 5);
    let (moved, size) = faults::with(libc::SYS_mremap, 0, 1, || {
        resize(address(&span), span.bytes + 100_000, 0).expect("memory")
    });
    assert!(size >= span.bytes + 100_000);
    // SAFETY: a live span of that size.
    let contents = unsafe { core::slice::from_raw_parts(moved.as_ptr(), span.bytes) };
    assert!(contents.iter().all(|&byte| byte == 6));
    assert!(free(moved.as_ptr() as usize, 0).is_some());
    assert!(free(address(&behind), 0).is_some());
}

#[test]
fn spans_shrink_and_grow_where_they_lie() {
    alone!();
    clear();
    let span = allocate_filled(4_000_000, 2);
    let at = address(&span);
    let live = usage().live;
    let (same, small) = resize(at, 1_000_000, 0).expect("a span");
    assert_eq!(
        (same.as_ptr() as usize, small),
        (at, 1_000_000_usize.next_multiple_of(page_bytes()))
    );
    assert_eq!(usage().live, live - span.bytes + small);
    let (same, large) = resize(at, 4_000_000, 0).expect("a span");
    assert_eq!((same.as_ptr() as usize, large), (at, span.bytes));
    assert_eq!(usage().live, live);
    assert!(free(at, 0).is_some());
}

#[test]
fn a_child_finds_the_spans_again_and_begins_without_free_ones() {
    alone!();
    clear();
    let spans: Vec<_> = (0..40).map(|_| allocate_filled(300_000, 3)).collect();
    for span in spans.iter().step_by(2) {
        assert!(free(address(span), 0).is_some());
    }
    let before = usage();
    assert_eq!(repair(false), 0);
    assert_eq!(usage(), before, "there was nothing to repair");
    assert_eq!(repair(true), before.cached + before.purged);
    assert_eq!(usage(), Usage { live: before.live, cached: 0, purged: 0 });
    for span in spans.iter().skip(1).step_by(2) {
        assert_eq!(bytes(address(span)), Some(span.bytes));
        assert!(free(address(span), 0).is_some());
    }
    assert!(allocate(300_000, PAGE_MIN).is_some_and(|span| free(address(&span), 0).is_some()));
}

/// Frees every second one of `count` adjacent spans; the system must keep about as many mappings as
/// before.
fn check_holes(count: usize, mappings_more: usize) {
    let mappings = || std::fs::read_to_string("/proc/self/maps").expect("a file").lines().count();
    clear();
    let most = mappings() + mappings_more;
    let spans: Vec<_> = (0..count).map(|_| allocate(270_000, PAGE_MIN).expect("memory")).collect();
    assert!(mappings() < most, "{} mappings of {most} for spans in use", mappings());
    for span in spans.iter().step_by(2) {
        assert!(free(address(span), 0).is_some());
    }
    purge(1_000, 0);
    assert!(mappings() < most, "{} mappings of {most} with holes", mappings());
    for span in spans.iter().skip(1).step_by(2) {
        assert!(free(address(span), 0).is_some());
    }
    purge(1_000, 0);
    assert!(usage().purged <= 64 << 20, "joined, and unmapped: {:?}", usage());
}

#[test]
fn many_holes_make_no_mappings() {
    alone!();
    check_holes(CAREFREE_MAX + 4_000, 600);
}

#[test]
fn where_the_system_allows_few_mappings_few_holes_make_none() {
    alone!();
    bound_mappings(1_000);
    check_holes(CAREFREE_MAX / 4, 250);
    bound_mappings(usize::MAX);
    assert_eq!(carefree(), CAREFREE_MAX);
}

#[test]
fn the_systems_setting_is_known() {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("Linux has it");
    let known = memory::mappings_max();
    assert_eq!(known, text.trim().parse().ok());
    assert!(known.is_some_and(|mappings| mappings > 0));
}
