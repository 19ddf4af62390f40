//! Where segments are: a listing that is complete in the end, and notices that are quick.
//!
//! The kernel's inotify tells of new files within a millisecond; a listing every second makes up
//! for whatever it did not tell (a directory that did not exist yet, an overrun of its queue, a
//! file system without it). inotify is used directly, because what it reports must be chosen:
//! reports of files being opened would answer each of the agent's own reads with an event.
//!
//! Any user can make directories, names and events without end. Of each owner so many directories
//! are watched, so many names in one are known, and so much time is spent
//! ([`OwnerBudget`](crate::config::OwnerBudget)); what is beyond that is counted.

mod listing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hakmem_reader::directory::{FilesOf, SHARED_MEMORY, SegmentName, files_of, files_of_directory};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use crate::accounts::{Accounts, Meter};
use crate::refusals::{Refusal, Refusals};
use listing::{Filter, Listing};

/// Directories of users are named so.
const USER_DIRECTORY_PREFIX: &str = "hakmem-";
/// Bytes for notices of one read; about 200 of them.
const BUFFER_BYTES: usize = 16 * 1024;
/// Notices taken in at a time: while a user makes more of them, there is other work.
const NOTICES_MAX: usize = 512;
/// Names of one owner in the directory of all users that are looked at.
const CANDIDATES_MAX: usize = 256;

/// Finds segments in the directories of a configuration.
#[derive(Debug)]
pub(crate) struct Discovery {
    directories: Vec<PathBuf>,
    directory_of_all_users: Option<PathBuf>,
    refusals: Arc<Refusals>,
    /// Names in the directory of all users.
    candidates: Listing,
    /// Directories of others that were counted as refused.
    strange: BTreeSet<PathBuf>,
    places: BTreeMap<PathBuf, Place>,
    /// `None` if the system has no more inotify instances to give: then only listings find files.
    notices: Option<OwnedFd>,
    watched: HashMap<i32, PathBuf>,
    /// Directories to be watched that cannot be read, and why.
    problems: BTreeMap<PathBuf, String>,
    /// Whether the directory of all users changed since it was listed.
    is_dirty: bool,
}

/// A directory that holds segments, or may come to.
#[derive(Debug, Default)]
struct Place {
    /// Whose files it may hold; `None` while it does not exist.
    files_of: Option<FilesOf>,
    /// Who made it.
    owner: u32,
    listing: Listing,
    /// Whether something happened in it since it was listed.
    is_dirty: bool,
}

/// A file that is named as a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Its owner, as far as its directory or a listing told.
    pub(crate) owner: u32,
    /// Whose files may lie there.
    pub(crate) files_of: FilesOf,
}

/// What the kernel told since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// Segments that appeared.
    pub(crate) appeared: Vec<Found>,
    /// Whether something happened that only a listing can tell.
    pub(crate) list_again: bool,
}

impl Discovery {
    pub(crate) fn new(
        directories: Vec<PathBuf>,
        directory_of_all_users: Option<PathBuf>,
        refusals: Arc<Refusals>,
    ) -> Self {
        let notices = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
            .inspect_err(|error| {
                tracing::warn!(
                    "no inotify ({error}): new processes are found once a second only; \
                     raise fs.inotify.max_user_instances"
                );
            })
            .ok();
        Self {
            directories,
            directory_of_all_users,
            refusals,
            candidates: Listing::default(),
            strange: BTreeSet::new(),
            places: BTreeMap::new(),
            notices,
            watched: HashMap::new(),
            problems: BTreeMap::new(),
            is_dirty: true,
        }
    }

