//! What each command does, from start to exit code.

mod answer;
mod attach;
mod check;
mod demo;
mod diff;
mod measured_run;
mod run;
mod show;
mod watch;
mod workload;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use hakmem_agent::inspection::InspectionError;
use hakmem_proto::v1 as proto;

use crate::baseline::BaselineError;
use crate::cli::{Cli, Command, EX_USAGE, GlobalOptions};
use crate::endpoint::{ConnectError, Endpoint};
use crate::library::{self, LibraryError};
use crate::model::ProgramEnd;
use crate::program::ProgramError;
use crate::report;
use crate::side_source::SideError;
use crate::snapshot::{self, Snapshot, SnapshotError};
use crate::view_state::ThemeName;

/// Exit code of `run` when this program failed and not the one it runs, as `env` and `nohup` have.
const RUN_FAILED: u8 = 125;

/// Exit codes of commands whose small ones are verdicts, as `sysexits.h` has them.
const EX_NOINPUT: u8 = 66;
const EX_UNAVAILABLE: u8 = 69;
const EX_OSERR: u8 = 71;
const EX_IOERR: u8 = 74;

/// What a command's exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CodeTells {
    /// Whether it did its work.
    Success,
    /// How the program ended, or that hakmem-top failed.
    Program,
    /// The verdict, or why there is none.
    Verdict,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Options that exclude each other.
    #[error("{0}")]
    Usage(String),
    /// The allocator library is missing.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The program does not start.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The agent cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The agent does not answer.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// There is no such segment, or it cannot be read.
    #[error(transparent)]
    Inspection(#[from] InspectionError),
    /// A side of a comparison cannot be read.
    #[error(transparent)]
    Side(#[from] SideError),
    /// The baseline cannot be read.
    #[error("{error}; `check --update` writes the baseline {}", path.display())]
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<SideError>,
    },
    /// The baseline cannot be written.
    #[error(transparent)]
    WriteBaseline(#[from] BaselineError),
    /// The program that is measured failed.
    #[error("run {run} of {of}: `{command}` {}; nothing was compared", ended(*end))]
    Failed {
        /// The program and its arguments.
        command: String,
        /// Which run it was.
        run: u32,
        /// Runs that were wanted.
        of: u32,
        /// How it ended.
        end: ProgramEnd,
    },
    /// The program that is measured did not publish.
    #[error("{program} published nothing: {reason}")]
    Unpublished {
        /// The program.
        program: String,
        /// What is most likely in the way.
        reason: String,
    },
    /// A signal asked for the end.
    #[error("interrupted by signal {0}; nothing was compared")]
    Interrupted(i32),
    /// The document cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The terminal or a signal handler fails.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

impl CommandError {
    fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }

    /// The exit code, where several commands differ by who reads it.
    fn exit_code(&self, tells: CodeTells) -> u8 {
        match (self, tells) {
            (Self::Program(error), _) => error.exit_code(),
            (Self::Failed { .. } | Self::Unpublished { .. }, _) => RUN_FAILED,
            (Self::Interrupted(signal), _) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            (_, CodeTells::Verdict) => self.system_exit_code(),
            (Self::Usage(_), _) => 2,
            (_, CodeTells::Program) => RUN_FAILED,
            (_, CodeTells::Success) => 1,
        }
    }

    /// The code that `sysexits.h` has for it: verdicts take the small numbers.
    fn system_exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Side(SideError::Subject(_) | SideError::Ambiguous { .. }) => {
                EX_USAGE
            }
            Self::Side(SideError::Agent(_) | SideError::NoAgent { .. }) => EX_UNAVAILABLE,
            Self::Side(_) | Self::Baseline { .. } | Self::Inspection(_) => EX_NOINPUT,
            Self::Write { .. } | Self::WriteBaseline(_) => EX_IOERR,
            Self::System { .. } => EX_OSERR,
            _ => EX_UNAVAILABLE,
        }
    }
}

