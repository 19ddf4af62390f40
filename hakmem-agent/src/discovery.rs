//! Where segments are: a listing that is complete, and notices that are quick.
//!
//! The kernel's inotify tells of new files within a millisecond; a listing every second makes up
//! for whatever it did not tell (a directory that did not exist yet, an overrun of its queue, a
//! file system without it). inotify is used directly, because what it reports must be chosen:
//! reports of files being opened would answer each of the agent's own reads with an event.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use hakmem_reader::directory::{SegmentName, directories_of_users};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// Directories of users are named so.
const USER_DIRECTORY_PREFIX: &str = "hakmem-";
/// Bytes for notices of one read; about 200 of them.
const BUFFER_BYTES: usize = 16 * 1024;

/// Finds segments in the directories of a configuration.
#[derive(Debug)]
pub(crate) struct Discovery {
    directories: Vec<PathBuf>,
    directory_of_all_users: Option<PathBuf>,
    /// `None` if the system has no more inotify instances to give: then only listings find files.
    notices: Option<OwnedFd>,
    watched: HashMap<i32, PathBuf>,
}

/// What the kernel told since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// Segments that appeared.
    pub(crate) appeared: Vec<PathBuf>,
    /// Whether something happened that only a listing can tell.
    pub(crate) list_again: bool,
}

impl Discovery {
    pub(crate) fn new(directories: Vec<PathBuf>, directory_of_all_users: Option<PathBuf>) -> Self {
        let notices = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
            .inspect_err(|error| {
                tracing::warn!(
                    "no inotify ({error}): new processes are found once a second only; \
                     raise fs.inotify.max_user_instances"
                );
            })
            .ok();
        Self { directories, directory_of_all_users, notices, watched: HashMap::new() }
    }

    /// What to wait on for notices.
    pub(crate) fn notices_fd(&self) -> Option<BorrowedFd<'_>> {
        self.notices.as_ref().map(|fd| fd.as_fd())
    }

    /// Directories that hold or may come to hold segments, existing or not.
    pub(crate) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut all: BTreeSet<PathBuf> = self.directories.iter().cloned().collect();
        if let Some(parent) = &self.directory_of_all_users {
            let user = rustix::process::geteuid();
            let is_readable = |path: &PathBuf| {
                let owner = || std::fs::symlink_metadata(path).ok().map(|found| found.uid());
                user.is_root() || owner() == Some(user.as_raw())
            };
            all.extend(directories_of_users(parent).into_iter().filter(is_readable));
        }
        all
    }

    /// Lists every segment there is, and watches what can be watched from now on.
    pub(crate) fn list(&mut self) -> BTreeSet<PathBuf> {
        if let Some(parent) = self.directory_of_all_users.clone() {
            self.watch(&parent);
        }
        let mut segments = BTreeSet::new();
        for directory in self.directories() {
            // Watching comes first: what appears during the listing is then told of as well.
            if !self.watch(&directory)
                && let Some(parent) = directory.parent()
            {
                self.watch(parent);
            }
            let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name());
            segments.extend(names.filter(|n| is_segment(n)).map(|n| directory.join(n)));
        }
        segments
    }

    /// Reads what the kernel has told.
    pub(crate) fn notices(&mut self) -> Notices {
        let mut told = Notices::default();
        let Some(fd) = &self.notices else { return told };
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut forgotten = Vec::new();
        while let Ok(event) = reader.next() {
            let flags = event.events();
            if flags.intersects(ReadFlags::IGNORED | ReadFlags::MOVE_SELF) {
                forgotten.push(event.wd());
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let appeared = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            match (self.watched.get(&event.wd()), name) {
                (Some(directory), Some(name)) if appeared && is_segment(name) => {
                    told.appeared.push(directory.join(name));
                }
                (Some(directory), Some(name)) => {
                    told.list_again |= self.concerns_us(&directory.join(name));
                }
                _ => told.list_again = true,
            }
        }
        for descriptor in forgotten {
            self.watched.remove(&descriptor);
            // A directory that only moved would go on telling of files elsewhere.
            let _ = inotify::remove_watch(fd, descriptor);
        }
        told
    }

    /// Whether a directory entry is one of our directories, or a segment that is gone.
    fn concerns_us(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        self.directories.iter().any(|directory| directory == path)
            || is_segment(name)
            || self.directory_of_all_users.as_deref() == path.parent()
                && name.as_bytes().starts_with(USER_DIRECTORY_PREFIX.as_bytes())
    }

    fn watch(&mut self, directory: &Path) -> bool {
        let Some(fd) = &self.notices else { return false };
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(fd, directory, flags) {
            Ok(descriptor) => {
                self.watched.insert(descriptor, directory.to_owned());
                true
            }
            Err(_) => false,
        }
    }
}

fn is_segment(name: &OsStr) -> bool {
    SegmentName::parse(name).is_some()
}

#[cfg(test)]
mod tests;
