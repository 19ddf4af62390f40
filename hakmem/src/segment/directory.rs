//! The directory of segments: `HAKMEM_DIR`, or `/dev/shm/hakmem-<uid>`, or a substitute for it.

mod fallback;
mod removal;

use core::ffi::CStr;
use core::fmt::{self, Write};

use hakmem_segment::FILE_SUFFIX;

use super::identity::Birth;

use crate::os::file::{self, File};
use crate::os::process;
use crate::os::syscall::Errno;
use crate::settings::Settings;

/// Bytes of a buffer for a file name, its final zero included.
pub(super) const NAME_MAX: usize = 80;

/// The parent of the default directories, and the part of their names before the user's id.
const SHARED_MEMORY: &str = "/dev/shm";
const USER_PREFIX: &str = "hakmem-";
/// Errors from opening the default directory when another user has something in its place: a
/// directory that only that user may read, a symbolic link, a file.
const TAKEN_1: i32 = libc::EACCES;
const TAKEN_2: i32 = libc::ELOOP;
const TAKEN_3: i32 = libc::ENOTDIR;

/// Text that is being written into a fixed array, which has room for a final zero.
struct Written<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Write for Written<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let target = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        target.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// `<pid>-<start time>-<nonce>.hakmem`, followed by a zero.
pub(super) fn file_name(birth: Birth) -> [u8; NAME_MAX] {
    let mut name = [0; NAME_MAX];
    let mut written = Written { bytes: &mut name[..NAME_MAX - 1], length: 0 };
    let Birth { start_time_ticks, nonce } = birth;
    let pid = process::process_id();
    let _ = write!(written, "{pid}-{start_time_ticks}-{nonce:016x}{FILE_SUFFIX}");
    name
}

/// Bytes of a buffer for a path that this module makes, its final zero included.
const MADE_MAX: usize = 64;

/// A directory of segments that was found suitable. A path may be long, so one that the user gave
/// is not copied: a child process makes its first call on whatever stack it has.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    given: Option<&'a CStr>,
    /// The path, if none was given.
    made: [u8; MADE_MAX],
}

