#![allow(unsafe_code)]

use std::alloc::{Layout, alloc};
use std::boxed::Box;
use std::collections::HashSet;
use std::vec::Vec;

use super::*;
use crate::os::memory::page_bytes;

/// A slab of `bin` in memory of the test's own.
fn slab(bin: usize, order: u8) -> Slab {
    let layout = Layout::from_size_align(bins::GRANULE << order, bins::GRANULE).expect("valid");
    // SAFETY: the size is not 0. The memory is never freed, as the test ends soon.
    let base = unsafe { alloc(layout) } as usize;
    let slab = Slab {
        first: Cell::new(base),
        until_look: Cell::new(77),
        seen: Cell::new(1),
        rest: Cell::new(7),
        carved: Cell::new(99),
        order: AtomicU8::new(order),
        listed: Cell::new(true),
        returned: Cell::new(true),
        ..Slab::none()
    };
    let bits = Box::leak(Box::new([0; BLOCKS_MAX / 64]));
    // SAFETY: the words suffice for any slab, and they are never freed.
    unsafe { slab.open(bin, bits.as_mut_ptr()) };
    slab
}

/// Takes up to `wanted` blocks; returns their addresses in the order in which they were given.
fn give(slab: &Slab, wanted: usize) -> Vec<usize> {
    let mut blocks = std::vec![ptr::null_mut(); wanted];
    let count = slab.give(&mut blocks);
    let (room, given) = blocks.split_at(wanted - count);
    assert!(room.iter().all(|block| block.is_null()), "no more than it says");
    given.iter().rev().map(|&block| block as usize).collect()
}

/// Gives a block back; false if it is refused. Where both ways of taking it back apply, a bit of
/// its address chooses one.
fn take_back(slab: &Slab, address: usize) -> bool {
    let (divider, block) = (Divider::of(slab.bin()), address as *mut Block);
    let lies_in_it = (slab.base()..slab.base() + slab.bytes()).contains(&address);
    let taken = if Slab::are_single(slab.bin()) && lies_in_it && address & 64 == 0 {
        slab.take_back::<true>(divider, block)
    } else {
        slab.take_back::<false>(divider, block)
    };
    !matches!(taken, Taken::Twice | Taken::NoBlock | Taken::Strange)
}

#[test]
fn all_blocks_are_given_once_and_in_order() {
    for bin in [1, 2, 5, 21, 22] {
        let slab = slab(bin, 0);
        let fit = bins::GRANULE / bins::stride(bin);
        assert_eq!(usize::from(slab.capacity.get()), fit.min(BLOCKS_MAX));
        let mut given = Vec::new();
        while slab.available() > 0 {
            given.extend(give(&slab, 7));
        }
        assert!(given.is_sorted(), "fresh blocks run upwards in memory");
        assert_eq!(given.len(), usize::from(slab.capacity.get()));
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), given.len(), "no block twice");
        for &block in &given {
            assert!(slab.has_block_at(block) && !slab.is_free_at(block));
            assert!(!slab.has_block_at(block + 1));
            assert!(block + bins::stride(bin) <= slab.base() + bins::GRANULE);
        }
        assert!(!slab.is_empty());
        for &block in &given {
            assert!(take_back(&slab, block));
        }
        assert!(slab.is_empty());
        assert_eq!(slab.available(), u32::from(slab.capacity.get()));
    }
}

#[test]
fn blocks_that_came_back_go_out_first() {
    let slab = slab(5, 0);
    let first = give(&slab, 10);
    assert!(take_back(&slab, first[3]));
    assert_eq!((slab.carved.get(), slab.out()), (10, 9));
    let second = give(&slab, 2);
    assert_eq!(second[0], first[3]);
    assert_eq!(slab.carved.get(), 11, "one more was carved, no page too many touched");
    assert!(!slab.has_block_at(slab.base() + 11 * bins::stride(5)), "not carved yet");
}

#[test]
fn a_block_comes_back_once_and_only_as_what_it_is() {
    let slab = slab(9, 0);
    assert_eq!(bins::stride(9), 128);
    let given = give(&slab, 4);
    assert!(take_back(&slab, given[2]));
    assert!(slab.is_free_at(given[2]));
    for wrong in [given[2], given[1] + 1, given[1] + 16, slab.base() - 128, given[3] + 128] {
        assert!(!take_back(&slab, wrong), "{wrong:#x}");
    }
    assert_eq!(slab.out(), 3);
}

