//! Reads the kernel's notices of changes in directories, by inotify.
//!
//! inotify is used directly, because the set of reported events matters: reports of opened files
//! would answer each of the agent's own reads with an event.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, ReadFlags, WatchFlags};

use super::{Discovery, Found, USER_DIRECTORY_PREFIX, is_segment};
use crate::accounts::{Accounts, Meter};
use crate::refusals::Refusal;

/// Size of the buffer for one read; about 200 notices fit into it.
const BUFFER_BYTES: usize = 16 * 1024;
/// Maximum number of notices handled at a time: while a user causes more of them, other work must
/// go on.
const NOTICES_MAX: usize = 512;

/// The kernel's notices since the last read.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// Segments that appeared.
    pub(crate) appeared: Vec<Found>,
    /// Whether there was a change that only a listing can resolve.
    pub(crate) list_again: bool,
}

impl Discovery {
    /// Reads the kernel's notices.
    pub(crate) fn notices(&mut self, accounts: &mut Accounts) -> Notices {
        let mut told = Notices::default();
        let Some(fd) = &self.notices else { return told };
        let meter = Meter::begin();
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut forgotten = Vec::new();
        let mut counts: HashMap<u32, u32> = HashMap::new();
        let mut total = 0;
        while let Ok(event) = reader.next() {
            total += 1;
            let flags = event.events();
            if flags.intersects(ReadFlags::IGNORED | ReadFlags::MOVE_SELF) {
                forgotten.push(event.wd());
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let appeared = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            let directory = self.watched.get(&event.wd());
            let place = directory.and_then(|directory| self.places.get_mut(directory));
            if let Some(place) = &place
                && place.files_of.is_some()
            {
                *counts.entry(place.owner).or_default() += 1;
            }
            match (directory, place, name) {
                (Some(directory), Some(place), Some(name)) if is_segment(name) => {
                    let path = directory.join(name);
                    place.is_dirty |= !appeared;
                    told.list_again |= !appeared;
                    if appeared {
                        told.appeared.extend(place.found(path));
                    }
                }
                (Some(directory), _, Some(name)) => {
                    let path = directory.join(name);
                    if concerns_us(&self.directories, self.directory_of_all_users.as_deref(), &path)
                    {
                        (told.list_again, self.is_dirty) = (true, true);
                    }
                }
                (_, place, _) => {
                    if let Some(place) = place {
                        place.is_dirty = true;
                    }
                    (told.list_again, self.is_dirty) = (true, true);
                }
            }
            if total >= NOTICES_MAX {
                break;
            }
        }
        for descriptor in forgotten {
            self.watched.remove(&descriptor);
            // A directory that was only moved would still report files, in its new place.
            let _ = inotify::remove_watch(fd, descriptor);
        }
        self.charge(accounts, &counts, total, meter.took());
        told
    }

    /// Charges the time of reading notices to the owners who caused them. The directories of an
    /// owner without time left are no longer watched until they are listed again, once a second.
    fn charge(
        &mut self,
        accounts: &mut Accounts,
        counts: &HashMap<u32, u32>,
        total: usize,
        took: Duration,
    ) {
        for (&owner, &count) in counts {
            accounts.charge(owner, took.mul_f64(f64::from(count) / total.max(1) as f64));
            if accounts.has_time(owner) {
                continue;
            }
            let theirs = self.places.iter().filter(|(_, place)| place.owner == owner);
            for path in theirs.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
                self.unwatch(&path);
            }
        }
    }

    pub(super) fn watch(&mut self, directory: &Path) -> bool {
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
            Err(error) => {
                if error == rustix::io::Errno::NOSPC {
                    self.refusals.count(Refusal::WATCH);
                }
                false
            }
        }
    }

    pub(super) fn unwatch(&mut self, directory: &Path) {
        let Some(fd) = &self.notices else { return };
        let of_it = self.watched.iter().filter(|(_, path)| *path == directory);
        for descriptor in of_it.map(|(descriptor, _)| *descriptor).collect::<Vec<_>>() {
            self.watched.remove(&descriptor);
            let _ = inotify::remove_watch(fd, descriptor);
        }
    }
}

/// Whether `path` is one of the agent's directories.
fn concerns_us(directories: &[PathBuf], of_all_users: Option<&Path>, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    directories.iter().any(|directory| directory == path)
        || of_all_users == path.parent()
            && name.as_bytes().starts_with(USER_DIRECTORY_PREFIX.as_bytes())
}
