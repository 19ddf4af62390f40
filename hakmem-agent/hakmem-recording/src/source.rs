//! The source of a recording's bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// A file with its length at opening, or bytes in memory.
#[derive(Debug)]
pub(crate) enum Source {
    File { file: File, length: u64 },
    Bytes(Vec<u8>),
}

impl Source {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// The bytes from `offset` on, at most `count`.
    pub(crate) fn read(&self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let left = self.length().saturating_sub(offset);
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        match self {
            Self::File { file, .. } => {
                let mut bytes = vec![0; count];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }
            Self::Bytes(bytes) => {
                let offset = offset as usize;
                Ok(bytes.get(offset..offset + count).unwrap_or_default().to_vec())
            }
        }
    }
}
