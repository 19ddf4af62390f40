//! `hakmem-tidy [ROOT]`: prints what is untidy in the repository; exit code 1 if anything is.

use std::path::PathBuf;
use std::process::ExitCode;

use hakmem_tidy::{Repository, check};

fn main() -> ExitCode {
    let root = std::env::args_os().nth(1).map_or_else(Repository::own_root, PathBuf::from);
    let repository = match Repository::read(&root) {
        Ok(repository) => repository,
        Err(error) => {
            eprintln!("hakmem-tidy: cannot read {}: {error}", root.display());
            return ExitCode::from(2);
        }
    };
    let findings = check(&repository);
    findings.iter().for_each(|finding| println!("{finding}"));
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