/// Why a directory is not suitable.
pub(super) enum Problem<'a> {
    Missing(Place<'a>, i32),
    NotOwn(Place<'a>),
    Open(Place<'a>),
    NotInMemory(Place<'a>),
    Refused(Place<'a>, i32),
    NoSpace(Place<'a>),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.c_str().to_str().unwrap_or("(unprintable)"))
    }
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(place, errno) => {
                write!(formatter, "cannot open the directory {place} (errno {errno})")
            }
            Self::NotOwn(place) => {
                write!(formatter, "{place} belongs to another user; set HAKMEM_DIR to your own")
            }
            Self::Open(place) => {
                write!(formatter, "other users may write to {place}; make it mode 0700")
            }
            Self::Refused(place, errno) => {
                write!(formatter, "cannot create a file in {place} (errno {errno})")
            }
            Self::NoSpace(place) => write!(formatter, "no space for a file in {place}"),
            Self::NotInMemory(place) => {
                write!(formatter, "{place} is not on tmpfs, where writes never wait for a disk")
            }
        }
    }
}

impl<'a> Place<'a> {
    fn c_str(&self) -> &CStr {
        self.given.unwrap_or(CStr::from_bytes_until_nul(&self.made).unwrap_or_default())
    }

    fn given(path: &'a CStr) -> Self {
        Self { given: Some(path), made: [0; MADE_MAX] }
    }

    /// Opens the directory, creates it if it is the default one or if its parent exists, and
    /// verifies that only its owner can create files in it. If another user has the default
    /// directory, a substitute is used ([`fallback`]).
    #[inline(never)]
    pub(super) fn open_or_make(settings: &'a Settings) -> Result<Self, Problem<'a>> {
        let given = settings.directory.as_c_str();
        let (user, _) = process::user_ids();
        if !given.is_empty() {
            return Self::given(given).verify(user, true);
        }
        let default = Self::at(format_args!("{SHARED_MEMORY}/{USER_PREFIX}{user}"));
        default.verify(user, false).or_else(|problem| match problem {
            Problem::NotOwn(_) | Problem::Missing(_, TAKEN_1 | TAKEN_2 | TAKEN_3) => {
                fallback::open_or_make(user).ok_or(problem)
            }
            other => Err(other),
        })
    }

    pub(super) fn at(path: fmt::Arguments<'_>) -> Self {
        let mut place = Self { given: None, made: [0; MADE_MAX] };
        let mut written = Written { bytes: &mut place.made[..MADE_MAX - 1], length: 0 };
        let _ = written.write_fmt(path);
        place
    }

    /// Opens the directory, creates it if its parent exists, and verifies that it is suitable for
    /// `user`. A directory that root made for everybody is suitable too if `may_be_roots`, or if it
    /// is sticky.
    #[inline(never)]
    fn verify(self, user: u32, may_be_roots: bool) -> Result<Self, Problem<'a>> {
        file::make_directory(self.c_str());
        let missing = |Errno(errno)| Problem::Missing(self, errno);
        let directory = File::open_directory(self.c_str()).map_err(missing)?;
        let status = directory.status().map_err(missing)?;
        const STICKY: u32 = 0o1000;
        let is_sticky = status.mode & STICKY != 0;
        if status.mode & 0o022 != 0 && !is_sticky {
            return Err(Problem::Open(self));
        }
        let is_roots = status.owner == 0 && (may_be_roots || is_sticky);
        if status.owner != user && !is_roots {
            return Err(Problem::NotOwn(self));
        }
        if !directory.is_in_memory() {
            return Err(Problem::NotInMemory(self));
        }
        Ok(self)
    }

    /// Creates a file.
    pub(super) fn create(&self, name: &CStr) -> Result<File, Errno> {
        File::open_directory(self.c_str())?.create_in(name)
    }

    /// Opens a file.
    pub(super) fn open(&self, name: &CStr) -> Result<File, Errno> {
        File::open_directory(self.c_str())?.open_in(name)
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &CStr) {
        if let Ok(directory) = File::open_directory(self.c_str()) {
            directory.remove_in(name);
        }
    }

    /// Calls `visit` for each segment's name until it returns false.
    #[inline(never)]
    fn for_each_segment(&self, visit: &mut dyn FnMut(&File, &CStr) -> bool) {
        let Ok(directory) = File::open_directory(self.c_str()) else { return };
        for_each_entry(&directory, &mut |name| {
            !name.to_bytes().ends_with(FILE_SUFFIX.as_bytes()) || visit(&directory, name)
        });
    }
}

/// Calls `visit` for each entry's name until it returns false.
#[inline(never)]
fn for_each_entry(directory: &File, visit: &mut dyn FnMut(&CStr) -> bool) {
    let mut buffer = [0_u8; 1024];
    loop {
        let filled = directory.read_entries(&mut buffer);
        if filled == 0 {
            return;
        }
        let mut entries = &buffer[..filled];
        while let Some((name, rest)) = next_entry(entries) {
            entries = rest;
            if !visit(name) {
                return;
            }
        }
    }
}

/// The name of the first entry, and the entries behind it. An entry is a `linux_dirent64`: two
/// 64-bit words, the record's length in 16 bits, a type byte, and the name.
fn next_entry(entries: &[u8]) -> Option<(&CStr, &[u8])> {
    const LENGTH_AT: usize = 16;
    const NAME_AT: usize = 19;
    let length = entries.get(LENGTH_AT..LENGTH_AT + 2)?;
    let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
    let name = CStr::from_bytes_until_nul(entries.get(NAME_AT..length)?).ok()?;
    Some((name, &entries[length..]))
}

#[cfg(test)]
mod tests;
