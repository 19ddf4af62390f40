use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::os::memory::PAGE_MIN;

/// The number of the thread that hides ranges.
const ME: u32 = 2;

fn span(page: usize, pages: usize) -> Span {
    Span { address: page * PAGE_MIN, bytes: pages * PAGE_MIN }
}

fn put(ranges: &mut FreeRanges, page: usize, pages: usize, kind: Kind, now_ms: u32) {
    ranges.ensure(2).expect("memory");
    ranges.put(span(page, pages), kind, now_ms).expect("a node was ensured");
}

#[test]
fn the_smallest_that_fits_is_taken_and_memory_before_none() {
    let mut ranges = FreeRanges::EMPTY;
    for (page, pages) in [(1000, 400), (2000, 100), (3000, 110)] {
        put(&mut ranges, page, pages, Kind::Dirty, 0);
    }
    put(&mut ranges, 4000, 96, Kind::Clean, 0);
    let taken = ranges.take(95 * PAGE_MIN, PAGE_MIN).expect("fits");
    assert_eq!(taken.span, span(2000, 100), "a rest of 5 pages goes with it");
    assert!(!taken.is_clean);
    assert_eq!(ranges.take(95 * PAGE_MIN, PAGE_MIN).expect("fits").span, span(3000, 110));
    assert_eq!(ranges.take(95 * PAGE_MIN, PAGE_MIN).expect("cut off").span, span(1000, 95));
    assert_eq!(ranges.dirty_bytes(), 305 * PAGE_MIN);
    assert!(ranges.holds(1095 * PAGE_MIN) && !ranges.holds(1094 * PAGE_MIN));
    assert!(ranges.take(306 * PAGE_MIN, PAGE_MIN).is_none());
    assert!(ranges.take_dirty(305 * PAGE_MIN, PAGE_MIN).is_some());
    let clean = ranges.take(95 * PAGE_MIN, PAGE_MIN).expect("fits");
    assert_eq!((clean.span, clean.is_clean), (span(4000, 95), true), "cut to size");
    assert_eq!((ranges.dirty_bytes(), ranges.clean_bytes(), ranges.count()), (0, PAGE_MIN, 1));
}

#[test]
fn neighbours_of_one_kind_are_joined_and_others_are_not() {
    let mut ranges = FreeRanges::EMPTY;
    put(&mut ranges, 100, 10, Kind::Dirty, 0);
    put(&mut ranges, 120, 10, Kind::Dirty, 0);
    put(&mut ranges, 130, 10, Kind::Clean, 0);
    put(&mut ranges, 90, 10, Kind::Moved, 0);
    assert_eq!(ranges.count(), 4);
    put(&mut ranges, 110, 10, Kind::Dirty, 5);
    assert_eq!(ranges.count(), 3);
    let (node, oldest) = ranges.oldest_dirty(5, 0).expect("there is one");
    assert_eq!((oldest.span, oldest.kind), (span(90, 10), Kind::Moved));
    let (node, _) = ranges.hide(node, usize::MAX, Kind::Unmapping, ME);
    ranges.show(node, None, 5);
    let (node, next) = ranges.oldest_dirty(5, 0).expect("there is one");
    assert_eq!((next.span, next.freed_at_ms), (span(100, 30), 5), "as young as its last part");
    let (node, hidden) = ranges.hide(node, usize::MAX, Kind::Purging, ME);
    assert_eq!(hidden, span(100, 30));
    assert!(ranges.take_at(100 * PAGE_MIN, PAGE_MIN).is_none(), "hidden from requests");
    ranges.show(node, Some(Kind::Clean), 5);
    assert_eq!(ranges.largest_clean().expect("joined").1.span, span(100, 40));
}

#[test]
fn a_span_grows_into_what_is_free_behind_it() {
    let mut ranges = FreeRanges::EMPTY;
    put(&mut ranges, 100, 100, Kind::Dirty, 0);
    assert!(ranges.take_at(101 * PAGE_MIN, PAGE_MIN).is_none(), "nothing begins there");
    assert!(ranges.take_at(100 * PAGE_MIN, 101 * PAGE_MIN).is_none(), "there is not so much");
    assert!(ranges.take_at(100 * PAGE_MIN, 60 * PAGE_MIN).is_some());
    assert_eq!(ranges.dirty_bytes(), 40 * PAGE_MIN);
    assert!(ranges.take_at(160 * PAGE_MIN, 40 * PAGE_MIN).is_some());
    assert_eq!((ranges.dirty_bytes(), ranges.count()), (0, 0));
}

#[test]
fn aligned_spans_are_cut_out_of_the_middle() {
    let mut ranges = FreeRanges::EMPTY;
    put(&mut ranges, 1001, 600, Kind::Clean, 0);
    let taken = ranges.take(100 * PAGE_MIN, 256 * PAGE_MIN).expect("fits");
    assert_eq!(taken.span, span(1024, 100));
    assert_eq!((ranges.count(), ranges.clean_bytes()), (2, 500 * PAGE_MIN));
    assert!(ranges.take(477 * PAGE_MIN, 256 * PAGE_MIN).is_none());
    put(&mut ranges, 1024, 100, Kind::Clean, 0);
    assert_eq!((ranges.count(), ranges.clean_bytes()), (1, 600 * PAGE_MIN));
}

