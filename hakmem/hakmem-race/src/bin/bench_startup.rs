//! Times the start of a program that does nothing; see `--help`.

use std::process::ExitCode;

use clap::Parser;
use hakmem_race::command_line::{self, Allocators};
use hakmem_race::machine::Circumstances;
use hakmem_race::programs_race::startup::Startup;

/// Runs `true` under hakmem and its peers, interleaved, and prints the time that it takes.
///
/// Under the C library nothing is preloaded, so the difference includes the dynamic linker's work
/// on one more library.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Times that it runs under each allocator
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
    #[command(flatten)]
    allocators: Allocators,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Exit with 2 if hakmem's median exceeds the C library's by more than this
    #[arg(long, value_name = "MS")]
    bar: Option<f64>,
}

/// Exit code of a run in which hakmem adds more time than the bar allows.
const EXIT_ABOVE_BAR: u8 = 2;

fn main() -> ExitCode {
    command_line::main("bench_startup", run)
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (hakmem, peers) = options.allocators.in_folder(&command_line::own_folder()?);
    let startup = Startup { runs: options.runs as usize, hakmem, peers };
    let circumstances = Circumstances::begin();
    let starts = startup.run()?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&starts)?);
    } else {
        println!("{}\n", circumstances.end());
        print!("{starts}");
    }
    match options.bar {
        Some(bar) if starts.added_ms() > bar => {
            eprintln!("hakmem adds {:.3} ms, more than {bar}", starts.added_ms());
            Ok(ExitCode::from(EXIT_ABOVE_BAR))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
