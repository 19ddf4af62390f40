//! The commands, each from start to exit code.
//!
//! The layers, from bottom to top; each uses only those above it in this list:
//!
//! - [`cli`]: the command line
//! - `error`: why commands fail, and the exit code of each failure
//! - `part`, `answer`, `watch`, `workload`: a part of a recording, where an answer goes, a session
//!   on the terminal, the demo's load
//! - `run`, `measured_run`: runs of a program, watched or measured
//! - `attach`, `check`, `cut`, `demo`, `diff`, `export`, `info`, `record`, `show`: the other
//!   commands

mod answer;
mod attach;
mod check;
pub mod cli;
mod cut;
mod demo;
mod diff;
mod error;
mod export;
mod info;
mod measured_run;
mod part;
mod record;
mod run;
mod show;
mod watch;
mod workload;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use hakmem_proto::v1 as proto;
use hakmem_recording::WriteError;

use crate::output::replacement::{Readers, Replacement};
use crate::output::saying;
use crate::screen::view_state::ThemeName;
use crate::source::endpoint::{DirectoryProblem, Endpoint};
use crate::source::snapshot::{self, Snapshot};
use crate::start::{library, program};
use crate::tell::report;
use cli::{Cli, Command, GlobalOptions};

pub use error::CommandError;
use error::{ExitCodes, RUN_FAILED};

/// Executes the command line; an error is printed as one line.
pub fn execute(cli: Cli) -> ExitCode {
    saying::end_on_panics(end_broken);
    if let Some(Command::DemoWorkload(options)) = &cli.command {
        return workload::run(options);
    }
    let custom = ExitCodes::of(cli.command.as_ref());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::system("cannot start"));
    let result = runtime.and_then(|runtime| {
        let result = runtime.block_on(dispatch(cli));
        // A blocking read of the terminal may be in progress, and nothing can cancel it.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // The program that this command started must not stay behind.
            if !program::outlive(&error.to_string()) {
                say!("hakmem-top: {error}");
            }
            ExitCode::from(error.exit_code(custom))
        }
    }
}

/// Ends this program after a panic in one of its parts; returns the exit code.
fn end_broken(words: &str) -> u8 {
    // A second part that panics waits while the first one ends the process.
    while !program::is_first_to_leave() {
        std::thread::park();
    }
    if program::outlive(&format!("a part of it broke ({words})")) {
        return RUN_FAILED;
    }
    say!("hakmem-top: a part of it broke: {words}");
    PANICKED
}

/// The exit code of a panic, as in Rust's runtime.
const PANICKED: u8 = 101;

async fn dispatch(cli: Cli) -> Result<u8, CommandError> {
    let global = cli.global;
    if cli.command.is_some() && (cli.once || cli.json) {
        let remedy = "--once and --json cannot be combined with a command; `run --json FILE` \
                      writes a file";
        return Err(CommandError::Usage(remedy.into()));
    }
    match cli.command {
        None if cli.once || cli.json || !crate::screen::terminal::is_available() => {
            print_once(&global, cli.json).await
        }
        None => attach::attach(&global).await,
        Some(Command::Run(options)) => run::run(&options, &global).await,
        Some(Command::Demo(options)) => demo::demo(&options, &global).await,
        Some(Command::Ls) => list(&global).await,
        Some(Command::Show(options)) => show::show(&options, &global),
        Some(Command::Diff(options)) => diff::diff(&options, &global).await,
        Some(Command::Check(options)) => check::check(&options, &global).await,
        Some(Command::Env) => print_environment(&global),
        Some(Command::Record(options)) => record::record(&options, &global).await,
        Some(Command::Info(options)) => info::info(&options),
        Some(Command::Cut(options)) => cut::cut(&options),
        Some(Command::Export(options)) => export::export(&options),
        Some(Command::DemoWorkload(_)) => Ok(0),
    }
}

