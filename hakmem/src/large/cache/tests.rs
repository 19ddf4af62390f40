use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::os::memory::PAGE;

fn span(number: usize, bytes: usize) -> Span {
    Span { address: number << 32, bytes }
}

fn ignore(_: Span) {}

#[test]
fn the_smallest_that_fits_is_taken_and_a_large_rest_stays() {
    let mut cache = SpanCache::EMPTY;
    for (number, pages) in [(1, 400), (2, 100), (3, 110)] {
        assert!(cache.keep(span(number, pages * PAGE), 0, &mut ignore));
    }
    let taken = cache.take(95 * PAGE).expect("fits");
    assert_eq!((taken.address, taken.bytes), (2 << 32, 100 * PAGE));
    let taken = cache.take(95 * PAGE).expect("fits");
    assert_eq!((taken.address, taken.bytes), (3 << 32, 110 * PAGE));
    let taken = cache.take(95 * PAGE).expect("cut off");
    assert_eq!((taken.address, taken.bytes), (1 << 32, 95 * PAGE));
    assert_eq!(cache.bytes(), 305 * PAGE);
    assert!(cache.holds((1 << 32) + 95 * PAGE) && !cache.holds(1 << 32));
    assert!(cache.take(306 * PAGE).is_none());
    // A rest too small to keep must be little.
    assert!(cache.take(305 * PAGE).is_some_and(|taken| taken.bytes == 305 * PAGE));
    assert!(cache.keep(span(4, 100 * PAGE), 0, &mut ignore));
    assert!(cache.take(60 * PAGE).is_none(), "40 of 100 pages would be wasted");
}

#[test]
fn the_oldest_go_first() {
    let mut cache = SpanCache::EMPTY;
    let mut gone = Vec::new();
    assert!(!cache.keep(span(1, CACHED_SPAN_BYTES_MAX + PAGE), 0, &mut ignore));
    for number in 1..=CACHED_SPANS_MAX + 3 {
        assert!(cache.keep(span(number, PAGE), number as u32, &mut |each| gone.push(each.address)));
    }
    assert_eq!(gone, [1 << 32, 2 << 32, 3 << 32]);
    assert!(cache.keep(span(99, CACHED_SPAN_BYTES_MAX), 200, &mut ignore));
    assert!(cache.keep(span(100, CACHED_SPAN_BYTES_MAX), 201, &mut ignore));
    assert_eq!(cache.bytes(), CACHED_BYTES_MAX, "all others had to go");
    assert_eq!(cache.purge(300, 100, &mut ignore), CACHED_SPAN_BYTES_MAX);
    assert!(cache.holds(100 << 32));
}

#[test]
fn what_was_cut_off_is_joined_again() {
    let mut cache = SpanCache::EMPTY;
    assert!(cache.keep(span(1, 1000 * PAGE), 0, &mut ignore));
    let parts: Vec<_> = (0..3).map(|_| cache.take(250 * PAGE).expect("cut off")).collect();
    assert!(cache.take(300 * PAGE).is_none());
    for part in [parts[1], parts[0], parts[2]] {
        assert!(cache.keep(part, 0, &mut ignore));
    }
    assert_eq!(cache.take(1000 * PAGE).map(|all| all.address), Some(1 << 32));
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn a_span_grows_into_what_is_kept_behind_it() {
    let mut cache = SpanCache::EMPTY;
    assert!(cache.keep(span(1, 100 * PAGE), 0, &mut ignore));
    assert!(!cache.take_at((1 << 32) + PAGE, PAGE), "nothing begins there");
    assert!(!cache.take_at(1 << 32, 101 * PAGE), "there is not so much");
    assert!(cache.take_at(1 << 32, 60 * PAGE));
    assert_eq!(cache.bytes(), 40 * PAGE);
    assert!(cache.take_at((1 << 32) + 60 * PAGE, 40 * PAGE));
    assert_eq!(cache.bytes(), 0);
    assert!(!cache.take_at(0, 0), "an empty place is nothing");
}

#[test]
fn neighbours_are_not_joined_to_what_is_too_large_to_keep() {
    let mut cache = SpanCache::EMPTY;
    let mut gone = 0;
    let part = CACHED_SPAN_BYTES_MAX / 3;
    for number in 0..50 {
        let next = Span { address: (1 << 32) + number * part, bytes: part };
        assert!(cache.keep(next, number as u32, &mut |span| gone += span.bytes));
        assert!(cache.bytes() <= CACHED_BYTES_MAX);
    }
    assert_eq!(cache.bytes() + gone, 50 * part, "nothing is lost");
}

#[derive(Clone, Debug)]
enum Step {
    Keep(usize),
    Take(usize),
    Purge(u32),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// No byte is ever in two spans, and none is lost: each is in the cache, taken or unmapped.
    #[test]
    fn bytes_are_conserved(steps in prop::collection::vec(prop_oneof![
        (1..5000_usize).prop_map(Step::Keep),
        (1..3000_usize).prop_map(Step::Take),
        (0..20_u32).prop_map(Step::Purge),
    ], 1..300)) {
        let mut cache = SpanCache::EMPTY;
        let (mut kept, mut gone, mut taken) = (0, 0, Vec::<Span>::new());
        for (number, step) in steps.into_iter().enumerate() {
            let mut unmap = |span: Span| gone += span.bytes;
            match step {
                Step::Keep(pages) => {
                    if cache.keep(span(number + 1, pages * PAGE), number as u32, &mut unmap) {
                        kept += pages * PAGE;
                    }
                }
                Step::Take(pages) => {
                    if let Some(found) = cache.take(pages * PAGE) {
                        prop_assert!(found.bytes >= pages * PAGE);
                        prop_assert!(found.bytes - pages * PAGE <= found.bytes / 4);
                        for other in &taken {
                            let ends = [found.address + found.bytes, other.address + other.bytes];
                            prop_assert!(ends[0] <= other.address || ends[1] <= found.address);
                        }
                        taken.push(found);
                    }
                }
                Step::Purge(age) => {
                    cache.purge(number as u32, age, &mut unmap);
                }
            }
            let out: usize = taken.iter().map(|span| span.bytes).sum();
            prop_assert_eq!(cache.bytes() + gone + out, kept);
            prop_assert!(cache.bytes() <= CACHED_BYTES_MAX);
        }
    }
}
