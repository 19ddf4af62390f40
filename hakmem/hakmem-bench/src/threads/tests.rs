use super::exchange::{Exchange, Exchanged};
use super::handover::{BATCH, Handover};
use super::mixed::MixedThreads;
use super::ring::Ring;
use super::short_lived::ShortLived;
use super::successors::Successors;
use super::*;
use crate::random_mixed::RandomMixed;
use crate::sizes::Tiny;

/// A load makes the same calls with `verify` and without.
fn check(load: impl Load, blocks: u64) {
    for verify in [false, true] {
        let tally = run(load, verify).expect("the load runs");
        assert_eq!((tally.mallocs, tally.frees), (blocks, blocks), "verify: {verify}");
        assert_eq!(tally.timed_operations, 2 * blocks);
    }
}

#[test]
fn every_block_of_every_producer_is_freed_by_a_consumer() {
    for blocks in [0, 1, BATCH as u64, 5_003] {
        for (producers, consumers) in [(1, 1), (3, 1), (1, 3), (4, 2)] {
            check(Handover { producers, consumers, blocks }, producers as u64 * blocks);
        }
    }
}

#[test]
fn a_ring_of_any_length_frees_every_block() {
    for threads in [1, 2, 5] {
        for blocks in [0, 1, BATCH as u64, 16 * BATCH as u64, 16 * BATCH as u64 + 1, 5_003] {
            check(Ring { threads, blocks }, threads as u64 * blocks);
        }
    }
}

fn exchange(threads: usize, blocks: u64, objects: usize, burst: usize) -> Exchange<Tiny> {
    Exchange { threads, blocks, places: 100, objects, burst, seed: 1, sizes: Tiny }
}

#[test]
fn an_exchange_frees_every_block_whatever_lies_in_a_place() {
    for (objects, burst) in [(1, 1), (7, 1), (1, 64), (10, 3)] {
        for threads in [1, 2, 4] {
            for blocks in [0, 1, 9, 5_003] {
                for verify in [false, true] {
                    let load = exchange(threads, blocks, objects, burst);
                    let (tally, elsewhere) = load.run(verify).expect("the load runs");
                    let all = threads as u64 * blocks;
                    assert_eq!((tally.mallocs, tally.frees), (all, all), "{load:?}");
                    assert!(elsewhere <= all && (threads > 1 || elsewhere == 0), "{load:?}");
                }
            }
        }
    }
}

#[test]
fn threads_of_an_exchange_free_each_others_blocks_even_if_they_share_a_core() {
    for (threads, objects, burst) in [(2, 1, 1), (2, 10, 1), (2, 1, 64), (4, 1, 1)] {
        let load =
            Exchange { places: 1_000 / objects, ..exchange(threads, 200_000, objects, burst) };
        let Exchanged { blocks, freed_elsewhere } = load.calls::<Block>().expect("the load runs");
        assert!(freed_elsewhere >= blocks / 5, "{freed_elsewhere} of {blocks}: {load:?}");
    }
}

#[test]
fn an_exchange_with_one_place_ends() {
    let load = Exchange { places: 1, ..exchange(3, 20_000, 1, 1) };
    assert_eq!(load.calls::<Block>().expect("the load runs").blocks, 60_000);
}

#[test]
fn the_last_generation_leaves_nothing() {
    check(Successors { threads: 2, generations: 3, rounds: 1_000, held: 64 }, 6_000);
    check(Successors { threads: 1, generations: 2, rounds: 0, held: 1 }, 0);
}

#[test]
fn short_threads_free_what_they_allocate() {
    check(ShortLived { at_once: 3, threads: 5, blocks: 40 }, 600);
    check(ShortLived { at_once: 1, threads: 2, blocks: 0 }, 0);
}

#[test]
fn threads_of_mixed_sizes_make_the_calls_of_the_single_loops() {
    let load = MixedThreads { threads: 2, iterations: 10_000, working_set: 100 };
    let single = |seed| {
        let run = RandomMixed { iterations: 10_000, working_set: 100, seed, sizes: Tiny };
        run.run(crate::contents::Contents::Bare, 0).expect("the loop runs").mallocs
    };
    check(load, single(0) + single(1));
}

/// A block whose contents are always wrong.
struct Broken(Block);

impl Held for Broken {
    fn allocate(request: Request) -> Option<Self> {
        Block::allocate(request.size).map(Self)
    }

    fn free(self) -> Result<(), crate::pattern::Damage> {
        self.0.free();
        Err(crate::pattern::Damage::Alignment { address: 1, size: 2 })
    }
}

#[test]
fn damage_ends_every_load_with_an_error() {
    let wrong = |result: Result<u64, RunError>| assert!(result.is_err());
    wrong(Handover { producers: 2, consumers: 2, blocks: 100_000 }.calls::<Broken>());
    wrong(Handover { producers: 3, consumers: 1, blocks: 100_000 }.calls::<Broken>());
    wrong(Ring { threads: 3, blocks: 100_000 }.calls::<Broken>());
    let broken = exchange(3, 100_000, 1, 1).calls::<Broken>();
    assert!(broken.is_err());
    wrong(Successors { threads: 2, generations: 2, rounds: 100, held: 4 }.calls::<Broken>());
    wrong(ShortLived { at_once: 2, threads: 2, blocks: 3 }.calls::<Broken>());
}
