//! `info`: says what a recording contains.

use hakmem_recording::Recording;
use jiff::tz::TimeZone;

use super::cli::InfoOptions;
use super::{CommandError, print};
use crate::tell::report;

/// Prints the contents and the losses of the recording.
pub(super) fn info(options: &InfoOptions) -> Result<u8, CommandError> {
    let recording = Recording::open(&options.file)?;
    let name = options.file.display().to_string();
    print(&report::recording(&name, &recording, &TimeZone::system(), options.all))?;
    Ok(0)
}
