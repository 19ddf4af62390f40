//! Writes a recording.
//!
//! Entries are collected in memory and written as one block, in one piece, when a second is over
//! or a mebibyte is full. Whatever kills the writer, the file ends with an intact block or with one
//! that is cut off, so a second is the most that can be missing. Nothing is forced to the disk:
//! what a crash of the whole machine takes is up to its file system.
//!
//! The writer follows the updates that it is given, and once a minute writes them as a key frame,
//! from which a reader can begin that knows nothing of what came before.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hakmem_proto::v1::{
    Process, RecordingEnd, RecordingEntry, RecordingStart, WatchProcessesResponse,
    recording_entry::Entry,
};
use prost_types::Timestamp;

use crate::block::BlockBuilder;
use crate::chunk::{CHUNK_BYTES, chunks};
use crate::format::{BlockHeader, FLAG_KEY, file_header};
use crate::merge::Merged;

/// Time between two blocks.
pub const BLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two key frames.
const KEY_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes of entries after which a block is written without waiting.
const BLOCK_BYTES: usize = 1 << 20;

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is such a file already.
    #[error("{} exists; choose another name, or --force to replace it", .0.display())]
    Exists(PathBuf),
    /// The file cannot be made or written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// An entry is longer than a message may be, and was left out.
    #[error("an entry of more than 4 MiB was left out of {}", .0.display())]
    TooLong(PathBuf),
}

/// Writes a recording. One that is dropped without [`RecordingWriter::finish`] is as one whose
/// writer was killed.
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
    /// The update under way, or the last one: number, moment and whether it is complete.
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
    /// Makes a new file, which only its owner may read: command lines are in it.
    ///
    /// # Errors
    ///
    /// [`WriteError::Exists`] if there is one of that name.
    pub fn create(path: &Path, start: RecordingStart) -> Result<Self, WriteError> {
        let file = open(path, OpenOptions::new().write(true).create_new(true))?;
        let begun = Self::begin(path, file, start);
        if begun.is_err() {
            // A file that says nothing, which we have just made.
            let _ = std::fs::remove_file(path);
        }
        begun
    }

    /// Begins a recording in an empty file that is open; errors name it `path`.
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
        // The first update is whole by itself.
        writer.flags = FLAG_KEY;
        writer.push_start()?;
        writer.flush()?;
        Ok(writer)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds an update or events; starts and ends are the writer's own matter and left out.
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

    /// Writes what was collected if a second has passed since the last time.
    ///
    /// # Errors
    ///
    /// [`WriteError::Io`]; after that nothing more is written to this file.
    pub fn flush_if_due(&mut self, now: Instant) -> Result<(), WriteError> {
        let is_due = now.saturating_duration_since(self.written_at) >= BLOCK_INTERVAL;
        if is_due { self.flush() } else { Ok(()) }
    }

    /// Writes what was collected.
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
            // What is missing before it would make this block's deltas wrong.
            return Err(failed(io::Error::other("an earlier block could not be written")));
        }
        let (payload, raw_bytes) = self.block.take().map_err(failed)?;
        let header =
            BlockHeader::new(self.number, std::mem::take(&mut self.flags), raw_bytes, &payload);
        let block = [header.bytes().as_slice(), &payload].concat();
        if let Err(error) = self.file.write_all(&block) {
            // Half a block would be reported as damage; if it cannot be taken back, it is.
            let _ = self.file.set_len(self.bytes);
            self.has_failed = true;
            return Err(failed(error));
        }
        self.number += 1;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// When [`RecordingWriter::flush_if_due`] will have something to do.
    pub fn flush_due_at(&self) -> Instant {
        self.written_at + BLOCK_INTERVAL
    }

    /// Writes everything and the end. Returns the bytes of the file.
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
            // A part of an unknown process is as useless to a key frame as to a reader.
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

    /// Begins a block that a reader can begin with.
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
