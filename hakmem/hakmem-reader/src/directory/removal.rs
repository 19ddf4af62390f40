//! Removes the segments of dead processes.
//!
//! A segment does not say when its writer was killed. So the first pass that finds it dead marks it
//! (`death_mark`), and the segment's age counts from then.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};

use super::{ScanError, scan};
use crate::death_mark;
use crate::error::OpenError;
use crate::identity::Identity;
use crate::liveness::{Host, effective_state};
use crate::segment::Segment;
use crate::segment_file::SegmentFile;

/// Age at which a segment that never became ready counts as abandoned, if it is not locked.
const UNREADY_AGE: Duration = Duration::from_secs(60);

/// The result of [`remove_dead`].
#[derive(Debug, Default)]
pub struct Removal {
    /// Segments that were removed.
    pub removed: Vec<PathBuf>,
    /// Number of segments of dead processes that stay.
    pub kept: usize,
    /// Segments that should be removed but could not be.
    pub failed: Vec<(PathBuf, io::Error)>,
}

/// Removes segments of dead processes. Of each owner's dead segments, at most `keep` stay, and only
/// those that were found dead at most `max_age` ago. Segments of processes that did not end
/// normally are kept before others, because somebody may still want to know why they ended, and
/// recent deaths before earlier ones. Together the dead of one owner may take an eighth of the file
/// system, 256 MiB at most.
///
/// Touches only files that the current user owns, or any files if that is root; never a file whose
/// writer lives, and never one that is not a segment this version understands. Does not follow
/// another user's symbolic link, not even as `directory`.
pub fn remove_dead(directory: &Path, keep: usize, max_age: Duration) -> Result<Removal, ScanError> {
    let paths = scan(directory)?.paths;
    let names = paths.iter().filter_map(|path| path.file_name());
    remove_dead_among(directory, names, keep, max_age)
}

/// Does the same as [`remove_dead`], but considers only files with these names.
pub fn remove_dead_among<'a>(
    directory: &Path,
    names: impl IntoIterator<Item = &'a OsStr>,
    keep: usize,
    max_age: Duration,
) -> Result<Removal, ScanError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(directory, flags, Mode::empty())
        .map_err(|errno| ScanError::new(directory, errno.into()))?;
    let names: Vec<&OsStr> = names.into_iter().collect();
    let mut dead: Vec<Dead> = names.iter().filter_map(|name| find_dead(&fd, name)).collect();
    let space = rustix::fs::fstatvfs(&fd).map_or(0, |found| found.f_blocks * found.f_frsize);
    let bytes_max = bytes_max(space);
    if dead.len() > keep || dead.iter().map(|dead| dead.bytes).sum::<u64>() > bytes_max {
        mark_abnormal(&fd, &names, &mut dead);
    }
    dead.sort_by_key(|dead| Reverse((dead.is_abnormal, dead.since)));
    let now = SystemTime::now();
    // Counted by owner, so that no user's dead segments displace another user's.
    let mut of_owners: HashMap<u32, (usize, u64)> = HashMap::new();
    let mut removal = Removal::default();
    for dead in &dead {
        let age = now.duration_since(dead.since).unwrap_or_default();
        let (rank, bytes) = of_owners.entry(dead.owner).or_default();
        *bytes += dead.bytes;
        *rank += 1;
        if *rank <= keep && age <= max_age && *bytes <= bytes_max {
            removal.kept += 1;
            continue;
        }
        let path = directory.join(&dead.name);
        match unlink(&fd, dead) {
            Ok(()) => removal.removed.push(path),
            Err(error) => removal.failed.push((path, error)),
        }
    }
    Ok(removal)
}

/// Most bytes that the dead segments of one owner may take on a file system of `space` bytes; a
/// file system without a bound reports 0.
fn bytes_max(space: u64) -> u64 {
    const PART: u64 = 8;
    const MOST: u64 = 256 << 20;
    if space == 0 { MOST } else { (space / PART).min(MOST) }
}

/// A segment without a living writer. The file is not kept open, since there may be many.
struct Dead {
    name: OsString,
    owner: u32,
    /// Device and inode.
    file_id: (u64, u64),
    /// Bytes on disk, fewer than the file's length.
    bytes: u64,
    /// When it was first found dead.
    since: SystemTime,
    /// Whether its process neither ended normally nor went on as another program; determined only
    /// when it matters.
    is_abnormal: bool,
}

/// Examines the segment `name`; `None` if it must be left alone.
fn find_dead(directory: &OwnedFd, name: &OsStr) -> Option<Dead> {
    let file = SegmentFile::open_at(directory, Path::new(name)).ok()?;
    let stat = rustix::fs::fstat(file.fd()).ok()?;
    let user = rustix::process::geteuid();
    if !user.is_root() && stat.st_uid != user.as_raw() {
        return None;
    }
    let is_ready = match Segment::check(&file) {
        Ok(()) => true,
        Err(OpenError::NotReady) => false,
        Err(_) => return None,
    };
    let is_fresh = death_mark::modified(&stat).elapsed().unwrap_or_default() < UNREADY_AGE;
    if (!is_ready && is_fresh) || file.is_locked() {
        return None;
    }
    let since = death_mark::found_dead_at(&stat).unwrap_or_else(|| death_mark::set(&file));
    Some(Dead {
        name: name.to_owned(),
        owner: stat.st_uid,
        file_id: (stat.st_dev, stat.st_ino),
        bytes: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        since,
        is_abnormal: false,
    })
}

/// Determines which of the dead processes did not end normally. That takes the segments of all
/// `names`, because a process that went on as another program left a later one.
fn mark_abnormal(directory: &OwnedFd, names: &[&OsStr], dead: &mut [Dead]) {
    let open = |name: &OsStr| {
        let file = SegmentFile::open_at(directory, Path::new(name)).ok()?;
        let segment = Segment::from_file(file).ok()?;
        let process = segment.sample_process().ok()?;
        Some((segment.identity().clone(), process))
    };
    let known: HashMap<&OsStr, _> =
        names.iter().filter_map(|&name| open(name).map(|opened| (name, opened))).collect();
    let mut of_pid: HashMap<u32, Vec<&Identity>> = HashMap::new();
    for (identity, _) in known.values() {
        of_pid.entry(identity.pid).or_default().push(identity);
    }
    let host = Host::current();
    for dead in dead {
        let Some((identity, process)) = known.get(dead.name.as_os_str()) else { continue };
        let others = of_pid[&identity.pid].iter().copied();
        let state = effective_state(identity, false, process, None, others, &host);
        dead.is_abnormal = state.is_abnormal_end();
    }
}

/// Removes the name, if it still belongs to the file that was found dead.
fn unlink(directory: &OwnedFd, dead: &Dead) -> io::Result<()> {
    let name = Path::new(&dead.name);
    let file = SegmentFile::open_at(directory, name).map_err(io::Error::other)?;
    let stat = rustix::fs::fstat(file.fd())?;
    if (stat.st_dev, stat.st_ino) != dead.file_id {
        return Err(io::Error::other("the name belongs to another file now"));
    }
    rustix::fs::flock(file.fd(), FlockOperation::NonBlockingLockExclusive)?;
    Ok(rustix::fs::unlinkat(directory, name, AtFlags::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_take_an_eighth_of_a_small_file_system_and_no_more_than_256_mib() {
        assert_eq!(bytes_max(64 << 20), 8 << 20);
        assert_eq!(bytes_max(24 << 30), 256 << 20);
        assert_eq!(bytes_max(0), 256 << 20);
    }
}
