//! An open segment file. Only this module makes system calls on it.
//!
//! The kernel copies in ascending order, but does not guarantee it: where the order of two reads
//! matters, they are two calls. Buffers are aligned like the file's pages, so that the kernel's
//! copy never splits an aligned word.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::OpenError;

/// Unit of `st_blocks`, independent of the block size of the file system (`stat(2)`).
const STAT_BLOCK_BYTES: u64 = 512;

/// A buffer with the alignment of its source in the file.
#[repr(C, align(64))]
pub(crate) struct Buffer<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Buffer<N> {
    pub(crate) fn new() -> Self {
        Self([0; N])
    }
}

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file ends before these bytes.
    #[error("the file ends too early")]
    Short,
    /// The system refused the read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An open segment file.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    fd: OwnedFd,
    owner_user_id: u32,
    /// Set once the lock was found free: a dead writer does not come back.
    dead: AtomicBool,
}

impl SegmentFile {
    /// Opens a regular file without following a symbolic link or blocking.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_at(rustix::fs::CWD, path)
    }

    /// [`SegmentFile::open`] for a path relative to an open directory.
    pub(crate) fn open_at(directory: impl AsFd, path: &Path) -> Result<Self, OpenError> {
        let flags =
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd =
            rustix::fs::openat(directory, path, flags, Mode::empty()).map_err(
                |errno| match errno {
                    Errno::NOENT | Errno::NOTDIR => OpenError::Gone,
                    Errno::LOOP => OpenError::NotASegment { reason: "it is a symbolic link" },
                    Errno::NXIO => OpenError::NotASegment { reason: "it is not a regular file" },
                    Errno::ACCESS | Errno::PERM => OpenError::Denied,
                    other => OpenError::Io(other.into()),
                },
            )?;
        Self::from_fd(fd)
    }

    /// Takes over a descriptor that is open for reading.
    pub(crate) fn from_fd(fd: OwnedFd) -> Result<Self, OpenError> {
        let stat = rustix::fs::fstat(&fd).map_err(|errno| OpenError::Io(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(OpenError::NotASegment { reason: "it is not a regular file" });
        }
        Ok(Self { fd, owner_user_id: stat.st_uid, dead: AtomicBool::new(false) })
    }

    /// The descriptor, for the removal of dead segments.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Owner of the file, according to the system.
    pub(crate) fn owner_user_id(&self) -> u32 {
        self.owner_user_id
    }

    /// Current length of the file in bytes.
    pub(crate) fn size(&self) -> Result<u64, ReadError> {
        Ok(self.size_and_stored()?.0)
    }

    /// Current length of the file, and bytes of the disk blocks that hold it: fewer if the file is
    /// sparse.
    pub(crate) fn size_and_stored(&self) -> Result<(u64, u64), ReadError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(io::Error::from)?;
        let bytes = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok((bytes(stat.st_size), bytes(stat.st_blocks).saturating_mul(STAT_BLOCK_BYTES)))
    }

    /// Fills `buffer` from `offset` on.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), ReadError> {
        let mut done = 0;
        while done < buffer.len() {
            let position = offset.checked_add(done as u64).ok_or(ReadError::Short)?;
            match rustix::io::pread(&self.fd, &mut buffer[done..], position) {
                Ok(0) => return Err(ReadError::Short),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(())
    }

    /// Reads one word at `offset`.
    pub(crate) fn read_u64(&self, offset: u64) -> Result<u64, ReadError> {
        let mut word = Buffer::<8>::new();
        self.read(&mut word.0, offset)?;
        Ok(u64::from_le_bytes(word.0))
    }

    /// Whether the writer still holds its lock.
    ///
    /// The probe takes the shared lock for a moment if it is free. No writer notices that: the
    /// writer locks before it makes its segment ready, and only ready segments are probed.
    pub(crate) fn is_locked(&self) -> bool {
        if self.dead.load(Ordering::Relaxed) {
            return false;
        }
        if rustix::fs::flock(&self.fd, FlockOperation::NonBlockingLockShared).is_err() {
            return true;
        }
        self.dead.store(true, Ordering::Relaxed);
        // A failure to unlock is harmless: closing the descriptor unlocks too.
        let _ = rustix::fs::flock(&self.fd, FlockOperation::Unlock);
        false
    }
}