#[test]
fn only_the_end_of_a_range_is_hidden_if_there_is_a_node_for_it() {
    let mut ranges = FreeRanges::EMPTY;
    put(&mut ranges, 100, 100, Kind::Dirty, 7);
    let (node, _) = ranges.oldest_dirty(7, 0).expect("there is one");
    let (node, hidden) = ranges.hide(node, 30 * PAGE_MIN, Kind::Purging, ME);
    assert_eq!((hidden, ranges.dirty_bytes()), (span(170, 30), 70 * PAGE_MIN));
    ranges.show(node, Some(Kind::Dirty), 9);
    let (_, whole) = ranges.oldest_dirty(9, 0).expect("there is one");
    assert_eq!((whole.span, ranges.count()), (span(100, 100), 1), "refused, so whole again");
}

#[test]
fn a_child_takes_back_what_was_being_purged_and_forgets_what_was_being_unmapped() {
    let mut ranges = FreeRanges::EMPTY;
    for (page, hidden) in [(100, Kind::Purging), (200, Kind::Unmapping), (300, Kind::Purging)] {
        put(&mut ranges, page, 50, Kind::Dirty, 0);
        let (node, _) = ranges.oldest_dirty(0, 0).expect("there is one");
        ranges.hide(node, usize::MAX, hidden, ME);
    }
    put(&mut ranges, 400, 50, Kind::Clean, 0);
    assert_eq!(ranges.show_all(0, ME), 0, "that thread goes on with them");
    assert_eq!((ranges.dirty_bytes(), ranges.clean_bytes()), (0, 50 * PAGE_MIN));
    assert_eq!(ranges.show_all(0, ME + 2), 50 * PAGE_MIN);
    let held = (ranges.dirty_bytes(), ranges.clean_bytes(), ranges.count());
    assert_eq!(held, (100 * PAGE_MIN, 50 * PAGE_MIN, 3));
    assert_eq!(ranges.show_all(0, ME + 2), 0);
    assert_eq!(ranges.forget_all(), 150 * PAGE_MIN);
    assert_eq!((ranges.count(), ranges.take(PAGE_MIN, PAGE_MIN)), (0, None));
    put(&mut ranges, 100, 50, Kind::Clean, 0);
    assert_eq!(ranges.take(PAGE_MIN, PAGE_MIN).map(|taken| taken.span), Some(span(100, 1)));
}

const PAGES: usize = 2000;

/// A simple model: the kind of each page, or no entry.
type Model = BTreeMap<usize, Kind>;

#[derive(Clone, Debug)]
enum Step {
    Put { page: usize, pages: usize, kind: u8 },
    Take { pages: usize, shift: u32 },
    TakeAt { page: usize, pages: usize },
    Purge { pages: usize, refused: bool },
    Unmap { refused: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..PAGES, 1..80_usize, 0..3_u8)
            .prop_map(|(page, pages, kind)| Step::Put { page, pages, kind }),
        4 => (1..60_usize, 0..7_u32).prop_map(|(pages, shift)| Step::Take { pages, shift }),
        1 => (0..PAGES, 1..20_usize).prop_map(|(page, pages)| Step::TakeAt { page, pages }),
        2 => (1..100_usize, any::<bool>())
            .prop_map(|(pages, refused)| Step::Purge { pages, refused }),
        1 => any::<bool>().prop_map(|refused| Step::Unmap { refused }),
    ];
    prop::collection::vec(step, 1..400)
}

fn set(model: &mut Model, span: Span, kind: Option<Kind>) {
    for page in span.address / PAGE_MIN..(span.address + span.bytes) / PAGE_MIN {
        match kind {
            Some(kind) => model.insert(page, kind),
            None => model.remove(&page),
        };
    }
}

/// Length of the longest run of pages of one of `kinds` that begins at a multiple of `alignment`.
fn longest(model: &Model, kinds: &[Kind], alignment: usize) -> usize {
    let run = |first: usize| {
        let kind = model.get(&first);
        let same = |page: &usize| model.get(page) == kind;
        if kind.is_some_and(|kind| kinds.contains(kind)) {
            (first..).take_while(same).count()
        } else {
            0
        }
    };
    (0..PAGES + 80).step_by(alignment).map(run).max().unwrap_or(0)
}

