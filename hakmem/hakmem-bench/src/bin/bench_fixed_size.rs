//! Allocates and frees blocks of one size; see `--help`.

use std::process::ExitCode;

use hakmem_bench::fixed_size::FixedSize;
use hakmem_bench::report::Report;
use hakmem_bench::usage;

const HELP: &str = "\
bench_fixed_size ITERATIONS SIZE WORKING_SET [--verify]

Each iteration frees the oldest of WORKING_SET blocks, if there are that many, and allocates one
of SIZE bytes: ITERATIONS calls of malloc and as many of free, the end included. --verify fills
the blocks and checks their contents before each free.";

fn main() -> ExitCode {
    usage::run(
        "bench_fixed_size",
        HELP,
        |arguments| {
            let run = FixedSize {
                iterations: arguments.number("ITERATIONS", 0, u64::MAX / 4)?,
                size: arguments.number("SIZE", 1, 1 << 40)? as usize,
                working_set: arguments.number("WORKING_SET", 1, 1 << 28)? as usize,
            };
            Ok((run, arguments.flag("--verify")))
        },
        |(run, verify)| {
            let tally = if verify { run.verify()? } else { run.run()? };
            print!("{}", Report::of(tally));
            Ok(())
        },
    )
}
