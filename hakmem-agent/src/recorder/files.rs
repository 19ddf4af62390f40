//! The recorder's files: `agent-20261126T100000Z.hakrec`, so that names sort by age.
//!
//! Only files of such names are ever removed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hakmem_proto::v1::RecordingStart;
use hakmem_recording::{FILE_SUFFIX, RecordingWriter, WriteError};

use crate::time::utc_text;

const PREFIX: &str = "agent-";
/// Files of one second at most; more mean that something else is wrong.
const SAME_SECOND_MAX: u32 = 100;

/// The directory.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Begins a new file, and makes the directory if there is none.
    pub(super) fn create(
        &self,
        now: SystemTime,
        start: RecordingStart,
    ) -> Result<RecordingWriter, WriteError> {
        // If it cannot be made, neither can the file, and that error names it.
        let _ = std::fs::create_dir_all(&self.directory);
        let moment = utc_text(now);
        let mut number = 0;
        loop {
            let more = if number == 0 { String::new() } else { format!("-{number:02}") };
            let path = self.directory.join(format!("{PREFIX}{moment}{more}{FILE_SUFFIX}"));
            match RecordingWriter::create(&path, start.clone()) {
                Err(WriteError::Exists(_)) if number < SAME_SECOND_MAX => number += 1,
                created => return created,
            }
        }
    }

    /// Removes the oldest files, but not `current`, until all take `bytes_max` at most. Returns
    /// those that cannot be removed.
    pub(super) fn remove_beyond(
        &self,
        bytes_max: u64,
        current: &Path,
    ) -> Vec<(PathBuf, io::Error)> {
        let mut files = self.list();
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        let mut failed = Vec::new();
        for (path, length) in files.into_iter().filter(|(path, _)| path != current) {
            if bytes <= bytes_max {
                break;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => bytes -= length,
                Err(error) if error.kind() == io::ErrorKind::NotFound => bytes -= length,
                Err(error) => failed.push((path, error)),
            }
        }
        failed
    }

    /// Our files and their lengths.
    fn list(&self) -> Vec<(PathBuf, u64)> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let ours = entries.filter(|entry| {
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            name.starts_with(PREFIX) && name.ends_with(FILE_SUFFIX)
        });
        let with_length = |entry: std::fs::DirEntry| {
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.path(), metadata.len()))
        };
        ours.filter_map(with_length).collect()
    }
}
