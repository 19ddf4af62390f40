//! A program whose global allocator is hakmem, without any preloading. It runs the workload of
//! `busy_threads`: with 1 thread it does next to nothing, with 64 it is loaded.

use std::process::ExitCode;

use hakmem::Hakmem;
use hakmem_bench::{usage, workload};

#[global_allocator]
static ALLOCATOR: Hakmem = Hakmem;

const HELP: &str = "\
global_allocator THREADS ROUNDS

The workload of busy_threads, with hakmem as the program's own allocator.";

fn main() -> ExitCode {
    usage::run(
        "global_allocator",
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
