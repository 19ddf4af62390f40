//! Holds a constant number of live bytes, in blocks whose sizes drift; see `--help`.

use std::process::ExitCode;

use hakmem_bench::drift::Drift;
use hakmem_bench::report::Report;
use hakmem_bench::usage;

const HELP: &str = "\
bench_drift LIVE_KIB BLOCKS [--verify]

Holds LIVE_KIB KiB in blocks of about 64 bytes, then of about 128, and so on up to 16 KiB and back
again; each of BLOCKS new blocks takes the place of random older ones. Stands for programs
that run for long while their data change shape: caches, databases, browsers. The few blocks that
are left of each phase keep memory from being used again.

Prints, besides the usual figures, the resident and the live memory (blocks, and the list of them)
at the worst of the 17 phases, measured after each, and at the end.

--verify fills the blocks and checks their contents before they are freed; otherwise a byte is
written in each page. It adds no calls.";

fn main() -> ExitCode {
    usage::run(
        "bench_drift",
        HELP,
        |arguments| {
            let load = Drift {
                live: arguments.number("LIVE_KIB", 1, 1 << 30)? as usize * 1024,
                blocks: arguments.number("BLOCKS", 0, 1 << 50)?,
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
