//! Allocates and frees blocks of one size; see `--help`.

use std::process::ExitCode;

use hakmem_bench::c_heap::{AlignedAlloc, Calloc, Malloc, Source};
use hakmem_bench::fixed_size::FixedSize;
use hakmem_bench::report::{Report, Tally};
use hakmem_bench::run_error::RunError;
use hakmem_bench::usage::{self, Arguments, UsageError};

const HELP: &str = "\
bench_fixed_size [--calloc | --aligned BYTES] ITERATIONS SIZE WORKING_SET [--verify]

Each iteration frees the oldest of WORKING_SET blocks, if there are that many, and allocates one
of SIZE bytes: ITERATIONS calls of malloc and as many of free, the end included. --verify fills
the blocks and checks their contents before each free.

A working set of 1 makes pairs: malloc, free, malloc, free. --calloc asks calloc for the blocks and
writes a byte in each page of them, so that postponed zeroing is paid for; with --verify it checks
that all bytes are 0. --aligned asks aligned_alloc for blocks at multiples of BYTES.";

/// The function that blocks come from.
#[derive(Clone, Copy)]
enum Origin {
    Malloc,
    Calloc,
    Aligned(usize),
}

fn main() -> ExitCode {
    usage::run(
        "bench_fixed_size",
        HELP,
        |arguments| {
            let origin = read_origin(arguments)?;
            let run = FixedSize {
                iterations: arguments.number("ITERATIONS", 0, u64::MAX / 4)?,
                size: arguments.number("SIZE", 1, 1 << 40)? as usize,
                working_set: arguments.number("WORKING_SET", 1, 1 << 28)? as usize,
            };
            Ok((run, origin, arguments.flag("--verify")))
        },
        |(run, origin, verify)| {
            let tally = match origin {
                Origin::Malloc => calls(run, Malloc, verify),
                Origin::Calloc => calls(run, Calloc, verify),
                Origin::Aligned(bytes) => calls(run, AlignedAlloc(bytes), verify),
            };
            print!("{}", Report::of(tally?));
            Ok(())
        },
    )
}

fn read_origin(arguments: &mut Arguments) -> Result<Origin, UsageError> {
    let name = "--aligned";
    match arguments.option(name, 8, 1 << 30)? {
        Some(bytes) if bytes.is_power_of_two() => Ok(Origin::Aligned(bytes as usize)),
        Some(found) => Err(UsageError::PowerOfTwo { name, found }),
        None if arguments.flag("--calloc") => Ok(Origin::Calloc),
        None => Ok(Origin::Malloc),
    }
}

fn calls(run: FixedSize, source: impl Source, verify: bool) -> Result<Tally, RunError> {
    if verify { run.verify(source) } else { run.run(source) }
}
