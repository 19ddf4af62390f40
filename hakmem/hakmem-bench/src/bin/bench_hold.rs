//! Holds blocks of one size while another program measures this one; see `--help`.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use hakmem_bench::c_heap::Block;
use hakmem_bench::usage;

const HELP: &str = "\
bench_hold COUNT SIZE

Prints `ready`, waits for a line, allocates COUNT blocks of SIZE bytes and touches each, prints
`held`, waits for another line or the end of its input, and frees them.";

fn main() -> ExitCode {
    usage::run(
        "bench_hold",
        HELP,
        |arguments| {
            let count = arguments.number("COUNT", 0, 1 << 28)? as usize;
            Ok((count, arguments.number("SIZE", 1, 1 << 40)? as usize))
        },
        |(count, size)| hold(count, size),
    )
}

fn hold(count: usize, size: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    // Everything but the blocks is in memory before the first measurement.
    let mut blocks: Vec<Option<Block>> = Vec::new();
    blocks.resize_with(count, || None);
    tell("ready")?;
    input.read_line(&mut line)?;
    for slot in &mut blocks {
        *slot = Some(Block::allocate(size).ok_or_else(|| {
            format!("malloc({size}) returned null; is there a limit on memory (ulimit -v)?")
        })?);
    }
    tell("held")?;
    input.read_line(&mut line)?;
    blocks.into_iter().flatten().for_each(Block::free);
    Ok(())
}

fn tell(word: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{word}")?;
    output.flush()
}
