//! `show`: tells the story of one process from its segment.

use std::path::Path;

use hakmem_agent::inspection::{self, Inspection};

use super::cli::{GlobalOptions, ShowOptions};
use super::{CommandError, print, print_json};
use crate::tell::story::Story;

/// Prints the story.
pub(super) fn show(options: &ShowOptions, global: &GlobalOptions) -> Result<u8, CommandError> {
    if global.connect.is_some() {
        let remedy = "--connect cannot be combined with show, which reads the segment itself";
        return Err(CommandError::Usage(remedy.into()));
    }
    let Inspection { path, process, events, found_dead_at } =
        inspect(options.subject.as_deref(), &global.segment_directory())?;
    let story = Story { path: path.display().to_string(), process, events, found_dead_at };
    if options.json {
        print_json(&story.document())?;
    } else {
        print(&story.text())?;
    }
    Ok(0)
}

/// Reads the segment of a process if `subject` is a number, and the file `subject` otherwise.
fn inspect(subject: Option<&Path>, directory: &Path) -> Result<Inspection, CommandError> {
    let Some(subject) = subject else { return Ok(inspection::inspect_last_ended(directory)?) };
    let pid = subject.to_str().and_then(|text| text.parse().ok());
    Ok(match pid {
        Some(pid) => inspection::inspect_pid(directory, pid)?,
        None => inspection::inspect_file(subject)?,
    })
}
