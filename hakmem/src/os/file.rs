//! Files, whose descriptors close themselves.
//!
//! # Safety
//! A [`File`] owns its descriptor; paths are C strings; buffers are slices.
#![allow(unsafe_code)]

use core::ffi::CStr;

use super::limits::{self, Limited};
use super::syscall::{Errno, call, call_until_done};

/// An open descriptor, closed when dropped.
pub(crate) struct File(i32);

/// The fields of `fstat` that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStatus {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) owner: u32,
    pub(crate) mode: u32,
    pub(crate) modified_ns: i64,
    /// Bytes of memory or disk that the file takes, as opposed to its length.
    pub(crate) bytes: usize,
}

/// Bytes of a file system, in all and available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) total: usize,
    pub(crate) free: usize,
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own.
        let _ = unsafe { call(libc::SYS_close, [self.0 as usize]) };
    }
}

impl File {
    /// Opens `path` relative to the descriptor `directory`, or to the working directory.
    fn open(directory: i32, path: &CStr, flags: i32, mode: u32) -> Result<Self, Errno> {
        let flags = (flags | libc::O_CLOEXEC) as usize;
        let path = path.as_ptr() as usize;
        let arguments = [directory as usize, path, flags, mode as usize];
        // SAFETY: the kernel reads the borrowed path.
        let descriptor = unsafe { call_until_done(libc::SYS_openat, arguments) }?;
        Ok(Self(descriptor as i32))
    }

    /// Opens for reading.
    pub(crate) fn open_read(path: &CStr) -> Result<Self, Errno> {
        Self::open(libc::AT_FDCWD, path, libc::O_RDONLY, 0)
    }

