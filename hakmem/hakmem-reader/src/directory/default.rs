//! The directory where programs publish by default.
//!
//! A user's directory is `/dev/shm/hakmem-<uid>`. If another user was the first to make that, it is
//! `/dev/shm/hakmem-<uid>-<16 hex digits>`, which programs and readers find by name and owner.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The parent of the directories of all users.
pub const SHARED_MEMORY: &str = "/dev/shm";
const PREFIX: &str = "hakmem-";
const DIGITS: usize = 16;
/// Most entries of a directory to look at: everybody may write to `/dev/shm`.
const ENTRIES_MAX: usize = 65_536;
const STICKY: u32 = 0o1000;

/// The directory in which programs of this user publish: `$HAKMEM_DIR`, otherwise
/// `/dev/shm/hakmem-<uid>`, or, if another user has that, the user's substitute. It need not exist.
pub fn default_directory() -> PathBuf {
    match std::env::var_os("HAKMEM_DIR") {
        Some(directory) if !directory.is_empty() => directory.into(),
        _ => default_in(Path::new(SHARED_MEMORY), rustix::process::getuid().as_raw()),
    }
}

fn default_in(parent: &Path, user: u32) -> PathBuf {
    let usual = parent.join(format!("{PREFIX}{user}"));
    match fs::symlink_metadata(&usual) {
        Ok(found) if !is_fit(&found, user) => {
            let other = directories_of_users(parent).into_iter().find(|path| {
                path.file_name().and_then(user_of_directory) == Some(user)
                    && fs::symlink_metadata(path).is_ok_and(|found| is_fit(&found, user))
            });
            // A program to which this path is given makes the directory.
            other.unwrap_or_else(|| {
                let nonce = RandomState::new().build_hasher().finish();
                parent.join(format!("{PREFIX}{user}-{nonce:016x}"))
            })
        }
        _ => usual,
    }
}

/// Whether programs of `user` publish in `directory`.
fn is_fit(directory: &Metadata, user: u32) -> bool {
    let is_roots = directory.uid() == 0 && directory.mode() & STICKY != 0;
    directory.is_dir() && (directory.uid() == user || is_roots)
}

/// The user whose programs publish in a directory with this name; `None` if the name contains no
/// user.
pub fn user_of_directory(name: &OsStr) -> Option<u32> {
    let rest = name.to_str()?.strip_prefix(PREFIX)?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let id = match rest.split_once('-') {
        None => rest,
        Some((id, nonce)) if nonce.len() == DIGITS && nonce.bytes().all(is_hex) => id,
        Some(_) => return None,
    };
    id.parse().ok().filter(|user: &u32| user.to_string() == id)
}

/// The users whose segments a directory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesOf {
    /// One user's: the directory belongs to that user, or root made it under that user's name.
    User(u32),
    /// Anybody's: the directory belongs to root and its name contains no user.
    Anybody,
}

impl FilesOf {
    /// Whether a file that belongs to `owner` may be in the directory. If not, somebody linked or
    /// moved another user's file into a directory of their own, or made files in another user's.
    pub fn admits(self, owner: u32) -> bool {
        match self {
            Self::User(user) => user == owner,
            Self::Anybody => true,
        }
    }
}

/// The users whose segments the directory `name`, which belongs to `owner`, may hold; `None` if its
/// name contradicts its owner. For a directory that a person named, `name` is `None` and says
/// nothing.
pub fn files_of(name: Option<&OsStr>, owner: u32) -> Option<FilesOf> {
    match (name.and_then(user_of_directory), owner) {
        (Some(named), 0) => Some(FilesOf::User(named)),
        (None, 0) => Some(FilesOf::Anybody),
        (Some(named), owner) if named != owner => None,
        (_, owner) => Some(FilesOf::User(owner)),
    }
}

