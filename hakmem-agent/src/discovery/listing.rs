//! Reads the names in a directory, in parts.
//!
//! A directory of a hundred thousand names is read over several listings, one part in each, so that
//! it delays nobody. A directory that did not change is not read again. A removed name is noticed
//! at the end of a pass.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::ReadDir;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Number of entries that one listing reads of one directory.
const ENTRIES_MAX: usize = 4096;
/// Two changes within this time may leave the same time of modification.
const CLOCK_STEP: Duration = Duration::from_secs(2);
/// Time after which an unchanged directory is read again, because some file systems do not report
/// changes.
const DISTRUST: Duration = Duration::from_secs(30);

/// The relevant names of one directory, with the owners of their files.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The names from the last complete pass, and those found since.
    names: BTreeMap<OsString, u32>,
    pass: Option<Pass>,
    /// The state of the directory when the last complete pass began.
    complete: Option<(Stamp, SystemTime)>,
}

/// A pass in progress.
#[derive(Debug)]
struct Pass {
    entries: ReadDir,
    found: BTreeMap<OsString, u32>,
    counts: HashMap<u32, usize>,
    stamp: Stamp,
    begun: SystemTime,
    left_out: u64,
}

/// Device, inode and time of modification.
type Stamp = (u64, u64, i64, i64);

/// Selects the relevant names.
pub(super) struct Filter<'a> {
    pub(super) is_wanted: &'a dyn Fn(&OsStr) -> bool,
    /// Owner of the files, if the directory determines it; otherwise each file is asked.
    pub(super) owner: Option<u32>,
    /// Maximum number of names of one owner.
    pub(super) names_max: usize,
}

impl Listing {
    /// The names known now.
    pub(super) fn names(&self) -> &BTreeMap<OsString, u32> {
        &self.names
    }

    /// Continues reading. Returns the number of names that were left out, if a pass ended.
    pub(super) fn advance(&mut self, directory: &Path, filter: &Filter<'_>) -> u64 {
        let Ok(metadata) = std::fs::metadata(directory) else {
            *self = Self::default();
            return 0;
        };
        let stamp = (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        if self.pass.as_ref().is_some_and(|pass| (pass.stamp.0, pass.stamp.1) != (stamp.0, stamp.1))
        {
            self.pass = None;
        }
        if self.pass.is_none() {
            if self.is_current(stamp) {
                return 0;
            }
            let Ok(entries) = std::fs::read_dir(directory) else {
                *self = Self::default();
                return 0;
            };
            self.pass = Some(Pass {
                entries,
                found: BTreeMap::new(),
                counts: HashMap::new(),
                stamp,
                begun: SystemTime::now(),
                left_out: 0,
            });
        }
        let Some(pass) = &mut self.pass else { return 0 };
        if !pass.read(filter) {
            self.names.extend(pass.found.iter().map(|(name, owner)| (name.clone(), *owner)));
            return 0;
        }
        let Some(pass) = self.pass.take() else { return 0 };
        self.names = pass.found;
        self.complete = Some((pass.stamp, pass.begun));
        pass.left_out
    }

    /// Whether the last complete pass saw the present state of the directory.
    fn is_current(&self, stamp: Stamp) -> bool {
        let Some((seen, begun)) = self.complete else { return false };
        let modified = SystemTime::UNIX_EPOCH
            + Duration::new(u64::try_from(stamp.2).unwrap_or(0), stamp.3.unsigned_abs() as u32);
        let is_settled = begun.duration_since(modified).is_ok_and(|it| it > CLOCK_STEP);
        let is_recent = begun.elapsed().is_ok_and(|it| it < DISTRUST);
        seen == stamp && is_settled && is_recent
    }
}

impl Pass {
    /// Reads a part; returns whether it was the last one.
    fn read(&mut self, filter: &Filter<'_>) -> bool {
        for _ in 0..ENTRIES_MAX {
            let Some(entry) = self.entries.next() else { return true };
            // An error ends the directory.
            let Ok(entry) = entry else { return true };
            let name = entry.file_name();
            if !(filter.is_wanted)(&name) {
                continue;
            }
            let owner = match filter.owner {
                Some(owner) => owner,
                None => match entry.metadata() {
                    Ok(metadata) => metadata.uid(),
                    Err(_) => continue,
                },
            };
            let count = self.counts.entry(owner).or_default();
            if *count < filter.names_max {
                *count += 1;
                self.found.insert(name, owner);
            } else {
                self.left_out += 1;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names_max: usize) -> Filter<'static> {
        Filter { is_wanted: &|name| name != "junk", owner: None, names_max }
    }

    #[test]
    fn a_large_directory_is_read_in_parts_and_wholly_in_the_end() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..2 * ENTRIES_MAX + 10 {
            std::fs::write(directory.path().join(number.to_string()), "").unwrap();
        }
        let mut listing = Listing::default();
        listing.advance(directory.path(), &all(usize::MAX));
        assert_eq!(listing.names().len(), ENTRIES_MAX);
        listing.advance(directory.path(), &all(usize::MAX));
        listing.advance(directory.path(), &all(usize::MAX));
        assert_eq!(listing.names().len(), 2 * ENTRIES_MAX + 10);
        for number in 0..2 * ENTRIES_MAX {
            std::fs::remove_file(directory.path().join(number.to_string())).unwrap();
        }
        listing.advance(directory.path(), &all(usize::MAX));
        assert_eq!(listing.names().len(), 10);
    }

    #[test]
    fn names_beyond_the_budget_are_left_out_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "junk"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let mut listing = Listing::default();
        assert_eq!(listing.advance(directory.path(), &all(2)), 1);
        assert_eq!(listing.names().len(), 2);
        std::fs::remove_dir_all(directory.path()).unwrap();
        listing.advance(directory.path(), &all(2));
        assert!(listing.names().is_empty());
    }
}