    /// Opens a directory; fails if the path is a symbolic link.
    pub(crate) fn open_directory(path: &CStr) -> Result<Self, Errno> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        Self::open(libc::AT_FDCWD, path, flags, 0)
    }

    /// Makes a new file in this directory, readable and writable by its owner only.
    pub(crate) fn create_in(&self, name: &CStr) -> Result<Self, Errno> {
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        Self::open(self.0, name, flags, 0o600)
    }

    /// Opens a file of this directory for reading and writing.
    pub(crate) fn open_in(&self, name: &CStr) -> Result<Self, Errno> {
        Self::open(self.0, name, libc::O_RDWR | libc::O_NONBLOCK | libc::O_NOFOLLOW, 0)
    }

    /// Opens a file of this directory for reading.
    pub(crate) fn open_to_read_in(&self, name: &CStr) -> Result<Self, Errno> {
        Self::open(self.0, name, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOFOLLOW, 0)
    }

    /// Removes a file of this directory; returns whether it is gone.
    pub(crate) fn remove_in(&self, name: &CStr) -> bool {
        let name = name.as_ptr() as usize;
        // SAFETY: the kernel reads the borrowed name.
        unsafe { call(libc::SYS_unlinkat, [self.0 as usize, name, 0]) }.is_ok()
    }

    /// The descriptor, for `mmap`.
    pub(crate) fn descriptor(&self) -> i32 {
        self.0
    }

    /// Reads at most the buffer's length; returns the number of bytes, 0 at the end or on failure.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> usize {
        self.fill(libc::SYS_read, buffer)
    }

    /// Reads from `offset` on; returns the number of bytes, 0 at the end or on failure.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: usize) -> usize {
        let arguments = [self.0 as usize, buffer.as_mut_ptr() as usize, buffer.len(), offset];
        // SAFETY: the kernel writes into the borrowed buffer.
        unsafe { call_until_done(libc::SYS_pread64, arguments) }.unwrap_or(0)
    }

    /// Reads directory entries in the kernel's format (`getdents64`); returns 0 at the end or on
    /// failure.
    pub(crate) fn read_entries(&self, buffer: &mut [u8]) -> usize {
        self.fill(libc::SYS_getdents64, buffer)
    }

    fn fill(&self, number: libc::c_long, buffer: &mut [u8]) -> usize {
        let (at, bytes) = (buffer.as_mut_ptr() as usize, buffer.len());
        // SAFETY: both calls write into the buffer, at most its length.
        unsafe { call_until_done(number, [self.0 as usize, at, bytes]) }.unwrap_or(0)
    }

    /// Takes the exclusive lock if no open file has a lock.
    pub(crate) fn try_lock(&self) -> bool {
        let operation = (libc::LOCK_EX | libc::LOCK_NB) as usize;
        // SAFETY: touches no memory.
        unsafe { call(libc::SYS_flock, [self.0 as usize, operation]) }.is_ok()
    }

    /// Sets the length; bytes beyond the old length are a hole. Also returns false if the limit on
    /// file sizes is lower, for which the kernel would send SIGXFSZ.
    pub(crate) fn set_length(&self, bytes: usize) -> bool {
        if bytes > limits::limit(Limited::FileSize) {
            return false;
        }
        // SAFETY: touches no memory; the file is this allocator's own.
        unsafe { call_until_done(libc::SYS_ftruncate, [self.0 as usize, bytes]) }.is_ok()
    }

    /// Reserves space for a range, so that touching it cannot fail.
    pub(crate) fn reserve(&self, offset: usize, bytes: usize) -> bool {
        let arguments = [self.0 as usize, 0, offset, bytes];
        // SAFETY: touches no memory.
        unsafe { call_until_done(libc::SYS_fallocate, arguments) }.is_ok()
    }

    /// Whether the file lies in memory (tmpfs or ramfs).
    pub(crate) fn is_in_memory(&self) -> bool {
        const TMPFS_MAGIC: u64 = 0x0102_1994;
        const RAMFS_MAGIC: u64 = 0x8584_58f6;
        self.file_system()
            .is_some_and(|status| matches!(status.f_type as u64, TMPFS_MAGIC | RAMFS_MAGIC))
    }

    /// The space of the file system that the file is on; `None` if the file system has no bound or
    /// reports none.
    pub(crate) fn space(&self) -> Option<Space> {
        let status = self.file_system()?;
        let bytes = |blocks| (blocks as usize).saturating_mul(status.f_bsize as usize);
        let (total, free) = (bytes(status.f_blocks), bytes(status.f_bavail));
        (total > 0).then_some(Space { total, free })
    }

    fn file_system(&self) -> Option<libc::statfs> {
        // SAFETY: all zeros is a valid value of this structure of numbers.
        let mut status: libc::statfs = unsafe { core::mem::zeroed() };
        let arguments = [self.0 as usize, &raw mut status as usize];
        // SAFETY: the kernel fills `status`.
        unsafe { call(libc::SYS_fstatfs, arguments) }.ok().map(|_| status)
    }

    /// Owner, mode, identity, time of the last change, and size in memory or on disk.
    pub(crate) fn status(&self) -> Result<FileStatus, Errno> {
        // SAFETY: all zeros is a valid value of this structure of numbers.
        let mut status: libc::stat = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel fills `status`.
        unsafe { call(libc::SYS_fstat, [self.0 as usize, &raw mut status as usize]) }?;
        Ok(FileStatus {
            device: status.st_dev,
            inode: status.st_ino,
            owner: status.st_uid,
            mode: status.st_mode,
            modified_ns: {
                let seconds_ns = status.st_mtime.saturating_mul(1_000_000_000);
                seconds_ns.saturating_add(status.st_mtime_nsec)
            },
            bytes: status.st_blocks as usize * 512,
        })
    }
}

/// Reads the start of a file into `buffer`; returns the number of bytes read.
pub(crate) fn read_start(path: &CStr, buffer: &mut [u8]) -> usize {
    let Ok(file) = File::open_read(path) else { return 0 };
    let mut filled = 0;
    while filled < buffer.len() {
        let got = file.read(&mut buffer[filled..]);
        if got == 0 {
            break;
        }
        filled += got;
    }
    filled
}

/// Reads the target of a symbolic link; returns the number of bytes, 0 on failure.
pub(crate) fn read_link(path: &CStr, buffer: &mut [u8]) -> usize {
    let (at, bytes) = (buffer.as_mut_ptr() as usize, buffer.len());
    let arguments = [libc::AT_FDCWD as usize, path.as_ptr() as usize, at, bytes];
    // SAFETY: the kernel reads the borrowed path and writes into the buffer, at most its length.
    unsafe { call(libc::SYS_readlinkat, arguments) }.unwrap_or(0)
}

/// Makes a directory that only its owner may use; leaves an existing one as it is.
pub(crate) fn make_directory(path: &CStr) {
    let arguments = [libc::AT_FDCWD as usize, path.as_ptr() as usize, 0o700];
    // SAFETY: the kernel reads the borrowed path.
    let _ = unsafe { call(libc::SYS_mkdirat, arguments) };
}
