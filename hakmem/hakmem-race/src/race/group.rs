//! The rows of the race, by group, and the bars that each group has to reach.

use clap::ValueEnum;
use hakmem_bench::batches::Order;
use hakmem_bench::growth::Step;
use hakmem_bench::release::Survivors;

use crate::race::bar::{Bar, Extent, Measure};
use crate::race::cell::Cell;

/// The groups that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cells {
    /// The seven cells of the verification matrix
    Seven,
    /// malloc and free in turns, by size and with up to 16 blocks held
    Pairs,
    /// Blocks that are allocated and freed many at a time
    Batches,
    /// Loads of several threads
    Threads,
    /// Threads that exchange blocks of mixed sizes at random
    Exchange,
    /// Blocks that realloc makes longer
    Growth,
    /// Small blocks and large ones together, and sizes that drift
    Sizes,
    /// calloc and aligned_alloc
    Special,
    /// All groups above
    All,
    /// Resident memory after 90 % was freed, most of it in whole pages (2 s a lap)
    Release,
    /// Resident memory after 90 % was freed, with survivors in almost every page (2 s a lap)
    Scattered,
    /// Producers and consumers that run for a minute a lap: does memory stay constant?
    Sustained,
}

/// Rows that are judged together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The word that asks for the group.
    pub cells: Cells,
    /// The rows, in the order of the table.
    pub name: &'static str,
    /// In the order of the table.
    pub rows: &'static [Cell],
    /// The bars that its rows have to reach.
    pub bars: &'static [Bar],
    /// Whether the group belongs to [`Cells::All`]. Groups whose laps wait do not; they have bars
    /// on memory of their own.
    pub in_all: bool,
}

const EACH_AS_FAST: Bar = Bar { measure: Measure::Throughput, extent: Extent::Each, limit: 1.0 };
const FASTER: Bar = Bar { measure: Measure::Throughput, extent: Extent::GeometricMean, limit: 1.1 };

/// C7 must not be slower than the class below it: the question that this allocator began with.
const C7_AGAINST_C6: Extent = Extent::Quotient("fixed 1024 B", "fixed 512 B");

/// Bars of all rows of a race together, without the groups whose laps wait.
pub const MEMORY_BARS: &[Bar] = &[
    Bar { measure: Measure::PeakResident, extent: Extent::GeometricMean, limit: 1.1 },
    Bar { measure: Measure::PeakResident, extent: Extent::Each, limit: 1.5 },
];

/// All groups, in the order of the table.
pub const GROUPS: &[Group] = &[
    Group {
        cells: Cells::Seven,
        name: "seven",
        rows: SEVEN,
        bars: &[
            Bar { measure: Measure::Throughput, extent: Extent::Each, limit: 1.05 },
            Bar { measure: Measure::OwnThroughput, extent: C7_AGAINST_C6, limit: 0.95 },
        ],
        in_all: true,
    },
    Group {
        cells: Cells::Pairs,
        name: "pairs",
        rows: PAIRS,
        bars: &[EACH_AS_FAST, FASTER],
        in_all: true,
    },
    Group {
        cells: Cells::Batches,
        name: "batches",
        rows: BATCHES,
        bars: &[EACH_AS_FAST, FASTER],
        in_all: true,
    },
    Group {
        cells: Cells::Threads,
        name: "threads",
        rows: THREADS,
        bars: &[EACH_AS_FAST],
        in_all: true,
    },
    Group {
        cells: Cells::Exchange,
        name: "exchange",
        rows: EXCHANGE,
        bars: &[EACH_AS_FAST],
        in_all: true,
    },
    Group { cells: Cells::Growth, name: "growth", rows: GROWTH, bars: &[], in_all: true },
    Group { cells: Cells::Sizes, name: "sizes", rows: SIZES, bars: &[], in_all: true },
    Group { cells: Cells::Special, name: "special", rows: SPECIAL, bars: &[], in_all: true },
    Group {
        cells: Cells::Release,
        name: "release",
        rows: RELEASE,
        bars: &[Bar { measure: Measure::ResidentPerLive, extent: Extent::Each, limit: 1.2 }],
        in_all: false,
    },
    Group { cells: Cells::Scattered, name: "scattered", rows: SCATTERED, bars: &[], in_all: false },
    Group {
        cells: Cells::Sustained,
        name: "sustained",
        rows: SUSTAINED,
        bars: &[Bar { measure: Measure::ResidentGrowth, extent: Extent::Each, limit: 1.1 }],
        in_all: false,
    },
];

