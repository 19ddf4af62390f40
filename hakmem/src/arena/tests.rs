#![allow(unsafe_code)]

use std::vec::Vec;

use super::*;
use crate::os::memory::faults;
use crate::slab::Idle;
use crate::tests::alone;

fn take(order: usize) -> NonNull<Slab> {
    take_run(order).expect("there is memory")
}

fn base(run: NonNull<Slab>) -> usize {
    // SAFETY: the run is taken, so its descriptor is usable.
    unsafe { (*run.as_ptr()).base() }
}

/// Writes `new` to every page of a run, each of which must read as `expected` before.
fn touch(run: NonNull<Slab>, order: usize, expected: Option<u8>, new: u8) {
    for at in (0..GRANULE << order).step_by(memory::page_bytes()) {
        let page = (base(run) + at) as *mut u8;
        // SAFETY: the memory of a taken run belongs to the test.
        let found = unsafe { page.read() };
        assert!(expected.is_none_or(|expected| expected == found), "{found} at {at}");
        // SAFETY: as above.
        unsafe { page.write(new) };
    }
}

#[test]
fn runs_are_aligned_disjoint_and_described() {
    alone!();
    let runs: Vec<_> = (0..ORDERS).chain(0..ORDERS).map(|order| (take(order), order)).collect();
    for (index, &(run, order)) in runs.iter().enumerate() {
        assert_eq!(base(run) % GRANULE, 0);
        touch(run, order, None, index as u8 + 1);
        for granule in 0..1 << order {
            let inside = base(run) + granule * GRANULE + 17;
            assert_eq!(run_of(inside), Some(run), "granule {granule} of order {order}");
        }
    }
    for (index, &(run, order)) in runs.iter().enumerate() {
        touch(run, order, Some(index as u8 + 1), 0);
    }
    let stack = 0;
    assert_eq!(run_of(&raw const stack as usize), None, "no arena");
    for (run, _) in runs {
        // SAFETY: taken above, and not used again.
        unsafe { give_run(run, 0) };
    }
}

#[test]
fn a_run_that_comes_back_is_reused_with_its_memory() {
    alone!();
    let run = take(1);
    touch(run, 1, None, 77);
    let before = usage();
    // SAFETY: taken above.
    unsafe { give_run(run, 0) };
    let after = usage();
    assert_eq!(after.slabs, before.slabs - 2 * GRANULE);
    assert_eq!(after.cached, before.cached + 2 * GRANULE);
    let again = take(1);
    assert_eq!(again, run);
    touch(again, 1, Some(77), 77);
    assert_eq!(usage(), before);
    // SAFETY: taken above.
    unsafe { give_run(again, 0) };
}

#[test]
fn memory_goes_back_after_its_time_and_reads_as_zeros_afterwards() {
    alone!();
    let run = take(2);
    touch(run, 2, None, 55);
    // Milliseconds wrap around: this free happens just before.
    let freed_at = u32::MAX - 10;
    // SAFETY: taken above.
    unsafe { give_run(run, freed_at) };
    purge(freed_at.wrapping_add(400), 500);
    let kept = take(2);
    assert_eq!(kept, run);
    touch(kept, 2, Some(55), 55);
    // SAFETY: taken above.
    unsafe { give_run(kept, freed_at) };
    let before = usage();
    let returned = purge(freed_at.wrapping_add(500), 500);
    assert!(returned >= 4 * GRANULE);
    let after = usage();
    assert_eq!(after.returned_total, before.returned_total + returned);
    assert_eq!(after.cached, before.cached - returned);
    assert_eq!(after.slabs, before.slabs);
    let clean = take(2);
    touch(clean, 2, if clean == run { Some(0) } else { None }, 1);
    // SAFETY: taken above.
    unsafe { give_run(clean, 0) };
}

#[test]
fn a_large_run_is_split_rather_than_address_space_taken() {
    alone!();
    // The test takes every free run, so that only the run below is left to be split.
    let mut held = Vec::new();
    let committed = usage().committed;
    while usage().committed == committed {
        held.push(take(0));
    }
    while held.len() < 10_000 && {
        let arenas = ARENAS.lock();
        let free = |runs: &[Runs]| runs.iter().any(|runs| !runs.0.is_null());
        free(&arenas.dirty) || free(&arenas.clean)
    } {
        held.push(take(0));
    }
    let whole = take(3);
    touch(whole, 3, None, 9);
    // SAFETY: taken above.
    unsafe { give_run(whole, 0) };
    let before = usage();
    let parts: Vec<_> = [0, 2, 1, 0].into_iter().map(|order| (take(order), order)).collect();
    let mut ranges: Vec<_> =
        parts.iter().map(|&(run, order)| (base(run), base(run) + (GRANULE << order))).collect();
    ranges.sort_unstable();
    assert_eq!(ranges[0].0, base(whole));
    assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ranges:x?}");
    assert_eq!(ranges[3].1, base(whole) + 8 * GRANULE);
    let after = usage();
    assert_eq!(after.committed, before.committed, "no new address space");
    assert_eq!(after.cached, before.cached - 8 * GRANULE);
    for (run, order) in parts {
        assert_eq!(run_of(base(run) + (GRANULE << order) - 1), Some(run));
        touch(run, order, Some(9), 0);
        // SAFETY: taken above.
        unsafe { give_run(run, 0) };
    }
    for run in held {
        // SAFETY: taken above.
        unsafe { give_run(run, 0) };
    }
}

