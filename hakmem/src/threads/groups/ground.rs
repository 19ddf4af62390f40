//! The memory of a group: heaps, slots and layers of large magazines, side by side.
//!
//! Each of these stripes has a part for each place of the group, as far from the next part as slots
//! are from each other. A process with one thread uses two of sixteen places, so the stripes are
//! planned, and mapped from their starts as places are taken, doubling each time. Only slots of the
//! file are mapped all at once.
//!
//! Nobody has mapped the addresses right before and behind each group (see `region`), so an
//! overflow from a span of the program does not reach the heaps.
//!
//! # Safety
//! Mapped memory belongs to the group until [`Ground::unmap`].

use core::ops::Range;
use core::ptr::NonNull;

use crate::heap::SLOT_DISTANCE;
use crate::heap::magazine::LAYERS;
use crate::os::memory::{self, Access, PAGE, Refusal};
use crate::region::{Backing, Plan};
use crate::segment::{GROUP_SLOTS, SLOT_STEP};

/// The stripes are heaps, slots, and the layers of large magazines.
const STRIPES: usize = 2 + LAYERS;
/// Numbers of the stripe of heaps, which are wiped in a child process, and of that of slots.
const HEAPS: usize = 0;
const SLOTS: usize = 1;
/// This includes an inaccessible page at the end, which matters where the range is reserved.
const GROUND_BYTES: usize = STRIPES * SLOT_DISTANCE + PAGE;
/// Places that have memory from the start: those of the process's own heap and of its first thread.
const PLACES_FIRST: usize = 2;

/// The place and state of a group's memory.
#[derive(Clone, Copy)]
pub(super) struct Ground {
    plan: Plan,
    /// Number of places that have memory.
    places: usize,
    slots_are_private: bool,
    /// Whether the space for slots of the file belongs to this group.
    has_file_slots: bool,
}

impl Ground {
    /// No memory.
    pub(super) const NONE: Self = Self::of(Plan::NOTHING, true);

    const fn of(plan: Plan, slots_are_private: bool) -> Self {
        Self { plan, places: 0, slots_are_private, has_file_slots: false }
    }

    /// Maps memory for a group's first places; `None` if there is none.
    pub(super) fn find(slots_are_private: bool) -> Option<Self> {
        Plan::find(GROUND_BYTES, GROUND_BYTES, |plan| {
            let mut ground = Self::of(plan, slots_are_private);
            ground.extend(PLACES_FIRST).map(|()| ground)
        })
    }

    /// Address of the first heap.
    pub(super) fn base(&self) -> usize {
        self.plan.start
    }

    /// Makes sure that `place` has memory; false if the system refuses.
    pub(super) fn reach(&mut self, place: usize) -> bool {
        place < self.places
            || self.extend((place + 1).next_power_of_two().min(GROUP_SLOTS)).is_ok()
            || self.extend(place + 1).is_ok()
    }

    /// Takes the space of all slots, which nobody else has, for slots of the file to be mapped
    /// over.
    pub(super) fn file_slots(&mut self) -> Option<NonNull<u8>> {
        let start = self.plan.start + SLOTS * SLOT_DISTANCE;
        self.plan.make_usable(start, SLOT_DISTANCE, Access::Read).ok()?;
        self.has_file_slots = true;
        NonNull::new(start as *mut u8)
    }

    /// Maps the missing parts of the first `places` of each stripe, or nothing.
    fn extend(&mut self, places: usize) -> Result<(), Refusal> {
        let mut mapped = Ok(());
        let mut stripes = 0;
        while stripes < STRIPES && mapped.is_ok() {
            if self.is_private(stripes) {
                mapped = self.map(stripes, self.places..places);
            }
            stripes += usize::from(mapped.is_ok());
        }
        if mapped.is_ok() && !self.wipe_on_fork(self.places..places) {
            mapped = Err(Refusal::NoMemory);
        }
        match mapped {
            Ok(()) => self.grown(places),
            Err(_) if self.plan.backing == Backing::Plan => {
                for stripe in (0..stripes).filter(|&stripe| self.is_private(stripe)) {
                    self.unmap_part(stripe, self.places..places);
                }
            }
            // A reserved range stays as it is.
            Err(_) => {}
        }
        mapped
    }

    fn grown(&mut self, places: usize) {
        self.places = places;
        // Smaller stripes have no room for a huge page.
        let layers = self.plan.start + 2 * SLOT_DISTANCE;
        if places == GROUP_SLOTS
            && let Some(layers) = NonNull::new(layers as *mut u8)
        {
            memory::refuse_huge_pages(layers, LAYERS * SLOT_DISTANCE);
        }
    }

    fn is_private(&self, stripe: usize) -> bool {
        stripe != SLOTS || self.slots_are_private
    }

    fn part(&self, stripe: usize, places: &Range<usize>) -> (usize, usize) {
        let start = self.plan.start + stripe * SLOT_DISTANCE + places.start * SLOT_STEP;
        (start, (places.end - places.start) * SLOT_STEP)
    }

    fn map(&self, stripe: usize, places: Range<usize>) -> Result<(), Refusal> {
        let (start, bytes) = self.part(stripe, &places);
        self.plan.make_usable(start, bytes, Access::ReadWrite)
    }

    /// Has the kernel wipe heaps in children. A child that found these heaps intact would go on
    /// writing into the parent's slots, so heaps that are not wiped must have private slots:
    /// returns false if they have not.
    fn wipe_on_fork(&self, places: Range<usize>) -> bool {
        let (start, bytes) = self.part(HEAPS, &places);
        NonNull::new(start as *mut u8).is_some_and(|start| memory::wipe_on_fork(start, bytes))
            || self.slots_are_private
    }

    fn unmap_part(&self, stripe: usize, places: Range<usize>) {
        let (start, bytes) = self.part(stripe, &places);
        if let Some(start) = NonNull::new(start as *mut u8)
            && bytes > 0
        {
            // A refusal is counted; a mapping that stays costs address space only.
            // SAFETY: mapped for this group; nothing uses it, which the callers guarantee.
            let _ = unsafe { memory::unmap(start, bytes) };
        }
    }

    /// Unmaps the whole group.
    ///
    /// # Safety
    /// Nothing uses the group any more.
    pub(super) unsafe fn unmap(self) {
        if self.plan.backing == Backing::Reserved {
            return self.plan.give_up();
        }
        for stripe in 0..STRIPES {
            if self.is_private(stripe) {
                self.unmap_part(stripe, 0..self.places);
            } else if self.has_file_slots {
                self.unmap_part(stripe, 0..GROUP_SLOTS);
            }
        }
    }
}

#[cfg(test)]
mod tests;
