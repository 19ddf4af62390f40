//! `bench_pairs`: cycles per pair of calls, by working set.
//!
//! Instruction counts cannot show the cost of a chain of dependent loads and stores: with one
//! block, each call waits for the stores of the call before; with more blocks, the processor
//! overlaps them. A slice is a few thousand pairs, some dozens of microseconds, and the shortest of
//! many slices counts, because every disturbance makes a slice longer. The core's clock, which is
//! measured in the same run ([`CoreClock`]), converts nanoseconds into cycles.

use std::fmt;
use std::hint::black_box;
use std::time::Instant;

use hakmem_bench::c_heap::{AlignedAlloc, Block, Calloc, Malloc, Operators, Source};
use hakmem_bench::run_error::RunError;
use hakmem_bench::sizes::{Sizes, Tiny};
use hakmem_bench::xor_shift::XorShift;

use crate::core_clock::CoreClock;

/// The calls that make up a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `free` and `malloc`.
    Malloc,
    /// `free` and `calloc`.
    Calloc,
    /// The sized `operator delete`, and `operator new`.
    SizedDelete,
    /// `free` and `aligned_alloc` with `ALIGNMENT`.
    Aligned,
    /// One `realloc` to the size that the block has.
    Realloc,
}

/// Numbers of live blocks; powers of two, so that the loop needs no division.
const WORKING_SETS: [usize; 5] = [1, 2, 4, 16, 128];
/// Alignment in bytes: a cache line.
const ALIGNMENT: usize = 64;
/// Size in bytes of blocks that all have one size.
const ONE_SIZE: usize = 64;
/// Length of the sequence of sizes; a power of two.
const SEQUENCE: usize = 256;
/// Pairs per slice, a multiple of [`SEQUENCE`].
const PAIRS: usize = 16 * SEQUENCE;
/// Slices per cell; the first ones make the allocator reserve memory, and warm the caches.
const SLICES: usize = 301;

/// Cycles of one kind of pair, one value for each of `WORKING_SETS`.
#[derive(Clone, Debug)]
pub struct Line {
    /// The calls that make up a pair.
    pub kind: Kind,
    /// Whether sizes are 16 to 1039 bytes, in a fixed sequence; otherwise all are `ONE_SIZE`.
    pub many_sizes: bool,
    /// Cycles per pair, or nanoseconds if the clock is not known.
    pub costs: Vec<f64>,
}

/// The costs of all kinds of pairs under the allocator that serves this process.
#[derive(Clone, Debug)]
pub struct PairTable {
    /// The core's clock; `None` on processors whose latencies are not known.
    pub clock: Option<CoreClock>,
    /// One line for each kind and choice of sizes.
    pub lines: Vec<Line>,
}

impl Kind {
    /// All kinds, in the order of the table.
    pub const ALL: [Self; 5] =
        [Self::Malloc, Self::Calloc, Self::SizedDelete, Self::Aligned, Self::Realloc];

    /// Name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malloc => "malloc, free",
            Self::Calloc => "calloc, free",
            Self::SizedDelete => "new, sized delete",
            Self::Aligned => "aligned_alloc, free",
            Self::Realloc => "realloc in place",
        }
    }
}

impl PairTable {
    /// Measures everything, which takes some seconds at most. Leaves out kinds whose functions the
    /// process lacks.
    pub fn measure() -> Result<Self, RunError> {
        let clock = CoreClock::measure();
        let operators = Operators::find();
        let mut lines = Vec::new();
        for kind in Kind::ALL {
            for many_sizes in [false, true] {
                let sizes = sequence(many_sizes);
                let least = |working_set| {
                    let run = PairRun { sizes: &sizes, working_set };
                    match (kind, operators) {
                        (Kind::Malloc, _) => run.replacing(Malloc, |block, _| block.free()),
                        (Kind::Calloc, _) => run.replacing(Calloc, |block, _| block.free()),
                        (Kind::Aligned, _) => {
                            run.replacing(AlignedAlloc(ALIGNMENT), |block, _| block.free())
                        }
                        (Kind::SizedDelete, Some(operators)) => {
                            run.replacing(operators, |block, size| operators.delete(block, size))
                        }
                        (Kind::SizedDelete, None) => Ok(f64::NAN),
                        (Kind::Realloc, _) => run.resizing(),
                    }
                };
                let nanoseconds = WORKING_SETS.map(least).into_iter().collect::<Result<_, _>>();
                let nanoseconds: Vec<f64> = nanoseconds?;
                let cost = |nanoseconds| clock.map_or(nanoseconds, |it| it.cycles(nanoseconds));
                let costs: Vec<f64> = nanoseconds.into_iter().map(cost).collect();
                if costs.iter().all(|cost| cost.is_finite()) {
                    lines.push(Line { kind, many_sizes, costs });
                }
            }
        }
        Ok(Self { clock, lines })
    }
}

