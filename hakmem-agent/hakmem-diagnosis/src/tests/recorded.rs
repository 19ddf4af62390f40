//! Samples on their way through a recording: written as an agent sends them, and replayed.

use hakmem_proto::delta::{Detail, changed, whole};
use hakmem_proto::v1::{
    Process, RecordingEnd, RecordingEntry, RecordingStart, WatchProcessesResponse,
    recording_entry::Entry,
};
use hakmem_recording::window::seconds;
use hakmem_recording::{Recording, RecordingWriter, Window};
use prost_types::Timestamp;

use crate::side::{Series, Side};

/// Delay between taking a sample and sending its update.
const SENT_AFTER_NANOS: i32 = 2_000_000;

/// A recording of one process, open for reading.
pub(super) struct Recorded {
    recording: Recording,
    _directory: tempfile::TempDir,
}

impl Recorded {
    /// Writes the samples of a process to a file and opens it.
    pub(super) fn of(series: &Series, interval_seconds: f64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.hakrec");
        let start = RecordingStart {
            started_at: series.samples.first().and_then(|it| it.sampled_at),
            interval_ms: (interval_seconds * 1e3) as u32,
            ..RecordingStart::default()
        };
        let mut writer = RecordingWriter::create(&path, start).unwrap();
        let mut sent: Option<Process> = None;
        for sample in &series.samples {
            let sample = Process {
                key: "7-1-00".to_owned(),
                state: "running".to_owned(),
                identity: Some(series.identity.clone()),
                ..sample.clone()
            };
            let news = match &sent {
                None => Some(whole(&sample, Detail::ALL)),
                Some(sent) => changed(sent, &sample, Detail::ALL),
            };
            let update = WatchProcessesResponse {
                sampled_at: sample.sampled_at.map(sent_at),
                changed: news.into_iter().collect(),
                complete: true,
                ..WatchProcessesResponse::default()
            };
            writer.push(RecordingEntry { entry: Some(Entry::Update(update)) }).unwrap();
            sent = Some(sample);
        }
        writer.finish(RecordingEnd::default()).unwrap();
        Self { recording: Recording::open(&path).unwrap(), _directory: directory }
    }

    /// The samples of a window, in seconds after the first one.
    pub(super) fn side(&self, from: f64, to: f64) -> Side {
        let began = seconds(&self.recording.start().started_at.unwrap());
        let window = Window { from: Some(began + from), to: Some(began + to) };
        let of = |it: hakmem_recording::RecordedSeries| Series {
            identity: it.identity,
            samples: it.samples,
            lost_events: it.lost_events,
            lost_samples: it.lost_samples,
            ..Series::default()
        };
        let series = self.recording.series(window, |_| true).into_iter().map(of);
        Side { name: "recorded".to_owned(), series: series.collect() }
    }
}

fn sent_at(sampled: Timestamp) -> Timestamp {
    let nanos = sampled.nanos + SENT_AFTER_NANOS;
    Timestamp {
        seconds: sampled.seconds + i64::from(nanos / 1_000_000_000),
        nanos: nanos % 1_000_000_000,
    }
}
