//! The current file of one owner.

use std::path::Path;
use std::time::{Instant, SystemTime};

use hakmem_proto::delta::Detail;
use hakmem_proto::v1::{
    RecordingEnd, RecordingEntry, RecordingStart, WatchEventsResponse, recording_entry::Entry,
};
use hakmem_recording::machine::this_machine;
use hakmem_recording::{RecordingWriter, WriteError};

use super::Sources;
use super::files::Files;
use crate::access::Viewer;
use crate::config::RecordingConfig;
use crate::events::{EventStream, Subscription};
use crate::state::cursor::Cursor;
use crate::state::filter::Selection;
use crate::status::VERSION;
use crate::time::timestamp;

/// A file, with the streams of updates and events that are written to it.
pub(super) struct OpenFile {
    writer: RecordingWriter,
    cursor: Cursor,
    events: EventStream,
    losses: (u64, u64),
    begun: Instant,
    /// Number of its bytes that are already counted.
    counted: u64,
}

impl OpenFile {
    /// Begins a file for the processes of `owner`, with every process whole.
    pub(super) fn begin(
        owner: u32,
        files: &Files,
        config: &RecordingConfig,
        sources: &Sources,
    ) -> Result<Self, WriteError> {
        let now = SystemTime::now();
        let start = RecordingStart {
            version: VERSION.to_owned(),
            started_at: Some(timestamp(now)),
            interval_ms: u32::try_from(config.interval.as_millis()).unwrap_or(u32::MAX),
            machine: Some(this_machine()),
            command: String::new(),
        };
        let writer = files.create(now, owner, start)?;
        let everything = || Selection::everything(Viewer::User(owner));
        let cursor = Cursor::new(everything(), Detail::ALL);
        let (subscription, events) = Subscription::new(everything(), Vec::new(), false);
        sources.sampler.subscribe(subscription);
        let begun = Instant::now();
        Ok(Self { writer, cursor, events, losses: (0, 0), begun, counted: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        self.writer.path()
    }

    /// Whether the next file must be begun.
    pub(super) fn is_over(&self, bytes_max: u64, config: &RecordingConfig) -> bool {
        self.writer.bytes() >= bytes_max || self.begun.elapsed() >= config.file_span
    }

    /// Writes the changes and the events since the last time.
    pub(super) fn write_news(&mut self, sources: &Sources) -> Result<(), WriteError> {
        self.push_news(sources)?;
        self.writer.flush()?;
        let bytes = self.writer.bytes();
        sources.counts.count_bytes(bytes - self.counted);
        self.counted = bytes;
        Ok(())
    }

    /// Writes the last changes and events, and the end.
    pub(super) fn close(mut self, sources: &Sources) -> Result<(), WriteError> {
        self.push_news(sources)?;
        let end = RecordingEnd {
            ended_at: Some(timestamp(SystemTime::now())),
            skipped_updates: 0,
            dropped_events: self.losses.1,
        };
        let bytes = self.writer.finish(end)?;
        sources.counts.count_bytes(bytes - self.counted);
        Ok(())
    }

    /// Adds the changes and the events since the last time.
    fn push_news(&mut self, sources: &Sources) -> Result<(), WriteError> {
        let view = sources.current();
        for update in self.cursor.next_update(&view, sources.status.report(&view)) {
            self.push(Entry::Update(update))?;
        }
        loop {
            let events = self.events.take_waiting();
            let losses = self.events.losses();
            if events.is_empty() && losses == self.losses {
                return Ok(());
            }
            self.losses = losses;
            let (lost_events, dropped_events) = losses;
            let message = WatchEventsResponse { events, lost_events, dropped_events };
            self.push(Entry::Events(message))?;
        }
    }

    fn push(&mut self, entry: Entry) -> Result<(), WriteError> {
        self.writer.push(RecordingEntry { entry: Some(entry) })
    }
}
