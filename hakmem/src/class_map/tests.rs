#![allow(unsafe_code)]

use std::boxed::Box;

use super::*;
use crate::bins::GRANULE;
use crate::os::memory::faults;
use crate::tests::alone;

#[test]
fn a_map_answers_for_its_granules_only() {
    let entries = Box::leak(std::vec![0_u8; 64].into_boxed_slice());
    (entries[0], entries[63]) = (7, 9);
    let map = WholeMap { base: entries.as_mut_ptr() as usize, granules: 64 };
    let end = 64 * GRANULE;
    for offset in [0, 1, GRANULE - 1] {
        assert_eq!(map.bin(offset), Some(7));
        assert_eq!(map.bin(end - GRANULE + offset), Some(9));
    }
    assert_eq!(map.bin(GRANULE), Some(0));
    for outside in [end, end + 1, usize::MAX, 1 << 47, 1 << 52, (1 << 57) - 1, 1 << 57, 1 << 63] {
        assert_eq!(map.bin(outside), None, "{outside:#x}");
    }
}

#[test]
fn a_map_of_zeros_finds_nothing() {
    for address in [0, 8, 1 << 40, usize::MAX] {
        assert_eq!(WholeMap::EMPTY.bin(address), None);
    }
    alone!();
    assert!(!WholeMap::EMPTY.is_complete(), "once there is a map");
}

#[test]
fn every_address_has_an_answer_and_only_slabs_a_bin() {
    alone!();
    let heap = crate::entry::malloc(100) as usize;
    assert_ne!(bin(heap), 0);
    let stack = 0;
    let stack = &raw const stack as usize;
    let high = [(1 << 47) - 1, 1 << 47, 1 << 52, (1 << 57) - 1, 1 << 57, 1 << 63, usize::MAX];
    for address in [0, 8, stack, 1 << 40].into_iter().chain(high) {
        assert_eq!(bin(address), 0, "{address:#x}");
    }
}

/// A map of the test's own: it has four pages, and can grow to eight.
fn small_extent() -> Extent {
    let (first, all) = (4 * PAGE, 8 * PAGE);
    let region = Region::new(all, first, first, Access::Read).expect("there is memory");
    Extent { region, writable: 0..0 }
}

fn entry_at(extent: &Extent, granule: usize) -> &'static AtomicU8 {
    assert!(granule < extent.region.usable());
    // SAFETY: a usable entry.
    unsafe { entry(extent.region.start(), granule) }
}

#[test]
fn only_what_is_covered_becomes_writable_and_keeps_what_was_written() {
    let mut extent = small_extent();
    assert!(extent.cover(100 * GRANULE, 5 * GRANULE));
    entry_at(&extent, 104).store(3, Ordering::Relaxed);
    assert_eq!(extent.writable, 0..PAGE);
    // A range of two granules whose entries lie on different pages of the map.
    assert!(extent.cover((PAGE - 1) * GRANULE, 2 * GRANULE));
    entry_at(&extent, PAGE).store(4, Ordering::Relaxed);
    assert_eq!(extent.writable, 0..2 * PAGE);
    assert_eq!(entry_at(&extent, 104).load(Ordering::Relaxed), 3);
    assert_eq!(entry_at(&extent, 3 * PAGE).load(Ordering::Relaxed), 0);
}

#[test]
fn what_the_map_does_not_reach_is_not_covered() {
    let mut extent = small_extent();
    let end = extent.region.usable() * GRANULE;
    assert!(!extent.cover(end, GRANULE));
    assert!(!extent.cover(end - GRANULE, 2 * GRANULE));
    assert!(extent.cover(end - GRANULE, GRANULE));
}

#[test]
fn a_map_that_cannot_be_extended_leaves_an_arena_to_a_map_of_its_own() {
    alone!();
    let mut extent = small_extent();
    // Far above all addresses that the process's own map covers, and in no arena.
    let address = (1 << 46) + 7 * GRANULE;
    assert_eq!(far::entry(address >> GRANULE_SHIFT).map(|_| ()), None);
    assert!(extent.reach(address, 10 * GRANULE));
    assert!(!WholeMap::current().is_complete(), "heaps have to ask");
    assert!(extent.cover(address, 10 * GRANULE));
    set(address + GRANULE, 4, 5);
    for granule in 0..10 {
        let expected = if (1..5).contains(&granule) { 5 } else { 0 };
        let start = address + granule * GRANULE;
        assert_eq!((bin(start), bin(start + GRANULE - 1)), (expected, expected), "{granule}");
    }
    set(address + GRANULE, 4, 0);
    assert!((0..10).all(|granule| bin(address + granule * GRANULE) == 0));
    assert_eq!((bin(address - 1), bin(address + 10 * GRANULE)), (0, 0));
}

#[test]
fn a_map_that_the_system_refuses_is_none_and_can_be_had_later() {
    alone!();
    let mut extent = Extent::NOTHING;
    let scale = Scale::current();
    let all = usize::MAX;
    assert!(!faults::with(libc::SYS_mmap, 0, all, || extent.set_up(&scale)));
    let mut extent = small_extent();
    assert!(!faults::with(libc::SYS_mprotect, 0, all, || extent.cover(0, GRANULE)));
    assert_eq!(extent.writable, 0..0);
    assert!(extent.cover(0, GRANULE));
    let address = (1 << 46) + 70 * GRANULE;
    assert!(!faults::with(libc::SYS_mmap, 0, all, || extent.reach(address, GRANULE)));
    assert!(far::entry(address >> GRANULE_SHIFT).is_none());
}
