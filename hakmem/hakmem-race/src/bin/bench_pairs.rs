//! Cycles of a pair of calls under the allocator that serves this process; see `--help`.

use std::process::ExitCode;

use clap::Parser;
use hakmem_bench::report::{Report, Tally};
use hakmem_race::command_line;
use hakmem_race::machine::Circumstances;
use hakmem_race::pairs::PairTable;

/// Prints how many cycles a pair of calls takes that frees the oldest of some blocks and allocates
/// one.
///
/// The pairs are those of malloc, calloc, C++'s new and sized delete, and aligned_alloc to 64
/// bytes; and a realloc to the size that a block has. The columns are working sets: with one block,
/// each call waits for what the one before stored. Blocks are of 64 bytes, or of 16 to 1039 in a
/// fixed sequence.
///
/// The core's clock is timed by a chain of dependent instructions in the same run. The shortest of
/// many short slices counts, so other processes hardly disturb it. LD_PRELOAD chooses the
/// allocator, and the last lines say whose malloc it was; .ci/pairs runs it under hakmem and its
/// peers.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {}

fn main() -> ExitCode {
    command_line::main("bench_pairs", |_: &Options| {
        let circumstances = Circumstances::begin();
        let table = PairTable::measure()?;
        println!("{}\n\n{table}", circumstances.end());
        let report = Report::of(Tally::default());
        let file = report.malloc_file.map(|file| file.display().to_string());
        println!("malloc from: {}", file.as_deref().unwrap_or("unknown"));
        println!("beside malloc: {}", report.malloc_markers.join(" "));
        Ok(ExitCode::SUCCESS)
    })
}
