//! Prints the peak resident memory of a program in KiB; see `--help`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use clap::Parser;
use hakmem_bench::usage::EXIT_FAILED;
use hakmem_race::command_line;
use hakmem_race::peak;

/// Runs a program and prints its peak resident memory in KiB, children not included.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Library to put under the program; none if empty
    #[arg(long, value_name = "PATH")]
    preload: Option<OsString>,
    /// The program and its arguments
    #[arg(required = true, last = true)]
    program: Vec<OsString>,
}

fn main() -> ExitCode {
    command_line::main("bench_peak", run)
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut command = Command::new(&options.program[0]);
    command.args(&options.program[1..]);
    if let Some(library) = options.preload.as_ref().filter(|library| !library.is_empty()) {
        command.env("LD_PRELOAD", library);
    }
    let peak = peak::of_program(&mut command)
        .map_err(|error| format!("{}: {error}", options.program[0].to_string_lossy()))?;
    println!("{}", peak.resident_kib);
    Ok(match peak.exit_code {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_FAILED),
    })
}