/// The users whose segments `directory` may hold; `None` if its name contradicts its owner. Its
/// name counts only beside the directories of all users.
pub fn files_of_directory(directory: &Path) -> Option<FilesOf> {
    let is_shared = directory.parent() == Some(Path::new(SHARED_MEMORY));
    let name = directory.file_name().filter(|_| is_shared);
    // The path that a person gives may be a symbolic link to a directory.
    let found = if is_shared { fs::symlink_metadata(directory) } else { fs::metadata(directory) };
    files_of(name, found.ok()?.uid())
}

/// The directories `hakmem-*` of `parent`, sorted. If a directory's name contains a user, it is
/// listed only if that user or root owns it: anybody can make a directory with another user's name.
/// Symbolic links are not followed.
pub fn directories_of_users(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().take(ENTRIES_MAX).flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(is_of_user).map(|entry: DirEntry| entry.path()).collect();
    found.sort();
    found
}

fn is_of_user(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
        && entry
            .metadata()
            .is_ok_and(|found| found.is_dir() && files_of(Some(&name), found.uid()).is_some())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    const NOBODY: u32 = 65534;

    #[test]
    fn names_of_directories_name_their_users() {
        let check = |name: &str, expected| {
            assert_eq!(user_of_directory(OsStr::new(name)), expected, "{name}");
        };
        check("hakmem-1000", Some(1000));
        check("hakmem-1000-0123456789abcdef", Some(1000));
        check("hakmem-01000", None);
        check("hakmem-+1", None);
        check("hakmem-1000-0123456789abcde", None);
        check("hakmem-1000-0123456789abcdeF", None);
        check("hakmem-shared", None);
        check("hakmem-", None);
        check("other-1000", None);
    }

    #[test]
    fn name_and_owner_of_a_directory_say_whose_files_it_may_hold() {
        let check = |name: &str, owner, expected: Option<FilesOf>| {
            assert_eq!(files_of(Some(OsStr::new(name)), owner), expected, "{name} of {owner}");
        };
        check("hakmem-1000", 1000, Some(FilesOf::User(1000)));
        check("hakmem-1000", 0, Some(FilesOf::User(1000)));
        check("hakmem-1000", 1001, None);
        check("hakmem-0", 1001, None);
        check("hakmem-1000-0123456789abcdef", 1001, None);
        check("hakmem-shared", 1001, Some(FilesOf::User(1001)));
        check("hakmem-shared", 0, Some(FilesOf::Anybody));
        assert_eq!(files_of(None, 0), Some(FilesOf::Anybody));
        assert_eq!(files_of(None, 7), Some(FilesOf::User(7)));
        assert!(FilesOf::User(7).admits(7) && !FilesOf::User(7).admits(0));
        assert!(FilesOf::Anybody.admits(7));
    }

    #[test]
    fn a_directory_that_somebody_else_has_is_replaced_by_one_of_ones_own() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path();
        const USER: u32 = 54_321;
        let usual = parent.join("hakmem-54321");
        assert_eq!(default_in(parent, USER), usual, "it does not exist yet");
        symlink("/", &usual).unwrap();
        let drawn = default_in(parent, USER);
        assert_eq!(drawn.file_name().and_then(user_of_directory), Some(USER));
        assert_ne!(drawn, usual);
        fs::remove_file(&usual).unwrap();
        fs::create_dir(&usual).unwrap();
        let roots = "run this test as root: it changes owners";
        chown(&usual, Some(NOBODY), None).expect(roots);
        // Belongs to another user in spite of its name.
        fs::create_dir(parent.join("hakmem-54321-0000000000000001")).unwrap();
        chown(parent.join("hakmem-54321-0000000000000001"), Some(NOBODY), None).expect(roots);
        fs::create_dir(&drawn).unwrap();
        chown(&drawn, Some(USER), None).expect(roots);
        assert_eq!(default_in(parent, USER), drawn);
        fs::create_dir(parent.join("hakmem-shared")).unwrap();
        let all = [drawn.clone(), parent.join("hakmem-shared")];
        assert_eq!(directories_of_users(parent), all, "not those that others made");
        chown(&usual, Some(USER), None).expect(roots);
        assert_eq!(default_in(parent, USER), usual);
    }
}
