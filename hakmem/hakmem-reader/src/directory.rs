//! Where segments are, and how long they stay.

mod default;
mod removal;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use crate::segment_name::SegmentName;
pub use default::{
    FilesOf, SHARED_MEMORY, default_directory, directories_of_users, files_of, files_of_directory,
    user_of_directory,
};
pub use removal::{Removal, remove_dead, remove_dead_among};

/// Most segments that one scan returns.
pub const SEGMENTS_MAX: usize = 65_536;

/// The result of [`scan`].
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Files with the names of segments, sorted.
    pub paths: Vec<PathBuf>,
    /// Number of files that were left out because there are more than [`SEGMENTS_MAX`].
    pub left_out: usize,
}

/// Why a directory could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It does not exist: no program has published there yet.
    #[error("{0} does not exist; no program has run under hakmem there yet")]
    Missing(PathBuf),
    /// It is not a directory.
    #[error("{0} is not a directory; set HAKMEM_DIR to one")]
    NotADirectory(PathBuf),
    /// It belongs to another user, who does not let the reader list it.
    #[error("no permission to read {0}; run as its owner or as root")]
    Denied(PathBuf),
    /// The system refused for another reason.
    #[error("{path} cannot be read: {error}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
}

impl ScanError {
    fn new(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            io::ErrorKind::NotADirectory => Self::NotADirectory(path),
            io::ErrorKind::PermissionDenied => Self::Denied(path),
            _ => Self::Io { path, error },
        }
    }
}

/// Lists the files of `directory` with the names of segments. Whether they are segments shows only
/// when they are opened.
pub fn scan(directory: &Path) -> Result<Scan, ScanError> {
    let failed = |error| ScanError::new(directory, error);
    let mut scan = Scan::default();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if SegmentName::parse(&name).is_none() {
            continue;
        }
        if scan.paths.len() < SEGMENTS_MAX {
            scan.paths.push(directory.join(name));
        } else {
            scan.left_out += 1;
        }
    }
    scan.paths.sort();
    Ok(scan)
}

#[cfg(test)]
mod tests;