    /// What to wait on for notices.
    pub(crate) fn notices_fd(&self) -> Option<BorrowedFd<'_>> {
        self.notices.as_ref().map(|fd| fd.as_fd())
    }

    /// Directories with segments, their owners and the names known in each.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Path, u32, Vec<&OsStr>)> {
        let existing = self.places.iter().filter(|(_, place)| place.files_of.is_some());
        existing.map(|(path, place)| {
            let names = place.listing.names().keys().map(|name| &**name).collect();
            (&**path, place.owner, names)
        })
    }

    /// Looks into every directory, or only into those where something happened, and watches what can
    /// be watched from now on. Gives every segment that is known then, by path.
    pub(crate) fn list(&mut self, accounts: &mut Accounts, all: bool) -> BTreeMap<PathBuf, Found> {
        if all || std::mem::take(&mut self.is_dirty) {
            self.find_places(accounts);
        }
        let paths: Vec<PathBuf> = self.places.keys().cloned().collect();
        let mut segments = BTreeMap::new();
        for directory in paths {
            self.list_place(&directory, accounts, all);
            let Some(place) = self.places.get(&directory) else { continue };
            let Some(files_of) = place.files_of else { continue };
            for (name, owner) in place.listing.names() {
                let path = directory.join(name);
                segments.insert(path.clone(), Found { path, owner: *owner, files_of });
            }
        }
        segments
    }

    fn list_place(&mut self, directory: &Path, accounts: &mut Accounts, all: bool) {
        let Some(place) = self.places.get(directory) else { return };
        let owner = place.owner;
        if !all && !place.is_dirty {
            return;
        }
        if place.files_of.is_some() && !accounts.has_time(owner) {
            self.refusals.count(Refusal::LATE_LISTING);
            return;
        }
        // Watching comes first: what appears during the listing is then told of as well.
        if !self.watch(directory)
            && let Some(parent) = directory.parent()
        {
            self.watch(parent);
        }
        let meter = Meter::begin();
        let Some(place) = self.places.get_mut(directory) else { return };
        let filter = Filter {
            is_wanted: &is_segment,
            owner: match place.files_of {
                Some(FilesOf::User(user)) => Some(user),
                _ => None,
            },
            names_max: accounts.budget().names,
        };
        place.is_dirty = false;
        self.refusals.count_many(Refusal::NAMES, place.listing.advance(directory, &filter));
        if place.files_of.is_some() {
            accounts.charge(owner, meter.took());
        }
    }

    /// Directories to be watched that cannot be read, and why.
    pub(crate) fn problems(&self) -> &BTreeMap<PathBuf, String> {
        &self.problems
    }

    /// Finds out which of the configured directories cannot be read.
    fn find_problems(&mut self) {
        let configured = self.directories.iter().chain(&self.directory_of_all_users);
        let problem = |path: &PathBuf| Some((path.clone(), problem_of(path)?));
        self.problems = configured.filter_map(problem).collect();
    }

    /// Finds out which directories there are.
    fn find_places(&mut self, accounts: &Accounts) {
        self.find_problems();
        let mut there: BTreeMap<PathBuf, Option<(FilesOf, u32)>> = BTreeMap::new();
        for directory in &self.directories {
            let owner = std::fs::metadata(directory).ok().map(|found| found.uid());
            there.insert(directory.clone(), files_of_directory(directory).zip(owner));
        }
        if let Some(parent) = self.directory_of_all_users.clone() {
            self.watch(&parent);
            let filter = Filter {
                is_wanted: &|name| name.as_bytes().starts_with(USER_DIRECTORY_PREFIX.as_bytes()),
                owner: None,
                names_max: CANDIDATES_MAX,
            };
            let left_out = self.candidates.advance(&parent, &filter);
            self.refusals.count_many(Refusal::DIRECTORIES, left_out);
            self.choose_of_all_users(&parent, accounts.budget().directories, &mut there);
        }
        let gone: Vec<PathBuf> =
            self.places.keys().filter(|path| !there.contains_key(*path)).cloned().collect();
        for path in gone {
            self.places.remove(&path);
            self.unwatch(&path);
        }
        for (path, found) in there {
            let place = self.places.entry(path).or_default();
            let files_of = found.map(|(files_of, _)| files_of);
            if place.files_of != files_of {
                place.listing = Listing::default();
            }
            place.files_of = files_of;
            place.owner = found.map_or(0, |(_, owner)| owner);
        }
    }

    /// Of each owner's directories so many as the budget allows, those that are named as programs
    /// name them before others.
    fn choose_of_all_users(
        &mut self,
        parent: &Path,
        directories_max: usize,
        there: &mut BTreeMap<PathBuf, Option<(FilesOf, u32)>>,
    ) {
        let user = rustix::process::geteuid();
        let mut of_owners: HashMap<u32, usize> = HashMap::new();
        let own_name = |owner: u32| OsString::from(format!("{USER_DIRECTORY_PREFIX}{owner}"));
        // Where an owner has so many that the listing left some out, the usual one is not lost.
        let mut candidates: BTreeSet<(bool, OsString, u32)> = BTreeSet::new();
        for (name, owner) in self.candidates.names() {
            candidates.insert((*name != own_name(*owner), name.clone(), *owner));
            candidates.insert((false, own_name(*owner), *owner));
        }
        let mut strange = BTreeSet::new();
        for (_, name, owner) in candidates {
            let path = parent.join(&name);
            if !user.is_root() && owner != user.as_raw() {
                continue;
            }
            let Some(files_of) = files_of(Some(&name), owner) else {
                if !self.strange.contains(&path) {
                    self.refusals.count(Refusal::STRANGE_DIRECTORY);
                }
                strange.insert(path);
                continue;
            };
            // No link is followed, and the owner is asked again: the listing may be old.
            let is_as_told = |found: std::fs::Metadata| found.is_dir() && found.uid() == owner;
            if !std::fs::symlink_metadata(&path).is_ok_and(is_as_told) {
                continue;
            }
            let count = of_owners.entry(owner).or_default();
            *count += 1;
            if *count <= directories_max {
                there.insert(path, Some((files_of, owner)));
                continue;
            }
            if !self.strange.contains(&path) {
                self.refusals.count(Refusal::DIRECTORIES);
            }
            strange.insert(path);
        }
        self.strange = strange;
    }

    /// Reads what the kernel has told.
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
            // A directory that only moved would go on telling of files elsewhere.
            let _ = inotify::remove_watch(fd, descriptor);
        }
        self.charge(accounts, &counts, total, meter.took());
        told
    }

    /// Charges what reading notices took to those who caused them. Who has spent all time is listed
    /// once a second, and not watched until then.
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
            Err(error) => {
                if error == rustix::io::Errno::NOSPC {
                    self.refusals.count(Refusal::WATCH);
                }
                false
            }
        }
    }

    fn unwatch(&mut self, directory: &Path) {
        let Some(fd) = &self.notices else { return };
        let of_it = self.watched.iter().filter(|(_, path)| *path == directory);
        for descriptor in of_it.map(|(descriptor, _)| *descriptor).collect::<Vec<_>>() {
            self.watched.remove(&descriptor);
            let _ = inotify::remove_watch(fd, descriptor);
        }
    }
}

