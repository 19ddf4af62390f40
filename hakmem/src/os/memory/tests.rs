#![allow(unsafe_code)]

use super::*;

#[test]
fn guarded_memory_that_cannot_be_had_leaves_nothing_reserved() {
    let before = refusals().unmaps;
    assert!(faults::with(libc::SYS_mprotect, 0, 1, || map_guarded(100)).is_none());
    assert!(faults::with(libc::SYS_mmap, 0, 1, || map_guarded(100)).is_none());
    let memory = map_guarded(100).expect("there is memory");
    // SAFETY: mapped just now.
    unsafe { memory.write(1) };
    // SAFETY: mapped above, and used for the last time.
    let refused = faults::with(libc::SYS_munmap, 0, 1, || unsafe { unmap_guarded(memory, 100) });
    assert!(!refused && refusals().unmaps > before, "a refusal is told and counted");
    // SAFETY: the refused call left it mapped, and nothing uses it any more.
    assert!(unsafe { unmap_guarded(memory, 100) });
}

#[test]
fn pages_are_between_the_smallest_and_the_largest() {
    assert!((PAGE_MIN..=PAGE).contains(&page_bytes()) && page_bytes().is_power_of_two());
    assert_eq!(page_bytes(), auxiliary_vector::page_bytes());
    assert_eq!(round_to_pages(1), Some(page_bytes()));
    assert_eq!(round_to_pages(usize::MAX), None);
}