/// The seven cells of the verification matrix.
pub const SEVEN: &[Cell] = &[
    Cell::Fixed { size: 128 },
    Cell::Fixed { size: 256 },
    Cell::Fixed { size: 512 },
    Cell::Fixed { size: 1024 },
    Cell::Mixed { working_set: 128 },
    Cell::Mixed { working_set: 512 },
    Cell::Mixed { working_set: 8192 },
];

/// Numbers of blocks that the pairs hold.
const PAIR_WORKING_SETS: [usize; 4] = [1, 2, 4, 16];
/// Sizes of the pairs: 8 B, and each doubling up to 64 KiB.
const PAIR_SIZES: usize = 14;

/// Every class from the smallest up, and sizes beyond the tiny ones: first all sizes with one
/// block, which is a chain of stores and loads of the same few words, then with more blocks, which
/// lets the processor overlap them.
const PAIRS: &[Cell] = &pairs();

const fn pairs() -> [Cell; PAIR_SIZES * PAIR_WORKING_SETS.len()] {
    let mut cells = [Cell::Pairs { size: 8, working_set: 1 }; PAIR_SIZES * PAIR_WORKING_SETS.len()];
    let mut index = 0;
    while index < cells.len() {
        let (size, working_set) =
            (8 << (index % PAIR_SIZES), PAIR_WORKING_SETS[index / PAIR_SIZES]);
        cells[index] = Cell::Pairs { size, working_set };
        index += 1;
    }
    cells
}

const fn batch(blocks: u64, size: usize, order: Order) -> Cell {
    Cell::Batches { size, blocks, order }
}

/// All orders with one size, once within a cache and once in megabytes; other sizes in the orders
/// that are easiest and hardest for an allocator.
const BATCHES: &[Cell] = &[
    batch(1_000, 64, Order::Same),
    batch(1_000, 64, Order::Reverse),
    batch(1_000, 64, Order::Random),
    batch(100_000, 64, Order::Same),
    batch(100_000, 64, Order::Reverse),
    batch(100_000, 64, Order::Random),
    batch(10_000, 16, Order::Same),
    batch(10_000, 16, Order::Random),
    batch(1_000, 256, Order::Reverse),
    batch(10_000, 256, Order::Random),
    batch(1_000, 1024, Order::Same),
    batch(10_000, 1024, Order::Random),
];

/// Blocks that change hands in all ways, threads that come and go, and threads that share nothing.
const THREADS: &[Cell] = &[
    Cell::Handover { producers: 1, consumers: 1 },
    Cell::Handover { producers: 2, consumers: 2 },
    Cell::Handover { producers: 4, consumers: 2 },
    Cell::Ring { threads: 2 },
    Cell::Ring { threads: 4 },
    Cell::Successors { threads: 2 },
    Cell::ShortThreads { at_once: 8 },
    Cell::MixedThreads { threads: 2, working_set: 512 },
    Cell::MixedThreads { threads: 2, working_set: 8192 },
];

const fn exchange(threads: u64, objects: u64, burst: u64) -> Cell {
    Cell::Exchange { threads, objects, burst, largest: None }
}

/// Single blocks, with as many threads as the smallest machine has cores and with more threads, in
/// bursts, and with mostly small sizes; and arrays of blocks.
const EXCHANGE: &[Cell] = &[
    exchange(2, 1, 1),
    exchange(4, 1, 1),
    exchange(2, 1, 64),
    Cell::Exchange { threads: 2, objects: 1, burst: 1, largest: Some(32 << 10) },
    exchange(2, 10, 1),
    exchange(2, 100, 1),
    exchange(2, 1_000, 1),
];

/// Small vectors, large vectors, and strings.
const GROWTH: &[Cell] = &[
    Cell::Growth { last: 4 << 10, step: Step::Double },
    Cell::Growth { last: 1 << 20, step: Step::Double },
    Cell::Growth { last: 2 << 10, step: Step::Add(16) },
];

/// Some 250 KiB of live memory, then 4 MiB, then some 14 MiB; and 32 MiB whose sizes drift.
const SIZES: &[Cell] = &[
    Cell::Skewed { largest: 32 << 10, working_set: 512 },
    Cell::Skewed { largest: 32 << 10, working_set: 8192 },
    Cell::Skewed { largest: 4 << 20, working_set: 512 },
    Cell::Drift { live_kib: 32 << 10 },
];

