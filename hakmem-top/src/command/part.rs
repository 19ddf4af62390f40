//! The part of a recording on which a command works.

use hakmem_proto::v1::Identity;
use hakmem_recording::{Recording, Window};
use jiff::tz::TimeZone;

use super::CommandError;
use super::cli::PartOptions;
use crate::words::time_window::{Moment, TimeWindow};

/// The window of `recording` that `--from` and `--to` name.
///
/// # Errors
///
/// [`CommandError::Time`] if a time is malformed, or nothing was recorded in the window.
pub(super) fn window(part: &PartOptions, recording: &Recording) -> Result<Window, CommandError> {
    let moment = |text: &Option<String>| -> Result<Option<Moment>, CommandError> {
        Ok(text.as_deref().map(str::parse).transpose()?)
    };
    let window = TimeWindow::Between(moment(&part.from)?, moment(&part.to)?);
    let summary = recording.summary();
    let (Some(start), Some(end)) = (summary.from, summary.to) else { return Ok(Window::ALL) };
    Ok(window.resolve(start, end, &TimeZone::system())?)
}

/// Whether `--pid` and `--name` select a process.
pub(super) fn selects(part: &PartOptions, identity: &Identity) -> bool {
    let is_named = part.name.as_deref().is_none_or(|name| {
        let command = identity.arguments.join(" ");
        [&identity.executable, &identity.command_name, &command].iter().any(|it| it.contains(name))
    });
    is_named && (part.pid.is_empty() || part.pid.contains(&identity.pid))
}

/// Warns on standard error of damage in the recording, if there is any.
pub(super) fn warn_of_damage(path: &std::path::Path, recording: &Recording) {
    let damage = recording.damage();
    let Some(first) = damage.first() else { return };
    let bytes: u64 = damage.iter().map(|it| it.length).sum();
    say!(
        "hakmem-top: {}: {bytes} bytes in {} places cannot be read, the first at byte {} ({}); \
         the rest is used",
        path.display(),
        damage.len(),
        first.offset,
        first.kind.text(),
    );
}
