//! The arguments of a cell's program.

use hakmem_bench::batches::Order;
use hakmem_bench::growth::{Growth, Step};
use hakmem_bench::release::Survivors;

use crate::race::cell::{Cell, FIXED_WORKING_SET, GENERATIONS, GROWTH_FIRST, SHORT_LIFE_BLOCKS};

/// Length of a lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Timed calls of the loads that count calls.
    pub operations: u64,
    /// Seconds of the sustained loads.
    pub seconds: u64,
}

impl From<u64> for Length {
    /// `operations` operations, and the full minute of the sustained loads.
    fn from(operations: u64) -> Self {
        Self { operations, seconds: 60 }
    }
}

/// Size in bytes beyond which the bytes of a growing block cost more than its calls, so that a lap
/// has fewer blocks.
const GROWTH_CHEAP: usize = 8 * 1024;

/// Operations for each MiB that memory grows to before most of it is released; the two bounds in
/// MiB limit the size to the range that is worth looking at.
const OPERATIONS_PER_MIB: u64 = 100_000;
const LEAST_MIB: u64 = 8;
const MOST_MIB: u64 = 256;

impl Cell {
    /// Roughly, the number of ordinary calls that take as long as one call of this cell under a
    /// fast allocator. Its laps have fewer calls accordingly, so that none lasts much longer than
    /// the others.
    fn weight(self) -> u64 {
        match self {
            // The group has many cells.
            Self::Pairs { .. } => 4,
            // The call writes zeros, or page faults do.
            Self::Zeroed { size, .. } if size >= 1 << 20 => 512,
            Self::Zeroed { size, .. } if size >= 1 << 12 => 4,
            // Some peers return the memory to the system after each batch.
            Self::Batches { size, .. } if size >= 1 << 10 => 2,
            Self::Skewed { largest, .. } if largest >= 1 << 20 => 8,
            // Hardly any memory that it touches is in a cache.
            Self::Drift { .. } => 2,
            Self::Growth { last, .. } => (last / GROWTH_CHEAP).max(1) as u64,
            _ => 1,
        }
    }

    /// Arguments that make the program time about `length.operations` calls and never more, fewer
    /// if its calls are slow ones, and leave the contents of blocks alone.
    pub fn arguments(self, length: Length) -> Vec<String> {
        let numbers = self.numbers(length.operations / self.weight());
        let mut words = self.options(length.seconds);
        words.extend(numbers.iter().map(u64::to_string));
        words.extend(self.flags().iter().map(|&flag| flag.to_owned()));
        words
    }

    fn numbers(self, operations: u64) -> Vec<u64> {
        let blocks = operations / 2;
        match self {
            Self::Fixed { size } | Self::Aligned { size, .. } => {
                vec![blocks, size as u64, FIXED_WORKING_SET as u64]
            }
            Self::Pairs { size, working_set } | Self::Zeroed { size, working_set } => {
                vec![blocks, size as u64, working_set as u64]
            }
            Self::Mixed { working_set } | Self::Skewed { working_set, .. } => {
                vec![operations, working_set as u64]
            }
            Self::Drift { live_kib } => vec![live_kib, blocks],
            Self::Handover { producers, consumers } => {
                vec![producers, consumers, blocks / producers]
            }
            Self::Sustained { producers, consumers } => vec![producers, consumers],
            Self::Ring { threads } => vec![threads, blocks / threads],
            Self::Successors { threads } => {
                vec![threads, GENERATIONS, blocks / (threads * GENERATIONS)]
            }
            Self::ShortThreads { at_once } => {
                vec![at_once, blocks / (at_once * SHORT_LIFE_BLOCKS), SHORT_LIFE_BLOCKS]
            }
            Self::MixedThreads { threads, working_set } => {
                vec![threads, operations / threads, working_set as u64]
            }
            Self::Exchange { threads, objects, .. } => {
                vec![threads, blocks / threads, Self::exchange_places(objects)]
            }
            Self::Batches { size, blocks: batch, .. } => vec![size as u64, batch, blocks / batch],
            Self::Growth { last, step } => {
                let one = Growth { blocks: 1, first: GROWTH_FIRST, last, step };
                vec![operations / (2 + one.reallocs()), GROWTH_FIRST as u64, last as u64]
            }
            Self::Release { threads, .. } => {
                vec![threads, (operations / OPERATIONS_PER_MIB).clamp(LEAST_MIB, MOST_MIB)]
            }
        }
    }

