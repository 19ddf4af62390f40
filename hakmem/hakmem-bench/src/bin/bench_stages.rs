//! Runs a program that goes wrong in one way, or does not yet; see `--help`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hakmem_bench::stages::{Stage, Stages};
use hakmem_bench::usage;

/// A steady load that goes wrong in one way: what a diagnosis should say
/// of it, and of the same without --changed.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// What goes wrong
    #[arg(long, value_enum)]
    stage: Stage,
    /// Whether it does
    #[arg(long)]
    changed: bool,
    /// Start of the random numbers, more than 0
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    seed: u64,
    /// How long to run
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seconds: u64,
}

fn main() -> ExitCode {
    usage::main("bench_stages", |options: &Options| {
        let Options { stage, changed, seed, seconds } = *options;
        Stages { stage, changed, seed, duration: Duration::from_secs(seconds) }.run()?;
        Ok(ExitCode::SUCCESS)
    })
}
