#![allow(unsafe_code)]

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::os::memory::faults;

/// A region of addresses that are never mapped.
fn imagined(planned_pages: usize) -> Region {
    let plan = Plan { start: 1 << 40, bytes: planned_pages * PAGE, backing: Backing::Plan };
    plan.region(0, plan.bytes)
}

#[test]
fn a_step_that_is_refused_is_tried_with_half_of_its_surplus() {
    let mut region = imagined(100);
    let mut asked = Vec::new();
    let outcome = region.extend_by(2 * PAGE, 16 * PAGE, |_, bytes| {
        asked.push(bytes / PAGE);
        if bytes > 4 * PAGE { Err(Refusal::NoMemory) } else { Ok(()) }
    });
    assert_eq!((outcome, asked), (Ok(()), [18, 10, 6, 4].to_vec()));
    // The next step begins where the last one succeeded, and doubles from there.
    let mut asked = Vec::new();
    for _ in 0..3 {
        let needed = region.usable() + PAGE;
        let outcome = region.extend_by(needed, 16 * PAGE, |_, bytes| {
            asked.push(bytes / PAGE);
            Ok(())
        });
        assert_eq!(outcome, Ok(()));
    }
    assert_eq!(asked, [5, 9, 17]);
}

#[test]
fn what_is_refused_without_a_surplus_is_refused() {
    for refusal in [Refusal::Taken, Refusal::NoMemory] {
        let mut region = imagined(100);
        assert_eq!(region.extend_by(PAGE, 64 * PAGE, |_, _| Err(refusal)), Err(refusal));
        assert_eq!(region.usable(), 0);
    }
}

#[test]
fn a_region_ends_with_its_plan() {
    let mut region = imagined(10);
    assert_eq!(region.extend_by(9 * PAGE, 100 * PAGE, |_, _| Ok(())), Ok(()));
    assert_eq!(region.usable(), 10 * PAGE);
    let beyond = region.extend_by(10 * PAGE + 1, 0, |_, _| unreachable!("it is not asked for"));
    assert_eq!(beyond, Err(Refusal::Taken));
}

proptest! {
    /// Whichever steps are refused, pages are asked for in order, without gaps or overlaps and
    /// within the plan; the needed bytes are usable after a success; and a failure loses nothing.
    #[test]
    fn regions_grow_without_gaps_whatever_is_refused(
        steps in prop::collection::vec((1_usize..40, 0_usize..40, 0_usize..60), 1..60),
    ) {
        let mut region = imagined(400);
        let mut mapped = 0;
        for (pages, surplus, pages_left) in steps {
            let needed = region.usable() + pages * PAGE - 1;
            let before = region.usable();
            let outcome = region.extend_by(needed, surplus * PAGE, |address, bytes| {
                assert_eq!(address, (1 << 40) + mapped);
                assert!(bytes.is_multiple_of(PAGE) && bytes > 0 && mapped + bytes <= 400 * PAGE);
                if bytes > pages_left * PAGE {
                    return Err(Refusal::NoMemory);
                }
                mapped += bytes;
                Ok(())
            });
            prop_assert_eq!(region.usable(), mapped);
            match outcome {
                Ok(()) => prop_assert!(region.usable() >= needed),
                Err(Refusal::NoMemory) => {
                    prop_assert!(pages > pages_left && region.usable() == before);
                }
                Err(Refusal::Taken) => prop_assert!(needed > 400 * PAGE),
            }
        }
    }
}

#[test]
fn a_region_reads_as_zeros_and_lies_between_addresses_of_nobody() {
    crate::tests::start();
    let region = Region::new(64 * PAGE, PAGE, 3 * PAGE, Access::ReadWrite).expect("memory");
    assert_eq!(region.usable(), 3 * PAGE);
    let first = region.start() as *mut u8;
    for at in 0..3 * PAGE {
        // SAFETY: a usable byte of a region that the test owns.
        let byte = unsafe { first.wrapping_add(at).read() };
        assert_eq!(byte, 0);
    }
    // The pages around it are unmapped, so the test can map them.
    for address in [region.start() - PAGE, region.start() + 3 * PAGE] {
        assert_eq!(memory::map_at(address, PAGE, Access::Read), Ok(()), "{address:#x}");
    }
}

