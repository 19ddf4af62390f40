//! Maps the segment's file.
//!
//! No file is opened after start, because a thread may begin in a sandbox that kills the process
//! for it. The file gets its whole length at the start, sparse, and the page behind the slots that
//! are mapped so far, the *seed*, stays mapped. To map another group, the seed grows by the group,
//! the grown part moves to the place of the group's slots, and the page behind it becomes the next
//! seed:
//!
//! ```text
//! seed                     one page
//! seed grows               group's slots | page behind them
//! group moves away                         seed
//! ```
//!
//! # The lock
//! A lock of `flock` belongs to an open file, which lives as long as any mapping made from it. So
//! the file is opened twice. The first open file holds the lock, and one inaccessible page is
//! mapped from it, which child processes do not inherit: the lock ends with the process, whatever
//! its children do. Header and slots are mapped from the second open file, which has no lock.
//!
//! # Orderings
//! Relaxed: the seed is used under the lock of the process's groups.
//!
//! # Safety
//! Seed and header stay mapped from [`map`] on until [`Mapping::forget`].
#![allow(unsafe_code)]

use core::ptr::NonNull;

use hakmem_segment::SegmentHeader;
use hakmem_segment::header::HEADER_BYTES;
use hakmem_segment::slot::SLOT_BYTES;

use super::{GROUP_SLOTS, HEADER_STEP, SLOT_STEP};
use crate::os::file::File;
use crate::os::memory::{self, PAGE, Populated};
use crate::os::syscall::Errno;
use crate::sync::{AtomicPtr, Ordering};

/// Bytes of one group's slots.
const GROUP_BYTES: usize = GROUP_SLOTS * SLOT_STEP;
/// Number of slots for which space is reserved at the start if the kernel cannot reserve it later.
const RESERVED_EARLY: usize = 16;

/// A mapped file.
pub(super) struct Mapping {
    /// The page of the file behind the mapped slots.
    seed: AtomicPtr<u8>,
    /// Number of slots for which the file's length has room.
    slots: usize,
    /// Number of slots that have had space behind them since the start.
    reserved: usize,
}

/// Maps the header; `locked` and `open` are the same file, opened twice.
pub(super) fn map(
    locked: &File,
    open: &File,
    slots: usize,
) -> Result<(NonNull<SegmentHeader>, Mapping), Errno> {
    if locked.status()? != open.status()? {
        return Err(Errno(libc::ESTALE));
    }
    const BYTES: usize = PAGE + HEADER_STEP + PAGE;
    let lock = memory::reserve(BYTES, PAGE).ok_or(Errno(libc::ENOMEM))?;
    // SAFETY: inside the reservation.
    let header = unsafe { lock.add(PAGE) };
    // SAFETY: inside the reservation.
    let seed = unsafe { header.add(HEADER_STEP) };
    // SAFETY: just reserved; the descriptor is open.
    let held = unsafe { memory::hold_file_over(lock, locked.descriptor()) }
        && memory::keep_from_children(lock, PAGE);
    // SAFETY: just reserved; the descriptor is open.
    let mapped = unsafe { memory::map_file_over(header, HEADER_STEP + PAGE, open.descriptor(), 0) };
    if !held || !mapped {
        // A refusal is counted. SAFETY: reserved here, and nothing points into it.
        let _ = unsafe { memory::unmap(lock, BYTES) };
        return Err(Errno(libc::ENOMEM));
    }
    let mut reserved = 1;
    if memory::populate(header, HEADER_BYTES) == Populated::Unsupported {
        let bytes = |slots| HEADER_STEP + slots * SLOT_STEP;
        let more = RESERVED_EARLY.min(slots);
        if open.reserve(0, bytes(more)) {
            reserved = more;
        }
    }
    Ok((header.cast(), Mapping { seed: AtomicPtr::new(seed.as_ptr()), slots, reserved }))
}

impl Mapping {
    /// Maps the slots of the next group over reserved space; false if the file has no room for
    /// them.
    ///
    /// # Safety
    /// The caller owns the space and nothing is in it.
    pub(super) unsafe fn map_group(&self, base: NonNull<u8>, group: usize) -> bool {
        let Some(seed) = NonNull::new(self.seed.load(Ordering::Relaxed)) else { return false };
        if group * GROUP_SLOTS >= self.slots {
            return false;
        }
        // SAFETY: the seed is this mapping's, and nothing else points to it.
        let Some(grown) = (unsafe { memory::remap(seed, PAGE, GROUP_BYTES + PAGE) }) else {
            return false;
        };
        // SAFETY: the caller's duty for the space; the grown part is this mapping's.
        let moved = unsafe { memory::move_over(grown, GROUP_BYTES, base) };
        let seed = if moved {
            grown.as_ptr().wrapping_add(GROUP_BYTES)
        } else {
            // A mapping that shrinks does not move on Linux, but it does under qemu-user.
            // SAFETY: the grown part is this mapping's, and nothing points into it.
            let shrunk = unsafe { memory::remap(grown, GROUP_BYTES + PAGE, PAGE) };
            shrunk.unwrap_or(grown).as_ptr()
        };
        self.seed.store(seed, Ordering::Relaxed);
        moved
    }

    /// Makes sure that a slot of a mapped group has memory behind it.
    pub(super) fn reserve_slot(&self, slot: NonNull<u8>, index: usize) -> bool {
        index < self.slots
            && match memory::populate(slot, SLOT_BYTES) {
                Populated::Yes => true,
                Populated::NoSpace => false,
                Populated::Unsupported => index < self.reserved,
            }
    }

    /// Unmaps the seed. The lock's page does not exist in a child.
    ///
    /// # Safety
    /// Called in a new child process; nobody uses the mapping any more.
    pub(super) unsafe fn forget(self) {
        if let Some(seed) = NonNull::new(self.seed.into_inner()) {
            // SAFETY: the caller's duty.
            let _ = unsafe { memory::unmap(seed, PAGE) };
        }
    }
}

#[cfg(test)]
mod tests;
