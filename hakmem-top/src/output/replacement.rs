//! Files that are created or replaced in one step: the existing file stays until its successor is
//! whole and on the disk, and no reader ever sees an incomplete one.
//!
//! The successor is written to a new file beside its target and renamed. A target that is not a
//! regular file (a device, a pipe, this program's own standard output) is written to directly.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Symbolic links that are followed, the limit of Linux.
const LINKS_MAX: u32 = 40;
/// Names that are tried for the file beside the target.
const NAMES_MAX: u32 = 100;

/// Who may read a newly created file. A replaced file keeps its permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// The owner alone, because the file contains command lines.
    Owner,
    /// The users that the `umask` allows.
    Usual,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Usual => 0o666,
        }
    }
}

/// A file that is being written, beside its target. Dropping it removes it.
#[derive(Debug)]
pub struct Replacement {
    target: PathBuf,
    file: File,
    /// `None` if the target is not a regular file and is written to directly.
    temporary: Option<PathBuf>,
    /// Whether a file that appears at the target in the meantime may be replaced.
    replaces: bool,
}

impl Replacement {
    /// Makes sure that the file can be created or replaced, without touching the existing one.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn begin(path: &Path, readers: Readers) -> io::Result<Self> {
        Self::of(path, readers, true)
    }

    /// Makes sure that the file can be created.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if it exists, otherwise the system's error.
    pub fn begin_new(path: &Path, readers: Readers) -> io::Result<Self> {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Self::of(path, readers, false)
    }

    fn of(path: &Path, readers: Readers, replaces: bool) -> io::Result<Self> {
        let directly = |target: PathBuf| {
            let file = OpenOptions::new().append(true).open(&target)?;
            Ok(Self { target, file, temporary: None, replaces })
        };
        if names_open_file(path) {
            return directly(path.to_owned());
        }
        let target = behind_links(path)?;
        let existing = match std::fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => return directly(target),
            Ok(metadata) => {
                // Opening the file refuses to replace one that is write-protected.
                drop(OpenOptions::new().append(true).open(&target)?);
                Some(metadata)
            }
            Err(_) => None,
        };
        let mode = if existing.is_some() { 0o600 } else { readers.mode() };
        let (temporary, file) = make_beside(&target, mode)?;
        let made = Self { target, file, temporary: Some(temporary), replaces };
        if let Some(metadata) = existing {
            // Only root can give a file away, and only root needs to.
            let _ = fchown(&made.file, Some(metadata.uid()), Some(metadata.gid()));
            let mode = metadata.permissions().mode() & 0o777;
            made.file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(made)
    }

    /// The file to write to; it is empty at first, unless the target is written to directly.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path of the file until it is committed.
    pub fn path(&self) -> &Path {
        self.temporary.as_ref().unwrap_or(&self.target)
    }

    /// Syncs the file to the disk and renames it to its target.
    ///
    /// # Errors
    ///
    /// The system's error; the existing file stays as it was.
    pub fn commit(mut self) -> io::Result<()> {
        let Some(temporary) = self.temporary.clone() else { return Ok(()) };
        self.file.sync_all()?;
        self.rename(&temporary)?;
        self.temporary = None;
        if let Some(directory) = self.target.parent().filter(|it| !it.as_os_str().is_empty()) {
            // Not every file system can sync a directory, and the file itself is safe.
            let _ = File::open(directory).and_then(|it| it.sync_all());
        }
        Ok(())
    }

    /// Keeps the file beside the target, and returns its path.
    pub fn keep(mut self) -> PathBuf {
        self.temporary.take().unwrap_or_else(|| self.target.clone())
    }

    fn rename(&self, temporary: &Path) -> io::Result<()> {
        if self.replaces {
            return match std::fs::rename(temporary, &self.target) {
                // A mount point, such as a container's single file, cannot be renamed over.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::fs::copy(temporary, &self.target)?;
                    std::fs::remove_file(temporary)
                }
                renamed => renamed,
            };
        }
        match renameat_with(CWD, temporary, CWD, &self.target, RenameFlags::NOREPLACE) {
            // The file system does not support a rename without replacing.
            Err(Errno::INVAL | Errno::NOSYS) => {
                std::fs::hard_link(temporary, &self.target)?;
                std::fs::remove_file(temporary)
            }
            renamed => Ok(renamed?),
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // There is nobody to report an error to, and the file's name says what it is.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// Whether a path names a file that this process has open: other processes may have it open too,
/// and would keep the old one after a rename.
fn names_open_file(path: &Path) -> bool {
    let standard = ["/dev/stdout", "/dev/stderr"].iter().any(|it| path == Path::new(it));
    standard || path.starts_with("/dev/fd") || path.starts_with("/proc")
}

/// The target of `path` after following symbolic links; it need not exist. The target is replaced,
/// not the link.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(named) = std::fs::read_link(&target) else { return Ok(target) };
        target = target.parent().unwrap_or(Path::new("")).join(named);
    }
    Err(Errno::LOOP.into())
}

/// Creates a new file beside the target. It never follows a link at that name.
fn make_beside(target: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.{number}.partial", std::process::id()));
        let temporary = target.with_file_name(name);
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES_MAX => {
                number += 1;
            }
            Err(error) => return Err(error),
            Ok(file) => return Ok((temporary, file)),
        }
    }
}

#[cfg(test)]
mod tests;
