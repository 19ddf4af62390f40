//! Files, by descriptors that close themselves.
//!
//! # Safety
//! A [`File`] owns its descriptor; paths are C strings; buffers are slices.
#![allow(unsafe_code)]

use core::ffi::CStr;

/// An open descriptor, closed when dropped.
pub(crate) struct File(i32);

/// What `fstat` tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStatus {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) owner: u32,
    pub(crate) mode: u32,
    pub(crate) modified_s: i64,
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own.
        unsafe { libc::close(self.0) };
    }
}

impl File {
    fn open(path: &CStr, flags: i32, mode: u32) -> Option<Self> {
        // SAFETY: a C string and plain numbers.
        let descriptor = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) };
        (descriptor >= 0).then(|| Self(descriptor))
    }

    /// Opens for reading.
    pub(crate) fn open_read(path: &CStr) -> Option<Self> {
        Self::open(path, libc::O_RDONLY, 0)
    }

    /// Opens a directory, not through a symbolic link.
    pub(crate) fn open_directory(path: &CStr) -> Option<Self> {
        Self::open(path, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0)
    }

    fn open_at(&self, name: &CStr, flags: i32, mode: u32) -> Option<Self> {
        let flags = flags | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        // SAFETY: an open directory, a C string, plain numbers.
        let descriptor = unsafe { libc::openat(self.0, name.as_ptr(), flags, mode) };
        (descriptor >= 0).then(|| Self(descriptor))
    }

    /// Makes a new file in this directory, readable and writable by its owner only.
    pub(crate) fn create_in(&self, name: &CStr) -> Option<Self> {
        self.open_at(name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o600)
    }

    /// Opens a file of this directory for reading and writing.
    pub(crate) fn open_in(&self, name: &CStr) -> Option<Self> {
        self.open_at(name, libc::O_RDWR | libc::O_NONBLOCK, 0)
    }

    /// Removes a file of this directory.
    pub(crate) fn remove_in(&self, name: &CStr) {
        // SAFETY: an open directory and a C string.
        unsafe { libc::unlinkat(self.0, name.as_ptr(), 0) };
    }

    /// The descriptor, for `mmap`.
    pub(crate) fn descriptor(&self) -> i32 {
        self.0
    }

    /// Reads up to the buffer's length; 0 at the end or on failure.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> usize {
        // SAFETY: the buffer is a slice.
        let got = unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
        usize::try_from(got).unwrap_or(0)
    }

    /// Reads directory entries in the kernel's format (`getdents64`); 0 at the end.
    pub(crate) fn read_entries(&self, buffer: &mut [u8]) -> usize {
        let (at, bytes) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: the buffer is a slice.
        let got = unsafe { libc::syscall(libc::SYS_getdents64, self.0, at, bytes) };
        usize::try_from(got).unwrap_or(0)
    }

    /// Takes the exclusive lock if nobody has any.
    pub(crate) fn try_lock(&self) -> bool {
        // SAFETY: an open descriptor.
        unsafe { libc::flock(self.0, libc::LOCK_EX | libc::LOCK_NB) == 0 }
    }

    /// Sets the length; what is beyond the old one is a hole. False also if the limit on file sizes
    /// is lower: the kernel would answer with SIGXFSZ.
    pub(crate) fn set_length(&self, bytes: usize) -> bool {
        if bytes > size_limit() {
            return false;
        }
        // SAFETY: an open descriptor.
        unsafe { libc::ftruncate(self.0, bytes as libc::off_t) == 0 }
    }

    /// Reserves space for a range, so that touching it cannot fail.
    pub(crate) fn reserve(&self, offset: usize, bytes: usize) -> bool {
        let (offset, bytes) = (offset as libc::off_t, bytes as libc::off_t);
        // SAFETY: an open descriptor.
        unsafe { libc::fallocate(self.0, 0, offset, bytes) == 0 }
    }

    /// Whether the file lies in memory (tmpfs or ramfs).
    pub(crate) fn is_in_memory(&self) -> bool {
        const TMPFS_MAGIC: u64 = 0x0102_1994;
        const RAMFS_MAGIC: u64 = 0x8584_58f6;
        // SAFETY: all zeros is a valid value of this structure of numbers.
        let mut status: libc::statfs = unsafe { core::mem::zeroed() };
        // SAFETY: fills the structure that it is given.
        let known = unsafe { libc::fstatfs(self.0, &mut status) == 0 };
        known && matches!(status.f_type as u64, TMPFS_MAGIC | RAMFS_MAGIC)
    }

    /// Owner, mode and identity.
    pub(crate) fn status(&self) -> Option<FileStatus> {
        // SAFETY: all zeros is a valid value of this structure of numbers.
        let mut status: libc::stat = unsafe { core::mem::zeroed() };
        // SAFETY: fills the structure that it is given.
        if unsafe { libc::fstat(self.0, &mut status) } != 0 {
            return None;
        }
        Some(FileStatus {
            device: status.st_dev,
            inode: status.st_ino,
            owner: status.st_uid,
            mode: status.st_mode,
            modified_s: status.st_mtime,
        })
    }
}

/// The limit on file sizes, in bytes; `usize::MAX` if there is none.
fn size_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: fills the structure that it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } != 0 {
        return usize::MAX;
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// Reads the start of a file; the number of bytes read.
pub(crate) fn read_start(path: &CStr, buffer: &mut [u8]) -> usize {
    let Some(file) = File::open_read(path) else { return 0 };
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

/// Reads a symbolic link; the number of bytes.
pub(crate) fn read_link(path: &CStr, buffer: &mut [u8]) -> usize {
    let (at, bytes) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: a C string and a slice.
    let got = unsafe { libc::readlink(path.as_ptr(), at, bytes) };
    usize::try_from(got).unwrap_or(0)
}

/// Makes a directory for its owner only; an existing one is left as it is.
pub(crate) fn make_directory(path: &CStr) {
    // SAFETY: a C string.
    unsafe { libc::mkdir(path.as_ptr(), 0o700) };
}
