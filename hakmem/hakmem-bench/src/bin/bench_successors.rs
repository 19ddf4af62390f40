//! Threads that end and leave their blocks to the next; see `--help`.

use std::process::ExitCode;

use hakmem_bench::threads::{self, successors::Successors};

const HELP: &str = "\
bench_successors THREADS GENERATIONS ROUNDS [HELD] [--verify]

THREADS threads run at a time. Each replaces, ROUNDS times, one of HELD blocks by one of 16 to 1039
bytes, then ends and leaves them to its successor, which continues; after GENERATIONS threads the
remaining blocks are freed. HELD is 1000 if not given. Stands for servers whose threads come and go
while sessions and caches live on (after Larson and Krishnan, 1998): blocks outlive the thread that
allocated them.

--verify fills the blocks and checks their contents before they are freed. It adds no calls.
The time is from the start of the first thread to the end of the last, and includes starting
THREADS * GENERATIONS threads.";

fn main() -> ExitCode {
    threads::main("bench_successors", HELP, |arguments| {
        Ok(Successors {
            threads: arguments.number("THREADS", 1, 1_000)? as usize,
            generations: arguments.number("GENERATIONS", 1, 1 << 20)?,
            rounds: arguments.number("ROUNDS", 0, 1 << 40)?,
            held: arguments.number_or("HELD", 1_000, 1, 1 << 28)? as usize,
        })
    })
}
