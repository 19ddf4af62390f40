//! What a side of a comparison is, as people type it.
//!
//! - `FILE`, `FILE@WINDOW`: a recording, or a part of it;
//! - `PID`, `pid:N`: a process, sampled from now on for some seconds;
//! - `pid:N@WINDOW`, `N@WINDOW`: what the agent's history has of it;
//! - `agent`, `agent@WINDOW`: the agent's history of what `--pid` or `--name` choose.
//!
//! What exists as a file is a file, whatever else its name looks like. [`crate::time_window`] says
//! what a window is.

use std::path::{Path, PathBuf};

use crate::time_window::{TimeError, TimeWindow};

/// One side.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Where the data is.
    pub source: Source,
    /// The part of it; `None` means all of it or, of a process, what happens from now on.
    pub window: Option<TimeWindow>,
}

/// Where the data of a side is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A recording.
    Recording(PathBuf),
    /// A process.
    Process(u32),
    /// Whatever the agent has a history of.
    Agent,
}

/// Why a text is no side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// What follows the `@` is no window.
    #[error("`{text}`: {error}")]
    Window {
        /// The side.
        text: String,
        /// What is wrong with it.
        error: TimeError,
    },
    /// What follows `pid:` is no process.
    #[error("`{0}` names no process; give a process id, for example pid:4242")]
    Pid(String),
    /// Nothing is in front of the `@`.
    #[error("`{0}` names no side; give FILE, FILE@FROM..TO, PID, pid:N@last 5m or agent@last 5m")]
    Nothing(String),
}

impl Subject {
    /// Reads a side; `is_file` says which names are files that exist.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] quotes the side and says what to give instead.
    pub fn parse(text: &str, is_file: impl Fn(&Path) -> bool) -> Result<Self, SubjectError> {
        if is_file(Path::new(text)) {
            return Ok(Self { source: Source::Recording(text.into()), window: None });
        }
        let (name, window) = match text.rsplit_once('@') {
            Some((name, window)) => (name, Some(parse_window(text, window)?)),
            None => (text, None),
        };
        let source = if is_file(Path::new(name)) {
            Source::Recording(name.into())
        } else if name == "agent" {
            Source::Agent
        } else if let Some(pid) = name.strip_prefix("pid:") {
            let wrong = || SubjectError::Pid(text.to_owned());
            Source::Process(pid.trim().parse().map_err(|_| wrong())?)
        } else if let Ok(pid) = name.parse() {
            Source::Process(pid)
        } else if name.is_empty() {
            return Err(SubjectError::Nothing(text.to_owned()));
        } else {
            // That it does not exist is said by whoever opens it.
            Source::Recording(name.into())
        };
        Ok(Self { source, window })
    }

    /// Whether its samples are taken from now on.
    pub fn is_live(&self) -> bool {
        matches!(self.source, Source::Process(_)) && self.window.is_none()
    }
}

fn parse_window(text: &str, window: &str) -> Result<TimeWindow, SubjectError> {
    window.parse().map_err(|error| SubjectError::Window { text: text.to_owned(), error })
}

#[cfg(test)]
mod tests;
