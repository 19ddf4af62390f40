//! `cut`: copies a part of a recording into another recording.
//!
//! Losses within the part are preserved: missing samples become skipped updates.

use std::collections::HashMap;
use std::path::Path;

use hakmem_proto::delta::{self, Detail};
use hakmem_proto::v1 as proto;
use hakmem_proto::v1::recording_entry::Entry;
use hakmem_recording::replay::{Audience, Sample};
use hakmem_recording::{Recording, RecordingWriter, WriteError};
use prost_types::Timestamp;

use super::cli::CutOptions;
use super::part::{selects, warn_of_damage, window};
use super::{CommandError, begin_file, file_error};
use crate::words::quantity;

/// Copies the part and prints a summary of it.
pub(super) fn cut(options: &CutOptions) -> Result<u8, CommandError> {
    let recording = Recording::open(&options.file)?;
    let window = window(&options.part, &recording)?;
    if is_same_file(&options.file, &options.output) {
        let remedy = "a recording cannot be cut into itself; give another name with -o";
        return Err(CommandError::Usage(remedy.into()));
    }
    warn_of_damage(&options.file, &recording);
    let mut start = recording.start().clone();
    if let Some(from) = window.from {
        // Activity before the window is not in the part, even if its process started later than the
        // recording.
        let (seconds, fraction) = (from.floor(), from.fract().abs());
        start.started_at =
            Some(Timestamp { seconds: seconds as i64, nanos: (fraction * 1e9) as i32 });
    }
    let replacement = begin_file(&options.output, options.force)?;
    let failed = |error| file_error(&options.output, error);
    let file = replacement.file().try_clone().map_err(failed)?;
    let mut cutting = Cutting::new(RecordingWriter::in_file(&options.output, file, start)?);
    recording.replay(window, |identity| selects(&options.part, identity), &mut cutting);
    let processes = cutting.written.len();
    if processes == 0 {
        say!("hakmem-top: no process of the recording is selected; `info` lists them");
    }
    let bytes = cutting.finish(recording.end())?;
    replacement.commit().map_err(failed)?;
    let bytes = quantity::bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
    let plural = if processes == 1 { "process" } else { "processes" };
    say!("hakmem-top: {processes} {plural} in {}, {bytes}", options.output.display());
    Ok(0)
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

/// A part that is being written.
struct Cutting {
    writer: RecordingWriter,
    /// The last state of each process that was written.
    written: HashMap<String, proto::Process>,
    /// Processes that changed in the current update.
    changed: Vec<proto::Process>,
    events: Vec<proto::Event>,
    updates: u64,
    skipped_updates: u64,
    /// Samples missing in the current update, of the process that misses most.
    lost_samples: u64,
    last: Option<Timestamp>,
    failure: Option<WriteError>,
}

impl Cutting {
    fn new(writer: RecordingWriter) -> Self {
        Self {
            writer,
            written: HashMap::new(),
            changed: Vec::new(),
            events: Vec::new(),
            updates: 0,
            skipped_updates: 0,
            lost_samples: 0,
            last: None,
            failure: None,
        }
    }

    fn push(&mut self, entry: Entry) {
        if self.failure.is_none() {
            let pushed = self.writer.push(proto::RecordingEntry { entry: Some(entry) });
            self.failure = pushed.err();
        }
    }

    fn push_update(&mut self, at: Timestamp) {
        self.updates += 1;
        self.skipped_updates += std::mem::take(&mut self.lost_samples);
        let update = proto::WatchProcessesResponse {
            sampled_at: Some(at),
            update: self.updates + self.skipped_updates,
            changed: std::mem::take(&mut self.changed),
            complete: true,
            skipped_updates: self.skipped_updates,
            ..Default::default()
        };
        self.push(Entry::Update(update));
        self.last = Some(at);
        if !self.events.is_empty() {
            let events = std::mem::take(&mut self.events);
            let message = proto::WatchEventsResponse { events, ..Default::default() };
            self.push(Entry::Events(message));
        }
    }

    fn finish(mut self, end: Option<&proto::RecordingEnd>) -> Result<u64, WriteError> {
        if let Some(last) =
            self.last.filter(|_| !self.changed.is_empty() || !self.events.is_empty())
        {
            self.push_update(last);
        }
        match self.failure {
            Some(failure) => Err(failure),
            None => self.writer.finish(proto::RecordingEnd {
                ended_at: self.last,
                skipped_updates: self.skipped_updates,
                dropped_events: end.map_or(0, |it| it.dropped_events),
            }),
        }
    }
}

impl Audience for Cutting {
    fn sample(&mut self, sample: Sample<'_>) {
        let process = proto::Process { sampled_at: Some(sample.at), ..sample.process.clone() };
        let part = match self.written.get(&process.key) {
            // A process that did not change is left out; readers infer its samples from the
            // updates.
            Some(before) => delta::changed(before, &process, Detail::ALL),
            None => Some(delta::whole(&process, Detail::ALL)),
        };
        self.changed.extend(part);
        self.written.insert(process.key.clone(), process);
    }

    fn lost_samples(&mut self, _key: &str, count: u64) {
        self.lost_samples = self.lost_samples.max(count);
    }

    fn event(&mut self, event: &proto::Event) {
        self.events.push(event.clone());
        if self.events.len() >= 4096 {
            let events = std::mem::take(&mut self.events);
            let message = proto::WatchEventsResponse { events, ..Default::default() };
            self.push(Entry::Events(message));
        }
    }

    fn update(&mut self, at: &Timestamp) {
        self.push_update(*at);
    }
}
