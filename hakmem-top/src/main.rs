//! The command `hakmem-top`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use hakmem_top::command::cli::Cli;

fn main() -> ExitCode {
    match Cli::read(std::env::args_os()) {
        Ok(cli) => hakmem_top::command::execute(cli),
        Err((error, code)) => {
            // If the terminal is gone, there is nobody to report an error to.
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}
