//! Runs real programs under hakmem and its peers; see `--help`.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hakmem_race::command_line::{self, Allocators};
use hakmem_race::machine::Circumstances;
use hakmem_race::programs_race::ProgramsRace;
use hakmem_race::programs_race::program::Program;

/// Runs real programs under hakmem and its peers, interleaved: time, processor time, memory.
///
/// The peers are those of bench_race. A program or a peer that is missing is left out, and the
/// tables say why. Before the race the dynamic linker tells, for each program and allocator, that
/// every process calls that allocator's malloc; hakmem's counters must move in every run; and each
/// run must answer the same as under the C library. A difference counts if three quarters of the
/// rounds show it.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Programs to run, separated by commas; otherwise all
    #[arg(long, value_enum, value_delimiter = ',')]
    programs: Vec<Program>,
    /// Times that each program runs under each allocator
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Size of the loads in percent; with 100 a run takes about a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    percent: u64,
    #[command(flatten)]
    allocators: Allocators,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Exit with 2 if hakmem loses any row by time
    #[arg(long)]
    bar: bool,
    /// Do not report progress on standard error
    #[arg(long)]
    quiet: bool,
}

/// Exit code of a race that was run and lost.
const EXIT_LOST: u8 = 2;

fn main() -> ExitCode {
    command_line::main("bench_programs_race", run)
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let binaries = command_line::own_folder()?;
    let (hakmem, peers) = options.allocators.in_folder(&binaries);
    let programs = match &options.programs[..] {
        [] => Program::value_variants().to_vec(),
        some => some.to_vec(),
    };
    let race = ProgramsRace {
        programs,
        rounds: options.rounds as usize,
        percent: options.percent,
        hakmem,
        peers,
        binaries,
    };
    let circumstances = Circumstances::begin();
    let standings = race.run(|what| {
        if !options.quiet {
            eprintln!("{what}");
        }
    })?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&standings)?);
    } else {
        println!("{}\n", circumstances.end());
        print!("{standings}");
    }
    let mut code = ExitCode::SUCCESS;
    for row in standings.lost().filter(|_| options.bar) {
        eprintln!("{}: {}", row.program, row.wall);
        code = ExitCode::from(EXIT_LOST);
    }
    Ok(code)
}
