//! Runs the benchmarks under hakmem and its peers; see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hakmem_race::command_line::{self, Allocators};
use hakmem_race::race::cell::Length;
use hakmem_race::race::group::{self, Cells};
use hakmem_race::race::standings::Standings;
use hakmem_race::race::{Race, Until, plot, record};
use hakmem_race::written_file;

/// Runs the same loads under hakmem and its peers, interleaved.
///
/// The peers are jemalloc, mimalloc 2 and tcmalloc as Debian packages them, mimalloc 3, rpmalloc
/// and snmalloc as `.ci/peers --all` builds them from crates, and glibc. A peer that is missing is
/// left out, and the table says why.
///
/// Each row shows the median of hakmem's throughput divided by the best peer's of the same round,
/// and an interval in which that median lies with 95 % probability or more. The best peer is the
/// one with the highest median over all rounds. hakmem counts as ahead or behind only if the whole
/// interval is above or below 1.
///
/// Each lap is a process of its own, and counts only if it can be proven whose calls it timed:
/// malloc comes from the allocator's file, which defines a symbol of that allocator's own; hakmem's
/// segment shows all calls. --list says what each load stands for, and which bars it has to reach.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Groups of loads to run, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Cells::Seven])]
    cells: Vec<Cells>,
    /// Print all loads, what they stand for and their bars, and run nothing
    #[arg(long)]
    list: bool,
    /// Times that each load runs under each allocator; fewer than 6 prove nothing
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Run each load on until the interval of its ratio is no wider than this, say 0.04
    #[arg(long, value_name = "RATIO")]
    width: Option<f64>,
    /// With --width, the most rounds of a load
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds_most: u32,
    /// Calls of malloc and free in one lap, in millions; slow loads make fewer
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    million_operations: u64,
    /// Seconds of one lap of the sustained loads
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    #[command(flatten)]
    allocators: Allocators,
    /// Write the figures to this file, in place of earlier ones of the same processor
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Draw the figures into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Exit with 2 if hakmem stays below this fraction of the best peer in any row
    #[arg(long, value_name = "RATIO")]
    bar: Option<f64>,
    /// Exit with 2 if a bar of a group is missed
    #[arg(long)]
    bars: bool,
    /// Do not report progress on standard error
    #[arg(long)]
    quiet: bool,
}

/// Exit code of a race that ran but missed a requested bar.
const EXIT_BELOW_BAR: u8 = 2;

fn main() -> ExitCode {
    command_line::main("bench_race", run)
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if options.list {
        print!("{}", group::list());
        return Ok(ExitCode::SUCCESS);
    }
    let programs = command_line::own_folder()?;
    let (hakmem, peers) = options.allocators.in_folder(&programs);
    let race = Race {
        groups: group::chosen(&options.cells),
        rounds: options.rounds as usize,
        until: options
            .width
            .map(|width| Until { width, rounds_most: options.rounds_most as usize }),
        length: Length {
            operations: options.million_operations * 1_000_000,
            seconds: options.seconds,
        },
        hakmem,
        peers,
        programs,
    };
    let most = race.until.map_or(race.rounds, |until| until.rounds_most.max(race.rounds));
    let standings = race.run(|round, rows| {
        if !options.quiet {
            eprintln!("round {} of at most {most}, {rows} loads", round + 1);
        }
    })?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&standings)?);
    } else {
        print!("{standings}");
    }
    if let Some(path) = &options.svg {
        written_file::write(path, &plot::svg(&standings))?;
    }
    if let Some(path) = &options.record {
        let old = match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        };
        written_file::write(path, &record::recorded(old.as_deref(), &standings))?;
    }
    Ok(judge(options, &standings))
}

/// Prints to standard error which of the requested bars were missed.
fn judge(options: &Options, standings: &Standings) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for verdict in standings.verdicts.iter().filter(|verdict| options.bars && !verdict.holds) {
        eprintln!("{verdict}");
        code = ExitCode::from(EXIT_BELOW_BAR);
    }
    if let Some(bar) = options.bar {
        for row in standings.below(bar) {
            eprintln!("{}: {:.3} of {} is below {bar}", row.cell, row.ratio, row.best_peer);
            code = ExitCode::from(EXIT_BELOW_BAR);
        }
    }
    code
}
