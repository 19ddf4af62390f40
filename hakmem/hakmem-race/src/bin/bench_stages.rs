//! Runs a program that goes wrong in one way, or does not yet; see `--help`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hakmem_race::command_line;
use hakmem_race::stages::{Stage, Stages};

/// Runs a steady load, in which one thing goes wrong if --changed is given: a
/// diagnosis should find it, and nothing without --changed.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// What goes wrong with --changed
    #[arg(long, value_enum)]
    stage: Stage,
    /// Let it go wrong
    #[arg(long)]
    changed: bool,
    /// Seed of the random numbers, more than 0
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    seed: u64,
    /// Length of the run
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seconds: u64,
}

fn main() -> ExitCode {
    command_line::main("bench_stages", |options: &Options| {
        let Options { stage, changed, seed, seconds } = *options;
        Stages { stage, changed, seed, duration: Duration::from_secs(seconds) }.run()?;
        Ok(ExitCode::SUCCESS)
    })
}
