//! `info`: what is in a recording.

use hakmem_recording::Recording;
use jiff::tz::TimeZone;

use super::{CommandError, print};
use crate::cli::InfoOptions;
use crate::report;

/// Prints what is in the recording.
pub(super) fn info(options: &InfoOptions) -> Result<u8, CommandError> {
    let recording = Recording::open(&options.file)?;
    let name = options.file.display().to_string();
    print(&report::recording(&name, &recording, &TimeZone::system(), options.all))?;
    Ok(0)
}
