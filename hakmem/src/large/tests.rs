#![allow(unsafe_code)]

use std::collections::HashMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn empty() -> Spans {
    Spans {
        entries: core::ptr::null_mut(),
        capacity: 0,
        length: 0,
        cache: SpanCache::EMPTY,
        live_bytes: 0,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert { page: usize, bytes: usize },
    Remove { page: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few different pages, so that spans are found, removed and inserted again, and probe
    // sequences run into each other and around the table's end.
    let page = 1..600_usize;
    let step = prop_oneof![
        3 => (page.clone(), 1..100_usize).prop_map(|(page, bytes)| Step::Insert { page, bytes }),
        2 => page.prop_map(|page| Step::Remove { page }),
    ];
    prop::collection::vec(step, 1..1500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// The table is a map from address to bytes, whatever was inserted and removed before.
    #[test]
    fn the_table_agrees_with_a_map(steps in steps()) {
        let mut table = empty();
        let mut model: HashMap<usize, usize> = HashMap::new();
        for step in steps {
            match step {
                Step::Insert { page, bytes } => {
                    let address = page * PAGE;
                    if model.insert(address, bytes).is_some() {
                        prop_assert!(table.remove(address).is_some());
                    }
                    prop_assert!(table.make_room().is_some());
                    table.insert(Span { address, bytes });
                    table.length += 1;
                }
                Step::Remove { page } => {
                    let address = page * PAGE;
                    let removed = table.remove(address).map(|span| span.bytes);
                    prop_assert_eq!(removed, model.remove(&address));
                }
            }
            prop_assert_eq!(table.length, model.len());
            prop_assert!(table.length * 2 <= table.capacity || table.capacity == 0);
        }
        for page in 0..601 {
            let found = table.find(page * PAGE).map(|index| table.entry(index).bytes);
            prop_assert_eq!(found, model.get(&(page * PAGE)).copied());
        }
    }
}

#[test]
fn spans_live_move_and_die() {
    let Allocated { address, bytes: size, is_fresh } = allocate(300_000, PAGE).expect("memory");
    let at = address.as_ptr() as usize;
    assert_eq!((size, at % PAGE), (300_000_usize.next_multiple_of(PAGE), 0));
    // SAFETY: a live span of that size.
    let contents = unsafe { core::slice::from_raw_parts_mut(address.as_ptr(), size) };
    assert!(!is_fresh || contents.iter().all(|&byte| byte == 0), "fresh spans are zeros");
    contents.fill(7);
    assert_eq!(bytes(at), Some(size));
    assert_eq!(bytes(at + PAGE), None, "inside of a span is no span");
    let (moved, larger) = resize(at, 5_000_000, 0).expect("memory");
    assert!(larger >= 5_000_000);
    // SAFETY: a live span of that size.
    let contents = unsafe { core::slice::from_raw_parts(moved.as_ptr(), size) };
    assert!(contents.iter().all(|&byte| byte == 7));
    assert!(resize(at + PAGE, 100, 0).is_none(), "no span");
    assert!(resize(moved.as_ptr() as usize, usize::MAX / 4, 0).is_none(), "no memory");
    assert_eq!(bytes(moved.as_ptr() as usize), Some(larger), "a failure leaves it as it was");
    let freed = free(moved.as_ptr() as usize, 0).expect("a span");
    assert_eq!((freed.bytes, freed.unmapped), (larger, false), "it is kept for a while");
    assert!(free(moved.as_ptr() as usize, 0).is_none(), "only once");
}

#[test]
fn spans_are_aligned_as_asked() {
    for shift in 12..=26 {
        let alignment = 1 << shift;
        let span = allocate(100_000, alignment).expect("memory");
        assert_eq!(span.address.as_ptr() as usize % alignment, 0);
        assert!(free(span.address.as_ptr() as usize, 0).is_some());
    }
    assert!(allocate(usize::MAX, PAGE).is_none());
    assert!(allocate(usize::MAX - PAGE, PAGE).is_none());
    assert!(allocate(100, 1 << 62).is_none());
}
