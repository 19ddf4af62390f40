//! Why commands fail, and the exit code of each failure.

use std::path::PathBuf;

use hakmem_agent::inspection::InspectionError;
use hakmem_recording::{OpenError, WriteError};

use super::cli::{Command, EX_USAGE};
use crate::model::ProgramEnd;
use crate::source::capture::CaptureError;
use crate::source::endpoint::{ConnectError, DirectoryProblem};
use crate::source::side::SideError;
use crate::source::snapshot::SnapshotError;
use crate::start::baseline_file::BaselineError;
use crate::start::library::LibraryError;
use crate::start::program::ProgramError;
use crate::words::time_window::TimeError;

/// Exit code of `run` when hakmem-top itself failed and not the program, as with `env` and `nohup`;
/// of `check` when a run of the program failed.
pub(super) const RUN_FAILED: u8 = 125;

/// Exit codes of `sysexits.h`: an input that cannot be read, a service that is unavailable, a
/// failure of the system, an output that cannot be written.
const EX_NOINPUT: u8 = 66;
const EX_UNAVAILABLE: u8 = 69;
const EX_OSERR: u8 = 71;
const EX_IOERR: u8 = 74;

/// The convention by which a command chooses the exit code of its own failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitCodes {
    /// 125, because the other codes are the program's.
    Run,
    /// 2 for a mistake on the command line, otherwise 1.
    Plain,
    /// The codes of `sysexits.h`.
    Sysexits,
}

impl ExitCodes {
    /// The convention of `command`.
    pub(super) fn of(command: Option<&Command>) -> Self {
        match command {
            Some(Command::Run(_)) => Self::Run,
            Some(Command::Record(_) | Command::Info(_) | Command::Cut(_) | Command::Export(_)) => {
                Self::Sysexits
            }
            Some(Command::Diff(_) | Command::Check(_)) => Self::Sysexits,
            _ => Self::Plain,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Options that exclude each other, or that a command does not have.
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
    /// The agent does not answer the request for a snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The segment does not exist, or it cannot be read.
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
    /// The measured program failed.
    #[error("run {run} of {of}: `{command}` {}; nothing was compared", ended(*end))]
    Failed {
        /// The program and its arguments.
        command: String,
        /// Which run it was.
        run: u32,
        /// Number of runs.
        of: u32,
        /// How it ended.
        end: ProgramEnd,
    },
    /// The measured program did not publish.
    #[error("{program} published nothing: {reason}")]
    Unpublished {
        /// The program.
        program: String,
        /// The most likely obstacle.
        reason: String,
    },
    /// A signal interrupted the command.
    #[error("interrupted by signal {0}; nothing was compared")]
    Interrupted(i32),
    /// The process to be recorded does not publish.
    #[error("process {pid} publishes nothing: {reason}")]
    NoSuchProcess {
        /// Its id.
        pid: u32,
        /// The most likely obstacle.
        reason: String,
    },
    /// No process was recorded.
    #[error(
        "no {subject} published, so {} was not written; `hakmem-top ls` lists those that do",
        path.display()
    )]
    NothingRecorded {
        /// The processes that were to be recorded, for the message.
        subject: String,
        /// The file.
        path: PathBuf,
    },
    /// The directory of the segments is missing or cannot be read.
    #[error("{0}; check --directory")]
    Directory(DirectoryProblem),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] OpenError),
    /// A recording cannot be written.
    #[error(transparent)]
    WriteRecording(#[from] WriteError),
    /// Nothing can be recorded.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A time is malformed, or lies outside the recording.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The file cannot be written.
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
        /// The operation that failed.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

impl CommandError {
    pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }

    /// The exit code under the convention `custom`.
    pub(super) fn exit_code(&self, custom: ExitCodes) -> u8 {
        match (self, custom) {
            (Self::Program(error), _) => error.exit_code(),
            (Self::Failed { .. } | Self::Unpublished { .. }, _) => RUN_FAILED,
            (Self::Interrupted(signal), _) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            (_, ExitCodes::Sysexits) => self.sysexit(),
            (Self::Usage(_), _) => 2,
            (_, ExitCodes::Run) => RUN_FAILED,
            (_, ExitCodes::Plain) => 1,
        }
    }

    /// The exit code of `sysexits.h`.
    fn sysexit(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Time(_) => EX_USAGE,
            Self::Side(error) => of_side(error),
            Self::Recording(_) | Self::Baseline { .. } | Self::Inspection(_) => EX_NOINPUT,
            Self::NoSuchProcess { .. } | Self::NothingRecorded { .. } => EX_NOINPUT,
            Self::Directory(_) => EX_NOINPUT,
            Self::WriteRecording(WriteError::Exists(_)) => EX_USAGE,
            Self::WriteRecording(_) | Self::WriteBaseline(_) | Self::Write { .. } => EX_IOERR,
            Self::Capture(CaptureError::Write(_)) => EX_IOERR,
            Self::Library(_) | Self::Connect(_) | Self::Snapshot(_) => EX_UNAVAILABLE,
            Self::System { .. } => EX_OSERR,
            _ => 1,
        }
    }
}

/// The exit code of a side that cannot be read.
fn of_side(error: &SideError) -> u8 {
    match error {
        SideError::Spec(_) | SideError::FindingName(_) | SideError::Ambiguous { .. } => EX_USAGE,
        SideError::Agent(_) | SideError::NoAgent { .. } => EX_UNAVAILABLE,
        _ => EX_NOINPUT,
    }
}

/// Describes how a program ended, as a predicate.
fn ended(end: ProgramEnd) -> String {
    match end {
        ProgramEnd::Exited(code) => format!("exited {code}"),
        ProgramEnd::Signalled(signal) => format!("was killed by signal {signal}"),
    }
}
