//! Reads recordings, or parts of them, as sides.

use std::path::Path;

use hakmem_diagnosis::Series;
use hakmem_recording::{Damage, RecordedSeries, Recording, Window};
use jiff::tz::TimeZone;

use super::{ReadSide, Selection, SideError, are_several_programs, known};
use crate::model::seconds;
use crate::source::sampling;
use crate::words::quantity;
use crate::words::time_window::TimeWindow;

/// Reads a whole recording.
///
/// # Errors
///
/// [`SideError`] if it cannot be opened, or contains no process.
pub fn read_file(path: &Path) -> Result<ReadSide, SideError> {
    let name = path.display().to_string();
    read(path, None, &Selection::default(), &name, &TimeZone::UTC)
}

pub(super) fn read(
    path: &Path,
    window: Option<&TimeWindow>,
    selection: &Selection,
    name: &str,
    zone: &TimeZone,
) -> Result<ReadSide, SideError> {
    let recording = Recording::open(path)?;
    let summary = recording.summary();
    let identities = || summary.processes.iter().map(|it| &it.identity);
    let damage = damage(recording.damage(), name);
    let empty = || {
        let mut known = known(identities());
        if let Some(damage) = &damage {
            known = format!("{known}; {damage}");
        }
        SideError::Empty { name: name.into(), known }
    };
    let (Some(from), Some(to)) = (summary.from, summary.to) else {
        return Err(empty());
    };
    let window = match window {
        None => Window::ALL,
        Some(window) => window
            .resolve(from, to, zone)
            .map_err(|error| SideError::Window { name: name.into(), error })?,
    };
    let recorded = recording.series(window, |identity| selection.passes(identity));
    if recorded.is_empty() {
        return Err(match identities().any(|it| selection.passes(it)) {
            true => SideError::NoSample { name: name.into() },
            false => empty(),
        });
    }
    let began = recording.start().started_at.as_ref().map(seconds);
    let series = recorded.into_iter().map(|it| {
        let RecordedSeries { identity, samples, lost_events, lost_samples } = it;
        let machine = recording.start().machine.clone();
        let mut series = Series { identity, machine, samples, lost_events, lost_samples };
        let started = series.identity.started_at.as_ref().map(seconds);
        // The recording covers the start, even if the first sample came a moment later.
        if started.is_some_and(|it| window.contains(it)) && began <= started {
            sampling::complete_start(&mut series);
        }
        series
    });
    let read = ReadSide::join(name, series.collect());
    let programs = read.side.series.iter().map(|it| &it.identity);
    if selection.is_all() && are_several_programs(programs) {
        return Err(SideError::Ambiguous { name: name.into(), known: known(identities()) });
    }
    Ok(ReadSide { caveats: damage.into_iter().collect(), ..read })
}

/// The damage, in one sentence.
fn damage(damage: &[Damage], name: &str) -> Option<String> {
    let first = damage.first()?;
    let bytes = damage.iter().map(|it| it.length).fold(0, u64::saturating_add);
    let bytes = quantity::bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
    let parts = match damage.len() {
        1 => "a part".to_owned(),
        parts => format!("{parts} parts"),
    };
    let what = first.kind.text();
    Some(format!("{name}: {parts} of it, {bytes}, could not be read and was skipped ({what})"))
}
