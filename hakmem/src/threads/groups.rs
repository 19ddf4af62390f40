//! Groups of heaps and slots, and which of their places are taken.
//!
//! The lowest free place is taken first, so that few slots serve many short-lived threads, and so
//! that the used slots of the file are always the first ones.
//!
//! A thread can end without running our destructor, because its first call came in the last round
//! of destructors or because it ended by a system call; then its heap stays taken. Before a group
//! is made, a few taken heaps are probed for ones that were abandoned like this.
//!
//! # Safety
//! A group's range stays mapped from its creation until a child abandons it.
#![allow(unsafe_code)]

mod ground;

use core::ptr::NonNull;

use hakmem_segment::header::SLOTS_MAX;

use super::truncation;
use crate::heap::{Heap, SLOT_DISTANCE, slot_of};
use crate::segment::{GROUP_SLOTS, SLOT_STEP, Segment};
use ground::Ground;

const GROUPS_MAX: usize = SLOTS_MAX / GROUP_SLOTS;

#[derive(Clone, Copy)]
struct Group {
    base: usize,
    ground: Ground,
    /// One bit for each place that is in use.
    taken: u16,
    /// One bit for each place that has been in use, so that there is memory behind its slot.
    reserved: u16,
    /// Position in the file, counted in groups; `None` if the slots are private memory.
    position: Option<u16>,
}

impl Group {
    const NONE: Self =
        Self { base: 0, ground: Ground::NONE, taken: 0, reserved: 0, position: None };
}

/// All groups of the process.
pub(super) struct Groups {
    groups: [Group; GROUPS_MAX],
    count: usize,
    /// Number of groups that are in the file.
    published: u16,
    slots_used: u32,
    unpublished_now: u32,
    unpublished_total: u64,
    /// The place at which the next probe for an abandoned heap begins.
    next_probe: usize,
}

/// How many heaps are probed each time.
const PROBES_MAX: usize = 64;

impl Groups {
    /// No groups yet.
    pub(super) const NONE: Self = Self {
        groups: [Group::NONE; GROUPS_MAX],
        count: 0,
        published: 0,
        slots_used: 0,
        unpublished_now: 0,
        unpublished_total: 0,
        next_probe: 0,
    };

    /// Number of slots of the file that have ever been taken.
    pub(super) fn slots_used(&self) -> u32 {
        self.slots_used
    }

    /// Number of heaps in use whose slots are not in the file, and how many such heaps there ever
    /// were.
    pub(super) fn unpublished(&self) -> (u32, u64) {
        (self.unpublished_now, self.unpublished_total)
    }

    /// The process's own heap.
    pub(super) fn first(&self) -> Option<NonNull<Heap>> {
        (self.count > 0).then(|| heap_at(self.groups[0].base, 0))?
    }

    /// Takes a free heap, with its slot in the file if possible.
    pub(super) fn claim(&mut self, segment: Option<&Segment>) -> Option<NonNull<Heap>> {
        for want_published in [true, false] {
            let mut is_full = false;
            for at in 0..self.count {
                if self.groups[at].position.is_some() == want_published
                    && self.groups[at].taken != u16::MAX
                {
                    match self.claim_in(at, segment) {
                        Some(found) => return Some(found),
                        // The file system has no space: another group would not help.
                        None => is_full = true,
                    }
                }
            }
            if let Some(found) = self.take_over_abandoned() {
                return Some(found);
            }
            if !is_full
                && self.make_group(segment.filter(|_| want_published), want_published)
                && let Some(found) = self.claim_in(self.count - 1, segment)
            {
                return Some(found);
            }
        }
        None
    }

    /// Takes over a heap whose thread has ended.
    fn take_over_abandoned(&mut self) -> Option<NonNull<Heap>> {
        let places = self.count * GROUP_SLOTS;
        for _ in 0..places.min(PROBES_MAX) {
            let probe = self.next_probe % places;
            self.next_probe = probe + 1;
            let (group, place) = (&self.groups[probe / GROUP_SLOTS], probe % GROUP_SLOTS);
            if group.taken & (1 << place) == 0 {
                continue;
            }
            let heap = heap_at(group.base, place)?;
            let slot = slot_of(heap.as_ptr());
            // SAFETY: the place is taken, so the heap is open, and its owner was recorded under the
            // lock that is held now.
            if unsafe { heap.as_ref() }.owner.get().has_ended() {
                slot.clear_owner();
                // SAFETY: its thread has ended and the place is taken, so nobody else uses the
                // heap.
                unsafe { heap.as_ref() }.close();
                return Some(heap);
            }
        }
        None
    }

    /// Takes the first free place of a group.
    fn claim_in(&mut self, at: usize, segment: Option<&Segment>) -> Option<NonNull<Heap>> {
        let group = &mut self.groups[at];
        let place = group.taken.trailing_ones() as usize;
        let heap = heap_at(group.base, place)?;
        let bit = 1_u16 << place;
        if !group.ground.reach(place) {
            return None;
        }
        let index = match group.position {
            Some(position) => usize::from(position) * GROUP_SLOTS + place,
            None => 0,
        };
        if group.position.is_some() && group.reserved & bit == 0 {
            let slot = NonNull::new(heap.as_ptr().cast::<u8>().wrapping_add(SLOT_DISTANCE))?;
            if !segment?.reserve_slot(slot, index) {
                return None;
            }
        }
        if let Some(position) = group.position {
            truncation::note_place(position.into(), place);
        }
        group.taken |= bit;
        group.reserved |= bit;
        if group.position.is_some() {
            self.slots_used = self.slots_used.max(index as u32 + 1);
        } else {
            self.unpublished_now += 1;
            self.unpublished_total += 1;
        }
        Some(heap)
    }

