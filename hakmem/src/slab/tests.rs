#![allow(unsafe_code)]

use std::alloc::{Layout, alloc};
use std::collections::HashSet;
use std::vec::Vec;

use super::*;

/// A slab of one granule in a bin, in memory of the test's own.
fn slab(bin: usize, order: u8) -> Slab {
    let layout = Layout::from_size_align(bins::GRANULE << order, bins::GRANULE).expect("valid");
    // SAFETY: the size is not 0. The memory is never freed: the test is over soon.
    let base = unsafe { alloc(layout) } as usize;
    let mut slab = Slab {
        free: Chain::EMPTY,
        carved: 99,
        capacity: 0,
        next: ptr::null_mut(),
        previous: ptr::null_mut(),
        head: ptr::null_mut(),
        base,
        freed_at_ms: 0,
        bin: 0,
        order,
        listed: true,
        idle: false,
    };
    slab.open(bin);
    slab
}

fn addresses(mut chain: Chain) -> Vec<usize> {
    let count = chain.count as usize;
    let found: Vec<usize> =
        core::iter::from_fn(|| chain.pop()).map(|block| block as usize).collect();
    assert_eq!(found.len(), count, "the chain is as long as it says");
    found
}

#[test]
fn all_blocks_are_given_once_and_in_order() {
    for bin in [1, 2, 5, 21, 22] {
        let mut slab = slab(bin, 0);
        assert_eq!(slab.capacity as usize, bins::GRANULE / bins::stride(bin));
        let mut given = Vec::new();
        while slab.available() > 0 {
            let mut chain = Chain::EMPTY;
            slab.give(7, &mut chain);
            let batch = addresses(chain);
            assert!(batch.is_sorted(), "fresh blocks run upwards in memory");
            given.extend(batch);
        }
        assert_eq!(given.len(), slab.capacity as usize);
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len(), "no block twice");
        for &block in &given {
            assert!(slab.has_block_at(block));
            assert!(!slab.has_block_at(block + 1));
            assert!(block + bins::stride(bin) <= slab.base + bins::GRANULE);
        }
        assert!(!slab.is_empty());
        for &block in &given {
            // SAFETY: given above, and back once.
            unsafe { slab.take_back(block as *mut Block) };
        }
        assert!(slab.is_empty());
        assert_eq!(slab.available(), slab.capacity);
    }
}

#[test]
fn blocks_that_came_back_go_out_first() {
    let mut slab = slab(5, 0);
    let mut chain = Chain::EMPTY;
    slab.give(10, &mut chain);
    let first = addresses(chain);
    // SAFETY: given above.
    unsafe { slab.take_back(first[3] as *mut Block) };
    assert_eq!((slab.carved, slab.free.count), (10, 1));
    let mut chain = Chain::EMPTY;
    slab.give(2, &mut chain);
    let second = addresses(chain);
    assert!(second.contains(&first[3]));
    assert_eq!(slab.carved, 11, "one more was carved, no page too many touched");
    assert!(!slab.has_block_at(slab.base + 11 * bins::stride(5)), "not carved yet");
}
