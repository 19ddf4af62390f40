//! Synthetic entries for tests.

use hakmem_proto::delta::{Detail, changed, whole};
pub(crate) use hakmem_proto::fixture::{STARTED_AT, history, timestamp};
use hakmem_proto::v1::{
    Process, RecordingEntry, RecordingStart, WatchProcessesResponse, recording_entry::Entry,
};

pub(crate) fn start() -> RecordingStart {
    RecordingStart {
        version: "0.1.0".to_owned(),
        started_at: Some(timestamp(0.0)),
        interval_ms: 1000,
        ..RecordingStart::default()
    }
}

/// An update with the processes `changed`.
pub(crate) fn update(after_start: f64, changed: Vec<Process>) -> RecordingEntry {
    let update = WatchProcessesResponse {
        sampled_at: Some(timestamp(after_start)),
        changed,
        complete: true,
        ..WatchProcessesResponse::default()
    };
    RecordingEntry { entry: Some(Entry::Update(update)) }
}

/// Updates of some processes, a second apart: whole ones first, then the changes.
pub(crate) fn updates(seed: u64, processes: usize, length: usize) -> Vec<RecordingEntry> {
    let key = |number: usize| format!("{number}-1-00");
    let histories: Vec<_> =
        (0..processes).map(|it| history(seed + it as u64, &key(it), length)).collect();
    let moment = |second: usize| {
        let news = histories.iter().filter_map(|states| match second {
            0 => Some(whole(&states[0], Detail::ALL)),
            _ => changed(&states[second - 1], &states[second], Detail::ALL),
        });
        update(second as f64, news.collect())
    };
    (0..length).map(moment).collect()
}
