//! Removes the segments of dead processes before they are in the way.
//!
//! There may be no agent, so programs do this when they start: always if the file system is short
//! of space, otherwise now and then. The oldest segments go first, and only those without a living
//! writer: the segment was made ready, and the lock of its file is free.
//!
//! # Safety
//! The list of dead segments lies in memory that was mapped for it.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::ptr::NonNull;
use core::slice;

use hakmem_segment::header::SLOTS_MAX;
use hakmem_segment::{READY, SegmentHeader};

use super::{NAME_MAX, Place};
use crate::os::file::{File, Space};
use crate::os::{clock, memory, process};
use crate::segment::{HEADER_STEP, SLOT_STEP};

/// When a directory has more segments than this, dead ones that are older than [`STALE_AFTER_S`]
/// are removed.
const ENTRIES_TOLERATED: usize = 64;
const STALE_AFTER_S: i64 = 600;
/// When it has more segments than this, dead ones that are older than [`FRESH_FOR_S`] are removed.
const ENTRIES_MAX: usize = 512;
const FRESH_FOR_S: i64 = 10;
/// One start-up in this many looks, so that not every program pays for looking, about 1 ms.
const CLEANING_SHARE: u64 = 32;
/// Most files that one look considers.
const PROBES_MAX: usize = 4096;
/// Most looks of one start-up when space is short; each removes up to [`DEAD_MAX`] segments.
const LOOKS_MAX: usize = 8;

/// The divisor of a file system's space for the share that segments leave to others, which is at
/// most [`SHARE_MAX`].
const SHARE_PART: usize = 4;
const SHARE_MAX: usize = 64 << 20;
/// The divisor of the space for what dead segments may take together, which is at most
/// [`DEAD_BYTES_MAX`].
const DEAD_PART: usize = 8;
const DEAD_BYTES_MAX: usize = 256 << 20;
/// The divisor of the free space beyond the share for what one process may take for its threads, so
/// that it leaves room for processes that start later; it may take enough for a few threads in any
/// case.
const PROCESS_PART: usize = 4;
const SLOTS_FEW: usize = 16;

/// Bytes that segments leave to others on a file system of `total` bytes.
fn share(total: usize) -> usize {
    (total / SHARE_PART).min(SHARE_MAX)
}

/// Number of slots that a new segment may have; 0 if there is no room for a segment.
pub(super) fn slots_within(space: Space) -> usize {
    let free = space.free.saturating_sub(share(space.total));
    let fitting = free.saturating_sub(HEADER_STEP) / SLOT_STEP;
    (fitting / PROCESS_PART).max(fitting.min(SLOTS_FEW)).min(SLOTS_MAX)
}

/// A segment without a living writer.
#[derive(Clone, Copy)]
struct Dead {
    modified_ns: i64,
    bytes: usize,
    name: [u8; NAME_MAX],
}

/// Most dead segments that are listed at once.
const DEAD_MAX: usize = 600;
const SCRATCH_BYTES: usize = (DEAD_MAX * size_of::<Dead>()).next_multiple_of(memory::PAGE);

/// The oldest dead segments of a directory.
struct Listing {
    memory: NonNull<u8>,
    count: usize,
    /// Number of all segments, dead or not.
    segments: usize,
    /// Bytes of all dead segments, listed or not.
    dead_bytes: usize,
}

impl Drop for Listing {
    fn drop(&mut self) {
        // A refusal is counted. SAFETY: mapped by `new`, and the borrows have ended.
        let _ = unsafe { memory::unmap(self.memory, SCRATCH_BYTES) };
    }
}

impl Listing {
    /// Looks through the directory; `None` if there is no memory for the list.
    #[inline(never)]
    fn new(place: &Place<'_>, now_s: i64) -> Option<Self> {
        let memory = memory::map(SCRATCH_BYTES)?;
        let mut listing = Self { memory, count: 0, segments: 0, dead_bytes: 0 };
        place.for_each_segment(&mut |directory, name| {
            listing.segments += 1;
            if let Some(dead) = find_dead(directory, name, now_s) {
                listing.dead_bytes += dead.bytes;
                listing.add(dead);
            }
            listing.segments < PROBES_MAX
        });
        listing.dead().sort_unstable_by_key(|dead| dead.modified_ns);
        Some(listing)
    }

    fn dead(&mut self) -> &mut [Dead] {
        let first = self.memory.as_ptr().cast::<Dead>();
        // SAFETY: mapped for DEAD_MAX entries; the first `count` were written; borrowed
        // exclusively.
        unsafe { slice::from_raw_parts_mut(first, self.count) }
    }

