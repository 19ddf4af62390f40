//! Arguments and exit codes of the programs.
//!
//! They are read without clap: a program that is measured makes as few calls of its own as it can,
//! because those of a parser would stand in the counters, and its memory in the peak.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// Exit code for wrong arguments (`EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;
/// Exit code of a run that failed.
pub const EXIT_FAILED: u8 = 1;

/// Why the arguments are wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// A positional argument is missing.
    #[error("{name} is missing; usage: {usage}")]
    Missing {
        /// The argument, as the usage line names it.
        name: &'static str,
        /// How to call the program.
        usage: &'static str,
    },
    /// An argument is not a number, or is out of range.
    #[error("{name} must be a whole number from {least} to {most}, not `{found}`")]
    Number {
        /// The argument, as the usage line names it.
        name: &'static str,
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
        /// The argument given.
        found: String,
    },
    /// An argument is not a power of two, but must be one.
    #[error("{name} must be a power of two, not {found}")]
    PowerOfTwo {
        /// The argument, as the usage line names it.
        name: &'static str,
        /// The argument given.
        found: u64,
    },
    /// An argument that the program does not know.
    #[error("`{found}` is not understood; usage: {usage}")]
    Unknown {
        /// The argument given.
        found: String,
        /// How to call the program.
        usage: &'static str,
    },
}

/// The arguments of a call, taken one after the other. Options with a value come first, because
/// nothing else tells their values from positional arguments.
#[derive(Debug)]
pub struct Arguments {
    usage: &'static str,
    words: Vec<OsString>,
}

fn is_flag(word: &OsString) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

impl Arguments {
    /// Takes `arguments`, without the program's name.
    pub fn new(usage: &'static str, arguments: impl Iterator<Item = OsString>) -> Self {
        Self { usage, words: arguments.collect() }
    }

    /// Whether help is asked for.
    fn wants_help(&self) -> bool {
        self.words.iter().any(|word| word == "--help" || word == "-h")
    }

    /// Removes the flag and tells whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// Removes an option with its value, a number from `least` to `most`; `None` if the option is
    /// not there.
    pub fn option(
        &mut self,
        name: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, UsageError> {
        let Some(at) = self.words.iter().position(|word| word == name) else { return Ok(None) };
        self.words.remove(at);
        if at == self.words.len() {
            return Err(UsageError::Missing { name, usage: self.usage });
        }
        parse(name, &self.words.remove(at), least, most).map(Some)
    }

    /// Removes the next positional argument, a number from `least` to `most`.
    pub fn number(&mut self, name: &'static str, least: u64, most: u64) -> Result<u64, UsageError> {
        let missing = UsageError::Missing { name, usage: self.usage };
        let at = self.words.iter().position(|word| !is_flag(word)).ok_or(missing)?;
        parse(name, &self.words.remove(at), least, most)
    }

    /// Like [`Arguments::number`], but `default` if the argument is not there.
    pub fn number_or(
        &mut self,
        name: &'static str,
        default: u64,
        least: u64,
        most: u64,
    ) -> Result<u64, UsageError> {
        if self.words.iter().all(is_flag) { Ok(default) } else { self.number(name, least, most) }
    }

    /// Fails if any argument is left.
    pub fn finish(self) -> Result<(), UsageError> {
        let strange = self.words.iter().find(|word| is_flag(word)).or(self.words.first());
        match strange {
            None => Ok(()),
            Some(found) => Err(UsageError::Unknown {
                found: found.to_string_lossy().into_owned(),
                usage: self.usage,
            }),
        }
    }
}

fn parse(name: &'static str, text: &OsStr, least: u64, most: u64) -> Result<u64, UsageError> {
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

/// Body of a program's `main`: reads the arguments, runs, and prints one line if either fails.
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
