#![allow(unsafe_code)]

use std::vec::Vec;

use super::*;
use crate::arena::{ARENAS, give_run, run_of, take_run, usage};
use crate::os::memory::{self, PAGE, faults};
use crate::tests::alone;

/// Base of the last arena, and the end of its mapped granules.
fn last_arena() -> (usize, usize) {
    let arenas = ARENAS.lock();
    let last = COUNT.load(Ordering::Relaxed) - 1;
    let granules = &arenas.last.granules;
    (RANGES[last].base.load(Ordering::Relaxed), granules.start() + granules.usable())
}

fn base(run: NonNull<Slab>) -> usize {
    // SAFETY: the run is taken, so its descriptor is usable.
    unsafe { (*run.as_ptr()).base() }
}

#[test]
fn an_arena_ends_where_somebody_has_mapped_the_addresses_and_another_goes_on() {
    alone!();
    let (first, end) = last_arena();
    let before = usage();
    // The addresses two granules further on are mapped.
    let taken = end + 2 * GRANULE;
    assert_eq!(memory::map_at(taken, PAGE, Access::Read), Ok(()));
    let mut runs = Vec::new();
    while last_arena().0 == first {
        let run = take_run(2).expect("there is memory");
        assert!(base(run) + 4 * GRANULE <= taken || base(run) > taken);
        runs.push(run);
    }
    assert!(usage().committed >= before.committed + 4 * GRANULE);
    assert!(usage().reserved > before.reserved);
    // The rest of the first arena became free runs; other tests may have taken the two granules.
    let ended = ARENAS.lock().end_of(COUNT.load(Ordering::Relaxed) - 2) * GRANULE + first;
    assert!((end..=taken).contains(&ended), "{ended:#x} is not in {end:#x}..={taken:#x}");
    let small: Vec<_> = (0..4).map(|_| take_run(0).expect("there is memory")).collect();
    for (&run, granules) in runs.iter().map(|run| (run, 4)).chain(small.iter().map(|run| (run, 1)))
    {
        for granule in 0..granules {
            let address = base(run) + granule * GRANULE;
            assert_eq!(run_of(address), Some(run));
            // SAFETY: the memory of a taken run belongs to the test.
            unsafe { (address as *mut u8).write(1) };
        }
    }
    for run in runs.into_iter().chain(small) {
        // SAFETY: taken above, and not used again.
        unsafe { give_run(run, 0) };
    }
    if let Some(taken) = NonNull::new(taken as *mut u8) {
        // SAFETY: mapped above.
        assert!(unsafe { memory::unmap(taken, PAGE) });
    }
}

#[test]
fn tables_lie_between_pages_that_nobody_can_touch() {
    alone!();
    let (base, _) = last_arena();
    let (tables, live) = {
        let arenas = ARENAS.lock();
        (arenas.last.tables.ranges(), arenas.last.granules.start())
    };
    for range in tables {
        assert!(range.start > base && range.end < live, "{range:x?}");
        for address in [range.start - PAGE, range.end] {
            let probed = memory::map_at(address, PAGE, Access::Read);
            assert_eq!(probed, Ok(()), "{address:#x} is nobody's");
            let Some(probed) = NonNull::new(address as *mut u8) else { continue };
            // SAFETY: mapped just now.
            assert!(unsafe { memory::unmap(probed, PAGE) });
        }
    }
}

#[test]
fn an_arena_takes_little_more_address_space_than_it_uses() {
    alone!();
    let runs: Vec<_> = (0..3_000).map(|_| take_run(0).expect("there is memory")).collect();
    let held = usage();
    let unused = held.committed - held.slabs - held.cached;
    // A step of at most 16 MiB, and free runs without memory.
    let clean: usize = {
        let arenas = ARENAS.lock();
        let count = |order: usize| {
            let mut runs = 0;
            let mut run = arenas.clean[order].0;
            while let Some(slab) = NonNull::new(run) {
                runs += 1;
                // SAFETY: the run is in a free list, and the lock is held.
                run = unsafe { slab.as_ref() }.next.get();
            }
            runs * (GRANULE << order)
        };
        (0..crate::arena::ORDERS).map(count).sum()
    };
    assert!(unused - clean <= SURPLUS_GRANULES_MAX * GRANULE, "{held:?}, {clean} clean");
    let tables = held.reserved - held.committed;
    // 704 bytes a granule, and the surplus of a step.
    assert!(tables <= held.committed / 90 + 8 * GRANULE, "{held:?}");
    for run in runs {
        // SAFETY: taken above.
        unsafe { give_run(run, 0) };
    }
}

#[test]
fn an_arena_for_which_there_is_no_memory_leaves_nothing_behind() {
    alone!();
    ARENAS.lock().append().expect("there is memory");
    let count = COUNT.load(Ordering::Relaxed);
    let before = usage();
    let append = |passed, refused| {
        faults::with(libc::SYS_mmap, passed, refused, || ARENAS.lock().append().is_some())
    };
    // The system grants the granules of a plan and then nothing more, or refuses the reservation
    // too.
    for passed in 0..3 {
        assert!(!append(passed, usize::MAX), "after {passed} calls");
        assert_eq!(COUNT.load(Ordering::Relaxed), count);
        assert_eq!(usage(), before);
    }
    // Where the system refuses a plan, a reservation serves. Before that, smaller and smaller plans
    // are tried.
    let is_reserved = |refused| {
        assert!(append(0, refused));
        ARENAS.lock().last.backing == Backing::Reserved
    };
    assert!((4..10).any(is_reserved));
    let last = last_arena();
    let refused = faults::with(libc::SYS_mprotect, 0, usize::MAX, || ARENAS.lock().extend(0));
    assert!(refused.is_none(), "neither granules nor entries of the class map can be used");
    assert_eq!(last_arena().0, last.0, "and it is not taken for the arena's end");
    let run = take_run(0).expect("there is memory again");
    // SAFETY: taken just now.
    unsafe { give_run(run, 0) };
}
