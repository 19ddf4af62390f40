//! Writes baselines: recordings of several runs of a program, one after the other.

use std::io;
use std::path::{Path, PathBuf};

use hakmem_diagnosis::Series;
use hakmem_proto::v1 as proto;
use hakmem_proto::v1::recording_entry::Entry;
use hakmem_recording::machine::this_machine_for_children;
use hakmem_recording::{RecordingWriter, WriteError};

use crate::model::seconds;
use crate::output::replacement::{Readers, Replacement};
use crate::source::runs;

/// Why a baseline was not written.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file cannot be made.
    #[error("cannot write {}: {error}", path.display())]
    Replace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The recording cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The recording of a baseline, written once the program has run.
#[derive(Debug)]
pub struct BaselineFile {
    path: PathBuf,
    replacement: Replacement,
}

impl BaselineFile {
    /// Makes sure that the file can be written, without touching the existing one.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Replace`].
    pub fn begin(path: &Path) -> Result<Self, BaselineError> {
        let path = path.to_owned();
        match Replacement::begin(&path, Readers::Owner) {
            Ok(replacement) => Ok(Self { path, replacement }),
            Err(error) => Err(BaselineError::Replace { path, error }),
        }
    }

    /// Writes `runs`, each of which may consist of several processes. Returns the length of the
    /// file in bytes.
    ///
    /// # Errors
    ///
    /// [`BaselineError`]; an existing file stays as it was.
    pub fn write(
        self,
        runs: Vec<Vec<Series>>,
        interval_ms: u32,
        command: String,
    ) -> Result<u64, BaselineError> {
        let start = proto::RecordingStart {
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: first_moment(&runs),
            interval_ms,
            machine: Some(this_machine_for_children()),
            command,
        };
        let path = self.path;
        let failed = |error| BaselineError::Replace { path: path.clone(), error };
        let file = self.replacement.file().try_clone().map_err(failed)?;
        let mut writer = RecordingWriter::in_file(&path, file, start)?;
        let mut ended_at = None;
        let mut updates = 0;
        for (index, series) in runs.into_iter().enumerate() {
            let run = u32::try_from(index + 1).unwrap_or(u32::MAX);
            for update in updates_of(series, run, &mut updates) {
                ended_at = update.sampled_at.or(ended_at);
                writer.push(proto::RecordingEntry { entry: Some(Entry::Update(update)) })?;
            }
        }
        let end = proto::RecordingEnd { ended_at, ..Default::default() };
        let bytes = writer.finish(end)?;
        self.replacement.commit().map_err(failed)?;
        Ok(bytes)
    }
}

fn first_moment(runs: &[Vec<Series>]) -> Option<prost_types::Timestamp> {
    let samples = runs.iter().flatten().flat_map(|it| &it.samples);
    let moments = samples.filter_map(|it| it.sampled_at);
    moments.min_by(|a, b| seconds(a).total_cmp(&seconds(b)))
}

/// Turns a run into the updates of a stream, in order of time. The last update removes the run's
/// processes.
fn updates_of(
    series: Vec<Series>,
    run: u32,
    number: &mut u64,
) -> Vec<proto::WatchProcessesResponse> {
    let mut changes: Vec<proto::Process> = Vec::new();
    for mut it in series {
        runs::mark(&mut it, run);
        let identity = it.identity;
        let whole = it
            .samples
            .into_iter()
            .map(|sample| proto::Process { identity: Some(identity.clone()), ..sample });
        changes.extend(whole);
    }
    let at = |it: &proto::Process| it.sampled_at.as_ref().map_or(0.0, seconds);
    changes.sort_by(|a, b| at(a).total_cmp(&at(b)));
    let mut keys: Vec<String> = changes.iter().map(|it| it.key.clone()).collect();
    keys.sort();
    keys.dedup();
    let mut updates: Vec<proto::WatchProcessesResponse> = changes
        .into_iter()
        .map(|process| {
            *number += 1;
            proto::WatchProcessesResponse {
                sampled_at: process.sampled_at,
                update: *number,
                changed: vec![process],
                complete: true,
                ..Default::default()
            }
        })
        .collect();
    if let Some(last) = updates.last_mut() {
        last.removed = keys;
    }
    updates
}
