//! Grows memory, frees most of it, and measures what is resident; see `--help`.

use std::process::ExitCode;
use std::time::Duration;

use hakmem_bench::release::{Release, Survivors};
use hakmem_bench::report::Report;
use hakmem_bench::usage;

const HELP: &str = "\
bench_release [--seconds N] THREADS MIB [--random] [--busy] [--verify]

THREADS threads allocate MIB MiB in blocks of 16 bytes to 8 KiB, mostly small ones, and a few of up
to 1 MiB, and then free 90 % of it: all but one of ten generations, that is blocks allocated one
after the other, or with --random each block by chance. Then nothing happens for N seconds (2 if not
given), or with --busy light work: 100 pairs of malloc and free a millisecond in each thread. Stands
for a server after a peak of its load, whose threads stay: does the memory go back to the system?

Prints, besides the usual figures, the resident and the live memory (blocks, and the list of them)
when grown, once freed, and N seconds later. The time is that of growing and freeing.

--verify fills the blocks and checks their contents before they are freed; otherwise a byte is
written in each page. It adds no calls.";

fn main() -> ExitCode {
    usage::run(
        "bench_release",
        HELP,
        |arguments| {
            let seconds = arguments.option("--seconds", 0, 86_400)?.unwrap_or(2);
            let random = arguments.flag("--random");
            let load = Release {
                threads: arguments.number("THREADS", 1, 1_000)? as usize,
                bytes: arguments.number("MIB", 1, 1 << 20)? as usize * (1 << 20),
                survivors: if random { Survivors::Random } else { Survivors::Generations },
                busy: arguments.flag("--busy"),
                wait: Duration::from_secs(seconds),
            };
            Ok((load, arguments.flag("--verify")))
        },
        |(load, verify)| {
            let (tally, holdings) = load.run(verify)?;
            print!("{}", Report::of(tally).with(holdings));
            Ok(())
        },
    )
}
