//! Arguments and exit codes of the programs.

use std::ffi::OsString;
use std::process::ExitCode;

/// Exit code of a wrong call (`EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;
/// Exit code of a run that failed.
pub const EXIT_FAILED: u8 = 1;

/// Why a call is wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// A positional argument is not there.
    #[error("{name} is missing; usage: {usage}")]
    Missing {
        /// The argument, as the usage line names it.
        name: &'static str,
        /// How to call the program.
        usage: &'static str,
    },
    /// An argument is no number, or not one that makes sense.
    #[error("{name} must be a whole number from {least} to {most}, not `{found}`")]
    Number {
        /// The argument, as the usage line names it.
        name: &'static str,
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
        /// What was given.
        found: String,
    },
    /// An argument that the program does not know.
    #[error("`{found}` is not understood; usage: {usage}")]
    Unknown {
        /// What was given.
        found: String,
        /// How to call the program.
        usage: &'static str,
    },
}

/// The arguments of a call, taken one after the other.
#[derive(Debug)]
pub struct Arguments {
    usage: &'static str,
    positional: std::collections::VecDeque<OsString>,
    flags: Vec<OsString>,
}

impl Arguments {
    /// Sorts `arguments` (without the program's name) into numbers and flags.
    pub fn new(usage: &'static str, arguments: impl Iterator<Item = OsString>) -> Self {
        let (flags, positional): (Vec<_>, Vec<_>) =
            arguments.partition(|argument| argument.as_encoded_bytes().starts_with(b"-"));
        Self { usage, positional: positional.into(), flags }
    }

    /// Whether help is asked for.
    pub fn wants_help(&self) -> bool {
        self.flags.iter().any(|flag| flag == "--help" || flag == "-h")
    }

    /// Takes the flag away and tells whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.flags.len();
        self.flags.retain(|flag| flag != name);
        self.flags.len() < before
    }

    /// The next positional argument, a number from `least` to `most`.
    pub fn number(&mut self, name: &'static str, least: u64, most: u64) -> Result<u64, UsageError> {
        let text =
            self.positional.pop_front().ok_or(UsageError::Missing { name, usage: self.usage })?;
        text.to_str()
            .and_then(|text| text.parse().ok())
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| UsageError::Number {
                name,
                least,
                most,
                found: text.to_string_lossy().into_owned(),
            })
    }

    /// Like [`Arguments::number`], with a value for when the argument is not there.
    pub fn number_or(
        &mut self,
        name: &'static str,
        default: u64,
        least: u64,
        most: u64,
    ) -> Result<u64, UsageError> {
        if self.positional.is_empty() { Ok(default) } else { self.number(name, least, most) }
    }

    /// Refuses whatever nobody took.
    pub fn finish(mut self) -> Result<(), UsageError> {
        match self.flags.pop().or_else(|| self.positional.pop_front()) {
            None => Ok(()),
            Some(found) => Err(UsageError::Unknown {
                found: found.to_string_lossy().into_owned(),
                usage: self.usage,
            }),
        }
    }
}

/// Body of a program's `main`: reads the arguments, runs, prints one line if either fails.
pub fn run<Options>(
    name: &str,
    help: &'static str,
    read: impl FnOnce(&mut Arguments) -> Result<Options, UsageError>,
    run: impl FnOnce(Options) -> Result<(), Box<dyn std::error::Error>>,
) -> ExitCode {
    let usage = help.lines().next().unwrap_or_default();
    let mut arguments = Arguments::new(usage, std::env::args_os().skip(1));
    if arguments.wants_help() {
        println!("usage: {help}");
        return ExitCode::SUCCESS;
    }
    let options = read(&mut arguments).and_then(|options| arguments.finish().map(|()| options));
    match options.map(run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("{name}: {error}");
            ExitCode::from(EXIT_FAILED)
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

#[cfg(test)]
mod tests;
