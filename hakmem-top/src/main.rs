//! The command `hakmem-top`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use hakmem_top::cli::Cli;

fn main() -> ExitCode {
    hakmem_top::command::execute(Cli::parse())
}