    /// Adds a dead segment to the list; if the list is full, in place of the newest one if that is
    /// newer.
    fn add(&mut self, dead: Dead) {
        if self.count < DEAD_MAX {
            let end = self.memory.as_ptr().cast::<Dead>().wrapping_add(self.count);
            // SAFETY: mapped for DEAD_MAX entries, and fewer have been written.
            unsafe { end.write(dead) };
            self.count += 1;
        } else if let Some(newest) = self.dead().iter_mut().max_by_key(|dead| dead.modified_ns)
            && dead.modified_ns < newest.modified_ns
        {
            *newest = dead;
        }
    }
}

/// Returns the segment `name` if its writer is dead.
#[inline(never)]
fn find_dead(directory: &File, name: &CStr, now_s: i64) -> Option<Dead> {
    let file = directory.open_to_read_in(name).ok()?;
    let status = file.status().ok()?;
    let mut ready = [0; size_of::<u64>()];
    let at = core::mem::offset_of!(SegmentHeader, ready);
    let is_ready =
        file.read_at(&mut ready, at) == ready.len() && u64::from_ne_bytes(ready) == READY;
    // A segment is locked before it is ready, so one that is not ready may be in the making.
    let is_settled = is_ready || is_older(status.modified_ns, now_s, FRESH_FOR_S);
    // The lock is free only if the writer is dead.
    if !is_settled || !file.try_lock() {
        return None;
    }
    let (modified_ns, bytes) = (status.modified_ns, status.bytes);
    let mut dead = Dead { modified_ns, bytes, name: [0; NAME_MAX] };
    dead.name[..NAME_MAX - 1].get_mut(..name.count_bytes())?.copy_from_slice(name.to_bytes());
    Some(dead)
}

const NS_PER_S: i64 = 1_000_000_000;

/// Whether a file that was changed at `modified_ns` is `age_s` old. A file from the future counts
/// as old: the clock was set back since, and no file may stay until it has caught up. Clocks of one
/// machine differ by less than [`FRESH_FOR_S`].
fn is_older(modified_ns: i64, now_s: i64, age_s: i64) -> bool {
    !(-FRESH_FOR_S..age_s).contains(&(now_s - modified_ns / NS_PER_S))
}

impl Place<'_> {
    /// Removes dead segments that are in the way; returns the number of slots that a new segment
    /// may have.
    #[inline(never)]
    pub(in crate::segment) fn make_room(&self) -> usize {
        let Ok(directory) = File::open_directory(self.c_str()) else { return 0 };
        let Some(mut space) = directory.space() else {
            // The file system is as large as memory, so it is not short of space.
            self.look_now_and_then(0);
            return SLOTS_MAX;
        };
        if space.free >= 2 * share(space.total) {
            self.look_now_and_then(space.total);
            return slots_within(space);
        }
        // Removes more than is needed now, so that the next start does not find too little again.
        let wanted = share(space.total) / 2 * 5;
        for _ in 0..LOOKS_MAX {
            let missing = wanted.saturating_sub(space.free);
            if missing == 0 || self.remove_dead(missing, space.total) == 0 {
                break;
            }
            space = directory.space().unwrap_or(space);
        }
        slots_within(space)
    }

    fn look_now_and_then(&self, total: usize) {
        if process::random().is_multiple_of(CLEANING_SHARE) {
            self.remove_dead(0, total);
        }
    }

    /// Removes dead segments, the oldest first, until `missing_bytes` are free again and no more
    /// segments are too many, too old or too large together. Returns how many were removed.
    #[inline(never)]
    fn remove_dead(&self, missing_bytes: usize, total: usize) -> usize {
        let now_s = (clock::unix_ns() / NS_PER_S as u64) as i64;
        let Some(mut listing) = Listing::new(self, now_s) else { return 0 };
        let Ok(directory) = File::open_directory(self.c_str()) else { return 0 };
        let bytes_max = match total {
            0 => DEAD_BYTES_MAX,
            total => (total / DEAD_PART).min(DEAD_BYTES_MAX),
        };
        let (mut segments, mut dead_bytes) = (listing.segments, listing.dead_bytes);
        let (mut removed, mut freed) = (0, 0);
        for dead in listing.dead() {
            let is_old = |age_s| is_older(dead.modified_ns, now_s, age_s);
            let is_in_the_way = freed < missing_bytes
                || dead_bytes > bytes_max
                || segments > ENTRIES_TOLERATED && is_old(STALE_AFTER_S)
                || segments > ENTRIES_MAX && is_old(FRESH_FOR_S);
            let name = CStr::from_bytes_until_nul(&dead.name).unwrap_or_default();
            if is_in_the_way && directory.remove_in(name) {
                removed += 1;
                freed += dead.bytes;
                segments -= 1;
                dead_bytes -= dead.bytes;
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests;
