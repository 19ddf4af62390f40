//! Threads that free each other's blocks; see `--help`.

use std::process::ExitCode;

use hakmem_bench::threads::{self, ring::Ring};

const HELP: &str = "\
bench_ring THREADS BLOCKS [--verify]

Each of THREADS threads allocates BLOCKS blocks of 16 to 1039 bytes and frees as many that the
thread before it allocated. Blocks pass on in batches of 64, and at most 32 batches per thread are
under way. Stands for pipelines with several stages and for actors that send each other messages:
every thread allocates and frees, and no block is freed by the thread that allocated it.

--verify fills the blocks and checks their contents before they are freed. It adds no calls.
The time is from the start of the first thread to the end of the last.";

fn main() -> ExitCode {
    threads::main("bench_ring", HELP, |arguments| {
        Ok(Ring {
            threads: arguments.number("THREADS", 2, 1_000)? as usize,
            blocks: arguments.number("BLOCKS", 0, 1 << 50)?,
        })
    })
}
