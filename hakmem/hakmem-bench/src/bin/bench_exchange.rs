//! Threads that exchange blocks at random; see `--help`.

use std::process::ExitCode;

use hakmem_bench::report::Report;
use hakmem_bench::sizes::{self, Tiny};
use hakmem_bench::threads::exchange::Exchange;
use hakmem_bench::usage;

const HELP: &str = "\
bench_exchange [--objects N] [--burst N] [--largest BYTES] THREADS BLOCKS PLACES [SEED] [--verify]

Each of THREADS threads allocates BLOCKS blocks of 16 to 1039 bytes, and writes to the first and the
last byte of each. It swaps each block for the block in a random one of PLACES, which all threads
share, and frees that one. The remaining blocks are freed at the end. SEED is 1 if not given.
Stands for caches, tables and queues that all threads of a program change: with two threads, half of
all blocks are freed by a thread other than the allocating one. The report says how many.

--objects swaps arrays of N blocks instead: a thread fills one, swaps it, and frees all blocks of
the one that came out. --burst makes N swaps before it frees their blocks. --largest draws
sizes from 16 to less than BYTES, a power of two: small ones are far more frequent.

--verify fills the blocks and checks their contents before they are freed. It adds no calls.
The time is from the start of the first thread to the end of the last.";

fn main() -> ExitCode {
    usage::run(
        "bench_exchange",
        HELP,
        |arguments| {
            let objects = arguments.option("--objects", 1, 1 << 20)?.unwrap_or(1) as usize;
            let burst = arguments.option("--burst", 1, 1 << 20)?.unwrap_or(1) as usize;
            let largest = sizes::read_largest(arguments)?;
            let load = Exchange {
                threads: arguments.number("THREADS", 1, 1_000)? as usize,
                blocks: arguments.number("BLOCKS", 0, 1 << 50)?,
                places: arguments.number("PLACES", 1, 1 << 28)? as usize,
                objects,
                burst,
                seed: arguments.number_or("SEED", 1, 0, u64::MAX)?,
                sizes: Tiny,
            };
            Ok((load, largest, arguments.flag("--verify")))
        },
        |(load, largest, verify)| {
            let (tally, elsewhere) = match largest {
                None => load.run(verify)?,
                Some(sizes) => load.with_sizes(sizes).run(verify)?,
            };
            print!("{}", Report { frees_elsewhere: Some(elsewhere), ..Report::of(tally) });
            Ok(())
        },
    )
}
