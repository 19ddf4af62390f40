//! The recorder's files, with names like `agent-20261126T100000Z-u1000.hakrec` for the processes of
//! user 1000, so that the names of one user's files sort by age.
//!
//! Only files with such names are ever removed.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hakmem_proto::v1::RecordingStart;
use hakmem_recording::{FILE_SUFFIX, RecordingWriter, WriteError};

use crate::time::utc_text;

const PREFIX: &str = "agent-";
const OWNER: &str = "-u";
/// Maximum number of files of one second; more indicate another problem.
const SAME_SECOND_MAX: u32 = 100;

/// The directory of recordings.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stored {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The files of each owner, oldest first; `None` has the files of versions whose names had no
/// owner.
pub(super) type ByOwner = BTreeMap<Option<u32>, VecDeque<Stored>>;

impl Files {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Creates a new file for `owner`, and the directory if it does not exist.
    pub(super) fn create(
        &self,
        now: SystemTime,
        owner: u32,
        start: RecordingStart,
    ) -> Result<RecordingWriter, WriteError> {
        // If the directory cannot be created, neither can the file, and that error names it.
        let _ = std::fs::create_dir_all(&self.directory);
        let moment = utc_text(now);
        let mut number = 0;
        loop {
            // A dot sorts after the hyphen of a name without a number.
            let more = if number == 0 { String::new() } else { format!(".{number:02}") };
            let name = format!("{PREFIX}{moment}{more}{OWNER}{owner}{FILE_SUFFIX}");
            match RecordingWriter::create(&self.directory.join(name), start.clone()) {
                Err(WriteError::Exists(_)) if number < SAME_SECOND_MAX => number += 1,
                created => return created,
            }
        }
    }

    /// The files to remove so that all files together take at most `bytes_max`: repeatedly the
    /// oldest file of the owner whose files take most.
    pub(super) fn beyond(bytes_max: u64, mut files: ByOwner) -> Vec<(Option<u32>, Stored)> {
        let sum = |files: &VecDeque<Stored>| files.iter().map(|file| file.bytes).sum::<u64>();
        let mut bytes: BTreeMap<Option<u32>, u64> =
            files.iter().map(|(owner, files)| (*owner, sum(files))).collect();
        let mut all: u64 = bytes.values().sum();
        let mut removed = Vec::new();
        while all > bytes_max {
            let Some((&owner, of_owner)) = bytes.iter_mut().max_by_key(|(_, bytes)| **bytes) else {
                break;
            };
            let Some(oldest) = files.get_mut(&owner).and_then(VecDeque::pop_front) else { break };
            *of_owner -= oldest.bytes;
            all -= oldest.bytes;
            removed.push((owner, oldest));
        }
        removed
    }

    /// The recorder's files in the directory.
    pub(super) fn list(&self) -> ByOwner {
        let mut files = ByOwner::new();
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let Some(owner) = entry.file_name().to_str().and_then(owner_in) else { continue };
            let Some(found) = entry.metadata().ok().filter(std::fs::Metadata::is_file) else {
                continue;
            };
            let file = Stored { path: entry.path(), bytes: found.len() };
            files.entry(owner).or_default().push_back(file);
        }
        files.values_mut().for_each(|files| files.make_contiguous().sort());
        files
    }

    /// Removes a file; a file that is already gone is not an error.
    pub(super) fn remove(path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The owner in a file's name, if the name is one of the recorder's.
fn owner_in(name: &str) -> Option<Option<u32>> {
    let stem = name.strip_prefix(PREFIX)?.strip_suffix(FILE_SUFFIX)?;
    Some(stem.rsplit_once(OWNER).and_then(|(_, owner)| owner.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(bytes: &[u64]) -> VecDeque<Stored> {
        let name = |number: usize| PathBuf::from(number.to_string());
        bytes.iter().enumerate().map(|(at, &bytes)| Stored { path: name(at), bytes }).collect()
    }

    #[test]
    fn files_go_of_the_owner_who_has_most_however_old_those_of_others_are() {
        let check = |bytes_max, files: &[(u32, &[u64])], expected: &[(u32, &str)]| {
            let files = files.iter().map(|(owner, bytes)| (Some(*owner), stored(bytes)));
            let beyond = Files::beyond(bytes_max, files.collect());
            let told: Vec<_> = beyond
                .iter()
                .map(|(owner, file)| (owner.unwrap(), file.path.to_str().unwrap()))
                .collect();
            assert_eq!(told, expected);
        };
        check(100, &[(1, &[10, 10]), (2, &[40, 40])], &[]);
        check(80, &[(1, &[10, 10]), (2, &[40, 40])], &[(2, "0")]);
        check(30, &[(1, &[10, 10]), (2, &[40, 40])], &[(2, "0"), (2, "1")]);
        check(5, &[(1, &[10]), (2, &[10])], &[(2, "0"), (1, "0")]);
        check(0, &[(1, &[])], &[]);
    }

    #[test]
    fn owners_are_in_names_and_names_sort_by_age() {
        assert_eq!(owner_in("agent-20261126T100000Z-u1000.hakrec"), Some(Some(1000)));
        assert_eq!(owner_in("agent-20261126T100000Z.01-u0.hakrec"), Some(Some(0)));
        assert_eq!(owner_in("agent-20261126T100000Z.hakrec"), Some(None));
        assert_eq!(owner_in("mine.hakrec"), None);
        assert!("agent-20261126T100000Z-u0.hakrec" < "agent-20261126T100000Z.01-u0.hakrec");
    }
}
