#![allow(unsafe_code)]

use std::boxed::Box;

use super::*;
use crate::bins::GRANULE;

/// A map over memory of the test's own.
fn window(first: usize, granules: usize) -> ClassMap {
    let entries = Box::leak(std::vec![0_u8; granules].into_boxed_slice());
    ClassMap { base: entries.as_mut_ptr() as usize, first, granules }
}

#[test]
fn a_window_answers_for_its_granules_only() {
    let (first, granules) = (1 << 20, 64);
    let map = window(first, granules);
    for (index, bin) in [(0, 7), (63, 9)] {
        // SAFETY: the map has 64 entries.
        unsafe { entry(map.base, index) }.store(bin, Ordering::Relaxed);
    }
    let start = first << GRANULE_SHIFT;
    let end = start + granules * GRANULE;
    for offset in [0, 1, GRANULE - 1] {
        assert_eq!(map.bin(start + offset), Some(7));
        assert_eq!(map.bin(end - GRANULE + offset), Some(9));
    }
    assert_eq!(map.bin(start + GRANULE), Some(0));
    for outside in [0, 1, start - 1, end, usize::MAX, 1 << 47, start | (1 << 63)] {
        assert_eq!(map.bin(outside), None, "{outside:#x}");
    }
}

#[test]
fn a_map_of_zeros_finds_nothing() {
    let nothing = ClassMap { base: 0, first: 0, granules: 0 };
    for address in [0, 8, 1 << 40, usize::MAX] {
        assert_eq!(nothing.bin(address), None);
        assert_eq!(WholeMap::EMPTY.bin(address), None);
    }
}

#[test]
fn the_whole_map_says_the_same() {
    crate::tests::start();
    let (map, whole) = (ClassMap::current(), WholeMap::current());
    let heap = crate::entry::malloc(100) as usize;
    assert!(map.bin(heap).is_some_and(|bin| bin != 0));
    for address in [0, 8, heap, heap + GRANULE, 1 << 40, (1 << 47) - 1, 1 << 47, usize::MAX] {
        assert_eq!(whole.bin(address), map.bin(address), "{address:#x}");
    }
}

#[test]
fn runs_are_set_and_taken_out_whole() {
    crate::tests::start();
    // A range inside of the map where no arena is: the map's own mapping.
    let map = ClassMap::current();
    let address = map.base & !(GRANULE - 1);
    assert!(cover(address, 8 * GRANULE));
    assert_eq!(map.bin(address), Some(0));
    set(address + GRANULE, 4, 5);
    for granule in 0..8 {
        let expected = if (1..5).contains(&granule) { 5 } else { 0 };
        assert_eq!(map.bin(address + granule * GRANULE), Some(expected), "granule {granule}");
        assert_eq!(map.bin(address + granule * GRANULE + GRANULE - 1), Some(expected));
    }
    set(address + GRANULE, 4, 0);
    assert!((0..8).all(|granule| map.bin(address + granule * GRANULE) == Some(0)));
}

#[test]
fn what_the_map_does_not_cover_is_refused() {
    crate::tests::start();
    assert!(!cover(usize::MAX - 10 * GRANULE, GRANULE));
    assert!(!cover((1 << 47) - GRANULE, 2 * GRANULE), "past the end of user space");
}
