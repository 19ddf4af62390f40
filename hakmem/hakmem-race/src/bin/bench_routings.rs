//! Runs the verification matrix under every routing; see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hakmem_race::command_line;
use hakmem_race::machine::Circumstances;
use hakmem_race::routings::variant::{SAFE_ROUTINGS, parse_routing};
use hakmem_race::routings::{Comparison, RoutingStep, plot, variants};
use hakmem_race::written_file;
use hakmem_reader::{Check, Routing};

/// Runs the verification matrix under each of hakmem's routings, interleaved, and prints a table.
///
/// Each lap is a process of its own, and counts only if its segment shows the program's calls of
/// malloc and free and the requested routing; otherwise one line says what is wrong and
/// the exit code is 1. The routings with headers run with both forms of the push. `e3` is not
/// among them: it corrupts memory.
#[derive(Debug, Parser)]
#[command(version, after_help = COLUMNS)]
struct Options {
    /// Times that each load runs under each routing
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Calls of malloc and free in one lap, in millions
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    million_operations: u64,
    /// Which frees are checked: off, sample or full
    #[arg(
        long,
        value_name = "WORD",
        default_value = Check::Sample.name(),
        value_parser = parse_check
    )]
    check: Check,
    /// Routings to run, separated by commas; otherwise all
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_routing)]
    routings: Vec<Routing>,
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the figures into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The preload library; otherwise the one beside this program
    #[arg(long, value_name = "PATH")]
    hakmem: Option<PathBuf>,
    /// Do not report progress on standard error
    #[arg(long)]
    quiet: bool,
}

const COLUMNS: &str = "\
The columns:
  fixed, mixed    throughput of the seven cells of the verification matrix and of 64 B blocks
  instr.          instructions of a malloc+free pair, loop included, by callgrind (needs valgrind)
  1024 B          for each of 20000 live blocks of 1024 B: distance of two blocks in the bin that
                  served, growth of the slabs in use (a little less where a slab was partly
                  free before), growth of resident memory
  C7 frees fast   share of C7's frees, over all laps, that took the fast path
  anomalies       frees of all laps that only a bug can explain
  check findings  events of checks that the rings still held

The registry lookup is the time of a malloc+free pair of 64 B under `registry` less that under
`direct`, each from the median throughput of its laps; so it also includes other differences, such
as the header that `registry` verifies and the stride of 128 B that a header makes of 64 B. Cycles
are those of the core, whose clock is timed by a chain of dependent multiplications.";

/// Pairs that callgrind counts: enough that one-time work does not show.
const COUNTED_PAIRS: u64 = 1_000_000;

fn parse_check(word: &str) -> Result<Check, String> {
    Check::from_name(word).ok_or_else(|| "give off, sample or full".to_owned())
}

fn main() -> ExitCode {
    command_line::main("bench_routings", run)
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let programs = command_line::own_folder()?;
    let hakmem = options.hakmem.clone().unwrap_or_else(|| programs.join("libhakmem_preload.so"));
    let all = options.routings.is_empty();
    let comparison = Comparison {
        variants: variants(if all { &SAFE_ROUTINGS } else { &options.routings }),
        check: options.check,
        rounds: options.rounds as usize,
        operations: options.million_operations * 1_000_000,
        counted_pairs: COUNTED_PAIRS,
        programs,
        hakmem,
    };
    let circumstances = Circumstances::begin();
    let table = comparison.run(|step| match step {
        _ if options.quiet => {}
        RoutingStep::Round(round) => eprintln!("round {round} of {}", options.rounds),
        RoutingStep::Counting(variant) => eprintln!("instructions and bytes of {variant}"),
    })?;
    println!("{}\n", circumstances.end());
    print!("{table}");
    let write = |file: &Option<PathBuf>, text: String| match file {
        Some(path) => written_file::write(path, &text),
        None => Ok(()),
    };
    write(&options.json, serde_json::to_string_pretty(&table)? + "\n")?;
    write(&options.svg, plot::svg(&table))?;
    Ok(ExitCode::SUCCESS)
}
