//! The command `hakmem-top`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use hakmem_top::cli::{Cli, usage_exit_code};

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => hakmem_top::command::execute(cli),
        Err(error) => {
            // Help and version are no mistakes, and go to standard output.
            let _ = error.print();
            match error.exit_code() {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::from(usage_exit_code(std::env::args_os().skip(1))),
            }
        }
    }
}