/// The endpoint that `--connect` and `--directory` name.
async fn endpoint(global: &GlobalOptions) -> Result<Endpoint, CommandError> {
    Ok(match (&global.connect, &global.directory) {
        (Some(_), Some(_)) => {
            let remedy = "--connect cannot be combined with --directory: an agent reads its own \
                          directory";
            return Err(CommandError::Usage(remedy.into()));
        }
        (Some(address), None) => Endpoint::parse(address)?,
        (None, Some(directory)) => {
            if let Some(problem) = DirectoryProblem::of(directory) {
                return Err(CommandError::Directory(problem));
            }
            Endpoint::embedded(directory.clone(), global.interval).await?
        }
        (None, None) => {
            let told = std::env::var_os("HAKMEM_DIR").is_some_and(|it| !it.is_empty());
            Endpoint::attach(global.segment_directory(), told, global.interval).await?
        }
    })
}

/// The theme: monochrome under `--no-color` or `NO_COLOR`.
fn theme(global: &GlobalOptions) -> ThemeName {
    let variable = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if global.no_color || variable { ThemeName::Mono } else { ThemeName::Dark }
}

fn everything() -> proto::ProcessFilter {
    proto::ProcessFilter { include_ended: true, ..Default::default() }
}

async fn print_once(global: &GlobalOptions, json: bool) -> Result<u8, CommandError> {
    let endpoint = endpoint(global).await?;
    let snapshot = snapshot::fetch_all(&endpoint).await?;
    if json {
        print_json(&document(&snapshot.processes))?;
        return Ok(0);
    }
    say_source(&endpoint, &snapshot);
    print(&report::once(&snapshot.processes))?;
    Ok(0)
}

async fn list(global: &GlobalOptions) -> Result<u8, CommandError> {
    let endpoint = endpoint(global).await?;
    let mut snapshot = snapshot::fetch_all(&endpoint).await?;
    // Running processes first; those that ended keep the order in which they started.
    snapshot.processes.sort_by_key(|process| !process.is_running());
    say_source(&endpoint, &snapshot);
    print(&report::list(&snapshot.processes))?;
    Ok(0)
}

/// Says on standard error what the table does not show: which agent answered, and its problems.
fn say_source(endpoint: &Endpoint, snapshot: &Snapshot) {
    if let Endpoint::Embedded { stands_in: true, .. } = endpoint {
        say!("hakmem-top: {}", endpoint.describe());
    }
    let agent = snapshot.agent.clone().unwrap_or_default();
    if agent.unreadable_segments > 0 {
        let (count, directory) = (agent.unreadable_segments, agent.directory);
        say!("hakmem-top: {count} files in {directory} could not be read as segments");
    }
    if snapshot.processes.is_empty() {
        if let Some(problem) = endpoint.directory().and_then(DirectoryProblem::of) {
            say!("hakmem-top: {problem}");
        }
        say!("hakmem-top: no process publishes; start one with hakmem-top run -- PROGRAM");
    }
}

/// The snapshot document of `processes`.
fn document(processes: &[proto::Process]) -> String {
    let document = hakmem_agent::snapshot_document(processes);
    let mut text = serde_json::to_string_pretty(&document)
        .expect("the document has no keys that JSON cannot have");
    text.push('\n');
    text
}

/// Begins a file of recorded data that only its owner may read. With `force`, it may replace an
/// existing file.
fn begin_file(path: &Path, force: bool) -> Result<Replacement, CommandError> {
    let begin = if force { Replacement::begin } else { Replacement::begin_new };
    begin(path, Readers::Owner).map_err(|error| file_error(path, error))
}

/// The error for a file that a command was to write and could not.
fn file_error(path: &Path, error: io::Error) -> CommandError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(path).into(),
        _ => CommandError::Write { path, error },
    }
}

fn print_environment(global: &GlobalOptions) -> Result<u8, CommandError> {
    let library = library::find(global.library.as_deref())?;
    let already = std::env::var_os("LD_PRELOAD");
    let value = library::preload_value(&library, already.as_deref());
    printed(saying::print_as_it_is(&format!("{}\n", library::shell_assignment(&value))))?;
    Ok(0)
}

/// Prints to standard output; a closed pipe (`| head`) is not an error.
fn print(text: &str) -> Result<(), CommandError> {
    printed(saying::print(text))
}

/// Prints a JSON document.
fn print_json(document: &str) -> Result<(), CommandError> {
    printed(saying::print_json(document))
}

fn printed(result: io::Result<()>) -> Result<(), CommandError> {
    result.map_err(|error| CommandError::System { what: "cannot print", error })
}