fn sequence(many_sizes: bool) -> [usize; SEQUENCE] {
    let mut random = XorShift::new(1);
    [(); SEQUENCE].map(|()| if many_sizes { Tiny.draw(random.draw()) } else { ONE_SIZE })
}

/// One cell of the table.
struct PairRun<'sizes> {
    sizes: &'sizes [usize; SEQUENCE],
    working_set: usize,
}

impl PairRun<'_> {
    /// Nanoseconds per pair that frees the oldest block and allocates one in its place.
    fn replacing<S: Source>(
        &self,
        source: S,
        free: impl Fn(Block, usize),
    ) -> Result<f64, RunError> {
        let ask = |at: usize| {
            let size = self.sizes[at];
            Block::allocate_from(source, size).ok_or(RunError::OutOfMemory { size })
        };
        let mut held: Vec<Block> = (0..self.working_set).map(ask).collect::<Result<_, _>>()?;
        let (places, mask) = (&mut held[..], self.working_set - 1);
        let mut least = f64::INFINITY;
        for slice in 0..SLICES {
            let first = self.working_set + slice * PAIRS;
            let start = Instant::now();
            for at in first..first + PAIRS {
                let size_before = self.sizes[(at - self.working_set) % SEQUENCE];
                let free = |block| free(block, size_before);
                places[at & mask].replace_after(free, source, self.sizes[at % SEQUENCE]);
            }
            least = least.min(start.elapsed().as_nanos() as f64);
        }
        held.into_iter().for_each(Block::free);
        Ok(least / PAIRS as f64)
    }

    /// Nanoseconds per `realloc` to the same size.
    fn resizing(&self) -> Result<f64, RunError> {
        let ask = |at: usize| {
            let size = self.sizes[at];
            Block::allocate(size).ok_or(RunError::OutOfMemory { size })
        };
        let mut held: Vec<Block> = (0..self.working_set).map(ask).collect::<Result<_, _>>()?;
        let mut least = f64::INFINITY;
        for _ in 0..SLICES {
            let start = Instant::now();
            for at in 0..PAIRS {
                let at = at & (self.working_set - 1);
                let size = black_box(self.sizes[at]);
                if !held[at].resize(size) {
                    return Err(RunError::OutOfMemory { size });
                }
            }
            least = least.min(start.elapsed().as_nanos() as f64);
        }
        held.into_iter().for_each(Block::free);
        Ok(least / PAIRS as f64)
    }
}

impl fmt::Display for PairTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.clock.is_some() { "cycles" } else { "nanoseconds" };
        if let Some(clock) = self.clock {
            writeln!(out, "core clock: {:.2} GHz", clock.gigahertz)?;
        }
        writeln!(
            out,
            "{unit} per pair, loop included; the least of {SLICES} slices of {PAIRS} pairs"
        )?;
        write!(out, "{:<32}", "")?;
        WORKING_SETS.iter().try_for_each(|set| write!(out, "{:>8}", format!("ws {set}")))?;
        writeln!(out)?;
        for Line { kind, many_sizes, costs } in &self.lines {
            let sizes = if *many_sizes { "many sizes" } else { "64 B" };
            write!(out, "{:<32}", format!("{}, {sizes}", kind.name()))?;
            costs.iter().try_for_each(|cost| write!(out, "{cost:>8.1}"))?;
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_pair_is_measured_at_every_working_set() {
        let table = PairTable::measure().expect("there is memory");
        let text = table.to_string();
        for kind in Kind::ALL {
            // The C++ library need not be installed.
            let lines = table.lines.iter().filter(|line| line.kind == kind).count();
            assert!(lines == 2 || (lines == 0 && kind == Kind::SizedDelete), "{text}");
        }
        for Line { kind, costs, .. } in &table.lines {
            assert_eq!(costs.len(), WORKING_SETS.len());
            assert!(
                costs.iter().all(|cost| (0.5..100_000.0).contains(cost)),
                "{kind:?}: {costs:?}"
            );
        }
        assert!(text.contains("malloc, free, 64 B  ") && text.contains("ws 128\n"), "{text}");
    }

    #[test]
    fn one_sequence_has_one_size_and_the_other_has_many() {
        assert!(sequence(false).iter().all(|&size| size == ONE_SIZE));
        let mut many = sequence(true).to_vec();
        many.sort_unstable();
        many.dedup();
        assert!(many.len() > 150 && many[0] >= 16 && many[many.len() - 1] < 1040);
    }
}
