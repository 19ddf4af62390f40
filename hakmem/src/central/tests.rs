use std::vec::Vec;

use super::*;

/// Blocks by numbers: where the first stands that stands also behind, or behind the next.
fn check(numbers: &[usize], expected: Option<usize>) {
    let blocks: Vec<*mut Block> =
        numbers.iter().map(|number| (number * 16) as *mut Block).collect();
    assert_eq!(repeated_at(&blocks), expected, "{numbers:?}");
}

#[test]
fn a_block_that_stands_twice_close_together_is_found() {
    check(&[], None);
    check(&[1], None);
    check(&[1, 2], None);
    check(&[1, 1], Some(0));
    check(&[1, 2, 1], Some(0));
    check(&[1, 2, 2], Some(1));
    check(&[1, 2, 3, 4, 5, 6, 7, 7], Some(6));
    check(&[1, 2, 3, 4, 3, 6, 7, 7], Some(2));
    check(&[1, 2, 3, 1], None);
    check(&(0..1000).collect::<Vec<_>>(), None);
}
