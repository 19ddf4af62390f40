//! Random sizes in several threads; see `--help`.

use std::process::ExitCode;

use hakmem_bench::threads::{self, mixed::MixedThreads};

const HELP: &str = "\
bench_mixed_threads THREADS ITERATIONS WORKING_SET [--verify]

Each of THREADS threads runs the loop of bench_random_mixed by itself: an iteration picks one of
WORKING_SET places and frees the block there, or allocates one of 16 to 1039 bytes if there is none.
The remaining blocks are freed at the end. Stands for workers that share nothing but the allocator:
any loss against one thread is the cost of sharing it.

--verify fills the blocks and checks their contents before they are freed. It adds no calls.
The time is from the start of the first thread to the end of the last.";

fn main() -> ExitCode {
    threads::main("bench_mixed_threads", HELP, |arguments| {
        Ok(MixedThreads {
            threads: arguments.number("THREADS", 1, 1_000)? as usize,
            iterations: arguments.number("ITERATIONS", 0, 1 << 50)?,
            working_set: arguments.number("WORKING_SET", 1, 1 << 28)? as usize,
        })
    })
}