#[test]
fn what_is_no_block_cannot_come_back() {
    for bin in bins::in_use() {
        let slab = slab(bin, bins::slab_granules(bin).ilog2() as u8);
        let out = give(&slab, BLOCKS_MAX);
        let stride = bins::stride(bin);
        let behind = slab.first.get() + usize::from(slab.capacity.get()) * stride;
        for wrong in (behind..slab.base() + slab.bytes()).step_by(stride) {
            assert!(!take_back(&slab, wrong), "bin {bin}: {wrong:#x}");
        }
        for other in bins::in_use().filter(|&other| other != bin) {
            for &block in &out {
                let (divider, block) = (Divider::of(other), block as *mut Block);
                assert_eq!(slab.take_back::<true>(divider, block), Taken::Strange);
                assert_eq!(slab.take_back::<false>(divider, block), Taken::Strange);
            }
        }
        assert_eq!(slab.out() as usize, out.len());
        assert!(slab.is_consistent());
    }
}

/// Bytes of free pages, none of which may hold a part of a block that is out.
fn free_page_bytes(slab: &Slab, out: &[usize]) -> usize {
    let (stride, mut bytes) = (bins::stride(slab.bin()), 0);
    slab.for_each_free_page(|address, length| {
        assert!(address.is_multiple_of(page_bytes()) && length.is_multiple_of(page_bytes()));
        assert!(address >= slab.base() && address + length <= slab.base() + slab.bytes());
        for &block in out {
            assert!(block + stride <= address || block >= address + length, "{block:#x} is out");
        }
        bytes += length;
    });
    bytes
}

#[test]
fn pages_without_a_live_block_are_found() {
    for bin in [1, 2, 5, 7, 21, 22, 30, 34] {
        let slab = slab(bin, bins::slab_granules(bin).ilog2() as u8);
        assert_eq!(free_page_bytes(&slab, &[]), slab.bytes(), "nothing was carved");
        let mut out = give(&slab, BLOCKS_MAX);
        let carved_end = slab.first.get() + usize::from(slab.capacity.get()) * bins::stride(bin);
        let rest = slab.base() + slab.bytes() - carved_end.next_multiple_of(page_bytes());
        assert_eq!(free_page_bytes(&slab, &out), rest, "bin {bin}: all are out");
        // Every second block comes back, and then all but the one in the middle.
        for block in out.iter().skip(1).step_by(2) {
            assert!(take_back(&slab, *block));
        }
        out = out.iter().step_by(2).copied().collect();
        let found = free_page_bytes(&slab, &out);
        // A block of two pages contains a whole page wherever it lies. A block of less than a page
        // contains none, but the last block and the bytes behind it may make up one.
        let (stride, page) = (bins::stride(bin), page_bytes());
        assert!(found > rest || stride < 2 * page, "bin {bin}");
        assert!(found <= rest + page || stride >= page, "bin {bin}");
        let middle = out.len() / 2;
        for (index, block) in out.iter().enumerate() {
            assert!(index == middle || take_back(&slab, *block));
        }
        let kept = slab.bytes() - free_page_bytes(&slab, &[out[middle]]);
        assert!(
            kept <= bins::stride(bin).next_multiple_of(page_bytes()) + page_bytes(),
            "bin {bin}: {kept}"
        );
    }
}

#[test]
fn a_slab_is_idle_once_for_each_time_that_it_was_left_alone() {
    let slab = slab(5, 0);
    let given = give(&slab, 10);
    assert!(take_back(&slab, given[3]));
    assert!(!slab.is_idle(), "never seen so before");
    assert!(slab.is_idle());
    assert!(!slab.is_idle(), "its pages are given back");
    assert!(take_back(&slab, given[4]));
    assert!(!slab.is_idle());
    give(&slab, 1);
    assert!(!slab.is_idle(), "as many are out, but others");
    assert!(slab.is_idle());
}

/// Random takes and returns, compared with a set of the blocks that are out.
#[test]
fn it_agrees_with_a_set_of_blocks() {
    for (bin, order) in [(1, 0), (2, 0), (4, 0), (13, 0), (21, 0), (40, 1), (53, 5)] {
        let slab = slab(bin, order);
        let mut out: Vec<usize> = Vec::new();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..4_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (random >> 40) as usize;
            if number.is_multiple_of(3) {
                let wanted = number / 3 % 40 + 1;
                let expected = wanted.min(slab.available() as usize);
                let given = give(&slab, wanted);
                assert_eq!(given.len(), expected);
                assert!(given.is_sorted());
                assert!(given.iter().all(|block| !out.contains(block)), "given while out");
                out.extend(given);
            } else if !out.is_empty() {
                for _ in 0..(number / 3 % 20).min(out.len()) {
                    let block = out.swap_remove(number % out.len());
                    assert!(take_back(&slab, block));
                }
            }
            assert_eq!(slab.out() as usize, out.len());
            assert_eq!(slab.is_empty(), out.is_empty());
        }
    }
}
