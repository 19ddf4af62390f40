//! Writes a recording.
//!
//! Entries are collected in memory and written as one block, in one piece, every second or whenever
//! a mebibyte is full. However the writer is killed, the file ends with an intact block or with one
//! that is cut off, so at most a second is missing. Nothing is forced to the disk: how much a crash
//! of the whole machine destroys depends on the file system.
//!
//! The writer tracks the processes in the updates it is given, and once a minute writes them as a
//! key frame, with which a reader can begin without any earlier block.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hakmem_proto::chunk::{CHUNK_BYTES, chunks};
use hakmem_proto::merge::Merged;
use hakmem_proto::v1::{
    Process, RecordingEnd, RecordingEntry, RecordingStart, WatchProcessesResponse,
    recording_entry::Entry,
};
use prost_types::Timestamp;

use crate::block::BlockBuilder;
use crate::format::{BlockHeader, FLAG_KEY, file_header};

/// Time between two blocks.
pub const BLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two key frames.
const KEY_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes of entries after which a block is written without waiting.
const BLOCK_BYTES: usize = 1 << 20;

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file of this name exists.
    #[error("{} exists; choose another name, or --force to replace it", .0.display())]
    Exists(PathBuf),
    /// The file cannot be created or written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// An entry exceeds the limit of a message, and was left out.
    #[error("an entry of more than 4 MiB was left out of {}", .0.display())]
    TooLong(PathBuf),
}

/// Writes a recording. Dropping it without [`RecordingWriter::finish`] leaves the file as a killed
/// writer does.
#[derive(Debug)]
pub struct RecordingWriter {
    file: File,
    path: PathBuf,
    start: RecordingStart,
    block: BlockBuilder,
    /// Flags of the block that is being collected.
    flags: u32,
    number: u32,
    bytes: u64,
    merged: Merged,
    /// The current or last update: its number, its time and whether it is complete.
    update: u64,
    sampled_at: Option<Timestamp>,
    skipped_updates: u64,
    is_complete: bool,
    next_key: Instant,
    written_at: Instant,
    /// Whether writing has failed.
    has_failed: bool,
}

impl RecordingWriter {
    /// Creates a file that only its owner may read, because it contains command lines.
    ///
    /// # Errors
    ///
    /// [`WriteError::Exists`] if a file of this name exists.
    pub fn create(path: &Path, start: RecordingStart) -> Result<Self, WriteError> {
        let file = open(path, OpenOptions::new().write(true).create_new(true))?;
        let begun = Self::begin(path, file, start);
        if begun.is_err() {
            // The file is new and empty, so nothing is lost.
            let _ = std::fs::remove_file(path);
        }
        begun
    }

    /// Begins a recording in an open, empty file; errors name it `path`.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`] if it cannot be written.
    pub fn in_file(path: &Path, file: File, start: RecordingStart) -> Result<Self, WriteError> {
        Self::begin(path, file, start)
    }

