//! `bench_batches`: allocate many, free them all.

use crate::c_heap::{Block, FilledBlock};
use crate::contents::{Held, Request};
use crate::report::Tally;
use crate::run_error::RunError;
use crate::stopwatch::Stopwatch;
use crate::xor_shift::XorShift;

/// Order in which a batch is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The order of allocation.
    Same,
    /// The last block first.
    Reverse,
    /// A random order, which is the same for all batches of a run.
    Random,
}

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Bytes of a block, at least 1.
    pub size: usize,
    /// Blocks of a batch, below 2^32.
    pub blocks: usize,
    /// Batches, one after the other.
    pub batches: u64,
    /// Order in which each batch is freed.
    pub order: Order,
}

impl Order {
    /// Name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Reverse => "reverse",
            Self::Random => "random",
        }
    }

    /// Indices of the `blocks` blocks of a batch, in this order.
    fn places(self, blocks: usize) -> Vec<u32> {
        let mut places: Vec<u32> = (0..blocks as u32).collect();
        match self {
            Self::Same => {}
            Self::Reverse => places.reverse(),
            Self::Random => shuffle(&mut places),
        }
        places
    }
}

/// Fisher–Yates shuffle: swaps each element with a random one that does not lie behind it.
fn shuffle(places: &mut [u32]) {
    let mut random = XorShift::new(1);
    for last in (1..places.len()).rev() {
        let other = ((random.draw() >> 32) * (last as u64 + 1)) >> 32;
        places.swap(last, other as usize);
    }
}

impl Batches {
    /// Runs all batches. With `verify`, every block is filled, and its contents are checked before
    /// it is freed; otherwise only its first byte is written.
    pub fn run(self, verify: bool) -> Result<Tally, RunError> {
        if verify { self.calls::<FilledBlock>() } else { self.calls::<Block>() }
    }

    /// Every order, [`Order::Same`] included, walks a list of indices, so that a difference in time
    /// is the allocator's.
    fn calls<B: Held>(self) -> Result<Tally, RunError> {
        let places = self.order.places(self.blocks);
        let mut held: Vec<Option<B>> = Vec::new();
        held.resize_with(self.blocks, || None);
        let Self { size, .. } = self;
        let watch = Stopwatch::start();
        let mut mallocs = 0;
        for _ in 0..self.batches {
            for place in &mut held {
                let block = B::allocate(Request { size, number: mallocs, random: mallocs });
                *place = Some(block.ok_or(RunError::OutOfMemory { size })?);
                mallocs += 1;
            }
            for &place in &places {
                if let Some(block) = held[place as usize].take() {
                    block.free()?;
                }
            }
        }
        let spent = watch.spent();
        Ok(Tally { mallocs, frees: mallocs, timed_operations: 2 * mallocs, spent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_frees_every_block_once() {
        for order in [Order::Same, Order::Reverse, Order::Random] {
            let mut places = order.places(1_000);
            let in_order = places.is_sorted();
            assert_eq!(in_order, order == Order::Same, "{order:?}");
            places.sort_unstable();
            assert!(places.into_iter().eq(0..1_000), "{order:?}");
        }
        assert_eq!(Order::Reverse.places(3), [2, 1, 0]);
        assert!(Order::Random.places(0).is_empty());
    }

    #[test]
    fn a_run_makes_the_calls_it_was_asked_for() {
        for order in [Order::Same, Order::Reverse, Order::Random] {
            for verify in [false, true] {
                let run = Batches { size: 40, blocks: 300, batches: 5, order };
                let tally = run.run(verify).expect("runs");
                assert_eq!((tally.mallocs, tally.frees), (1_500, 1_500));
                assert_eq!(tally.timed_operations, 3_000);
            }
        }
    }
}
