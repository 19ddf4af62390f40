//! Runs a steady load in which one thing can be changed; see `--help`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hakmem_race::command_line;
use hakmem_race::staged::{Changed, Staged};

/// Handles requests at a steady pace, with one change that a diagnosis
/// should find.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Length of the run
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seconds: u64,
    /// Threads that handle requests
    #[arg(long, value_name = "NUMBER", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// Blocks of one request; each client allocates 120000 blocks a second
    #[arg(long, value_name = "NUMBER", default_value_t = 300,
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    blocks: u64,
    /// What is changed
    #[arg(long, value_enum, default_value_t)]
    changed: Changed,
}

fn main() -> ExitCode {
    command_line::main("bench_staged", |options: &Options| {
        let load = Staged {
            duration: Duration::from_secs(options.seconds),
            clients: options.clients,
            blocks: options.blocks as usize,
            changed: options.changed,
        };
        load.run()?;
        Ok(ExitCode::SUCCESS)
    })
}