    /// Maps one more group, in the file or in private memory.
    fn make_group(&mut self, segment: Option<&Segment>, in_file: bool) -> bool {
        if self.count == GROUPS_MAX {
            return false;
        }
        let segment = match (segment, in_file) {
            (Some(segment), true) if segment.is_published() => Some(segment),
            (_, true) => return false,
            (_, false) => None,
        };
        let Some(mut ground) = Ground::find(segment.is_none()) else { return false };
        let position = segment.map(|_| self.published);
        if let Some(segment) = segment {
            let slots = ground.file_slots().filter(|&slots| {
                // SAFETY: the space belongs to the group, and nothing is in it.
                unsafe { segment.map_group(slots, self.published.into()) }
            });
            let Some(slots) = slots else {
                // SAFETY: nothing points into the group.
                unsafe { ground.unmap() };
                return false;
            };
            truncation::note_group(self.published.into(), slots);
        }
        self.groups[self.count] =
            Group { base: ground.base(), ground, taken: 0, reserved: 0, position };
        self.published += u16::from(position.is_some());
        self.count += 1;
        true
    }

    /// Gives back the place of `heap`. In the first groups, the pages of its lists stay for the
    /// next thread; in later groups, which only many threads at a time need, they are purged.
    pub(super) fn release(&mut self, heap: &Heap) {
        /// How many groups keep such pages: those of 64 threads.
        const GROUPS_KEPT: usize = 4;
        if let Some((index, place)) = self.find(heap) {
            self.groups[index].taken &= !(1 << place);
            if index >= GROUPS_KEPT {
                heap.shrink_all_magazines();
            }
        }
    }

    /// Counts one thread less: that of `heap`, which has ended.
    pub(super) fn note_end(&mut self, heap: &Heap) {
        if let Some((index, _)) = self.find(heap) {
            self.unpublished_now -= u32::from(self.groups[index].position.is_none());
        }
    }

    /// Counts one thread more: that of `heap`, which was vacant.
    pub(super) fn note_begin(&mut self, heap: &Heap) {
        if let Some((index, _)) = self.find(heap)
            && self.groups[index].position.is_none()
        {
            self.unpublished_now += 1;
            self.unpublished_total += 1;
        }
    }

    /// Index of a heap's group, and the heap's place in it.
    fn find(&self, heap: &Heap) -> Option<(usize, usize)> {
        let address = core::ptr::from_ref(heap) as usize;
        self.groups[..self.count].iter().enumerate().find_map(|(index, group)| {
            let offset = address.wrapping_sub(group.base);
            (offset < SLOT_DISTANCE).then_some((index, offset / SLOT_STEP))
        })
    }

    /// Purges the pages of lists in free places.
    pub(super) fn trim_free(&mut self) {
        for group in &self.groups[..self.count] {
            for place in 0..GROUP_SLOTS {
                if (group.reserved & !group.taken) & (1 << place) != 0
                    && let Some(heap) = heap_at(group.base, place)
                {
                    // SAFETY: the place is free and the process's lock is held, so nobody else uses
                    // the heap; its lists are empty.
                    unsafe { heap.as_ref() }.shrink_all_magazines();
                }
            }
        }
    }

    /// Calls `visit` with every heap that was ever taken.
    pub(super) fn for_each_heap(&self, visit: &mut dyn FnMut(*mut Heap)) {
        for group in &self.groups[..self.count] {
            for place in 0..GROUP_SLOTS {
                if group.reserved & (1 << place) != 0
                    && let Some(heap) = heap_at(group.base, place)
                {
                    visit(heap.as_ptr());
                }
            }
        }
    }

    /// Forgets all groups in a new child process, since they are its parent's. Unmaps all but the
    /// one that holds `kept`, a heap that is still needed, and returns that one.
    ///
    /// # Safety
    /// Nothing uses the other groups any more.
    pub(super) unsafe fn abandon_all(&mut self, kept: *mut Heap) -> Option<Abandoned> {
        let mut holds_kept = None;
        for group in &self.groups[..self.count] {
            if (kept as usize).wrapping_sub(group.base) < SLOT_DISTANCE {
                holds_kept = Some(Abandoned(group.ground));
            } else {
                // SAFETY: the caller's duty.
                unsafe { group.ground.unmap() };
            }
        }
        truncation::forget_groups();
        self.count = 0;
        self.published = 0;
        self.slots_used = 0;
        self.unpublished_now = 0;
        self.unpublished_total = 0;
        holds_kept
    }
}

/// A group of the parent process that is still mapped in the child.
pub(super) struct Abandoned(Ground);

impl Abandoned {
    /// Unmaps the group.
    ///
    /// # Safety
    /// Nothing uses the group any more.
    pub(super) unsafe fn unmap(self) {
        // SAFETY: the caller's duty.
        unsafe { self.0.unmap() };
    }
}

fn heap_at(base: usize, place: usize) -> Option<NonNull<Heap>> {
    NonNull::new((base + place * SLOT_STEP) as *mut Heap)
}