    /// The options, which come before the numbers.
    fn options(self, seconds: u64) -> Vec<String> {
        let option = |name: &str, value: u64| vec![name.to_owned(), value.to_string()];
        match self {
            Self::Zeroed { .. } => vec!["--calloc".to_owned()],
            Self::Aligned { alignment, .. } => option("--aligned", alignment as u64),
            Self::Skewed { largest, .. } => option("--largest", largest as u64),
            Self::Sustained { .. } => option("--seconds", seconds),
            Self::Exchange { largest: Some(largest), .. } => option("--largest", largest as u64),
            Self::Exchange { objects, burst, .. } => {
                let objects = (objects > 1).then(|| option("--objects", objects));
                let burst = (burst > 1).then(|| option("--burst", burst));
                objects.into_iter().chain(burst).flatten().collect()
            }
            Self::Growth { step: Step::Add(bytes), .. } => option("--add", bytes as u64),
            _ => Vec::new(),
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Mixed { .. } | Self::Skewed { .. } => &["--bare"],
            Self::Batches { order: Order::Reverse, .. } => &["--reverse"],
            Self::Batches { order: Order::Random, .. } => &["--random"],
            Self::Release { survivors, busy, .. } => match (survivors, busy) {
                (Survivors::Generations, false) => &[],
                (Survivors::Generations, true) => &["--busy"],
                (Survivors::Random, false) => &["--random"],
                (Survivors::Random, true) => &["--random", "--busy"],
            },
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_called_with_numbers_that_make_the_operations() {
        let check = |cell: Cell, arguments: &str| {
            assert_eq!(cell.arguments(20_000_000.into()).join(" "), arguments, "{cell}");
        };
        check(Cell::Fixed { size: 64 }, "10000000 64 128");
        check(Cell::Pairs { size: 64, working_set: 1 }, "2500000 64 1");
        check(Cell::Pairs { size: 64, working_set: 16 }, "2500000 64 16");
        check(Cell::Zeroed { size: 128, working_set: 128 }, "--calloc 10000000 128 128");
        check(Cell::Zeroed { size: 1 << 20, working_set: 4 }, "--calloc 19531 1048576 4");
        check(Cell::Aligned { size: 192, alignment: 64 }, "--aligned 64 10000000 192 128");
        check(Cell::Mixed { working_set: 512 }, "20000000 512 --bare");
        let skewed = |largest| Cell::Skewed { largest, working_set: 512 };
        check(skewed(32 << 10), "--largest 32768 20000000 512 --bare");
        check(skewed(4 << 20), "--largest 4194304 2500000 512 --bare");
        check(Cell::Drift { live_kib: 32 << 10 }, "32768 5000000");
        check(Cell::Handover { producers: 4, consumers: 2 }, "4 2 2500000");
        check(Cell::Sustained { producers: 2, consumers: 2 }, "--seconds 60 2 2");
        check(Cell::Ring { threads: 4 }, "4 2500000");
        check(Cell::Successors { threads: 2 }, "2 100 50000");
        check(Cell::ShortThreads { at_once: 8 }, "8 1250 1000");
        check(Cell::MixedThreads { threads: 2, working_set: 512 }, "2 10000000 512");
        let exchange =
            |objects, burst, largest| Cell::Exchange { threads: 2, objects, burst, largest };
        check(exchange(1, 1, None), "2 5000000 1000");
        check(exchange(1, 64, None), "--burst 64 2 5000000 1000");
        check(exchange(1_000, 1, None), "--objects 1000 2 5000000 16");
        check(exchange(1, 1, Some(32 << 10)), "--largest 32768 2 5000000 1000");
        let batches = |order| Cell::Batches { size: 64, blocks: 1_000, order };
        check(batches(Order::Same), "64 1000 10000");
        check(Cell::Batches { size: 1024, blocks: 1_000, order: Order::Same }, "1024 1000 5000");
        check(batches(Order::Reverse), "64 1000 10000 --reverse");
        check(batches(Order::Random), "64 1000 10000 --random");
        check(Cell::Growth { last: 4096, step: Step::Double }, "2000000 16 4096");
        check(Cell::Growth { last: 1 << 20, step: Step::Double }, "8680 16 1048576");
        check(Cell::Growth { last: 2048, step: Step::Add(16) }, "--add 16 155038 16 2048");
        let release = |survivors, busy| Cell::Release { threads: 4, survivors, busy };
        check(release(Survivors::Generations, true), "4 200 --busy");
        check(release(Survivors::Random, false), "4 200 --random");
    }
}
