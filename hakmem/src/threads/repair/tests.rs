//! What a child process makes of half-done changes, interrupted at every point.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

use super::*;
use crate::block::Block;
use crate::central::Flow;
use crate::steps::stop_at_each;
use crate::tests::alone;

/// Blocks that the program holds, as pairs of bin and address.
static LIVE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// A bin of small blocks, one whose slabs are single granules, and one whose slabs are larger.
fn staged_bins() -> [usize; 3] {
    let bins = [64, 16_000, 200_000].map(bins::of_size);
    assert!(bins::slab_granules(bins[2]) > 1);
    bins
}

fn take(bin: usize, count: usize) -> Vec<*mut Block> {
    let mut blocks = std::vec![core::ptr::null_mut(); count];
    let mut taken = 0;
    while taken < count {
        taken += central::take(bin, &mut blocks[taken..]).expect("there is memory").count;
    }
    blocks
}

fn give(bin: usize, blocks: &[*mut Block]) {
    // SAFETY: taken by the caller, which forgets them.
    unsafe { central::give_to_slabs(bin, blocks, 0) };
}

/// Takes and gives back enough blocks for slabs of each kind to come into use and go out of it
/// again, and for free runs to be split and joined.
fn take_and_give() {
    for bin in staged_bins() {
        let count = 3 + bins::slab_granules(bin) * bins::GRANULE / bins::stride(bin).max(4000);
        let blocks = take(bin, count);
        give(bin, &blocks);
    }
    arena::purge(1000, 0);
}

/// Passes batches through the central store.
fn hand_over() {
    let bin = bins::of_size(64);
    let blocks = take(bin, 130);
    // SAFETY: taken above.
    unsafe { central::give(bin, &blocks, Flow::OneWay, 0) };
    take(bin, 100);
    central::drain(0);
}

/// Pretends that the calling thread, which holds some locks, has ceased to exist, and that another
/// thread finds what it left behind.
fn repair_and_verify() {
    let locks = [&PROCESS.lock, &LATE, batches::lock(), arena::lock(), registry::lock()];
    locks.into_iter().chain(bins::in_use().map(central::lock)).for_each(|lock| {
        lock.leave_to_nobody();
    });
    release_abandoned();
    central::recount_stacks();
    arena::verify();
    bins::in_use().for_each(central::verify);
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known: HashSet<usize> = live.iter().map(|&(_, address)| address).collect();
    for &(bin, address) in &*live {
        assert_eq!(central::look_up(bin, address), central::Known::Away, "a live block is here");
    }
    let taken = staged_bins().map(|bin| take(bin, 300));
    for &block in taken.iter().flatten() {
        assert!(known.insert(block as usize), "a block was given out twice");
    }
    for (bin, blocks) in staged_bins().into_iter().zip(&taken) {
        give(bin, blocks);
    }
    arena::verify();
    bins::in_use().for_each(central::verify);
}

/// Interrupts `change` at each of its points, at least `least` of them, and checks the repair.
fn check(change: fn(), least: u32) {
    // The repair rebuilds the lists, so that no free run is without memory, as in a child.
    release_abandoned();
    {
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        for bin in staged_bins() {
            live.extend(take(bin, 5).into_iter().map(|block| (bin, block as usize)));
        }
    }
    let points = stop_at_each(change, repair_and_verify);
    assert!(points >= least, "only {points} points");
    for (bin, address) in LIVE.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        give(bin, &[address as *mut Block]);
    }
}

#[test]
fn slabs_and_runs_are_found_again_wherever_a_thread_ceased_to_exist() {
    alone!();
    check(take_and_give, 100);
}

#[test]
fn batches_are_counted_anew_wherever_a_thread_ceased_to_exist() {
    alone!();
    check(hand_over, 10);
}

#[test]
fn what_the_own_thread_has_in_hand_stays_its_own() {
    alone!();
    let bin = staged_bins()[2];
    // Behind the end of the runs in use lie former runs, whose descriptors still say what they
    // were.
    let before: Vec<_> = (0..400).filter_map(|_| arena::take_run(0)).collect();
    before.into_iter().for_each(give_run);
    arena::purge(0, 0);
    central::lock(bin).take();
    let run = arena::take_run(bins::slab_granules(bin).ilog2() as usize).expect("there is memory");
    // Another thread held the arenas' lock; this thread has taken a run that is in no slab yet.
    arena::lock().take();
    arena::lock().leave_to_nobody();
    assert!(release_abandoned().doubts >= 1);
    let others: HashSet<_> = (0..200).filter_map(|_| arena::take_run(0)).collect();
    // SAFETY: taken above, and nobody uses it.
    let end = run.as_ptr() as usize + bins::slab_granules(bin) * 128;
    let is_inside = |other: &core::ptr::NonNull<_>| {
        (run.as_ptr() as usize..end).contains(&(other.as_ptr() as usize))
    };
    assert!(!others.iter().any(is_inside), "a run was taken twice");
    central::lock(bin).give();
    for other in others.into_iter().chain([run]) {
        give_run(other);
    }
    arena::verify();
}

#[allow(unsafe_code)]
fn give_run(run: core::ptr::NonNull<crate::slab::Slab>) {
    // SAFETY: taken by the caller, and used by nobody.
    unsafe { arena::give_run(run, 0) };
}
