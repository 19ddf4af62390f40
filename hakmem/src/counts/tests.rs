use std::string::ToString;

use super::*;

fn example() -> Counts {
    let mut details = Details::ZERO;
    details.classes[Class::C3 as usize] =
        ClassCounts { allocations: 3, frees: 1, allocated_bytes: 256, freed_bytes: 64 };
    details.classes[Class::Large as usize].frees = 2;
    details.reallocations_moved = 1;
    details.slow_allocations[AllocReason::NewSlab as usize] = 1;
    details.slow_frees[FreeReason::Late as usize] = 4;
    Counts::of(&details)
}

#[test]
fn counts_are_added_and_subtracted_field_by_field() {
    let counts = example();
    assert_eq!((counts.allocations(), counts.frees(), counts.requests()), (3, 3, 4));
    assert_eq!(counts + Counts::ZERO, counts);
    assert_eq!(counts + counts - counts, counts);
    assert_eq!(counts - counts, Counts::ZERO, "nothing has one form");
    assert_eq!((counts + counts).class(Class::C3).allocated_bytes, 512);
    assert_eq!(counts.class(Class::None), ClassCounts::default());
}

#[test]
fn counts_are_shown_on_one_line_with_the_reasons_that_occurred() {
    assert_eq!(
        example().to_string(),
        "allocations 3, frees 3, reallocations 0 in place and 1 moved; bytes taken 256, given back \
         64; slow paths 5: new_slab 1, late 4"
    );
    assert!(Counts::ZERO.to_string().ends_with("slow paths 0"));
}
