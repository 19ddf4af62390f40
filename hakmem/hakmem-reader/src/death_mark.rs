//! The mark on a segment that was found dead.
//!
//! It consists of the missing permission of the owner to write, and of the time of modification. No
//! process writes to a dead segment any more, and readers need neither.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::segment_file::SegmentFile;

const OWNER_MAY_WRITE: u32 = 0o200;

/// Marks the segment as found dead now. If that fails, the next pass counts it as just found dead
/// again.
pub(crate) fn set(file: &SegmentFile) -> SystemTime {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let unchanged = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access: unchanged, last_modification: now };
    if rustix::fs::futimens(file.fd(), &times).is_ok() {
        let _ = rustix::fs::fchmod(file.fd(), Mode::RUSR);
    }
    SystemTime::now()
}

/// When a segment was marked, if it was: its writer died before that.
pub(crate) fn found_dead_at(stat: &Stat) -> Option<SystemTime> {
    (stat.st_mode & OWNER_MAY_WRITE == 0).then(|| modified(stat))
}

/// When the file was last modified: if it is marked, when it was marked.
pub(crate) fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}
