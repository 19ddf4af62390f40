//! Where segments are: `HAKMEM_DIR` or `/dev/shm/hakmem-<uid>`.

use core::ffi::CStr;
use core::fmt::{self, Write};

use hakmem_segment::FILE_SUFFIX;

use super::identity::Birth;

use crate::os::file::{self, File};
use crate::os::syscall::Errno;
use crate::os::{clock, process};
use crate::settings::{Settings, TEXT_MAX};

/// Bytes that a file name has room for, with its final zero.
pub(super) const NAME_MAX: usize = 80;

/// When a directory has more segments than this, some start-ups look for dead ones.
const ENTRIES_TOLERATED: usize = 64;
/// One start-up in so many looks, so that the cost of looking, about 1 ms, is not every program's.
const CLEANING_SHARE: u64 = 32;
/// Dead segments that are older than this are removed then.
const STALE_AFTER_S: i64 = 600;
/// Beyond this number of segments, dead ones are removed that are older than [`FRESH_FOR_S`].
const ENTRIES_MAX: usize = 512;
const FRESH_FOR_S: i64 = 10;
/// Files that one start-up looks at, at most.
const PROBES_MAX: usize = 2048;

/// Text being written into a fixed array, with room for a final zero.
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

/// `<pid>-<start time>-<nonce>.hakmem`, ended by a zero.
pub(super) fn file_name(birth: Birth) -> [u8; NAME_MAX] {
    let mut name = [0; NAME_MAX];
    let mut written = Written { bytes: &mut name[..NAME_MAX - 1], length: 0 };
    let Birth { start_time_ticks, nonce } = birth;
    let pid = process::process_id();
    let _ = write!(written, "{pid}-{start_time_ticks}-{nonce:016x}{FILE_SUFFIX}");
    name
}

/// A directory of segments that was found fit.
#[derive(Clone, Copy)]
pub(super) struct Place {
    path: [u8; TEXT_MAX],
}

/// Why a directory is not fit.
pub(super) enum Problem {
    Missing(Place, i32),
    NotOwn(Place),
    Open(Place),
    NotInMemory(Place),
    Refused(Place, i32),
    NoSpace(Place),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.c_str().to_str().unwrap_or("(unprintable)"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(place, errno) => {
                write!(formatter, "cannot open the directory {place} (errno {errno})")
            }
            Self::NotOwn(place) => {
                write!(formatter, "{place} belongs to another user; set HAKMEM_DIR to your own")
            }
            Self::Open(place) => {
                write!(formatter, "others may write to {place}; make it mode 0700")
            }
            Self::Refused(place, errno) => {
                write!(formatter, "cannot make a file in {place} (errno {errno})")
            }
            Self::NoSpace(place) => write!(formatter, "no space for a file in {place}"),
            Self::NotInMemory(place) => {
                write!(formatter, "{place} is not on tmpfs, where writes never wait for a disk")
            }
        }
    }
}

impl Place {
    fn c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.path).unwrap_or_default()
    }

    /// Opens the directory, making it if it is the default one or its parent exists, and verifies
    /// that nobody but its owner can put files there.
    #[allow(clippy::result_large_err)] // there is no allocator here to box it with
    pub(super) fn open_or_make(settings: &Settings) -> Result<Self, Problem> {
        let mut path = [0; TEXT_MAX];
        let (effective, _) = process::user_ids();
        let given = settings.directory.as_bytes();
        if given.is_empty() {
            let mut written = Written { bytes: &mut path[..TEXT_MAX - 1], length: 0 };
            let _ = write!(written, "/dev/shm/hakmem-{effective}");
        } else {
            path[..given.len()].copy_from_slice(given);
        }
        let place = Self { path };
        file::make_directory(place.c_str());
        let missing = |Errno(errno)| Problem::Missing(place, errno);
        let directory = File::open_directory(place.c_str()).map_err(missing)?;
        let status = directory.status().map_err(missing)?;
        const STICKY: u32 = 0o1000;
        if status.mode & 0o022 != 0 && status.mode & STICKY == 0 {
            return Err(Problem::Open(place));
        }
        // A sticky directory that root made for everybody is fit too.
        if status.owner != effective && status.owner != 0 {
            return Err(Problem::NotOwn(place));
        }
        if !directory.is_in_memory() {
            return Err(Problem::NotInMemory(place));
        }
        Ok(place)
    }

    /// Makes a file.
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

    /// Removes segments of dead processes when there are many: nobody may be running an agent.
    pub(super) fn remove_stale(&self) {
        if !process::random().is_multiple_of(CLEANING_SHARE) {
            return;
        }
        let mut count = 0;
        self.for_each_segment(&mut |_, _| {
            count += 1;
            count <= ENTRIES_TOLERATED
        });
        if count <= ENTRIES_TOLERATED {
            return;
        }
        let now_s = (clock::unix_ns() / 1_000_000_000) as i64;
        let mut probes = 0;
        self.for_each_segment(&mut |directory, name| {
            probes += 1;
            let age_s = if probes > ENTRIES_MAX { FRESH_FOR_S } else { STALE_AFTER_S };
            let stale = directory.open_in(name).is_ok_and(|file| {
                let old = file.status().is_ok_and(|status| now_s - status.modified_s >= age_s);
                // The lock is free only if the writer is gone.
                old && file.try_lock()
            });
            if stale {
                directory.remove_in(name);
            }
            probes < PROBES_MAX
        });
    }

    /// Calls `visit` for each segment's name until it returns false.
    fn for_each_segment(&self, visit: &mut dyn FnMut(&File, &CStr) -> bool) {
        let Ok(directory) = File::open_directory(self.c_str()) else { return };
        let mut buffer = [0_u8; 4096];
        loop {
            let filled = directory.read_entries(&mut buffer);
            if filled == 0 {
                return;
            }
            let mut entries = &buffer[..filled];
            while let Some((name, rest)) = next_entry(entries) {
                entries = rest;
                let is_segment = name.to_bytes().ends_with(FILE_SUFFIX.as_bytes());
                if is_segment && !visit(&directory, name) {
                    return;
                }
            }
        }
    }
}

/// The first entry's name, and the entries behind it (`linux_dirent64`: two 64-bit words, the
/// record's length in 16 bits, a type byte, the name).
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
