//! Grows blocks by `realloc`; see `--help`.

use std::process::ExitCode;

use hakmem_bench::growth::{Growth, Step};
use hakmem_bench::report::Report;
use hakmem_bench::usage;

const HELP: &str = "\
bench_growth [--add BYTES] BLOCKS FIRST LAST [--verify]

Allocates BLOCKS blocks of FIRST bytes, eight at a time, makes each longer in turns by realloc until
it would exceed LAST bytes, and frees it. A step doubles the size, as vectors do, or adds BYTES, as
strings do when text is appended. One byte is written in each new page, so that it is resident.

An operation is one malloc, realloc or free; the counts of mallocs and frees leave the reallocs out.

--verify fills the blocks and checks their contents before and after each step and before they are
freed. It adds no calls.";

fn main() -> ExitCode {
    usage::run(
        "bench_growth",
        HELP,
        |arguments| {
            let add = arguments.option("--add", 1, 1 << 40)?;
            let load = Growth {
                blocks: arguments.number("BLOCKS", 0, 1 << 40)?,
                first: arguments.number("FIRST", 1, 1 << 40)? as usize,
                last: arguments.number("LAST", 1, 1 << 40)? as usize,
                step: add.map_or(Step::Double, |bytes| Step::Add(bytes as usize)),
            };
            Ok((load, arguments.flag("--verify")))
        },
        |(load, verify)| {
            print!("{}", Report::of(load.run(verify)?));
            Ok(())
        },
    )
}