/// Does what the command line asks for; errors are printed as one line.
pub fn execute(cli: Cli) -> ExitCode {
    if let Some(Command::DemoWorkload(options)) = &cli.command {
        return workload::run(options);
    }
    let tells = match &cli.command {
        Some(Command::Run(_)) => CodeTells::Program,
        Some(Command::Diff(_) | Command::Check(_)) => CodeTells::Verdict,
        _ => CodeTells::Success,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::system("cannot start"));
    let result = runtime.and_then(|runtime| {
        let result = runtime.block_on(dispatch(cli));
        // A read of the terminal may be under way that nothing can cancel.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("hakmem-top: {error}");
            ExitCode::from(error.exit_code(tells))
        }
    }
}

async fn dispatch(cli: Cli) -> Result<u8, CommandError> {
    let global = cli.global;
    if cli.command.is_some() && (cli.once || cli.json) {
        let remedy = "--once and --json belong before no command; `run --json FILE` writes a file";
        return Err(CommandError::Usage(remedy.into()));
    }
    match cli.command {
        None if cli.once || cli.json || !crate::screen::is_available() => {
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
        Some(Command::DemoWorkload(_)) => Ok(0),
    }
}

/// How a program ended, for a sentence about it.
fn ended(end: ProgramEnd) -> String {
    match end {
        ProgramEnd::Exited(code) => format!("exited {code}"),
        ProgramEnd::Signalled(signal) => format!("was killed by signal {signal}"),
    }
}

/// Where `--connect` and `--directory` say the data is.
async fn endpoint(global: &GlobalOptions) -> Result<Endpoint, CommandError> {
    Ok(match (&global.connect, &global.directory) {
        (Some(_), Some(_)) => {
            let remedy = "--connect and --directory exclude each other: an agent reads its own";
            return Err(CommandError::Usage(remedy.into()));
        }
        (Some(address), None) => Endpoint::parse(address)?,
        (None, Some(directory)) => Endpoint::embedded(directory.clone(), global.interval).await?,
        (None, None) => Endpoint::attach(global.segment_directory(), global.interval).await?,
    })
}

/// The theme that `--no-color`, `NO_COLOR` or neither asks for.
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
        print(&document(&snapshot.processes))?;
        return Ok(0);
    }
    say_source(&endpoint, &snapshot);
    print(&report::once(&snapshot.processes))?;
    Ok(0)
}

async fn list(global: &GlobalOptions) -> Result<u8, CommandError> {
    let endpoint = endpoint(global).await?;
    let mut snapshot = snapshot::fetch_all(&endpoint).await?;
    // Running ones first; those that ended keep the order in which they started.
    snapshot.processes.sort_by_key(|process| process.state != "running");
    say_source(&endpoint, &snapshot);
    print(&report::list(&snapshot.processes))?;
    Ok(0)
}

/// Says on standard error what a reader of the table could not know.
fn say_source(endpoint: &Endpoint, snapshot: &Snapshot) {
    if let Endpoint::Embedded { stands_in: true, .. } = endpoint {
        eprintln!("hakmem-top: {}", endpoint.describe());
    }
    let agent = snapshot.agent.clone().unwrap_or_default();
    if agent.unreadable_segments > 0 {
        let (count, directory) = (agent.unreadable_segments, agent.directory);
        eprintln!("hakmem-top: {count} files in {directory} could not be read as segments");
    }
    if snapshot.processes.is_empty() {
        eprintln!("hakmem-top: no process publishes; start one with hakmem-top run -- PROGRAM");
    }
}

/// The snapshot document of some processes.
fn document(processes: &[proto::Process]) -> String {
    let document = hakmem_agent::snapshot_document(processes);
    let mut text = serde_json::to_string_pretty(&document)
        .expect("the document has no keys that JSON cannot have");
    text.push('\n');
    text
}

fn print_environment(global: &GlobalOptions) -> Result<u8, CommandError> {
    let library = library::find(global.library.as_deref())?;
    let already = std::env::var_os("LD_PRELOAD");
    let value = library::preload_value(&library, already.as_deref());
    print(&format!("{}\n", library::shell_assignment(&value)))?;
    Ok(0)
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::System { what: "cannot print", error })
        }
        _ => Ok(()),
    }
}
