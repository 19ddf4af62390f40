//! A place for the segments and the files of a test.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::command::{output, segments, top};

/// A directory for segments, and one in which commands run.
pub(crate) struct Place {
    pub(crate) segments: tempfile::TempDir,
    pub(crate) files: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { segments: segments(), files: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn top(&self, arguments: &[&str]) -> Command {
        let mut command = top(self.segments.path());
        command.args(arguments).current_dir(self.files.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        output(&mut self.top(arguments))
    }
}
