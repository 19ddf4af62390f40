//! The file of a recording. A new file can be read while it is written; if it replaces an existing
//! one, it lies beside that until it is complete.

use std::io;
use std::path::{Path, PathBuf};

use hakmem_proto::v1 as proto;
use hakmem_recording::RecordingWriter;

use super::super::{CommandError, begin_file, file_error};

/// A file that is being written. Dropping it removes it and leaves an existing file as it was.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A new file under its own name.
    New,
    /// A file beside the one that it will replace.
    Beside(crate::output::replacement::Replacement),
    /// Dropping it leaves the file in place.
    Settled,
}

impl Output {
    /// Creates the file and the writer for it.
    pub(super) fn begin(
        path: PathBuf,
        force: bool,
        start: proto::RecordingStart,
    ) -> Result<(Self, RecordingWriter), CommandError> {
        let replaces = force && std::fs::symlink_metadata(&path).is_ok();
        if !replaces {
            let writer = RecordingWriter::create(&path, start)?;
            return Ok((Self { path, kind: Kind::New }, writer));
        }
        let replacement = begin_file(&path, true)?;
        let file = replacement.file().try_clone().map_err(|error| file_error(&path, error))?;
        let writer = RecordingWriter::in_file(&path, file, start)?;
        Ok((Self { path, kind: Kind::Beside(replacement) }, writer))
    }

    /// The path under which the file can be read until it is complete.
    pub(super) fn readable_path(&self) -> &Path {
        match &self.kind {
            Kind::Beside(replacement) => replacement.path(),
            Kind::New | Kind::Settled => &self.path,
        }
    }

    /// Puts the complete file in its place.
    pub(super) fn commit(mut self) -> Result<(), CommandError> {
        match std::mem::replace(&mut self.kind, Kind::Settled) {
            Kind::Beside(replacement) => {
                replacement.commit().map_err(|error| file_error(&self.path, error))
            }
            Kind::New | Kind::Settled => Ok(()),
        }
    }

    /// Keeps the incomplete file. Returns its path if that is not the requested one.
    pub(super) fn keep(mut self) -> Option<PathBuf> {
        match std::mem::replace(&mut self.kind, Kind::Settled) {
            Kind::Beside(replacement) => Some(replacement.keep()),
            Kind::New | Kind::Settled => None,
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if matches!(self.kind, Kind::New) {
            // An empty recording is useless. Somebody else may have removed it already.
            let _: io::Result<()> = std::fs::remove_file(&self.path);
        }
    }
}
