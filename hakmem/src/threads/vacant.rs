//! Vacant heaps: the threads of these have ended, and the next threads take them over with the
//! blocks on their lists.
//!
//! A program that starts a thread for each request or task would otherwise flush all lists at the
//! end of each thread and refill them, a few blocks at a time, at the start of the next one. That
//! is half of what such a thread spends in the allocator. (rpmalloc, by M. Jansson, hands on whole
//! heaps too.)
//!
//! At most [`HEAPS_MAX`] heaps are vacant at once, each with a bounded number of bytes. They are
//! closed if no thread wants them for a quarter of a second, if memory runs out, and if the program
//! trims. A child process loses them, like the lists of its parent's other threads.

use core::ptr::NonNull;

use super::PROCESS;
use crate::heap::Heap;

/// Maximum number of vacant heaps. Where more threads end before others begin, their lists are
/// probably not needed soon.
const HEAPS_MAX: usize = 16;

/// The vacant heaps; their places are still taken. The first `count` entries are meaningful, and
/// the last of them became vacant last.
pub(super) struct Vacant {
    heaps: [NonNull<Heap>; HEAPS_MAX],
    count: usize,
}

// SAFETY: the heaps are used under the lock of the process alone.
#[allow(unsafe_code)]
unsafe impl Send for Vacant {}

impl Vacant {
    /// No heaps.
    pub(super) const NONE: Self = Self { heaps: [NonNull::dangling(); HEAPS_MAX], count: 0 };

    /// Adds `heap`, which its thread has vacated; false if there are enough.
    pub(super) fn push(&mut self, heap: &Heap) -> bool {
        let has_room = self.count < HEAPS_MAX;
        if has_room && let Some(heap) = NonNull::new(heap.address()) {
            self.heaps[self.count] = heap;
            self.count += 1;
        }
        has_room
    }

    /// Takes the heap that became vacant last: its lists are in a cache, if any are.
    pub(super) fn pop(&mut self) -> Option<NonNull<Heap>> {
        self.count = self.count.checked_sub(1)?;
        Some(self.heaps[self.count])
    }

    /// Takes the heap that became vacant first.
    fn pop_first(&mut self) -> Option<NonNull<Heap>> {
        self.heaps[..self.count].rotate_left(usize::from(self.count > 0));
        self.pop()
    }

    fn first(&self) -> Option<NonNull<Heap>> {
        (self.count > 0).then_some(self.heaps[0])
    }
}

/// Closes all vacant heaps, unless a thread is just beginning or ending.
pub(super) fn close_all() {
    close_if(|_| true);
}

/// Closes heaps that have been vacant for long at the time `now_ms`.
pub(super) fn close_idle(now_ms: u32) {
    close_if(|heap| heap.is_vacant_for_long(now_ms));
}

fn close_if(is_due: impl Fn(&Heap) -> bool) {
    let Some(mut process) = PROCESS.try_lock() else { return };
    while let Some(heap) = process.vacant.first() {
        // SAFETY: the heap stays mapped, and belongs to the holder of the lock.
        #[allow(unsafe_code)]
        let heap = unsafe { heap.as_ref() };
        if !is_due(heap) {
            return;
        }
        process.vacant.pop_first();
        heap.close();
        process.groups.release(heap);
    }
}

#[cfg(test)]
mod tests;
