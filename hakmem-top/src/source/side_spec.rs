//! The sides of a comparison, as the user types them.
//!
//! - `FILE`, `FILE@WINDOW`: a recording, or a part of it;
//! - `PID`, `pid:N`: a process, sampled from now on for some seconds;
//! - `pid:N@WINDOW`, `N@WINDOW`: the agent's history of a process;
//! - `agent`, `agent@WINDOW`: the agent's history of the processes that `--pid` or `--name` select.
//!
//! The name of an existing file is a file, whatever else it looks like.
//! [`crate::words::time_window`] defines windows.

use std::path::{Path, PathBuf};

use crate::words::time_window::{TimeError, TimeWindow};

/// One side.
#[derive(Clone, Debug, PartialEq)]
pub struct SideSpec {
    /// The source of the data.
    pub source: SideSource,
    /// The part of the source; `None` means all of it or, for a process, from now on.
    pub window: Option<TimeWindow>,
}

/// The source of a side's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SideSource {
    /// A recording.
    Recording(PathBuf),
    /// A process.
    Process(u32),
    /// The processes in the agent's history.
    Agent,
}

/// Why a text does not name a side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SideSpecError {
    /// The text after `@` is not a window.
    #[error("`{text}`: {error}")]
    Window {
        /// The side.
        text: String,
        /// The problem.
        error: TimeError,
    },
    /// The text after `pid:` is not a process id.
    #[error("`{0}` does not name a process; give a process id, for example pid:4242")]
    Pid(String),
    /// The text before `@` is empty.
    #[error(
        "`{0}` does not name a side; give FILE, FILE@FROM..TO, PID, pid:N@last 5m or agent@last 5m"
    )]
    Nothing(String),
}

impl SideSpec {
    /// Parses a side; `is_file` tells whether a file exists.
    ///
    /// # Errors
    ///
    /// [`SideSpecError`] quotes the side and says what to give instead.
    pub fn parse(text: &str, is_file: impl Fn(&Path) -> bool) -> Result<Self, SideSpecError> {
        if is_file(Path::new(text)) {
            return Ok(Self { source: SideSource::Recording(text.into()), window: None });
        }
        let (name, window) = match text.rsplit_once('@') {
            Some((name, window)) => (name, Some(parse_window(text, window)?)),
            None => (text, None),
        };
        let source = if is_file(Path::new(name)) {
            SideSource::Recording(name.into())
        } else if name == "agent" {
            SideSource::Agent
        } else if let Some(pid) = name.strip_prefix("pid:") {
            let wrong = || SideSpecError::Pid(text.to_owned());
            SideSource::Process(pid.trim().parse().map_err(|_| wrong())?)
        } else if let Ok(pid) = name.parse() {
            SideSource::Process(pid)
        } else if name.is_empty() {
            return Err(SideSpecError::Nothing(text.to_owned()));
        } else {
            // If the file does not exist, opening it reports that.
            SideSource::Recording(name.into())
        };
        Ok(Self { source, window })
    }

    /// Whether the side is sampled from now on.
    pub fn is_live(&self) -> bool {
        matches!(self.source, SideSource::Process(_)) && self.window.is_none()
    }
}

fn parse_window(text: &str, window: &str) -> Result<TimeWindow, SideSpecError> {
    window.parse().map_err(|error| SideSpecError::Window { text: text.to_owned(), error })
}

#[cfg(test)]
mod tests;
