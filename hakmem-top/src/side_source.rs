//! Reads the sides of a comparison, wherever they are.

mod finding;
mod history;
mod live;
mod programs;
mod recording;

use std::path::Path;

use hakmem_diagnosis::{Series, Side};
use hakmem_proto::v1::Identity;
use hakmem_recording::OpenError;
use jiff::tz::TimeZone;

use crate::comparison::Units;
use crate::endpoint::ConnectError;
use crate::paragraph::one_line;
use crate::report::command_line;
use crate::runs;
use crate::snapshot::SnapshotError;
use crate::subject::{Source, Subject, SubjectError};
use crate::time_window::TimeError;

pub use finding::{FindingName, FindingNameError, read as read_finding};
pub use live::Sampled;
pub use programs::same_program;
pub use recording::read_file;

/// Which processes of a source belong to the side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this one.
    pub pid: Option<u32>,
    /// Only those with this text in their executable or command line.
    pub name: Option<String>,
}

/// Why a side cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// It is none.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// It is no finding.
    #[error(transparent)]
    FindingName(#[from] FindingNameError),
    /// The agent has no such finding, or has lost its samples.
    #[error("{0}")]
    NoFinding(String),
    /// The recording cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The window is none of this source.
    #[error("{name}: {error}")]
    Window {
        /// The side.
        name: String,
        /// What is wrong.
        error: TimeError,
    },
    /// No process is left.
    #[error("{name}: no process passes; {known}")]
    Empty {
        /// The side.
        name: String,
        /// What there is.
        known: String,
    },
    /// The window lies between two samples.
    #[error("{name}: no sample lies in that window; make it longer")]
    NoSample {
        /// The side.
        name: String,
    },
    /// Several programs are there, and none was chosen.
    #[error("{name}: choose a program with --name or --pid; {known}")]
    Ambiguous {
        /// The side.
        name: String,
        /// What there is.
        known: String,
    },
    /// They are not of one program.
    #[error(
        "the sides are of different programs, {before} and {after}; --different-programs compares \
         them all the same"
    )]
    OtherProgram {
        /// The program before.
        before: String,
        /// The program after.
        after: String,
    },
    /// No such process publishes.
    #[error("no running process {0} publishes; see `hakmem-top ls`")]
    NoProcess(u32),
    /// Nobody was there to keep anything.
    #[error(
        "{name}: no agent runs that could have kept a history; start hakmem-agent, or give a PID \
         without a window to sample it now"
    )]
    NoAgent {
        /// The side.
        name: String,
    },
    /// The agent has nothing of that time.
    #[error("{name}: the agent has kept nothing of it; leave the window out to sample it now")]
    NoHistory {
        /// The side.
        name: String,
    },
    /// The agent does not answer.
    #[error(transparent)]
    Agent(#[from] SnapshotError),
}

impl From<ConnectError> for SideError {
    fn from(error: ConnectError) -> Self {
        Self::Agent(error.into())
    }
}

impl Selection {
    /// Whether a process belongs to the side.
    pub fn passes(&self, identity: &Identity) -> bool {
        let is_named = |name: &String| {
            identity.executable.contains(name)
                || identity.command_name.contains(name)
                || identity.arguments.join(" ").contains(name)
        };
        self.pid.is_none_or(|pid| pid == identity.pid) && self.name.as_ref().is_none_or(is_named)
    }

    /// Whether it chooses nothing.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// A side that was read.
#[derive(Clone, Debug, Default)]
pub struct ReadSide {
    /// The side.
    pub side: Side,
    /// What its series are.
    pub units: Units,
    /// What is missing from it, in sentences for people.
    pub caveats: Vec<String>,
}

impl ReadSide {
    /// A side of series that are compared as they are.
    fn whole(name: &str, series: Vec<Series>) -> Self {
        let side = Side { name: name.to_owned(), series };
        Self { side, units: Units::Processes, caveats: Vec::new() }
    }

    /// A side of processes, those of one run joined.
    pub fn join(name: &str, series: Vec<Series>) -> Self {
        let units = if runs::are_runs(&series) { Units::Runs } else { Units::Processes };
        let side = Side { name: name.to_owned(), series: runs::join(series) };
        Self { side, units, caveats: Vec::new() }
    }
}

/// A side as it was typed, on its way to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSubject {
    /// What the person typed.
    pub name: String,
    /// What that means.
    pub subject: Subject,
}

impl NamedSubject {
    /// Reads what a person typed.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] if it is no side.
    pub fn parse(name: &str) -> Result<Self, SubjectError> {
        let subject = Subject::parse(name, Path::is_file)?;
        Ok(Self { name: name.to_owned(), subject })
    }

    /// Whether an agent is needed to read it.
    pub fn needs_agent(&self) -> bool {
        !matches!(self.subject.source, Source::Recording(_))
    }
}

/// Reads a side that lies in the past.
///
/// # Errors
///
/// [`SideError`] names the side and what to do.
pub async fn read(
    named: &NamedSubject,
    selection: &Selection,
    endpoint: Option<&crate::endpoint::Endpoint>,
) -> Result<ReadSide, SideError> {
    let zone = TimeZone::system();
    let NamedSubject { name, subject } = named;
    match (&subject.source, endpoint) {
        (Source::Recording(path), _) => {
            recording::read(path, subject.window.as_ref(), selection, name, &zone)
        }
        (Source::Process(pid), Some(endpoint)) => {
            let selection = Selection { pid: Some(*pid), name: None };
            history::read(endpoint, subject.window.as_ref(), &selection, name, &zone).await
        }
        (Source::Agent, Some(endpoint)) => {
            history::read(endpoint, subject.window.as_ref(), selection, name, &zone).await
        }
        (Source::Process(pid), None) => Err(SideError::NoProcess(*pid)),
        (Source::Agent, None) => Err(SideError::NoAgent { name: name.clone() }),
    }
}

/// Whether runs are not all of one program: a mixture is no side of a comparison.
fn are_several_programs<'a>(mut roots: impl Iterator<Item = &'a Identity>) -> bool {
    let first = roots.next();
    roots.any(|it| first.is_some_and(|first| first.executable != it.executable))
}

/// What there is to choose from, for a person: a few processes and how many more.
fn known<'a>(identities: impl Iterator<Item = &'a Identity>) -> String {
    const NAMED_MAX: usize = 4;
    const COMMAND_MAX: usize = 40;
    let all: Vec<String> = identities
        .map(|it| format!("{} {}", it.pid, one_line(&command_line(it), COMMAND_MAX)))
        .collect();
    match all.as_slice() {
        [] => "there is none at all".into(),
        named if named.len() <= NAMED_MAX => format!("there is: {}", named.join(", ")),
        named => {
            let more = named.len() - NAMED_MAX;
            format!("there is: {} and {more} more", named[..NAMED_MAX].join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
