//! What hakmem itself counted, read from the telemetry segment after the program has ended.

use std::path::{Path, PathBuf};

use hakmem_reader::{OpenError, SampleError, Segment};

/// Why the program's calls cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The program left no segment, or more than one.
    #[error("there are {0} telemetry segments where the program should have left one")]
    Segments(usize),
    /// The folder cannot be read or emptied.
    #[error("cannot read the folder of telemetry segments: {0}")]
    Folder(#[from] std::io::Error),
    /// The segment cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The segment cannot be sampled.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// Allocations in the only segment of the folder, which is then removed.
pub fn take_allocations(directory: &Path) -> Result<u64, CountError> {
    let entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    let [path] = paths.as_slice() else { return Err(CountError::Segments(paths.len())) };
    let sample = Segment::open(path)?.sample()?;
    std::fs::remove_file(path)?;
    Ok(sample.classes().iter().map(|class| class.allocations).sum())
}
