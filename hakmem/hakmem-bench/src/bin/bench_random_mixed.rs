//! Allocates and frees blocks of random sizes; see `--help`.

use std::process::ExitCode;

use hakmem_bench::contents::Contents;
use hakmem_bench::random_mixed::RandomMixed;
use hakmem_bench::report::Report;
use hakmem_bench::sizes::{self, Tiny};
use hakmem_bench::usage;

const HELP: &str = "\
bench_random_mixed [--largest BYTES] ITERATIONS WORKING_SET [SEED] [--bare | --verify] [--rate N]

Each iteration picks one of WORKING_SET places: it frees the block there, or allocates one of
16 to 1039 bytes if there is none. The remaining blocks are freed at the end. SEED is 1 if not
given.

The first and the last byte of each new block are written with random bits, as by a program that
fills a buffer. --bare only touches the blocks, which is best for timing;
--verify fills them and checks their contents before each free. It adds no calls.

--largest draws sizes from 16 to less than BYTES, a power of two, instead. Each is the smaller of
two sizes that are spread evenly over the doublings, so that small ones are far more frequent.
--bare then touches each page of a block, so that page faults count.
--rate makes at most N iterations a second, for watching; 0 means no limit.";

fn main() -> ExitCode {
    usage::run(
        "bench_random_mixed",
        HELP,
        |arguments| {
            let rate = arguments.option("--rate", 0, u64::MAX)?.unwrap_or(0);
            let largest = sizes::read_largest(arguments)?;
            let run = RandomMixed {
                iterations: arguments.number("ITERATIONS", 0, u64::MAX / 4)?,
                working_set: arguments.number("WORKING_SET", 1, 1 << 28)? as usize,
                seed: arguments.number_or("SEED", 1, 0, u64::MAX)?,
                sizes: Tiny,
            };
            let contents = match (arguments.flag("--bare"), arguments.flag("--verify")) {
                (_, true) => Contents::Verified,
                (true, false) if largest.is_some() => Contents::Pages,
                (true, false) => Contents::Bare,
                (false, false) => Contents::Ends,
            };
            Ok((run, largest, contents, rate))
        },
        |(run, largest, contents, rate)| {
            let RandomMixed { iterations, working_set, seed, .. } = run;
            let tally = match largest {
                None => run.run(contents, rate),
                Some(sizes) => {
                    RandomMixed { iterations, working_set, seed, sizes }.run(contents, rate)
                }
            };
            print!("{}", Report::of(tally?));
            Ok(())
        },
    )
}
