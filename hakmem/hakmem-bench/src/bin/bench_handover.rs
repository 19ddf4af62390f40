//! Threads that allocate and threads that free; see `--help`.

use std::process::ExitCode;

use hakmem_bench::threads::{self, handover::Handover};

const HELP: &str = "\
bench_handover PRODUCERS CONSUMERS BLOCKS [--verify]

Each of PRODUCERS threads allocates BLOCKS blocks of 16 to 1039 bytes; CONSUMERS other threads free
all of them. Blocks pass through a queue in batches of 64, and at most 16 batches per producer are
under way. Stands for pipelines and servers that read requests in one thread and finish them in
another: no block is freed by the thread that allocated it.

--verify fills the blocks and checks their contents before they are freed. The calls are the same.
The time is from the start of the first thread to the end of the last.";

fn main() -> ExitCode {
    threads::main("bench_handover", HELP, |arguments| {
        Ok(Handover {
            producers: arguments.number("PRODUCERS", 1, 1_000)? as usize,
            consumers: arguments.number("CONSUMERS", 1, 1_000)? as usize,
            blocks: arguments.number("BLOCKS", 0, 1 << 50)?,
        })
    })
}
