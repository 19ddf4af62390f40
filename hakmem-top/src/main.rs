//! The command `hakmem-top`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use hakmem_top::cli::Cli;

fn main() -> ExitCode {
    match Cli::read(std::env::args_os()) {
        Ok(cli) => hakmem_top::command::execute(cli),
        Err((error, code)) => {
            // Nobody is left to tell if the terminal is gone.
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}
