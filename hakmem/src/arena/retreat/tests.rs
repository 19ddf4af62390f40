#![allow(unsafe_code)]

use core::ptr::NonNull;
use std::vec::Vec;

use crate::arena::ranges::{COUNT, RANGES};
use crate::arena::{ARENAS, GRANULE, give_run, holds, purge, run_of, take_run, usage};
use crate::os::memory::{self, Access, PAGE, faults};
use crate::slab::Slab;
use crate::sync::Ordering;
use crate::tests::alone;

fn base(run: NonNull<Slab>) -> usize {
    // SAFETY: the run is taken, so its descriptor is usable.
    unsafe { run.as_ref() }.base()
}

/// Begins an arena, so that no run left by other tests lies in the arena that can shrink.
fn begin_arena() {
    ARENAS.lock().append().expect("there is memory");
    purge(1_000, 0);
}

/// Takes `granules` new granules of the last arena and returns them in the order of their
/// addresses.
fn grow(granules: usize) -> Vec<NonNull<Slab>> {
    let (start, first) = {
        let arenas = ARENAS.lock();
        let last = COUNT.load(Ordering::Relaxed) - 1;
        (arenas.frontier, RANGES[last].first.load(Ordering::Relaxed))
    };
    let mut runs = Vec::new();
    while ARENAS.lock().frontier < start + granules {
        runs.push(take_run(0).expect("there is memory"));
    }
    let (mut runs, others): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|&run| base(run) >= first && base(run) < first + (1 << 30));
    give(others);
    runs.sort_by_key(|&run| base(run));
    runs
}

fn give(runs: impl IntoIterator<Item = NonNull<Slab>>) {
    for run in runs {
        // SAFETY: taken by the test, and not used again.
        unsafe { give_run(run, 0) };
    }
}

#[test]
fn the_free_end_of_an_arena_is_unmapped_and_mapped_again() {
    alone!();
    begin_arena();
    let before = usage();
    let runs = grow(2_000);
    let (lowest, highest) = (base(runs[0]), base(runs[runs.len() - 1]));
    give(runs);
    purge(1_000, 0);
    let after = usage();
    assert!(after.committed <= before.committed, "{before:?}, {after:?}");
    assert!(after.reserved < before.reserved + 100 * GRANULE, "{before:?}, {after:?}");
    assert!(!holds(highest));
    // The addresses are free.
    assert_eq!(memory::map_at(highest, PAGE, Access::Read), Ok(()));
    let Some(probed) = NonNull::new(highest as *mut u8) else { panic!("an address") };
    // SAFETY: mapped just now.
    assert!(unsafe { memory::unmap(probed, PAGE) });
    let again = grow(2_000);
    assert_eq!(base(again[0]), lowest);
    for &run in &again {
        assert_eq!(run_of(base(run) + 5), Some(run));
        // SAFETY: the memory of a taken run belongs to the test.
        unsafe { (base(run) as *mut u8).write(1) };
    }
    give(again);
}

#[test]
fn what_is_in_use_keeps_what_lies_below_it() {
    alone!();
    begin_arena();
    let mut runs = grow(600);
    let kept = runs.remove(300);
    give(runs);
    purge(1_000, 0);
    assert!(holds(base(kept)));
    {
        let arenas = ARENAS.lock();
        assert_eq!(arenas.frontier, arenas.committed, "nothing behind it is kept");
    }
    assert_eq!(run_of(base(kept) + 7), Some(kept));
    // SAFETY: the memory of a taken run belongs to the test.
    unsafe { (base(kept) as *mut u8).write(1) };
    give([kept]);
}

#[test]
fn a_small_end_stays_until_all_that_is_kept_is_asked_back() {
    alone!();
    begin_arena();
    let runs = grow(3);
    let end = runs[runs.len() - 1];
    give(runs);
    purge(1_000, 500);
    assert!(holds(base(end)), "it is a step of growth");
    purge(1_000, 0);
    assert!(!holds(base(end)));
}

#[test]
fn an_end_that_the_system_does_not_take_back_stays_usable() {
    alone!();
    begin_arena();
    let runs = grow(600);
    let end = base(runs[runs.len() - 1]);
    give(runs);
    faults::with(libc::SYS_munmap, 0, usize::MAX, || purge(1_000, 0));
    assert!(holds(end), "the system refused");
    purge(1_000, 0);
    assert!(!holds(end));
}
