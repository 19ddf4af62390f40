//! The memory of a group: heaps, slots and layers of large magazines, side by side.
//!
//! Each of these stripes has a part for each place of the group, at the distance of slot from slot.
//! A process with one thread uses two places of sixteen, so the stripes are planned and mapped from
//! their starts as places are taken, twice as many each time. Only slots of the file are mapped all
//! at once.
//!
//! Addresses of nobody lie before and behind each group (see `region`): what overflows from a span
//! of the program does not reach the heaps.
//!
//! # Safety
//! What is mapped belongs to the group until [`Ground::unmap`].

use core::ops::Range;
use core::ptr::NonNull;

use crate::heap::SLOT_DISTANCE;
use crate::heap::magazine::LAYERS;
use crate::os::memory::{self, Access, PAGE, Refusal};
use crate::region::{Backing, Plan};
use crate::segment::{GROUP_SLOTS, SLOT_STEP};

/// Heaps, slots, and the layers of large magazines.
const STRIPES: usize = 2 + LAYERS;
/// The stripe of the heaps, which are wiped in a child process, and that of the slots.
const HEAPS: usize = 0;
const SLOTS: usize = 1;
/// With an inaccessible page behind them, which matters where they are reserved.
const GROUND_BYTES: usize = STRIPES * SLOT_DISTANCE + PAGE;
/// Places with memory at first: of the process's own heap, and of its first thread.
const PLACES_FIRST: usize = 2;

/// Where a group's memory is.
#[derive(Clone, Copy)]
pub(super) struct Ground {
    plan: Plan,
    /// Places for which there is memory.
    places: usize,
    slots_are_private: bool,
    /// Whether the space of slots of the file is this group's.
    has_file_slots: bool,
}

impl Ground {
    /// No memory.
    pub(super) const NONE: Self = Self::of(Plan::NOTHING, true);

    const fn of(plan: Plan, slots_are_private: bool) -> Self {
        Self { plan, places: 0, slots_are_private, has_file_slots: false }
    }

    /// Memory for a group's first places; `None` if there is none.
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

    /// Makes sure that there is memory for a place; false if the system refuses.
    pub(super) fn reach(&mut self, place: usize) -> bool {
        place < self.places
            || self.extend((place + 1).next_power_of_two().min(GROUP_SLOTS)).is_ok()
            || self.extend(place + 1).is_ok()
    }

    /// The space of all slots, which nobody else has, for slots of the file to be mapped over.
    pub(super) fn file_slots(&mut self) -> Option<NonNull<u8>> {
        let start = self.plan.start + SLOTS * SLOT_DISTANCE;
        self.plan.make_usable(start, SLOT_DISTANCE, Access::Read).ok()?;
        self.has_file_slots = true;
        NonNull::new(start as *mut u8)
    }

    /// Maps what is missing of the first `places` of each stripe, or nothing.
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
            // What is reserved stays so.
            Err(_) => {}
        }
        mapped
    }

    fn grown(&mut self, places: usize) {
        self.places = places;
        // Before, no stripe is large enough for a huge page.
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

    /// A child that found these heaps as they were would go on writing into the parent's slots, so
    /// heaps that are not wiped must have private slots. False if they have not.
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
            // A refusal is counted; what stays mapped costs address space only.
            // SAFETY: mapped for this group, and by the callers' duty nothing uses it.
            let _ = unsafe { memory::unmap(start, bytes) };
        }
    }

    /// Unmaps it all.
    ///
    /// # Safety
    /// Nothing uses it any more.
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
