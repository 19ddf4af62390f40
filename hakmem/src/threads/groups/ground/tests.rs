#![allow(unsafe_code)]

use super::*;
use crate::os::memory::faults;

/// Whether the page at `address` is unmapped.
fn is_nobodys(address: usize) -> bool {
    let is_free = memory::map_at(address, PAGE, Access::Read).is_ok();
    if is_free && let Some(probed) = NonNull::new(address as *mut u8) {
        // SAFETY: mapped just now.
        assert!(unsafe { memory::unmap(probed, PAGE) });
    }
    is_free
}

fn stripe(ground: &Ground, stripe: usize) -> usize {
    ground.base() + stripe * SLOT_DISTANCE
}

#[test]
fn stripes_grow_with_the_places_and_lie_between_addresses_of_nobody() {
    crate::tests::start();
    let mut ground = Ground::find(true).expect("there is memory");
    for (place, places) in [(0, 2), (1, 2), (2, 4), (3, 4), (8, 16), (15, 16)] {
        assert!(ground.reach(place));
        assert_eq!(ground.places, places, "for place {place}");
        for number in 0..STRIPES {
            let start = stripe(&ground, number);
            for at in (0..places * SLOT_STEP).step_by(PAGE) {
                // SAFETY: mapped for this group, which nobody else knows.
                unsafe { ((start + at) as *mut u8).write(1) };
            }
            let is_whole = places == GROUP_SLOTS && number + 1 < STRIPES;
            assert!(is_whole || is_nobodys(start + places * SLOT_STEP), "stripe {number}");
        }
        assert!(is_nobodys(ground.base() - PAGE));
    }
    let base = ground.base();
    // SAFETY: nothing uses the group any more.
    unsafe { ground.unmap() };
    assert!((base..base + GROUND_BYTES).step_by(SLOT_STEP).all(is_nobodys));
}

#[test]
fn where_a_stripe_cannot_grow_none_does() {
    crate::tests::start();
    let mut ground = Ground::find(true).expect("there is memory");
    // Something else occupies the third place of the last stripe.
    let taken = stripe(&ground, STRIPES - 1) + 2 * SLOT_STEP;
    assert_eq!(memory::map_at(taken, PAGE, Access::Read), Ok(()));
    assert!(ground.reach(1) && !ground.reach(2));
    assert_eq!(ground.places, 2);
    assert!((0..STRIPES - 1).all(|number| is_nobodys(stripe(&ground, number) + 2 * SLOT_STEP)));
    if let Some(taken) = NonNull::new(taken as *mut u8) {
        // SAFETY: mapped above.
        assert!(unsafe { memory::unmap(taken, PAGE) });
    }
    assert!(ground.reach(2));
    // SAFETY: nothing uses the group any more.
    unsafe { ground.unmap() };
}

#[test]
fn slots_of_the_file_have_space_of_their_own() {
    crate::tests::start();
    let mut ground = Ground::find(false).expect("there is memory");
    let start = stripe(&ground, SLOTS);
    assert!(is_nobodys(start) && ground.reach(5) && is_nobodys(start));
    assert_eq!(ground.file_slots().map(|slots| slots.as_ptr() as usize), Some(start));
    assert!(!is_nobodys(start) && !is_nobodys(start + SLOT_DISTANCE - PAGE));
    // SAFETY: nothing uses the group any more.
    unsafe { ground.unmap() };
    assert!(is_nobodys(start));
}

#[test]
fn heaps_that_children_would_find_have_no_slots_in_the_file() {
    crate::tests::start();
    let find = |slots_are_private| {
        faults::with(libc::SYS_madvise, 0, usize::MAX, || Ground::find(slots_are_private))
    };
    assert!(find(false).is_none());
    let ground = find(true).expect("private slots do no harm");
    // SAFETY: nobody else knows it.
    unsafe { ground.unmap() };
}
