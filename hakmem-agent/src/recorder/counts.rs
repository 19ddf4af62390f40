//! Counts for the metrics: the bytes that the recorder wrote, keeps and removed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum number of owners with series of their own; further owners have no series.
const OWNERS_MAX: usize = 256;

/// The bytes written so far, and those that are kept.
#[derive(Debug, Default)]
pub(crate) struct RecordingCounts {
    bytes: AtomicU64,
    errors: AtomicU64,
    rooms: Mutex<BTreeMap<u32, Room>>,
}

/// Bytes of the recordings of one owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// On the disk now.
    pub(crate) stored: u64,
    /// Removed to make room, since the agent started.
    pub(crate) removed: u64,
}

impl RecordingCounts {
    /// Number of bytes written to files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Number of attempts that failed.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The room of each owner who has or had recordings.
    pub(crate) fn rooms(&self) -> BTreeMap<u32, Room> {
        self.lock().clone()
    }

    pub(super) fn count_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the bytes that are stored now, by owner, as a listing of the directory found them.
    pub(super) fn set_stored(&self, stored: &BTreeMap<u32, u64>) {
        let mut rooms = self.lock();
        rooms.values_mut().for_each(|room| room.stored = 0);
        for (&owner, &bytes) in stored {
            change(&mut rooms, owner, |room| room.stored = bytes);
        }
    }

    pub(super) fn count_removed(&self, owner: u32, bytes: u64) {
        change(&mut self.lock(), owner, |room| room.removed += bytes);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn change(rooms: &mut BTreeMap<u32, Room>, owner: u32, change: impl FnOnce(&mut Room)) {
    if rooms.len() < OWNERS_MAX || rooms.contains_key(&owner) {
        change(rooms.entry(owner).or_default());
    }
}
