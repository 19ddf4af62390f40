//! Threads that allocate and threads that free; see `--help`.

use std::process::ExitCode;
use std::time::Duration;

use hakmem_bench::report::Report;
use hakmem_bench::threads::{self, handover::Handover, sustained};
use hakmem_bench::usage;

const HELP: &str = "\
bench_handover [--seconds N] PRODUCERS CONSUMERS [BLOCKS] [--verify]

Each of PRODUCERS threads allocates BLOCKS blocks of 16 to 1039 bytes; CONSUMERS other threads free
all of them. Blocks pass through a queue in batches of 64, and at most 64 batches per producer are
under way. Stands for pipelines and servers that read requests in one thread and finish them in
another: no block is freed by the thread that allocated it.

--seconds runs for N seconds instead of BLOCKS blocks and reads the resident memory once a second:
the report has its size after 5 seconds (or half the time, if that is less), and the most after
that. Bounded memory does not grow any more then.

--verify fills the blocks and checks their contents before they are freed. It adds no calls.
The time is from the start of the first thread to the end of the last.";

/// More blocks than a run can make before its time is over.
const ENDLESS: u64 = 1 << 50;

fn main() -> ExitCode {
    usage::run(
        "bench_handover",
        HELP,
        |arguments| {
            let seconds = arguments.option("--seconds", 1, 86_400)?;
            let load = Handover {
                producers: arguments.number("PRODUCERS", 1, 1_000)? as usize,
                consumers: arguments.number("CONSUMERS", 1, 1_000)? as usize,
                blocks: match seconds {
                    Some(_) => ENDLESS,
                    None => arguments.number("BLOCKS", 0, ENDLESS)?,
                },
            };
            Ok((load, seconds, arguments.flag("--verify")))
        },
        |(load, seconds, verify)| {
            let report = match seconds {
                None => Report::of(threads::run(load, verify)?),
                Some(seconds) => {
                    let duration = Duration::from_secs(seconds);
                    let (tally, holdings) = sustained::run(load, duration, verify)?;
                    Report::of(tally).with(holdings)
                }
            };
            print!("{report}");
            Ok(())
        },
    )
}
