//! Many threads that allocate little and end; see `--help`.

use std::process::ExitCode;

use hakmem_bench::threads::{self, short_lived::ShortLived};

const HELP: &str = "\
bench_short_threads AT_ONCE THREADS BLOCKS [--verify]

In each of AT_ONCE places THREADS threads follow each other. Each allocates BLOCKS blocks of 16 to
1039 bytes, frees them in the order of their allocation, and ends. Stands for a thread per request
or task: what an allocator does when a thread makes its first and its last call counts as much as
the calls between.

--verify fills the blocks and checks their contents before they are freed. It adds no calls.
The time is from the start of the first thread to the end of the last, and includes starting them.";

fn main() -> ExitCode {
    threads::main("bench_short_threads", HELP, |arguments| {
        Ok(ShortLived {
            at_once: arguments.number("AT_ONCE", 1, 1_000)? as usize,
            threads: arguments.number("THREADS", 0, 1 << 30)?,
            blocks: arguments.number("BLOCKS", 0, 1 << 28)?,
        })
    })
}
