//! The part of a recording that a command concerns.

use hakmem_proto::v1::Identity;
use hakmem_recording::{Recording, Window};
use jiff::tz::TimeZone;

use super::CommandError;
use crate::cli::PartOptions;
use crate::time_window::{Moment, TimeWindow};

/// The window that `--from` and `--to` name in a recording.
///
/// # Errors
///
/// [`CommandError::Time`] if it is no time, or nothing was recorded then.
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

/// Says on standard error what is wrong with a recording; nothing if nothing is.
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