#[test]
fn free_neighbours_are_joined_and_those_in_use_left_alone() {
    alone!();
    let runs: Vec<_> = (0..64).map(|_| take(0)).collect();
    for (index, &run) in runs.iter().enumerate() {
        touch(run, 0, None, index as u8 + 1);
    }
    // One run in sixteen stays in use.
    let (kept, given): (Vec<_>, Vec<_>) = (0..64).partition(|index| index % 16 == 0);
    for &index in &given {
        // SAFETY: taken above, and not used again.
        unsafe { give_run(runs[index], 0) };
    }
    let before = usage();
    ARENAS.lock().join_free_runs();
    let after = usage();
    assert_eq!(after.cached, 0, "free runs have no memory");
    assert_eq!((after.slabs, after.committed), (before.slabs, before.committed));
    assert_eq!(after.returned_total, before.returned_total + before.cached);
    {
        // No two free runs are neighbours any more, unless they are of the largest order.
        let arenas = ARENAS.lock();
        let mut free: Vec<(usize, usize)> = Vec::new();
        for order in 0..ORDERS {
            assert!(arenas.dirty[order].0.is_null());
            let mut run = arenas.clean[order].0;
            while let Some(slab) = NonNull::new(run) {
                // SAFETY: the run is in a free list, and the lock is held.
                let slab = unsafe { slab.as_ref() };
                assert!(slab.idle() == Idle::Clean && slab.order() == order);
                free.push((slab.base(), order));
                run = slab.next.get();
            }
        }
        free.sort_unstable();
        for pair in free.windows(2) {
            let ((first, order), (second, next)) = (pair[0], pair[1]);
            let neighbours = first + (GRANULE << order) == second;
            assert!(!neighbours || next < order || order == ORDERS - 1, "{order} before {next}");
        }
    }
    for &index in &kept {
        touch(runs[index], 0, Some(index as u8 + 1), 0);
        assert_eq!(run_of(base(runs[index]) + 5), Some(runs[index]));
    }
    let large = take(3);
    touch(large, 3, Some(0), 1);
    for run in kept.into_iter().map(|index| runs[index]).chain([large]) {
        // SAFETY: taken above.
        unsafe { give_run(run, 0) };
    }
}

#[test]
fn runs_with_memory_are_joined_for_a_larger_request_before_memory_is_new() {
    alone!();
    ARENAS.lock().join_free_runs();
    let runs: Vec<_> = (0..40).map(|_| take(0)).collect();
    for &run in &runs {
        touch(run, 0, None, 3);
    }
    for &run in &runs {
        // SAFETY: taken above, and not used again.
        unsafe { give_run(run, 0) };
    }
    let before = usage();
    let large = take(2);
    touch(large, 2, Some(3), 4);
    let after = usage();
    assert_eq!(after.cached, before.cached - (GRANULE << 2));
    assert_eq!(after.committed, before.committed);
    for granule in 0..4 {
        assert_eq!(run_of(base(large) + granule * GRANULE), Some(large));
    }
    // SAFETY: taken above.
    unsafe { give_run(large, 0) };
}

/// The bitmap that a run of one granule has in the table of bitmaps.
fn bits(run: NonNull<Slab>) -> &'static mut [u64] {
    let bytes = crate::slab::BITS_BYTES_MAX;
    // SAFETY: the table's entry for a granule that was handed out; tests use it one after the
    // other.
    unsafe { core::slice::from_raw_parts_mut(bits_of(base(run), bytes), bytes / 8) }
}