impl Place {
    /// A file that appeared in it.
    fn found(&self, path: PathBuf) -> Option<Found> {
        let files_of = self.files_of?;
        let owner = match files_of {
            FilesOf::User(user) => user,
            FilesOf::Anybody => std::fs::symlink_metadata(&path).ok()?.uid(),
        };
        Some(Found { path, owner, files_of })
    }
}

/// Whether a directory entry is one of our directories.
fn concerns_us(directories: &[PathBuf], of_all_users: Option<&Path>, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    directories.iter().any(|directory| directory == path)
        || of_all_users == path.parent()
            && name.as_bytes().starts_with(USER_DIRECTORY_PREFIX.as_bytes())
}

/// Why a directory cannot be read. The first program of a user makes the user's directory; any other
/// is there, or its name is a mistake.
fn problem_of(directory: &Path) -> Option<String> {
    let name = directory.file_name().unwrap_or_default().as_bytes();
    let is_of_user = directory.parent() == Some(Path::new(SHARED_MEMORY))
        && name.starts_with(USER_DIRECTORY_PREFIX.as_bytes());
    match std::fs::read_dir(directory) {
        Ok(_) if is_of_user && files_of_directory(directory).is_none() => {
            Some("does not belong to the user whom its name says".to_owned())
        }
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (!is_of_user).then(|| "does not exist".to_owned())
        }
        Err(error) => Some(format!("cannot be read: {error}")),
    }
}

fn is_segment(name: &OsStr) -> bool {
    SegmentName::parse(name).is_some()
}

#[cfg(test)]
mod tests;
