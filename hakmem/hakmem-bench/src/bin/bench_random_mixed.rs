//! Allocates and frees blocks of random sizes; see `--help`.

use std::process::ExitCode;

use hakmem_bench::random_mixed::RandomMixed;
use hakmem_bench::report::Report;
use hakmem_bench::usage;

const HELP: &str = "\
bench_random_mixed ITERATIONS WORKING_SET [SEED] [--verify]

Each iteration picks one of WORKING_SET places: it frees the block there, or allocates one of
16 to 1039 bytes if there is none. What is left is freed at the end. --verify fills the blocks
and checks their contents before each free. SEED is 1 if not given.";

fn main() -> ExitCode {
    usage::run(
        "bench_random_mixed",
        HELP,
        |arguments| {
            let run = RandomMixed {
                iterations: arguments.number("ITERATIONS", 0, u64::MAX / 4)?,
                working_set: arguments.number("WORKING_SET", 1, 1 << 28)? as usize,
                seed: arguments.number_or("SEED", 1, 0, u64::MAX)?,
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
