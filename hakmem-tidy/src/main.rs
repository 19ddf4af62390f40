//! `hakmem-tidy`: prints what is untidy in the repository; exit code 1 if anything is.
//!
//! `hakmem-tidy sample FOLDER [COUNT [SEED]]`: prints comments chosen at random, to be read by
//! people.

use std::process::ExitCode;

use hakmem_tidy::{Repository, check, sample};

const USAGE: &str = "usage: hakmem-tidy [sample FOLDER [COUNT [SEED]]]";

fn main() -> ExitCode {
    let root = Repository::own_root();
    let repository = match Repository::read(&root) {
        Ok(repository) => repository,
        Err(error) => {
            eprintln!("hakmem-tidy: cannot read {}: {error}", root.display());
            return ExitCode::from(2);
        }
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number =
        |word: Option<&&str>, otherwise| word.map_or(Some(otherwise), |it| it.parse().ok());
    match words.as_slice() {
        [] => {
            let findings = check(&repository);
            findings.iter().for_each(|finding| println!("{finding}"));
            if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        ["sample", folder, numbers @ ..] if numbers.len() <= 2 => {
            let (count, seed) = (number(numbers.first(), 20), number(numbers.get(1), 1));
            let (Some(count), Some(seed)) = (count, seed) else { return usage() };
            for comment in sample::comments(&repository, folder, count as usize, seed) {
                println!("{comment}\n");
            }
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
