//! Where the bytes of a recording come from.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// A file as long as it was when it was opened, or bytes in memory.
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

    /// As many bytes from `offset` on as there are, `count` at most.
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
