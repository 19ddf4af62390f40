//! The recording's file: one that can be read while it is written, or, if it shall replace another,
//! one beside that until it is whole.

use std::io;
use std::path::{Path, PathBuf};

use hakmem_proto::v1 as proto;
use hakmem_recording::RecordingWriter;

use super::super::{CommandError, begin_file, file_error};

/// A file in the making. Dropped, it is gone, and what was there before is there still.
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
    Beside(crate::replacement::Replacement),
    /// Whatever becomes of it now, it stays.
    Settled,
}

impl Output {
    /// Makes the file and what writes to it.
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

    /// Where it can be read meanwhile.
    pub(super) fn readable_path(&self) -> &Path {
        match &self.kind {
            Kind::Beside(replacement) => replacement.path(),
            Kind::New | Kind::Settled => &self.path,
        }
    }

    /// The file is whole: puts it in its place.
    pub(super) fn commit(mut self) -> Result<(), CommandError> {
        match std::mem::replace(&mut self.kind, Kind::Settled) {
            Kind::Beside(replacement) => {
                replacement.commit().map_err(|error| file_error(&self.path, error))
            }
            Kind::New | Kind::Settled => Ok(()),
        }
    }

    /// The file cannot be finished: leaves what there is of it, and says where, unless that is its
    /// name.
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
            // A recording of nothing helps nobody; there may be none any more.
            let _: io::Result<()> = std::fs::remove_file(&self.path);
        }
    }
}