/// Zeros for an object, a buffer and a table; alignment to a cache line and to a page.
const SPECIAL: &[Cell] = &[
    Cell::Zeroed { size: 128, working_set: 128 },
    Cell::Zeroed { size: 16 << 10, working_set: 16 },
    Cell::Zeroed { size: 1 << 20, working_set: 4 },
    Cell::Aligned { size: 192, alignment: 64 },
    Cell::Aligned { size: 4096, alignment: 4096 },
];

const fn release(threads: u64, survivors: Survivors, busy: bool) -> Cell {
    Cell::Release { threads, survivors, busy }
}

/// A program that goes on working and one that sleeps, with the caches of one thread and of
/// several.
const RELEASE: &[Cell] = &[
    release(1, Survivors::Generations, false),
    release(1, Survivors::Generations, true),
    release(4, Survivors::Generations, false),
    release(4, Survivors::Generations, true),
];

/// The harder variant: the survivors lie scattered.
const SCATTERED: &[Cell] =
    &[release(1, Survivors::Random, false), release(4, Survivors::Random, true)];

/// One producer per consumer.
const SUSTAINED: &[Cell] = &[
    Cell::Sustained { producers: 1, consumers: 1 },
    Cell::Sustained { producers: 2, consumers: 2 },
];

impl Cells {
    /// The groups, in the order of the table.
    pub fn groups(self) -> impl Iterator<Item = &'static Group> {
        let wanted =
            move |group: &&Group| group.cells == self || (self == Self::All && group.in_all);
        GROUPS.iter().filter(wanted)
    }
}

/// The groups that `cells` ask for, each once, in the order of the table.
pub fn chosen(cells: &[Cells]) -> Vec<&'static Group> {
    let is_wanted = |group: &&Group| {
        let mut wanted = cells.iter().flat_map(|cells| cells.groups());
        wanted.any(|one| one.cells == group.cells)
    };
    GROUPS.iter().filter(is_wanted).collect()
}

/// Lists all rows and what they stand for, as text.
pub fn list() -> String {
    let line = |cell: &Cell| format!("  {cell:<34} {}\n", cell.stands_for());
    let group = |group: &Group| {
        let bars: Vec<String> = group.bars.iter().map(Bar::to_string).collect();
        let bars = if bars.is_empty() { "no bar of its own".to_owned() } else { bars.join("; ") };
        let rows: String = group.rows.iter().map(line).collect();
        format!("{}: {bars}\n{rows}", group.name)
    };
    let memory: Vec<String> = MEMORY_BARS.iter().map(Bar::to_string).collect();
    let groups: String = GROUPS.iter().map(group).collect();
    format!(
        "{groups}all rows but those of release, scattered and sustained: {}\n",
        memory.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_have_one_name() {
        let rows = || GROUPS.iter().flat_map(|group| group.rows);
        let mut names: Vec<String> = rows().map(Cell::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), rows().count());
    }

    #[test]
    fn every_word_asks_for_its_group_and_all_for_those_that_do_not_wait() {
        for &cells in Cells::value_variants() {
            let groups = chosen(&[cells]);
            let expected = if cells == Cells::All { 8 } else { 1 };
            assert_eq!(groups.len(), expected, "{cells:?}");
            let name = cells.to_possible_value().expect("no word is hidden");
            assert!(cells == Cells::All || groups[0].name == name.get_name());
        }
        let names = |cells: &[Cells]| -> Vec<&str> {
            chosen(cells).into_iter().map(|group| group.name).collect()
        };
        assert_eq!(names(&[Cells::Release, Cells::Pairs, Cells::Pairs]), ["pairs", "release"]);
        assert_eq!(names(&[Cells::Seven, Cells::All]), names(&[Cells::All]));
    }

    #[test]
    fn a_quotient_is_of_rows_of_its_group() {
        for group in GROUPS {
            for bar in group.bars {
                if let Extent::Quotient(of, by) = bar.extent {
                    for name in [of, by] {
                        assert!(group.rows.iter().any(|cell| cell.to_string() == name), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_list_names_every_row_and_every_bar() {
        let list = list();
        for cell in GROUPS.iter().flat_map(|group| group.rows) {
            let line = list.lines().find(|line| line.trim_start().starts_with(&cell.to_string()));
            assert!(line.is_some_and(|line| line.ends_with(cell.stands_for())), "{cell}");
        }
        assert!(
            list.starts_with("seven: throughput, each row: at least 1.05; hakmem's own"),
            "{list}"
        );
    }
}
