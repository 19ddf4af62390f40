//! Reads the sides of a comparison from their sources.

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

use crate::source::endpoint::ConnectError;
use crate::source::runs;
use crate::source::side_spec::{SideSource, SideSpec, SideSpecError};
use crate::source::snapshot::SnapshotError;
use crate::tell::comparison::Units;
use crate::tell::report::command_line;
use crate::words::paragraph::one_line;
use crate::words::time_window::TimeError;

pub use finding::{FindingName, FindingNameError, read as read_finding};
pub use live::Sampled;
pub use programs::same_program;
pub use recording::read_file;

/// Which processes of a source belong to a side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only the process with this pid.
    pub pid: Option<u32>,
    /// Only processes with this text in their executable or command line.
    pub name: Option<String>,
}

/// Why a side cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// The text does not name a side.
    #[error(transparent)]
    Spec(#[from] SideSpecError),
    /// The text after `finding:` does not name a finding.
    #[error(transparent)]
    FindingName(#[from] FindingNameError),
    /// The agent does not know the finding, or no longer has its samples.
    #[error("{0}")]
    NoFinding(String),
    /// The recording cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The window is malformed, or lies outside the source.
    #[error("{name}: {error}")]
    Window {
        /// The side.
        name: String,
        /// What is wrong.
        error: TimeError,
    },
    /// The selection leaves no process.
    #[error("{name}: no process is selected; {known}")]
    Empty {
        /// The side.
        name: String,
        /// The processes of the source.
        known: String,
    },
    /// The window lies between two samples.
    #[error("{name}: no sample lies in that window; make it longer")]
    NoSample {
        /// The side.
        name: String,
    },
    /// The source contains several programs, and none was selected.
    #[error("{name}: choose a program with --name or --pid; {known}")]
    Ambiguous {
        /// The side.
        name: String,
        /// The processes of the source.
        known: String,
    },
    /// The sides are of different programs.
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
    /// No agent runs that could have kept a history.
    #[error(
        "{name}: no agent runs that could have kept a history; start hakmem-agent, or give a PID \
         without a window to sample it now"
    )]
    NoAgent {
        /// The side.
        name: String,
    },
    /// The agent has kept nothing of the process, or of the window.
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

    /// Whether the selection contains every process.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// A side that has been read.
#[derive(Clone, Debug, Default)]
pub struct ReadSide {
    /// The side.
    pub side: Side,
    /// The units of its series.
    pub units: Units,
    /// Its losses, in sentences for the user.
    pub caveats: Vec<String>,
}

impl ReadSide {
    /// A side whose series are compared as they are.
    fn whole(name: &str, series: Vec<Series>) -> Self {
        let side = Side { name: name.to_owned(), series };
        Self { side, units: Units::Processes, caveats: Vec::new() }
    }

    /// A side of processes; those of one run are joined.
    pub fn join(name: &str, series: Vec<Series>) -> Self {
        let units = if runs::are_runs(&series) { Units::Runs } else { Units::Processes };
        let side = Side { name: name.to_owned(), series: runs::join(series) };
        Self { side, units, caveats: Vec::new() }
    }
}

/// A side as the user named it, before it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSide {
    /// The user's text.
    pub name: String,
    /// Its meaning.
    pub spec: SideSpec,
}

impl NamedSide {
    /// Parses a side.
    ///
    /// # Errors
    ///
    /// [`SideSpecError`] if `name` does not name a side.
    pub fn parse(name: &str) -> Result<Self, SideSpecError> {
        let spec = SideSpec::parse(name, Path::is_file)?;
        Ok(Self { name: name.to_owned(), spec })
    }

    /// Whether reading the side requires an agent.
    pub fn needs_agent(&self) -> bool {
        !matches!(self.spec.source, SideSource::Recording(_))
    }
}

/// Reads a side that lies in the past.
///
/// # Errors
///
/// [`SideError`] names the side and what to do.
pub async fn read(
    named: &NamedSide,
    selection: &Selection,
    endpoint: Option<&crate::source::endpoint::Endpoint>,
) -> Result<ReadSide, SideError> {
    let zone = TimeZone::system();
    let NamedSide { name, spec } = named;
    match (&spec.source, endpoint) {
        (SideSource::Recording(path), _) => {
            recording::read(path, spec.window.as_ref(), selection, name, &zone)
        }
        (SideSource::Process(pid), Some(endpoint)) => {
            let selection = Selection { pid: Some(*pid), name: None };
            history::read(endpoint, spec.window.as_ref(), &selection, name, &zone).await
        }
        (SideSource::Agent, Some(endpoint)) => {
            history::read(endpoint, spec.window.as_ref(), selection, name, &zone).await
        }
        (SideSource::Process(pid), None) => Err(SideError::NoProcess(*pid)),
        (SideSource::Agent, None) => Err(SideError::NoAgent { name: name.clone() }),
    }
}

/// Whether `roots` belong to different programs: a mixture cannot be a side of a comparison.
fn are_several_programs<'a>(mut roots: impl Iterator<Item = &'a Identity>) -> bool {
    let first = roots.next();
    roots.any(|it| first.is_some_and(|first| first.executable != it.executable))
}

/// The processes to choose from, for a message: the first few, and the number of the others.
fn known<'a>(identities: impl Iterator<Item = &'a Identity>) -> String {
    const NAMED_MAX: usize = 4;
    const COMMAND_MAX: usize = 40;
    let all: Vec<String> = identities
        .map(|it| format!("{} {}", it.pid, one_line(&command_line(it), COMMAND_MAX)))
        .collect();
    match all.as_slice() {
        [] => "it contains no process".into(),
        named if named.len() <= NAMED_MAX => format!("it contains: {}", named.join(", ")),
        named => {
            let more = named.len() - NAMED_MAX;
            format!("it contains: {} and {more} more", named[..NAMED_MAX].join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
