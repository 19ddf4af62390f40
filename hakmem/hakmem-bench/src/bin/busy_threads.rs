//! Threads that allocate, free, and hand blocks to each other; see `--help`.

use std::process::ExitCode;

use hakmem_bench::{usage, workload};

const HELP: &str = "\
busy_threads THREADS ROUNDS

Each of THREADS threads allocates ROUNDS blocks of mixed sizes, keeps some hundreds of them, and
hands some to the next thread, which frees them. Prints a checksum that depends on the arguments
only.";

fn main() -> ExitCode {
    usage::run(
        "busy_threads",
        HELP,
        |arguments| {
            let threads = arguments.number("THREADS", 1, 10_000)? as usize;
            Ok((threads, arguments.number("ROUNDS", 0, u64::MAX)?))
        },
        |(threads, rounds)| {
            println!("checksum: {:016x}", workload::run(threads, rounds));
            Ok(())
        },
    )
}
