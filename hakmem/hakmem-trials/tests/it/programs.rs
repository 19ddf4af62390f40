//! Real programs with and without hakmem: same output, same exit code, plausible counts.

mod c_library;
mod compilers;
mod interpreters;
mod redis;
mod rust;
mod storage;
mod summary;

use std::path::Path;
use std::process::{Command, Output};

use crate::scratch;
use summary::Process;

/// A program to compare, run in a folder of its own.
struct Program<'a> {
    words: &'a [&'a str],
    directory: &'a Path,
    /// Environment variables of both runs.
    environment: &'a [(&'a str, &'a str)],
    /// Debian package that contains the program.
    package: &'a str,
}

impl Program<'_> {
    /// The run without hakmem.
    fn plain(&self) -> Output {
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]);
        self.output(command)
    }

    /// The run under `hakmem-top run`, and the processes in its document.
    fn under_hakmem(&self) -> (Output, Vec<Process>) {
        let segments = scratch::segments_directory();
        let document = segments.path().join("document.json");
        let output = self.output(run_command(segments.path(), &document, self.words));
        let message = String::from_utf8_lossy(&output.stderr);
        let processes = summary::read(&document)
            .unwrap_or_else(|error| panic!("{:?}: {error}\n{message}", self.words));
        (output, processes)
    }

    /// Runs the program both ways, requires the same output and exit code, and returns the
    /// document.
    fn compare(&self) -> Vec<Process> {
        let plain = self.plain();
        let (output, processes) = self.under_hakmem();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(plain.status.code(), output.status.code(), "{:?}\n{message}", self.words);
        assert!(plain.stdout == output.stdout, "{:?} prints something else", self.words);
        let errors = String::from_utf8_lossy(&plain.stderr);
        assert!(message.starts_with(&*errors), "{errors}\nis not the beginning of\n{message}");
        processes.iter().for_each(Process::assert_conserved);
        processes
    }

    fn output(&self, mut command: Command) -> Output {
        command.current_dir(self.directory).envs(self.environment.iter().copied());
        command.output().unwrap_or_else(|error| {
            panic!("{}: {error}; apt-get install {}", self.words[0], self.package)
        })
    }
}

/// `hakmem-top run` of a program, without a screen.
fn run_command(segments: &Path, document: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(hakmem_built::top());
    command.args(["run", "--plain", "--json"]).arg(document);
    command.arg("--directory").arg(segments);
    command.arg("--library").arg(hakmem_built::preload_library());
    command.arg("--").args(words);
    command
}

#[test]
fn an_exit_code_passes_through() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let program = Program {
        words: &["sh", "-c", "echo out; echo err >&2; exit 7"],
        directory: directory.path(),
        environment: &[],
        package: "dash",
    };
    program.compare();
    let (output, _) = program.under_hakmem();
    assert_eq!(output.status.code(), Some(7));
}