#[test]
fn bits_go_back_with_the_memory_of_their_slabs_and_those_in_use_stay() {
    alone!();
    ARENAS.lock().join_free_runs();
    // An equal number of runs for each page of the table, whatever the page size.
    let scale = memory::page_bytes() / memory::PAGE_MIN;
    let count = 64 * scale;
    let runs: Vec<_> = (0..count).map(|_| take(0)).collect();
    for (index, &run) in runs.iter().enumerate() {
        bits(run).fill(index as u64 + 1);
    }
    // One run in sixteen stays in use.
    let (kept, given): (Vec<_>, Vec<_>) = (0..count).partition(|index| index % (16 * scale) == 0);
    for &index in &given {
        // SAFETY: taken above, and not used again.
        unsafe { give_run(runs[index], 0) };
    }
    purge(1_000, 0);
    for &index in &kept {
        assert!(bits(runs[index]).iter().all(|&word| word == index as u64 + 1), "{index}");
    }
    let is_zero = |index: &usize| bits(runs[*index]).iter().all(|&word| word == 0);
    let back = given.iter().filter(|index| is_zero(index)).count();
    assert!(back > given.len() / 3, "{back} of {}", given.len());
    for &index in &kept {
        // SAFETY: taken above, and not used again.
        unsafe { give_run(runs[index], 0) };
    }
    purge(1_000, 0);
    // Bitmaps on a page that is shared with other runs may still be there.
    let back = (0..count).filter(is_zero).count();
    assert!(back > count - 16 * scale, "{back} of {count}");
}

/// Takes a thousand runs and frees them at `now_ms`; returns the bytes that are kept then.
fn grow_and_shrink(now_ms: u32) -> usize {
    let runs: Vec<_> = (0..1_000).map(|_| take(0)).collect();
    for run in runs {
        // SAFETY: taken above.
        unsafe { give_run(run, now_ms) };
    }
    usage().cached
}

#[test]
fn what_is_kept_is_little_beside_what_is_in_use() {
    alone!();
    // Long after anything that other tests have taught.
    let now_ms = 1_000_000;
    for second in 0..20 {
        purge(now_ms + second * 1000, 0);
    }
    let before = usage();
    let kept = grow_and_shrink(now_ms + 20_000);
    let after = usage();
    assert!(kept <= (after.slabs / 4).max(8 << 20), "{after:?}");
    let given = after.returned_total - before.returned_total;
    assert!(given + kept >= 1_000 * GRANULE, "{after:?}");
}

#[test]
fn memory_that_is_needed_again_and_again_is_kept() {
    alone!();
    let now_ms = 2_000_000;
    for turn in 0..4 {
        grow_and_shrink(now_ms + turn * 10);
    }
    let before = usage();
    let kept = grow_and_shrink(now_ms + 50);
    assert_eq!(usage().returned_total, before.returned_total, "nothing was given back");
    assert!(kept >= 1_000 * GRANULE);
    // It is purged in the end.
    for second in 1..20 {
        purge(now_ms + second * 1000, 500);
    }
    assert_eq!(usage().cached, 0);
    assert!(grow_and_shrink(now_ms + 21_000) < 1_000 * GRANULE);
}

#[test]
fn memory_that_the_system_refuses_to_take_stays_known_and_goes_back_later() {
    alone!();
    purge(1_000, 0);
    let run = take(1);
    touch(run, 1, None, 66);
    // SAFETY: taken above.
    unsafe { give_run(run, 1_000) };
    let (before, refused) = (usage(), memory::refusals().purges);
    let returned = faults::with(libc::SYS_madvise, 0, 1, || purge(2_000, 500));
    assert_eq!((returned, usage()), (0, before), "it is still memory that can be given back");
    assert_eq!(memory::refusals().purges, refused + 1);
    assert_eq!(purge(3_000, 500), 2 * GRANULE, "it is tried again");
}

#[test]
fn free_runs_that_the_system_does_not_purge_are_joined_with_their_memory() {
    alone!();
    let runs: Vec<_> = (0..64).map(|_| take(0)).collect();
    for (index, &run) in runs.iter().enumerate() {
        touch(run, 0, None, index as u8);
    }
    for run in runs {
        // SAFETY: taken above, and not used again.
        unsafe { give_run(run, 0) };
    }
    let before = usage();
    assert!(before.cached > 0);
    faults::with(libc::SYS_madvise, 0, usize::MAX, || ARENAS.lock().join_free_runs());
    // A run that is joined with a dirty one counts as dirty, and no memory is lost.
    let joined = usage();
    assert!(joined.cached >= before.cached && joined.committed == before.committed);
    let large = take(4);
    for granule in 0..16 {
        assert_eq!(run_of(base(large) + granule * GRANULE), Some(large));
    }
    // SAFETY: taken above, and not used again.
    unsafe { give_run(large, 0) };
    purge(1_000, 0);
    assert_eq!(usage().cached, 0);
}
