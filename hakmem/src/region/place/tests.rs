use std::vec::Vec;

use super::*;

#[test]
fn the_first_arena_lies_inside_of_the_first_window_wherever_it_begins() {
    for scale in [Scale::WIDE, Scale::TIGHT] {
        for random in [0, 1, u64::MAX, u64::MAX / 3, 0x1234_5678_9abc_def0] {
            let place = first_place(scale, random);
            assert!(place.is_multiple_of(UNIT) && place >= scale.first, "{place:#x}");
            // The class map's own plan lies in front of the arena's.
            let arena = place + scale.window_bytes_max / UNIT + 2 * GAP_BYTES;
            assert!(arena + scale.arena_bytes <= scale.window_bytes, "{place:#x}");
        }
    }
}

#[test]
fn a_tight_limit_makes_plans_small_and_any_other_leaves_them() {
    assert_eq!(Scale::of_limit(20 << 20), Scale::TIGHT);
    assert_eq!(Scale::of_limit(TIGHT_BYTES), Scale::WIDE);
    assert_eq!(Scale::of_limit(usize::MAX), Scale::WIDE);
}

#[test]
fn plans_never_overlap_and_keep_a_gap() {
    crate::tests::start();
    let plans: Vec<_> = [1, UNIT, 5 * UNIT + 1, 1 << 30]
        .into_iter()
        .map(|bytes| (next(bytes).expect("there are places"), bytes))
        .collect();
    for pair in plans.windows(2) {
        assert!(pair[1].0 >= pair[0].0 + pair[0].1 + GAP_BYTES, "{plans:x?}");
        assert!(pair[1].0.is_multiple_of(UNIT));
    }
    assert_eq!(next(usize::MAX), None);
    assert_eq!(next(END), None);
}