#[test]
fn a_region_whose_next_page_somebody_has_ends_there() {
    crate::tests::start();
    let mut region = Region::new(64 * PAGE, PAGE, PAGE, Access::ReadWrite).expect("memory");
    assert_eq!(memory::map_at(region.start() + 3 * PAGE, PAGE, Access::Read), Ok(()));
    assert_eq!(region.extend(2 * PAGE, 32 * PAGE, Access::ReadWrite), Ok(()));
    assert_eq!(region.usable(), 3 * PAGE, "up to the page that is taken");
    assert_eq!(region.extend(4 * PAGE, 0, Access::ReadWrite), Err(Refusal::Taken));
}

#[test]
fn where_no_address_can_be_had_a_region_is_reserved_behind_a_guard() {
    crate::tests::start();
    let mut tries = 0;
    let plan = Plan::find(1 << 30, PAGE, |plan| match plan.backing {
        Backing::Plan => {
            tries += 1;
            Err(Refusal::Taken)
        }
        Backing::Reserved => Ok(plan),
    });
    let plan = plan.expect("it can be reserved");
    assert_eq!((tries, plan.bytes), (PLACES_MAX, 1 << 30));
    assert_eq!(memory::map_at(plan.start - PAGE, PAGE, Access::Read), Err(Refusal::Taken));
    let mut region = plan.region(PAGE, plan.bytes);
    assert_eq!(region.extend(5 * PAGE, 0, Access::ReadWrite), Ok(()));
    // SAFETY: the byte is usable, and the test owns the region.
    unsafe { ((region.start() + 5 * PAGE - 1) as *mut u8).write(1) };
    plan.give_up();
    assert_eq!(memory::map_at(plan.start - PAGE, PAGE, Access::Read), Ok(()), "it is gone");
}

#[test]
fn what_cannot_be_reserved_is_tried_by_halves_down_to_the_least() {
    crate::tests::start();
    let refused =
        |plan: Plan| if plan.backing == Backing::Plan { Err(Refusal::NoMemory) } else { Ok(plan) };
    let find = |least, refusals| {
        faults::with(libc::SYS_mmap, 0, refusals, || Plan::find(1 << 30, least, refused))
    };
    let plan = find(PAGE, 2).expect("a half of a half of it can be reserved");
    assert_eq!(plan.bytes, 1 << 28);
    plan.give_up();
    assert!(find(1 << 29, 2).is_none());
}

#[test]
fn what_is_given_up_is_nobodys_and_what_is_reserved_does_not_shrink() {
    crate::tests::start();
    let planned = Region::new(64 * PAGE, PAGE, 3 * PAGE, Access::ReadWrite).expect("memory");
    let (start, before) = (planned.start(), memory::refusals());
    planned.give_up();
    assert_eq!(memory::map_at(start, PAGE, Access::Read), Ok(()), "it is gone");
    let mut tries = 0;
    let refused = Plan::find(1 << 20, PAGE, |_| {
        tries += 1;
        Err::<(), _>(Refusal::Taken)
    });
    assert_eq!((tries, refused), (PLACES_MAX + 1, None));
    let mut reserved =
        faults::with(libc::SYS_mmap, 0, 1, || Region::new(64 * PAGE, PAGE, PAGE, Access::Read))
            .expect("it can be reserved");
    assert!(reserved.backing == Backing::Reserved && !reserved.retreat(0));
    assert_eq!(reserved.usable(), PAGE);
    assert_eq!(memory::refusals(), before, "the system took everything back");
}