    fn begin(path: &Path, mut file: File, start: RecordingStart) -> Result<Self, WriteError> {
        let failed = |error| WriteError::Io { path: path.to_owned(), error };
        let block = BlockBuilder::new().map_err(failed)?;
        file.write_all(&file_header()).map_err(failed)?;
        let now = Instant::now();
        let mut writer = Self {
            file,
            path: path.to_owned(),
            start,
            block,
            flags: 0,
            number: 0,
            bytes: file_header().len() as u64,
            merged: Merged::trusting(),
            update: 0,
            sampled_at: None,
            skipped_updates: 0,
            is_complete: true,
            next_key: now + KEY_INTERVAL,
            written_at: now,
            has_failed: false,
        };
        // The first update is whole, so the block is a key frame.
        writer.flags = FLAG_KEY;
        writer.push_start()?;
        writer.flush()?;
        Ok(writer)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds an update or events; ignores starts and ends, which the writer adds itself.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; after [`WriteError::Io`] nothing more is written to this file.
    pub fn push(&mut self, entry: RecordingEntry) -> Result<(), WriteError> {
        match &entry.entry {
            Some(Entry::Update(_)) => {
                if self.is_complete && Instant::now() >= self.next_key {
                    self.push_key_frame()?;
                }
                self.add(&entry)?;
                if let Some(Entry::Update(update)) = entry.entry {
                    self.follow(update);
                }
            }
            Some(Entry::Events(_)) => self.add(&entry)?,
            Some(Entry::Start(_) | Entry::End(_)) | None => {}
        }
        Ok(())
    }

    /// Writes the collected entries if a second has passed since the last write.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`]; after that nothing more is written to this file.
    pub fn flush_if_due(&mut self, now: Instant) -> Result<(), WriteError> {
        let is_due = now.saturating_duration_since(self.written_at) >= BLOCK_INTERVAL;
        if is_due { self.flush() } else { Ok(()) }
    }

    /// Writes the collected entries.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`]; after that nothing more is written to this file.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.written_at = Instant::now();
        if self.block.is_empty() {
            return Ok(());
        }
        let path = &self.path;
        let failed = |error| WriteError::Io { path: path.clone(), error };
        if self.has_failed {
            // This block's deltas build on the block that is missing.
            return Err(failed(io::Error::other("an earlier block could not be written")));
        }
        let (payload, raw_bytes) = self.block.take().map_err(failed)?;
        let header =
            BlockHeader::new(self.number, std::mem::take(&mut self.flags), raw_bytes, &payload);
        let block = [header.bytes().as_slice(), &payload].concat();
        if let Err(error) = self.file.write_all(&block) {
            // Part of a block would be reported as damage, so it is removed again if possible.
            let _ = self.file.set_len(self.bytes);
            self.has_failed = true;
            return Err(failed(error));
        }
        self.number += 1;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// Time of the next flush by [`RecordingWriter::flush_if_due`].
    pub fn flush_due_at(&self) -> Instant {
        self.written_at + BLOCK_INTERVAL
    }

    /// Writes the remaining entries and the end. Returns the length of the file in bytes.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`].
    pub fn finish(mut self, end: RecordingEnd) -> Result<u64, WriteError> {
        self.add(&RecordingEntry { entry: Some(Entry::End(end)) })?;
        self.flush()?;
        Ok(self.bytes)
    }

    fn follow(&mut self, update: WatchProcessesResponse) {
        for part in update.changed {
            // Neither a key frame nor a reader can use a part of an unknown process.
            let _ = self.merged.merge(part);
        }
        self.is_complete = update.complete;
        if update.complete {
            update.removed.iter().for_each(|key| self.merged.remove(key));
            self.update = update.update;
            self.sampled_at = update.sampled_at;
            self.skipped_updates = update.skipped_updates;
        }
    }

    /// Begins a block from which a reader can start.
    fn push_key_frame(&mut self) -> Result<(), WriteError> {
        self.next_key = Instant::now() + KEY_INTERVAL;
        self.flush()?;
        self.flags = FLAG_KEY;
        self.push_start()?;
        let whole: Vec<Process> = self.merged.all().cloned().collect();
        let groups = chunks(whole, CHUNK_BYTES);
        let last = groups.len() - 1;
        for (at, changed) in groups.into_iter().enumerate() {
            let update = WatchProcessesResponse {
                sampled_at: self.sampled_at,
                update: self.update,
                changed,
                complete: at == last,
                skipped_updates: self.skipped_updates,
                ..WatchProcessesResponse::default()
            };
            self.add(&RecordingEntry { entry: Some(Entry::Update(update)) })?;
        }
        Ok(())
    }

    fn push_start(&mut self) -> Result<(), WriteError> {
        let entry = RecordingEntry { entry: Some(Entry::Start(self.start.clone())) };
        self.add(&entry)
    }

    fn add(&mut self, entry: &RecordingEntry) -> Result<(), WriteError> {
        if !self.block.push(entry) {
            return Err(WriteError::TooLong(self.path.clone()));
        }
        if self.block.raw_bytes() >= BLOCK_BYTES { self.flush() } else { Ok(()) }
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File, WriteError> {
    options.mode(0o600).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists(path.to_owned()),
        _ => WriteError::Io { path: path.to_owned(), error },
    })
}

#[cfg(test)]
impl RecordingWriter {
    /// Makes a key frame due.
    pub(crate) fn hurry(&mut self) {
        self.next_key = Instant::now();
    }

    /// Writes a block now.
    pub(crate) fn flush_now(&mut self) {
        self.flush().unwrap();
    }
}

#[cfg(test)]
mod tests;
