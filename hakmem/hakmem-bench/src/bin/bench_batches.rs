//! Allocates many blocks and frees them all; see `--help`.

use std::process::ExitCode;

use hakmem_bench::batches::{Batches, Order};
use hakmem_bench::report::Report;
use hakmem_bench::usage;

const HELP: &str = "\
bench_batches SIZE BLOCKS BATCHES [--reverse | --random] [--verify]

BATCHES times, one after the other: allocates BLOCKS blocks of SIZE bytes, then frees all of them,
in the order of their allocation, in reverse or in a random order. Stands for data that are built
and torn down as a whole: a request's objects (same), a stack of scopes (reverse), a tree or a hash
table (random).

--verify fills the blocks and checks their contents before they are freed. It adds no calls.";

fn main() -> ExitCode {
    usage::run(
        "bench_batches",
        HELP,
        |arguments| {
            let load = Batches {
                size: arguments.number("SIZE", 1, 1 << 40)? as usize,
                blocks: arguments.number("BLOCKS", 1, 1 << 28)? as usize,
                batches: arguments.number("BATCHES", 0, 1 << 32)?,
                order: match (arguments.flag("--reverse"), arguments.flag("--random")) {
                    (_, true) => Order::Random,
                    (true, false) => Order::Reverse,
                    (false, false) => Order::Same,
                },
            };
            Ok((load, arguments.flag("--verify")))
        },
        |(load, verify)| {
            print!("{}", Report::of(load.run(verify)?));
            Ok(())
        },
    )
}