/// Compares the ranges, which must be as few as possible, with the model.
fn assert_agrees(ranges: &FreeRanges, model: &Model) {
    let (mut found, mut at, mut before) = (Model::new(), 0, None::<Node>);
    while let Some(node) = ranges.by_address.at_least(&ranges.nodes, (at, 0)) {
        let node = *ranges.nodes.get(node);
        if let Some(before) = before {
            assert!(before.span.address + before.span.bytes <= node.span.address);
            let adjoins = before.span.address + before.span.bytes == node.span.address;
            assert!(!adjoins || before.kind != node.kind, "neighbours are joined");
        }
        set(&mut found, node.span, Some(node.kind));
        (at, before) = (node.span.address + node.span.bytes, Some(node));
    }
    assert_eq!(&found, model);
    let pages = |kinds: &[Kind]| model.values().filter(|kind| kinds.contains(kind)).count();
    assert_eq!(ranges.dirty_bytes(), pages(&[Kind::Dirty, Kind::Moved]) * PAGE_MIN);
    assert_eq!(ranges.clean_bytes(), pages(&[Kind::Clean]) * PAGE_MIN);
    let (mut aged, mut node, mut last) = (0, ranges.oldest, 0);
    while node != NONE {
        let Node { span, newer, freed_at_ms, .. } = *ranges.nodes.get(node);
        assert!(freed_at_ms >= last, "the list is by age");
        (aged, node, last) = (aged + span.bytes, newer, freed_at_ms);
    }
    assert_eq!(aged, ranges.dirty_bytes());
}

fn apply(step: &Step, ranges: &mut FreeRanges, model: &mut Model, now_ms: u32) {
    ranges.ensure(3).expect("memory");
    match *step {
        Step::Put { page, pages, kind } => {
            let span = span(page, pages);
            if (page..page + pages).all(|page| !model.contains_key(&page)) {
                let kind = [Kind::Dirty, Kind::Moved, Kind::Clean][usize::from(kind)];
                ranges.put(span, kind, now_ms).expect("a node was ensured");
                set(model, span, Some(kind));
            }
        }
        Step::Take { pages, shift } => {
            let alignment = 1 << shift;
            let taken = ranges.take(pages * PAGE_MIN, alignment * PAGE_MIN);
            let is_there = [&[Kind::Dirty, Kind::Moved][..], &[Kind::Clean]]
                .map(|kinds| longest(model, kinds, alignment) >= pages);
            // If there are many ranges, not all of them are tried for an aligned span.
            assert!(taken.is_some() == (is_there[0] || is_there[1]) || alignment > 1);
            let Some(taken) = taken else { return };
            assert!(taken.span.bytes >= pages * PAGE_MIN);
            assert!(taken.span.bytes - pages * PAGE_MIN <= pages * PAGE_MIN / 4);
            assert!(taken.span.address.is_multiple_of(alignment * PAGE_MIN));
            assert!(alignment > 1 || taken.is_clean != is_there[0], "memory is used before none");
            let first = model.get(&(taken.span.address / PAGE_MIN)).copied();
            let of_kind = if taken.is_moved { Kind::Moved } else { Kind::Dirty };
            assert_eq!(first, Some(if taken.is_clean { Kind::Clean } else { of_kind }));
            set(model, taken.span, None);
        }
        Step::TakeAt { page, pages } => {
            if let Some(taken) = ranges.take_at(page * PAGE_MIN, pages * PAGE_MIN) {
                assert_eq!(taken.span, span(page, pages));
                set(model, taken.span, None);
            }
        }
        Step::Purge { pages, refused } => {
            let Some((node, found)) = ranges.oldest_dirty(now_ms, 0) else { return };
            let (node, hidden) = ranges.hide(node, pages * PAGE_MIN, Kind::Purging, ME);
            assert_eq!(hidden.bytes, found.span.bytes.min(pages * PAGE_MIN));
            let kind = if refused { found.kind } else { Kind::Clean };
            ranges.show(node, Some(kind), now_ms);
            set(model, hidden, Some(kind));
        }
        Step::Unmap { refused } => {
            let Some((node, found)) = ranges.largest_clean() else { return };
            assert_eq!(found.span.bytes, longest(model, &[Kind::Clean], 1) * PAGE_MIN);
            let (node, hidden) = ranges.hide(node, found.span.bytes, Kind::Unmapping, ME);
            let kind = if refused { Some(Kind::Clean) } else { None };
            ranges.show(node, kind, now_ms);
            set(model, hidden, kind);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..Default::default()
    })]

    /// Whatever is freed, taken, purged and unmapped, even if the system refuses it: each page is
    /// in one range of its kind or in none, and neighbours are joined.
    #[test]
    fn ranges_agree_with_a_map_of_pages(steps in steps()) {
        let (mut ranges, mut model) = (FreeRanges::EMPTY, Model::new());
        for (number, step) in steps.iter().enumerate() {
            apply(step, &mut ranges, &mut model, number as u32);
            assert_agrees(&ranges, &model);
        }
    }
}

#[test]
fn seventy_thousand_ranges_are_as_quick_as_seven() {
    let mut ranges = FreeRanges::EMPTY;
    for number in 0..70_000 {
        put(&mut ranges, 2 * number, 1, Kind::Dirty, 0);
    }
    assert_eq!(ranges.count(), 70_000);
    let depth = |tree: &Tree| tree.depth(&ranges.nodes);
    let depths = [depth(&ranges.by_address), depth(&ranges.dirty)];
    assert!(depths.iter().all(|&depth| depth < 60), "{depths:?}, where 17 is the least");
    for number in 0..70_000 {
        put(&mut ranges, 2 * number + 1, 1, Kind::Dirty, 0);
    }
    assert_eq!(ranges.count(), 1);
}
