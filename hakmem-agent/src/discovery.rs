//! Finds segments by a listing, which is complete in the end, and by notices, which are fast.
//!
//! The kernel's inotify reports new files within a millisecond. A listing every second finds the
//! files that inotify did not report (a directory that did not exist yet, an overflow of its queue,
//! a file system without it).
//!
//! Any user can create directories, names and events without end. For each owner, the number of
//! watched directories, the number of known names in one directory and the time spent are limited
//! ([`OwnerBudget`](crate::config::OwnerBudget)); everything beyond the limits is counted.

mod listing;
mod notices;
mod problem;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hakmem_reader::directory::{FilesOf, SegmentName, files_of, files_of_directory};
use rustix::fs::inotify::{self, CreateFlags};

use crate::accounts::{Accounts, Meter};
use crate::refusals::{Refusal, Refusals};
use listing::{Filter, Listing};
use problem::problem_of;

/// Prefix of the names of users' directories.
const USER_DIRECTORY_PREFIX: &str = "hakmem-";
/// Number of names of one owner that are considered in the directory of all users.
const CANDIDATES_MAX: usize = 256;

/// Finds segments in the directories of a configuration.
#[derive(Debug)]
pub(crate) struct Discovery {
    directories: Vec<PathBuf>,
    directory_of_all_users: Option<PathBuf>,
    refusals: Arc<Refusals>,
    /// Names in the directory of all users.
    candidates: Listing,
    /// Directories of users that were counted as refused.
    strange: BTreeSet<PathBuf>,
    places: BTreeMap<PathBuf, Place>,
    /// `None` if the system has no more inotify instances to give; then only listings find files.
    notices: Option<OwnedFd>,
    watched: HashMap<i32, PathBuf>,
    /// Directories to be watched that cannot be read, with the reasons.
    problems: BTreeMap<PathBuf, String>,
    /// Whether the directory of all users changed since it was listed.
    is_dirty: bool,
}

/// A directory with segments, or one that may get some.
#[derive(Debug, Default)]
struct Place {
    /// The users whose files it may hold; `None` while it does not exist.
    files_of: Option<FilesOf>,
    /// The owner of the directory.
    owner: u32,
    listing: Listing,
    /// Whether the directory changed since it was listed.
    is_dirty: bool,
}

/// A file with the name of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The owner of the file, as told by its directory or by a listing.
    pub(crate) owner: u32,
    /// The users whose files may lie in the directory.
    pub(crate) files_of: FilesOf,
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
                    "inotify is unavailable ({error}): new processes are found only once a second; \
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

    /// The descriptor that becomes readable when there are notices.
    pub(crate) fn notices_fd(&self) -> Option<BorrowedFd<'_>> {
        self.notices.as_ref().map(|fd| fd.as_fd())
    }

    /// Directories with segments, their owners and the known names in each.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Path, u32, Vec<&OsStr>)> {
        let existing = self.places.iter().filter(|(_, place)| place.files_of.is_some());
        existing.map(|(path, place)| {
            let names = place.listing.names().keys().map(|name| &**name).collect();
            (&**path, place.owner, names)
        })
    }

    /// Lists every directory, or only those that changed, and watches those that can be watched
    /// from now on. Returns every segment that is known then, by path.
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
        // Watching comes first, so that files that appear during the listing are reported as well.
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

    /// Directories to be watched that cannot be read, with the reasons.
    pub(crate) fn problems(&self) -> &BTreeMap<PathBuf, String> {
        &self.problems
    }

    /// Finds the configured directories that cannot be read.
    fn find_problems(&mut self) {
        let configured = self.directories.iter().chain(&self.directory_of_all_users);
        let problem = |path: &PathBuf| Some((path.clone(), problem_of(path)?));
        self.problems = configured.filter_map(problem).collect();
    }

    /// Finds the directories that exist.
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

    /// Chooses as many of each owner's directories as the budget allows; directories with the name
    /// that programs use come first.
    fn choose_of_all_users(
        &mut self,
        parent: &Path,
        directories_max: usize,
        there: &mut BTreeMap<PathBuf, Option<(FilesOf, u32)>>,
    ) {
        let user = rustix::process::geteuid();
        let mut of_owners: HashMap<u32, usize> = HashMap::new();
        let own_name = |owner: u32| OsString::from(format!("{USER_DIRECTORY_PREFIX}{owner}"));
        // If an owner has so many directories that the listing left some out, the default one still
        // counts.
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
            // Links are not followed, and the owner is read again because the listing may be old.
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
}

impl Place {
    /// A file that appeared in the directory.
    fn found(&self, path: PathBuf) -> Option<Found> {
        let files_of = self.files_of?;
        let owner = match files_of {
            FilesOf::User(user) => user,
            FilesOf::Anybody => std::fs::symlink_metadata(&path).ok()?.uid(),
        };
        Some(Found { path, owner, files_of })
    }
}

fn is_segment(name: &OsStr) -> bool {
    SegmentName::parse(name).is_some()
}

#[cfg(test)]
mod tests;
