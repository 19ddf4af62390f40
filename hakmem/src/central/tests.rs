#![allow(unsafe_code)]

use std::collections::HashSet;
use std::vec::Vec;

use hakmem_segment::Outcome;

use super::stray::Strays;
use super::*;
use crate::tests::alone;

/// Compares the result of [`repeated_at`] for blocks given by numbers.
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

#[test]
fn a_block_that_stands_twice_goes_to_the_store_once_and_is_noted() {
    alone!();
    stray::take(|_| ());
    let bin = 5;
    let mut blocks = [core::ptr::null_mut(); 40];
    let taken = take(bin, &mut blocks).expect("there is memory").count as usize;
    assert!(taken >= 8, "{taken}");
    let blocks = &mut blocks[40 - taken..];
    blocks.sort();
    let twice = blocks[2];
    let list: Vec<_> = [&blocks[..4], &[twice], &blocks[4..]].concat();
    // SAFETY: the test owns the blocks, of which one occurs twice.
    unsafe { give(bin, &list, Flow::OneWay, 0) };
    let mut noted = Vec::new();
    stray::take(|strays| noted.push(strays));
    let expected = Strays { bin, outcome: Outcome::DoubleFree, count: 1, address: twice as usize };
    assert_eq!(noted, [expected]);
    // No block is given out twice.
    let mut seen = HashSet::new();
    let mut again = Vec::new();
    while again.len() < 200 {
        let mut block = [core::ptr::null_mut()];
        assert_eq!(take(bin, &mut block).expect("there is memory").count, 1);
        assert!(seen.insert(block[0]), "{:?} is given out twice", block[0]);
        again.push(block[0]);
    }
    // SAFETY: the test owns the blocks.
    unsafe { give(bin, &again, Flow::OneWay, 0) };
}

#[test]
fn blocks_are_stacked_while_another_threads_bytes_are_still_to_be_added() {
    alone!();
    let bin = 5;
    let mut blocks = [core::ptr::null_mut(); 40];
    let taken = take(bin, &mut blocks).expect("there is memory").count as usize;
    let blocks = &mut blocks[40 - taken..];
    blocks.sort();
    let (before, short) = (stacked(bin), STACKED_BYTES.load(Ordering::Relaxed) + STACKED_STEP);
    STACKED_BYTES.fetch_sub(short, Ordering::Relaxed);
    // SAFETY: the test owns the blocks.
    unsafe { give(bin, blocks, Flow::OneWay, 0) };
    STACKED_BYTES.fetch_add(short, Ordering::Relaxed);
    assert_eq!(stacked(bin), before + taken as u32);
}

#[test]
fn looks_reach_every_slab_of_a_bin_in_turn() {
    alone!();
    const LOOK: usize = 16;
    const SLABS: usize = 5 * LOOK;
    let bin = bins::of_size(100);
    let mut blocks = std::vec![core::ptr::null_mut(); SLABS * bins::GRANULE / bins::stride(bin)];
    let mut taken = 0;
    while taken < blocks.len() {
        taken += take(bin, &mut blocks[taken..]).expect("there is memory").count as usize;
    }
    // One block of each slab stays out.
    let mut seen = HashSet::new();
    let granule = |block: *mut Block| block.addr() / bins::GRANULE;
    let (kept, given): (Vec<_>, Vec<_>) =
        blocks.into_iter().partition(|&block| seen.insert(granule(block)));
    assert!(kept.len() > 4 * LOOK);
    // SAFETY: taken above, and not used again.
    unsafe { give_to_slabs(bin, &given, 0) };
    // The first round sees the slabs, the second finds them idle.
    let round = kept.len().div_ceil(LOOK) + 1;
    let returned: usize =
        (0..2 * round).map(|_| decay::return_pages(Some(LOOK), crate::slab::Slab::is_idle)).sum();
    let most = kept.len() * (bins::GRANULE - 2 * crate::os::memory::page_bytes());
    assert!(returned >= most - most / 10, "{returned} of {most} bytes");
    // SAFETY: as above.
    unsafe { give_to_slabs(bin, &kept, 0) };
}
