//! The lists of a thread that has ended, kept for the next thread.
//!
//! # Safety
//! The rules of `heap` apply; a vacant heap belongs to the thread that holds the lock of
//! [`threads`](crate::threads).

use super::Heap;
use crate::bins;
use crate::os::clock;
use crate::os::thread_id::Life;

/// Maximum bytes of blocks on the lists of a vacant heap; a thread that has more gives all of them
/// to the central store when it ends.
const BYTES_MAX: usize = 1 << 20;
/// Lists stay vacant for at least this time, as long as idle lists stay with a thread.
const IDLE_MS: u32 = 250;

impl Heap {
    /// Makes the heap of a thread that ends a vacant one, with its lists as they are. False, and
    /// nothing has changed, if they should rather go to the central store: they are long, a list is
    /// linked through its blocks (`e3`), or a block is on a list twice, which the flush reports.
    pub(crate) fn vacate(&self) -> bool {
        self.abandon_if_changing();
        let stays = self.has_lists.get()
            && !self.is_original()
            && self.listed_bytes() <= BYTES_MAX
            && self.repeated().next().is_none();
        if stays {
            self.owner.set(Life::NONE);
            self.tick();
        }
        stays
    }

    /// Gives the vacant heap to the calling thread.
    pub(crate) fn occupy(&self) {
        self.owner.set(Life::of_this_thread());
        self.exit_rounds.set(0);
        self.tick();
        self.notebook.open();
    }

    /// Whether the heap has been vacant for so long, at the time `now_ms`, that no thread seems to
    /// want it.
    pub(crate) fn is_vacant_for_long(&self, now_ms: u32) -> bool {
        clock::have_passed(self.now_ms.get(), now_ms, IDLE_MS)
    }

    /// Bytes of the blocks on all lists and spares.
    pub(super) fn listed_bytes(&self) -> usize {
        let bytes = |bin| {
            let blocks = self.whole_depth(bin) + self.spares[bin].get().count();
            blocks as usize * bins::stride(bin)
        };
        bins::in_use().map(bytes).sum()
    }
}
